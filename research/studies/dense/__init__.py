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

"""Dense perception from imbalanced labels: what is where, and how far away it is, from one colour picture.

After the experiment with NYUv2 in Erkent, *Multi-Task Learning for Robot Perception with Imbalanced Data* (2025, doi
10.54370/ordubtd.1526381, tables 3 and 4): a teacher sees the plentiful label as an additional input, predicts the
missing one, and a student, which sees colour only, learns from both.
"""

from studies.dense.study import section

__all__ = ["section"]
