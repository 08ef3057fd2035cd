"""Simulated sensor faults: their effect on a stream, their time, and their notation.

Training, `mumu evaluate` and the simulator use it. Needs numpy and OpenCV only.
"""

from mumu_ros.failures.faults import NOTATION, Fault, FaultInjector, find_streams, parse_fault
from mumu_ros.failures.injector import Injector
from mumu_ros.failures.kinds import KINDS, SENSORS, Failure, Kind, kinds_for
from mumu_ros.failures.spread import Spread

__all__ = [
    "KINDS",
    "NOTATION",
    "SENSORS",
    "Failure",
    "Fault",
    "FaultInjector",
    "Injector",
    "Kind",
    "Spread",
    "find_streams",
    "kinds_for",
    "parse_fault",
]
