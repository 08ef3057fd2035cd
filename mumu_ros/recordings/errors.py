"""The error that reading and writing of recordings raises."""

from __future__ import annotations

__all__ = ["RecordingError"]


class RecordingError(Exception):
    """A recording cannot be read or written; the text names the path and the remedy."""
