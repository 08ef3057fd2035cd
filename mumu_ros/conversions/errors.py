"""The error that every conversion raises."""

from __future__ import annotations

from mumu_ros.fault_codes import FaultCode
from mumu_ros.text import shorten

__all__ = ["ConversionError"]


class ConversionError(ValueError):
    """A message has invalid contents; the text contains the value and the remedy.

    It does not contain the topic: the subscriber adds it. The text quotes the message, so it is cut (`shorten`).

    Attributes:
        code: The fault code.
    """

    def __init__(self, text: str, code: FaultCode = FaultCode.UNREADABLE) -> None:
        super().__init__(shorten(text))
        self.code = code
