"""The error that every conversion raises, and how long its text may be."""

from __future__ import annotations

from mumu_ros.fault_codes import FaultCode

__all__ = ["ConversionError", "shorten"]

_LONGEST = 500


class ConversionError(ValueError):
    """A message does not hold what its type and the stream promise; the text names the value and the remedy.

    It does not know the topic: whoever subscribed adds it. The text quotes the message, so it is cut (`shorten`).

    Attributes:
        code: What the fault is called.
    """

    def __init__(self, text: str, code: FaultCode = FaultCode.UNREADABLE) -> None:
        super().__init__(shorten(text))
        self.code = code


def shorten(text: str, limit: int = _LONGEST) -> str:
    """A text of at most `limit` characters, for logs and diagnostics: the middle of a longer one is left out."""
    if len(text) <= limit:
        return text
    half = (limit - 40) // 2
    return f"{text[:half]} … ({len(text)} characters) … {text[-half:]}"
