"""SIGINT and SIGTERM as something to wait for."""

from __future__ import annotations

import signal

__all__ = ["Interruption"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Takes both signals over; rclpy's own handlers would end the context before the results are written.

    Make it on the main thread before there are others: they must not take the signals, either.
    """

    def __init__(self) -> None:
        self._come = False
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)

    def wait(self, seconds: float = 0.0) -> bool:
        """Wait so long, not at all where negative, and say whether a signal has come."""
        if not self._come:
            self._come = signal.sigtimedwait(_SIGNALS, max(0.0, seconds)) is not None
        return self._come
