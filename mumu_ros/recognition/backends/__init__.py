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

"""Inference back ends: PyTorch, torch.compile, OpenVINO, ONNX Runtime and CUDA graphs."""

from mumu_ros.recognition.backends.choice import (
    BACKENDS,
    choose_backend,
    export_backend,
    is_exported,
    open_backend,
    takes_long,
)
from mumu_ros.recognition.backends.eager import Eager
from mumu_ros.recognition.backends.interface import Backend, BackendError, Outputs
from mumu_ros.telemetry import disable_telemetry

__all__ = [
    "BACKENDS",
    "Backend",
    "BackendError",
    "Eager",
    "Outputs",
    "choose_backend",
    "export_backend",
    "is_exported",
    "open_backend",
    "takes_long",
]

disable_telemetry()  # the modules of this package that import what sends it are imported later
