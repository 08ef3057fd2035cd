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

"""Assignment of worn IMUs to people: an IMU rotates with the limb that wears it.

Compared are the magnitude of the IMU's angular rate and the rate at which the limbs of everybody in view change
direction: both are independent of the sensor's mounting and the camera's pose. Accelerations are less
informative (docs/people.md).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mumu_ros.skeletons import convert, layout
from mumu_ros.streams import NS_PER_S

__all__ = ["ImuAssigner", "fit"]

_LAYOUT = "kinect20"
_ENDS = np.array(
    [
        layout(_LAYOUT).index(*ends)
        for ends in (
            ("left_elbow", "left_wrist"),
            ("right_elbow", "right_wrist"),
            ("hip_center", "neck"),
            ("left_hip", "left_knee"),
            ("right_hip", "right_knee"),
        )
    ]
)
"""Limbs that may wear an IMU: two joints of each."""
_RATE_HZ = 25
_SPAN_S = 4.0
_SHORTEST_S = 1.5
"""A limb that is visible for less than this is ignored."""
_GAP_NS = 600_000_000
"""Longer gaps are not interpolated: one and a half intervals at the slowest rate."""
_SLOWEST_HZ = 2.5
"""Of people who come more rarely the wearer is seldom found: of 30 pairs of UTD-MHAD's people at 15 and 5 pictures a
second in all, at 3 in 26, at 2.5 in 23, at 2 in 15, where one is the wrong person."""
_MAX_LAG = _RATE_HZ // 5
"""Maximum difference between the clocks of a camera and an IMU: a fifth of a second."""
_SMOOTHING = np.hanning(9)[1:-1] / np.hanning(9)[1:-1].sum()
_STEP_NS = NS_PER_S // 200
"""An IMU's samples are kept at 200 Hz at most."""
_SEEN_HZ = 60
"""Joints are kept at this rate at most."""
_PERIOD_NS = NS_PER_S // 2
_STILL_RAD_S = 0.3
"""An IMU whose rate varies by less counts as still."""
_FIT = 0.6
_FIT_ALONE = 0.75
"""Where there is nobody to compare with: the wearer has left, or the others cannot be seen well enough."""
_MISFIT = 0.2
_MARGIN = 0.25


@dataclass
class _Imu:
    """One IMU.

    Attributes:
        samples: Stamp and angular rate, (3,).
        wearer: The body it is assigned to; empty: none.
        candidate: The body to assign it to after the last evaluation.
        matched: The body that it was last assigned to among several, in view or not; empty: none.
        fits: Correlation with each body at the last evaluation.
        evaluated_ns: Time of the last evaluation.
    """

    samples: deque[tuple[int, NDArray[np.floating]]] = field(
        default_factory=lambda: deque(maxlen=round(_SPAN_S * NS_PER_S / _STEP_NS) + 100)
    )
    wearer: str = ""
    candidate: str = ""
    matched: str = ""
    fits: dict[str, float] = field(default_factory=dict)
    evaluated_ns: int | None = None


