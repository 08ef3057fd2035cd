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

"""Telemetry of other libraries, off: ONNX Runtime from 1.29 on, OpenVINO's conversion, and NNCF.

By default they send facts about the computer and the models to the companies that publish them.
"""

from __future__ import annotations

import os
import sys

__all__ = ["disable_telemetry"]


def disable_telemetry() -> None:
    """To be called before `onnxruntime`, `openvino` or `nncf` is imported.

    ONNX Runtime reads `ORT_DISABLE_TELEMETRY` when it is loaded; set it to 0 to have its telemetry. The others send
    nothing where `openvino_telemetry` cannot be imported.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # as if it were not installed
