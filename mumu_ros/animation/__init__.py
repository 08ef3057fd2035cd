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

"""Procedural animation of people who perform activities, with random body sizes and styles: skeletons to train on.

Recorded datasets show few people, who do each activity in much the same way. Here, an activity is a short script of
keyframes of hands, trunk, pelvis and feet, in which place, size, speed and number of repetitions are random. No
recorded motion is used. `mumu_ros.datasets.animated` makes clips of it.
"""

from mumu_ros.animation.keyframes import RATE_HZ
from mumu_ros.animation.performer import LAYOUT, Performer
from mumu_ros.animation.scripts import ACTIVITIES, animate

__all__ = ["ACTIVITIES", "LAYOUT", "RATE_HZ", "Performer", "animate"]
