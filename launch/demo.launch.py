"""hri.launch.py with a simulated person for a minute, whose wrist IMU and colour camera are unplugged for a while."""

from mumu_ros.nodes.launch_actions import description
from mumu_ros.nodes.launching import DEMO, plan_demo


def generate_launch_description():
    return description(DEMO, plan_demo)
