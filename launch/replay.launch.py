"""A bag, the nodes that recognise what it shows, and a report in the end: hri.launch.py on recorded time."""

from mumu_ros.nodes.launch_actions import description
from mumu_ros.nodes.launching import REPLAY, plan_replay


def generate_launch_description():
    return description(REPLAY, plan_replay)
