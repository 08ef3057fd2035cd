"""Fault detection: which modalities of a window deviate from their healthy statistics, and since when."""

from mumu_ros.health.model import Description, HealthError, HealthModel, layout, load_health, save_health
from mumu_ros.health.monitor import Describer, HealthMonitor, ModalityHealth, fault_age_s, flag

__all__ = [
    "Describer",
    "Description",
    "HealthError",
    "HealthModel",
    "HealthMonitor",
    "ModalityHealth",
    "flag",
    "fault_age_s",
    "layout",
    "load_health",
    "save_health",
]
