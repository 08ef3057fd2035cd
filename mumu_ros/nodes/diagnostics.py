"""diagnostic_msgs in one line."""

from __future__ import annotations

from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from mumu_ros.conversions import shorten

__all__ = ["ERROR", "OK", "STALE", "WARN", "status", "why_silent"]

OK = DiagnosticStatus.OK
WARN = DiagnosticStatus.WARN
ERROR = DiagnosticStatus.ERROR
STALE = DiagnosticStatus.STALE


def status(level: bytes, name: str, message: str, hardware_id: str = "", **values: Any) -> DiagnosticStatus:
    """A status; texts are cut to a readable length, numbers among `values` have four significant digits."""
    pairs = [
        KeyValue(key=key, value=f"{value:.4g}" if isinstance(value, float) else shorten(str(value)))
        for key, value in values.items()
    ]
    return DiagnosticStatus(level=level, name=name, message=shorten(message), hardware_id=hardware_id, values=pairs)


def why_silent(publishers: int) -> str:
    """What to look at when a topic with so many publishers is silent."""
    if publishers == 0:
        return "nothing publishes it: check the topic name and the driver"
    return f"{publishers} publish it: check the reliability (QoS) and, for images, the DDS profile config/fastdds.xml"
