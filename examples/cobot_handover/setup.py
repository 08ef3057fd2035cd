"""Installs the example; colcon uses it."""

from setuptools import setup

setup(
    name="cobot_handover",
    version="0.1.0",
    packages=["cobot_handover"],
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/cobot_handover"]),
        ("share/cobot_handover", ["package.xml"]),
    ],
    entry_points={"console_scripts": ["cobot_handover = cobot_handover.node:main"]},
)
