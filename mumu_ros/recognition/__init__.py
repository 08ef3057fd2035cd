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

"""The Python interface (docs/python.md): samples and people in, one decision for each person out.

Names are loaded when they are asked for: importing this package does not import torch.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mumu_ros.recognition.decision import Decision, NoDecision
    from mumu_ros.recognition.recognizer import Recognizer, RecognizerSettings
    from mumu_ros.recognition.session import Session

    __version__: str

__all__ = ["Decision", "NoDecision", "Recognizer", "RecognizerSettings", "Session", "__version__"]

_MODULE_OF = {
    "Decision": "decision",
    "NoDecision": "decision",
    "Recognizer": "recognizer",
    "RecognizerSettings": "recognizer",
    "Session": "session",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.metadata.version("mumu_ros")
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
