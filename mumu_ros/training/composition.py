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

"""Windows as a robot meets them, composed of recorded activities.

A dataset's clip begins and ends with its activity. A robot's window begins and ends anywhere: somebody stands, begins,
does it faster or slower, stops, does something else, or walks through the room. Windows are composed of clips in this
way before training; what noise, views and sensors do to them is left to `training/augmentation.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mumu_ros.datasets.clips import Stream
from mumu_ros.model.config import ModelConfig
from mumu_ros.model.modality import Modality
from mumu_ros.model.taxonomy import IDLE, OTHER
from mumu_ros.skeletons import LAYOUTS
from mumu_ros.streams import NS_PER_S
from mumu_ros.training.windows import WindowSet

__all__ = ["TAKE_HZ", "Performance", "Take", "compose", "compose_stream", "resample", "window_series"]

Array = NDArray[np.float32]
TAKE_HZ = 30.0
"""Of the samples of takes."""
_ROUNDING_S = 1e-6
_SPEED = (0.5, 1.4)
_AS_RECORDED = 0.7
"""Share of the windows that are a clip as it was recorded, except of `_GAITS`, which are on the spot."""
_UP_TO_PERFORMED, _UP_TO_ENDED, _UP_TO_IDLE = 0.72, 0.81, 0.93
"""Of the other windows, by a number drawn from 0 to 1: below the first the window ends within an activity, below the
second after one, below the third somebody rests throughout; from there on they move without any aim."""
_SEEN = 0.4
"""Share of an activity that a window shows at least if it is called by its name."""
_LINGER_S = 0.3
"""An activity that ended this recently is still called by its name."""
_BLEND_S = 0.3
_GAITS: Mapping[str, tuple[float, float]] = {"walk": (0.4, 1.6), "jog": (1.2, 3.0)}
"""Activities that datasets show on the spot, and how fast people go, in m/s."""


@dataclass(frozen=True, eq=False)
class Take:
    """A clip to compose windows of.

    Attributes:
        skeleton: float32 (T, J, 3) at 30 Hz, in the layout of the model, NaN where a joint is not seen.
        imu: float32 (T, 2, 3) at the same times, NaN where it was not recorded; None: nothing was worn.
        labels: Activities of the taxonomy, of which any is right.
        source: Dataset; as many windows are composed of each.
        subject: The person.
        id: Of the clip.
        start_ns: Stamp of the first sample.
    """

    skeleton: Array
    imu: Array | None
    labels: tuple[str, ...]
    source: str
    subject: int
    id: str
    start_ns: int = 0


def resample(stream: Stream, modality: Modality, start_ns: int, end_ns: int) -> Array:
    """A stream's samples at 30 Hz from one stamp to another, NaN where `WindowAssembler` has no step of the modality.

    They are interpolated, NaN where a neighbour is.
    """
    seconds = (stream.stamps_ns - start_ns) / NS_PER_S
    times = np.arange(0, (end_ns - start_ns) / NS_PER_S + _ROUNDING_S, 1 / TAKE_HZ)
    at = np.interp(times, seconds, np.arange(len(seconds)))
    found = _at(np.asarray(stream.samples, np.float32), at)
    before, after = seconds[np.floor(at).astype(np.int64)], seconds[np.ceil(at).astype(np.int64)]
    near = np.minimum(np.abs(times - before), np.abs(after - times)) <= modality.max_gap_s + _ROUNDING_S
    held = times <= seconds[-1] + min(1 / modality.rate_hz, modality.max_gap_s) + _ROUNDING_S
    found[~(near & held & (times >= seconds[0] - _ROUNDING_S))] = np.nan
    return found


def compose(
    takes: Sequence[Take], config: ModelConfig, count: int, seed: int, as_recorded: float = _AS_RECORDED
) -> WindowSet:
    """Compose windows for a model with a skeleton that has a layout, and perhaps an IMU; its taxonomy has `idle` and
    `other`.

    Each dataset gets as many windows, this share of which are a clip from its beginning to its end.
    """
    return _Composer(takes, config, np.random.default_rng(seed), as_recorded).windows(count)


@dataclass(frozen=True, eq=False)
class Performance:
    """A person who rests, does something, rests, does something else.

    Attributes:
        skeleton: float32 (T, J, 3) at 30 Hz.
        imu: float32 (T, 2, 3) at the same times, NaN where it was not recorded; None: not in all of the clips.
        spans: First step and end of each activity.
        labels: Of each activity.
    """

    skeleton: Array
    imu: Array | None
    spans: tuple[tuple[int, int], ...]
    labels: tuple[tuple[str, ...], ...]


def compose_stream(takes: Sequence[Take], config: ModelConfig, rest_s: tuple[float, float], seed: int) -> Performance:
    """Clips of one person one after the other, as recorded, with rest of the shortest to the longest time before,
    between and after them.
    """
    return _Composer(takes, config, np.random.default_rng(seed)).stream(takes, rest_s)


def window_series(modality: Modality, steps: int, series: Sequence[Array | None]) -> tuple[Array, NDArray[np.bool_]]:
    """Lay series at 30 Hz, (T, *shape) or None, out as windows of a modality that end with their last samples.

    Returns:
        (N, steps, *shape), and bool (N, steps): which are there.
    """
    x = np.zeros((len(series), steps, *modality.shape), np.float32)
    mask = np.zeros((len(series), steps), np.bool_)
    for row, samples in enumerate(series):
        if samples is None or not len(samples):
            continue
        at = len(samples) - 1 - np.arange(steps)[::-1] * (TAKE_HZ / modality.rate_hz)
        found = _at(samples, np.maximum(at, 0))
        there = (at >= 0) & ~np.isnan(found).all(axis=(1, 2))
        x[row, there], mask[row] = found[there], there
    return x, mask


@dataclass(frozen=True, eq=False)
class _Part:
    """A stretch of a window at 30 Hz; `labels` are those of its end."""

    skeleton: Array
    imu: Array | None
    labels: tuple[str, ...]


class _Composer:
    def __init__(
        self, takes: Sequence[Take], config: ModelConfig, generator: np.random.Generator, as_recorded: float = 0.0
    ) -> None:
        self._as_recorded = as_recorded
        self._recorded, self._takes = takes, [_in_view(take) for take in takes]
        self._config, self._generator = config, generator
        self._skeleton = next(m for m in config.modalities if m.layout)
        self._imu = next((m for m in config.modalities if m.is_worn_imu), None)
        self._steps = round(config.window_s * TAKE_HZ)
        self._by_label: dict[str, dict[tuple[str, ...], list[int]]] = defaultdict(lambda: defaultdict(list))
        self._by_person: dict[tuple[str, int], list[int]] = defaultdict(list)
        for index, take in enumerate(takes):
            self._by_label[take.source][take.labels].append(index)
            self._by_person[take.source, take.subject].append(index)
        joints = LAYOUTS[self._skeleton.layout]
        self._hips = joints.index("left_hip", "right_hip")
        self._upper = [i for i, name in enumerate(joints.joints) if name.split("_")[-1] in ("elbow", "wrist", "hand")]

    def windows(self, count: int) -> WindowSet:
        activities = self._config.taxonomy.activities
        sources = sorted(self._by_label)
        rows, labels, subjects, ids = [], np.zeros((count, len(activities)), np.float32), [], []
        for row in range(count):
            index = self._draw(sources[row % len(sources)])
            take = self._recorded[index]
            part = self._window(index)
            rows.append(part)
            labels[row, [activities.index(label) for label in part.labels]] = 1 / len(part.labels)
            subjects.append(take.subject)
            ids.append(take.id)
        vectors, masks = {}, {}
        for modality in self._config.measured:
            series = [row.skeleton if modality is self._skeleton else row.imu for row in rows]
            steps = self._config.steps(modality.name)
            vectors[modality.name], masks[modality.name] = window_series(modality, steps, series)
        return WindowSet(
            {}, {}, vectors, masks, labels.argmax(axis=1), np.array(subjects), np.ones(count, np.bool_), np.array(ids),
            labels=labels,
        )  # fmt: skip

    def stream(self, takes: Sequence[Take], rest_s: tuple[float, float]) -> Performance:
        """See `compose_stream`."""
        parts: list[_Part] = []
        for take in map(_in_view, takes):
            parts.append(_Part(*self._still(take, self._rest(rest_s), take.skeleton[0]), ()))
            parts.append(_Part(take.skeleton, take.imu, take.labels))
            # The end of a part is blended into the next one: the last pose, not the activity.
            parts.append(_last(parts[-1], round(_BLEND_S * TAKE_HZ) + 1))
        parts.append(self._held(parts[-1], self._rest(rest_s)))
        ends = np.cumsum([len(part.skeleton) for part in parts])
        active = range(1, len(parts) - 1, 3)
        spans = tuple((int(ends[i - 1]), int(ends[i])) for i in active)
        return Performance(*_joined(parts, int(ends[-1])), spans, tuple(parts[i].labels for i in active))

    def _rest(self, rest_s: tuple[float, float]) -> int:
        return round(self._generator.uniform(*rest_s) * TAKE_HZ)

    def _draw(self, source: str) -> int:
        """A clip of a dataset; activities alike."""
        by_label = list(self._by_label[source].values())
        return int(self._generator.choice(by_label[self._generator.integers(len(by_label))]))

    def _window(self, index: int) -> _Part:
        take = self._recorded[index]
        if take.labels[0] not in _GAITS and self._generator.random() < self._as_recorded:
            return _Part(take.skeleton, take.imu, take.labels)
        take = self._takes[index]
        kind = self._generator.random()
        if kind < _UP_TO_PERFORMED:
            return self._ends_in(take)
        if kind < _UP_TO_ENDED:
            return self._ended(take)
        if kind < _UP_TO_IDLE:
            return _Part(*self._still(take, self._steps), (IDLE,))
        return self._aimless(take)

    def _ends_in(self, take: Take) -> _Part:
        """A window at whose end an activity goes on, or has just ended."""
        activity = self._performed(take)
        length = len(activity.skeleton)
        shown = length if self._generator.random() < 0.5 else round(length * self._generator.uniform(_SEEN, 1))
        tail = round(self._generator.uniform(0, _LINGER_S) * TAKE_HZ) if shown == length else 0
        activity = _cut(activity, shown)
        parts = [activity, self._held(activity, tail)] if tail else [activity]
        return _Part(*self._before(take, parts), activity.labels)

    def _ended(self, take: Take) -> _Part:
        """A window in whose last part nothing is done any more."""
        activity = self._performed(take)
        pause = round(self._generator.uniform(2 * _LINGER_S, 0.8 * self._config.window_s) * TAKE_HZ)
        return _Part(*self._before(take, [activity, self._held(activity, pause)]), (IDLE,))

    def _before(self, take: Take, parts: list[_Part]) -> tuple[Array, Array | None]:
        """What the window shows before: nothing (the person has just come into view), rest, or something else."""
        missing = self._steps - sum(len(part.skeleton) for part in parts)
        kind = self._generator.random()
        if missing > 0 and kind < 0.4:
            rest = self._still(take, missing, parts[0].skeleton[0], None if parts[0].imu is None else parts[0].imu[0])
            parts = [_Part(*rest, ()), *parts]
        elif missing > 0 and kind < 0.7:
            person = self._by_person[take.source, take.subject]
            other = self._performed(self._takes[person[self._generator.integers(len(person))]])
            parts = [other, *parts]
        return _joined(parts, self._steps)

    def _performed(self, take: Take) -> _Part:
        """A clip at another speed; who walks goes somewhere."""
        speed = self._generator.uniform(*_SPEED)
        at = np.arange(0, len(take.skeleton) - 1, speed)
        skeleton = _at(take.skeleton, at)
        imu = None if take.imu is None else _at(take.imu, at) * _turning(speed)
        gait = _GAITS.get(take.labels[0])
        if gait and self._generator.random() < 0.8:
            skeleton = skeleton + self._path(skeleton, speed * self._generator.uniform(*gait))
        return _Part(skeleton, imu, take.labels)

    def _path(self, skeleton: Array, speed_m_s: float) -> Array:
        """Where somebody goes who walks: ahead, by the hips, in a gentle curve; (T, 1, 3)."""
        across = np.nanmean(skeleton[:, self._hips[0]] - skeleton[:, self._hips[1]], axis=0)
        # Of somebody who faces the camera the left hip is at the right, and ahead is towards the camera.
        heading = np.arctan2(-across[0], across[2]) if np.isfinite(across).all() else -np.pi / 2
        turn = np.cumsum(np.full(len(skeleton), self._generator.normal(0, 0.5) / TAKE_HZ))
        step = (
            np.stack([np.cos(heading + turn), np.zeros(len(turn)), np.sin(heading + turn)], axis=1)
            * speed_m_s
            / TAKE_HZ
        )
        return np.cumsum(step, axis=0)[:, None].astype(np.float32)

    def _still(
        self, take: Take, steps: int, pose: Array | None = None, sensor: Array | None = None
    ) -> tuple[Array, Array | None]:
        """Somebody who stands or sits, sways, and at times moves to another pose of rest."""
        first = self._resting(take) if pose is None else pose
        second = first if self._generator.random() < 0.5 else self._resting(take)
        if pose is not None:
            first, second = second, first
        middle, width = self._generator.uniform(0, steps), self._generator.uniform(10, 45)
        share = 1 / (1 + np.exp(-(np.arange(steps) - middle) / (width / 6)))[:, None, None]
        skeleton = first + (second - first) * share.astype(np.float32) + self._sway(steps, len(first))
        if take.imu is None:
            return skeleton.astype(np.float32), None
        level = (_mean(take.imu[:4]) if sensor is None else sensor) * _turning(0)
        noise = self._generator.normal(0, (0.2, 0.06), (steps, 3, 2)).transpose(0, 2, 1)
        return skeleton.astype(np.float32), (level + noise).astype(np.float32)

    def _resting(self, take: Take) -> Array:
        """How a clip of the same person begins, recorded in the same place; ends may be within an activity."""
        person = self._by_person[take.source, take.subject]
        pose = self._takes[person[self._generator.integers(len(person))]].skeleton[0]
        found: Array = (pose + _over_ground(take.skeleton[0] - pose)).astype(np.float32)
        return found

    def _sway(self, steps: int, joints: int) -> Array:
        whole = _smooth(self._generator, steps, 1, 20) * self._generator.uniform(0, 0.025)
        hands = _smooth(self._generator, steps, joints, 8) * self._generator.uniform(0, 0.03)
        weight = np.full((joints, 1), 0.2)
        weight[self._upper] = 1.0
        sway: Array = (whole + hands * weight).astype(np.float32)
        return sway

    def _held(self, activity: _Part, steps: int) -> _Part:
        """The last pose of an activity, held."""
        last = activity.skeleton[-1]
        skeleton = (last + self._sway(steps, len(last))).astype(np.float32)
        imu = None
        if activity.imu is not None:
            noise = self._generator.normal(0, 1, (steps, 2, 3)) * np.array([0.2, 0.06])[:, None]
            imu = (_mean(activity.imu[-3:]) * _turning(0) + noise).astype(np.float32)
        return _Part(skeleton, imu, activity.labels)

    def _aimless(self, take: Take) -> _Part:
        """Movements without a name: from pose to pose of several clips of a person."""
        person = self._by_person[take.source, take.subject]
        poses, times = [], [0.0]
        while times[-1] < self._steps:
            clip = _seen(self._takes[person[self._generator.integers(len(person))]].skeleton)
            pose = clip[self._generator.integers(len(clip))]
            poses.append(pose + _over_ground(take.skeleton[0] - pose))
            times.append(times[-1] + self._generator.uniform(0.3, 1.2) * TAKE_HZ)
        poses.append(poses[0])
        at = np.interp(np.arange(self._steps), times, np.arange(len(times)))
        whole = np.floor(at)
        part = at - whole
        skeleton = _at(np.array(poses, np.float32), np.minimum(whole + part * part * (3 - 2 * part), len(poses) - 1))
        return _Part((skeleton + self._sway(self._steps, skeleton.shape[1])).astype(np.float32), None, (OTHER,))


def _at(samples: Array, at: NDArray[np.float64]) -> Array:
    """Samples at fractional indices."""
    low = np.floor(at).astype(np.int64)
    high = np.minimum(low + 1, len(samples) - 1)
    weight = (at - low).reshape(-1, *[1] * (samples.ndim - 1)).astype(np.float32)
    found: Array = np.where(weight == 0, samples[low], samples[low] * (1 - weight) + samples[high] * weight)
    return found.astype(np.float32)


def _in_view(take: Take) -> Take:
    """What it shows from the first to the last step with a joint."""
    seen = np.flatnonzero(~np.isnan(take.skeleton).all(axis=(1, 2)))
    part = slice(seen[0], seen[-1] + 1)
    return replace(take, skeleton=take.skeleton[part], imu=None if take.imu is None else take.imu[part])


def _seen(skeleton: Array) -> Array:
    """The steps with a joint."""
    return skeleton[~np.isnan(skeleton).all(axis=(1, 2))]


def _mean(samples: Array) -> Array:
    """Of the samples that are there; NaN where none is."""
    there = samples[~np.isnan(samples).any(axis=(1, 2))]
    mean: Array = there.mean(axis=0) if len(there) else np.full(samples.shape[1:], np.nan, np.float32)
    return mean


def _turning(speed: float) -> Array:
    """Factors of acceleration, mostly gravity, and angular rate (2, 1) of what is done at another speed."""
    return np.array([[1], [speed]], np.float32)


def _over_ground(joints: Array) -> NDArray[np.float64]:
    """Mean of differences (J, 3) of joints, without its height; 0 where no joint is seen in both."""
    both = joints[~np.isnan(joints).any(axis=1)]
    return both.mean(axis=0) * (1.0, 0.0, 1.0) if len(both) else np.zeros(3)


def _cut(part: _Part, length: int) -> _Part:
    return _Part(part.skeleton[:length], None if part.imu is None else part.imu[:length], part.labels)


def _last(part: _Part, steps: int) -> _Part:
    """The last pose of a part."""
    imu = None if part.imu is None else np.repeat(part.imu[-1:], steps, axis=0)
    return _Part(np.repeat(part.skeleton[-1:], steps, axis=0), imu, ())


def _joined(parts: Sequence[_Part], steps: int) -> tuple[Array, Array | None]:
    """The newest steps of parts one after the other, each moved to where the next begins, and blended into it."""
    skeleton = parts[-1].skeleton
    for before in reversed(parts[:-1]):
        earlier = before.skeleton + _over_ground(skeleton[0] - before.skeleton[-1])
        width = min(round(_BLEND_S * TAKE_HZ), len(earlier))
        share = (np.arange(1, width + 1) / (width + 1))[:, None, None]
        earlier[-width:] += (skeleton[0] - earlier[-1]) * share
        skeleton = np.concatenate([earlier, skeleton])
    imus = [part.imu for part in parts]
    # A part without a sensor makes the window one without.
    imu = None if any(x is None for x in imus) else np.concatenate([x for x in imus if x is not None])[-steps:]
    return skeleton[-steps:].astype(np.float32), imu


def _smooth(generator: np.random.Generator, steps: int, joints: int, width: int) -> NDArray[np.float64]:
    """Noise of unit variance that changes within about `width` steps, (steps, joints, 3)."""
    knots = generator.normal(size=(steps // width + 3, joints, 3))
    at = np.arange(steps) / width + generator.random()
    low = at.astype(np.int64)
    part = (at - low)[:, None, None]
    part = part * part * (3 - 2 * part)
    smooth: NDArray[np.float64] = knots[low] * (1 - part) + knots[low + 1] * part
    return smooth
