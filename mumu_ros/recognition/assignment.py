"""Whose IMU is it: a worn IMU moves as the body moves that wears it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["ImuAssigner"]


class ImuAssigner:
    """Tells which body in view wears each IMU.

    Args:
        imus: Names of the IMUs.
        named: IMU to the body that is known to wear it.
    """

    def __init__(self, imus: Sequence[str], named: Mapping[str, str]) -> None:
        self._imus = tuple(imus)
        self._named = dict(named)

    def clear(self) -> None:
        """Forget every motion."""

    def forget(self, body: str) -> None:
        """Forget a body."""

    def push(self, imu: str, stamp_ns: int, sample: NDArray[np.floating]) -> None:
        """Take in one sample, (2, 3): acceleration in m/s², angular rate in rad/s."""

    def see(self, body: str, stamp_ns: int, layout: str, joints: NDArray[np.float32]) -> None:
        """Take in where the joints of a body are."""

    def assign(self, _now_ns: int, bodies: Sequence[str]) -> dict[str, str]:
        """IMU to the body in view that wears it; none for an IMU that fits nobody or whose body is out of view."""
        worn = {imu: self._named.get(imu) or (bodies[0] if len(bodies) == 1 else "") for imu in self._imus}
        return {imu: body for imu, body in worn.items() if body in bodies}
