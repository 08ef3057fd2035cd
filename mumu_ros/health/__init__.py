"""Sensors that lie: which modality of a window does not look as it does when all is well, and since when."""

from mumu_ros.health.model import Description, HealthError, HealthModel, layout, load_health, save_health
from mumu_ros.health.monitor import Describer, HealthMonitor, ModalityHealth, blame, fault_age_s

__all__ = [
    "Describer",
    "Description",
    "HealthError",
    "HealthModel",
    "HealthMonitor",
    "ModalityHealth",
    "blame",
    "fault_age_s",
    "layout",
    "load_health",
    "save_health",
]
