"""A synthetic person seen by synthetic sensors.

`Simulator` gives the samples of a colour camera, a depth camera and two inertial sensors while a person
performs activities; faults of `mumu_ros.failures` unplug or spoil them. Needs numpy and OpenCV only.
"""

from mumu_ros.simulation.performance import Segment
from mumu_ros.simulation.sensors import SENSORS, STREAMS, StreamInfo, parse_fault
from mumu_ros.simulation.simulator import Sample, Simulator
from mumu_ros.simulation.taxonomy import ACTIVITIES, EXTRA_GROUPS, GROUP_OF, GROUPS

__all__ = [
    "ACTIVITIES",
    "EXTRA_GROUPS",
    "GROUPS",
    "GROUP_OF",
    "SENSORS",
    "STREAMS",
    "Sample",
    "Segment",
    "Simulator",
    "StreamInfo",
    "parse_fault",
]
