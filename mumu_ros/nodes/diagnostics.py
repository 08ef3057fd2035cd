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

    Texts are cut to a readable length, numbers among `values` have four significant digits.
    """
    code, text = problem
    pairs = [
        KeyValue(key=key, value=f"{value:.4g}" if isinstance(value, float) else shorten(str(value)))
        for key, value in {"code": code, **values}.items()
    ]
    level = bytes([code.level])
    return DiagnosticStatus(level=level, name=name, message=shorten(text), hardware_id=hardware_id, values=pairs)