class ImuAssigner:
    """Assigns each IMU to a body in view.

    The only body in view wears it unless it clearly moves differently. Of several it is the one that correlates, and
    more than every other whose limbs are seen by a margin; a change takes two evaluations, half a second apart. When
    that one has left, somebody else who is alone has to correlate, too. While the IMU is still, or nobody clearly
    correlates better than before, assignments are kept. `named` gives the wearers that are known.
    """

    def __init__(self, imus: Sequence[str], named: Mapping[str, str]) -> None:
        self._named = dict(named)
        self._imus = {imu: _Imu() for imu in imus}
        self._limbs: dict[str, deque[tuple[int, NDArray[np.float32]]]] = {}

    def clear(self) -> None:
        """Drop all motion."""
        self._imus = {imu: _Imu() for imu in self._imus}
        self._limbs.clear()

    def drop_samples(self) -> None:
        """Drop the samples of all IMUs; who wears them stays known."""
        for imu in self._imus.values():
            imu.samples.clear()

    def drop(self, body: str) -> None:
        """Drop a body."""
        self._limbs.pop(body, None)
        for imu in self._imus.values():
            if imu.wearer == body:
                imu.wearer = ""

    def push(self, imu: str, stamp_ns: int, sample: NDArray[np.floating]) -> None:
        """Add one sample, (2, 3): acceleration in m/s², angular rate in rad/s."""
        samples = self._imus[imu].samples
        if not samples or stamp_ns >= samples[-1][0] + _STEP_NS:
            samples.append((stamp_ns, sample[1].copy()))  # its array may be used again

    def see(self, body: str, stamp_ns: int, source: str, joints: NDArray[np.float32]) -> None:
        """Add the joints of a body.

        Raises:
            LayoutError: `source` is not a layout, or has another number of joints.
        """
        ends = convert(joints, source, _LAYOUT)[_ENDS]
        seen = self._limbs.setdefault(body, deque(maxlen=round(_SPAN_S * _SEEN_HZ) + 1))
        if not seen or stamp_ns >= seen[-1][0] + NS_PER_S // _SEEN_HZ:
            seen.append((stamp_ns, ends[:, 1] - ends[:, 0]))

    def assign(self, now_ns: int, bodies: Sequence[str], *, are_all: bool = True) -> dict[str, str]:
        """IMU to the body that wears it; no entry if it matches nobody or its body is not among `bodies`, which are all
        in view or, for lack of `are_all`, some of them.
        """
        for name, imu in self._imus.items():
            if name in self._named:
                imu.wearer = self._named[name]
            elif imu.evaluated_ns is None or not 0 <= now_ns - imu.evaluated_ns < _PERIOD_NS:
                self._evaluate(imu, now_ns, bodies, is_alone=are_all and len(bodies) == 1)
        return {name: imu.wearer for name, imu in self._imus.items() if imu.wearer in bodies}

    def problems(self, bodies: Sequence[str]) -> list[str]:
        """A message for each IMU that is not assigned to anybody in view."""
        return [
            f"{name} {self._reason(name, imu, bodies)}"
            for name, imu in self._imus.items()
            if bodies and imu.samples and imu.wearer not in bodies
        ]

    def _reason(self, name: str, imu: _Imu, bodies: Sequence[str]) -> str:
        if name in self._named:
            return f"is masked: {self._named[name]}, given in imu_bodies, is not in view"
        if imu.fits:
            return f"matches nobody's motion in view ({_words(imu.fits)}) and is masked; set its wearer in imu_bodies"
        steps_ns = [_step_ns(seen) for body in bodies if len(seen := self._limbs.get(body, ())) > 1]
        if (rate_hz := NS_PER_S / max(steps_ns, default=1)) < _SLOWEST_HZ:
            return (
                f"is masked: people come too rarely to be compared, {rate_hz:.2g} a second, expected {_SLOWEST_HZ:g} "
                "or more; set its wearer in imu_bodies"
            )
        return "has not moved enough to be assigned, and is masked; set its wearer in imu_bodies"

    def _evaluate(self, imu: _Imu, now_ns: int, bodies: Sequence[str], *, is_alone: bool) -> None:
        imu.evaluated_ns = now_ns
        fits = {body: fit(imu.samples, self._limbs.get(body, ()), now_ns) for body in bodies}
        imu.fits = {body: value for body, value in fits.items() if value is not None}
        if is_alone:
            self._evaluate_alone(imu, bodies[0])
            return
        if not imu.fits or any(self._is_new(body, now_ns) for body in bodies if body not in imu.fits):
            return  # nobody is in view, the IMU is still, or a body is too new to be compared
        best = max(imu.fits, key=lambda body: imu.fits[body])
        others = [value for body, value in imu.fits.items() if body != best]
        if imu.fits[best] >= max(_FIT, max(others) + _MARGIN) if others else imu.fits[best] >= _FIT_ALONE:
            self._hand_over(imu, best)
            imu.matched = best if imu.wearer == best else imu.matched
        elif imu.wearer in imu.fits and imu.fits[imu.wearer] < max(imu.fits[best] - _MARGIN, _MISFIT):
            self._hand_over(imu, "")
        else:
            imu.candidate = imu.wearer

    def _is_new(self, body: str, now_ns: int) -> bool:
        """Whether a body has not been there long enough to be compared; later its limbs are hidden."""
        seen = self._limbs.get(body)
        return not seen or seen[0][0] > now_ns - _SPAN_S * NS_PER_S

    def _evaluate_alone(self, imu: _Imu, body: str) -> None:
        value = imu.fits.get(body)
        if not imu.matched or body in (imu.matched, imu.wearer):
            imu.wearer = imu.candidate = "" if value is not None and value < _MISFIT else body
        elif value is not None and value >= _FIT_ALONE:
            self._hand_over(imu, body)
        else:
            imu.candidate = imu.wearer

    def _hand_over(self, imu: _Imu, body: str) -> None:
        if imu.candidate == body:
            imu.wearer = body
        imu.candidate = body


