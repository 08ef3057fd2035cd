# Copyright 2026 mumu_ros contributors
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

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
