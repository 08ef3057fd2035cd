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

"""The windows of a model's inputs."""

from __future__ import annotations

from mumu_ros.model.config import ModelConfig
from mumu_ros.streams import StreamSpec, WindowAssembler

__all__ = ["window_assembler"]


def window_assembler(config: ModelConfig) -> WindowAssembler:
    """An empty assembler for a model's modalities: the same live, in evaluation and in training."""
    specs = [
        StreamSpec(m.name, "frames" if m.is_image else "vector", m.rate_hz, m.shape, m.max_gap_s, bool(m.layout))
        for m in config.modalities
    ]
    return WindowAssembler(specs, config.window_s)