def fit(
    rates: Sequence[tuple[int, NDArray[np.floating]]] | deque[tuple[int, NDArray[np.floating]]],
    limbs: Sequence[tuple[int, NDArray[np.floating]]] | deque[tuple[int, NDArray[np.floating]]],
    now_ns: int,
) -> float | None:
    """Correlation of an IMU's angular rate with the limbs of a body over the last seconds.

    Args:
        rates: Stamps and angular rates (3,), rad/s, oldest first.
        limbs: Stamps and the vectors along L limbs, (L, 3); NaN where they are not visible.
        now_ns: The last instant to be used.

    Returns:
        Correlation of the two magnitudes, maximum over limbs and small delays, −1 to 1; None while the IMU
        is still or there are too few samples.
    """
    if len(rates) < 2 or len(limbs) < 2:
        return None
    steps = round(_SPAN_S * _RATE_HZ)
    grid = now_ns - np.arange(steps)[::-1] * (NS_PER_S // _RATE_HZ)
    rate = _smooth(_on_grid(grid, rates))
    rate = np.linalg.norm(rate, axis=1)
    along = _on_grid(grid, limbs).reshape(steps, -1, 3)
    along = _smooth((along / np.linalg.norm(along, axis=2, keepdims=True)).reshape(steps, -1)).reshape(steps, -1, 3)
    turning = np.linalg.norm(np.gradient(along, 1 / _RATE_HZ, axis=0), axis=2)
    if np.isnan(rate).all() or np.nanstd(rate) < _STILL_RAD_S:
        return None
    best = [
        _correlations(rate[max(0, lag) : steps + min(0, lag), None], turning[max(0, -lag) : steps - max(0, lag)])
        for lag in range(-_MAX_LAG, _MAX_LAG + 1)
    ]
    return None if np.isnan(best).all() else float(np.nanmax(best))


def _on_grid(
    grid: NDArray[np.int64], given: Sequence[tuple[int, NDArray[np.floating]]] | deque[tuple[int, NDArray[np.floating]]]
) -> NDArray[np.float64]:
    """Vectors of any shape interpolated linearly, (T, N); NaN in long gaps and beyond the ends."""
    stamps = np.array([stamp_ns for stamp_ns, _ in given], np.int64)
    values = np.stack([np.asarray(value, np.float64).ravel() for _, value in given])
    found = np.full((len(grid), values.shape[1]), np.nan)
    for column, numbers in enumerate(values.T):
        known = ~np.isnan(numbers)
        if known.sum() < 2:
            continue
        at = stamps[known]
        after = np.searchsorted(at, grid).clip(1, len(at) - 1)
        near = (at[after] - at[after - 1] <= _GAP_NS) & (grid >= at[0]) & (grid <= at[-1])
        # Relative to the first stamp: a float cannot represent nanoseconds since 1970.
        line = np.interp((grid - at[0]).astype(np.float64), (at - at[0]).astype(np.float64), numbers[known])
        found[near, column] = line[near]
    return found


def _step_ns(given: Sequence[tuple[int, NDArray[np.floating]]] | deque[tuple[int, NDArray[np.floating]]]) -> float:
    """Interval between two or more samples of the last seconds: the median, since single ones may be missing."""
    last_ns = given[-1][0]
    stamps = [stamp_ns for stamp_ns, _ in given if stamp_ns >= last_ns - _SPAN_S * NS_PER_S]
    return float(np.median(np.diff(stamps))) if len(stamps) > 1 else last_ns - given[-2][0]


def _smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """A moving mean over a third of a second, of (T, N); NaN where any value is."""
    margin = len(_SMOOTHING) // 2
    padded = np.pad(values, ((margin, margin), (0, 0)), mode="edge")
    return np.stack([np.convolve(column, _SMOOTHING, "valid") for column in padded.T], axis=1)


def _correlations(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of (T, 1) with each column of (T, L), (L,); NaN where too few steps have both."""
    both = ~(np.isnan(first) | np.isnan(second))
    count = both.sum(axis=0)
    a, b = np.where(both, first, 0.0), np.where(both, second, 0.0)
    a, b = (np.where(both, x - x.sum(axis=0) / np.maximum(count, 1), 0.0) for x in (a, b))
    size = np.sqrt((a * a).sum(axis=0) * (b * b).sum(axis=0))
    found = (a * b).sum(axis=0) / np.maximum(size, 1e-9)
    return np.where(count >= _SHORTEST_S * _RATE_HZ, found, np.nan)


def _words(fits: Mapping[str, float]) -> str:
    return ", ".join(f"{body} {value:.2f}" for body, value in fits.items())
