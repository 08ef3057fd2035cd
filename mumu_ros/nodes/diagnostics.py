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

"""diagnostic_msgs in one line."""

from __future__ import annotations

from typing import Any, TypeAlias

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from mumu_ros.fault_codes import FaultCode
from mumu_ros.text import shorten

__all__ = ["Problem", "status"]

Problem: TypeAlias = tuple[FaultCode, str]
"""What is wrong, as a word and as a sentence with the remedy."""


def status(name: str, problem: Problem, hardware_id: str, **values: Any) -> DiagnosticStatus:
    """A status of the level of the problem's code, with the code as its first value.

    Texts are cut to a readable length. Numbers with a fraction have three decimals, below 1 four significant digits.
    """
    code, text = problem
    pairs = [
        KeyValue(key=key, value=_decimal(value) if isinstance(value, float) else shorten(str(value)))
        for key, value in {"code": code, **values}.items()
    ]
    level = bytes([code.level])
    return DiagnosticStatus(level=level, name=name, message=shorten(text), hardware_id=hardware_id, values=pairs)


def _decimal(value: float) -> str:
    """To the millisecond however large it is: an offset of years is to be typed in."""
    return f"{value:.3f}" if abs(value) >= 1 else f"{value:.4g}"
