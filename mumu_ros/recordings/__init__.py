"""Rosbag2 recordings in and out without ROS: read, write, simulate, convert."""

from mumu_ros.recordings.errors import RecordingError
from mumu_ros.recordings.reader import Recording, Topic
from mumu_ros.recordings.writer import RecordingWriter

__all__ = ["Recording", "RecordingError", "RecordingWriter", "Topic"]
