"""Rosbag2 recordings in and out without ROS: read, write, simulate, convert."""
