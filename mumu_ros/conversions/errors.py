"""The error that every conversion raises."""

from __future__ import annotations

__all__ = ["ConversionError"]


class ConversionError(ValueError):
    """A message does not hold what its type and the stream promise; the text names the value and the remedy.

    It does not know the topic: whoever subscribed adds it.
    """
