"""A camera and other sensors in, ActivityRecognition out; on request with an overlay, or simulated people."""

from mumu_ros.nodes.launch_actions import description
from mumu_ros.nodes.launching import HRI, plan_hri


def generate_launch_description():
    return description(HRI, plan_hri)
