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

"""Labelled windows cut from clips by the very code that cuts them live."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mumu_ros.datasets.clips import Clip, Segment, Stream, fills_window
from mumu_ros.files import replacing
from mumu_ros.model.config import ModelConfig
from mumu_ros.model.preprocessing import Preprocessing
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.recognition.window_assembly import window_assembler
from mumu_ros.streams import NS_PER_S
from mumu_ros.training.work_folder import digest

__all__ = ["WindowSet", "clip_end", "cut_windows", "random_ends"]

Arrays = dict[str, np.ndarray]

_PARTS = ("frames", "indices", "vectors", "masks", "poses")


@dataclass(frozen=True, eq=False)
class WindowSet:
    """N labelled windows. A frame that several windows share is kept once.

    Attributes:
        frames: Image modalities: (F, *shape); rgb uint8, depth float16.
        indices: Image modalities: int32 (N, T) into `frames`; −1 where there is none.
        vectors: Vector modalities: float32 (N, T, J, C).
        masks: Vector modalities: bool (N, T).
        activity: int64 (N,), index of the activity that fills most of the window; −1 − g where nothing is known of it
            but its group g.
        subject: int64 (N,).
        inside: bool (N,): the window lies inside one activity.
        clip: str (N,): id of the clip that it was cut from.
        poses: Modalities that see poses: float32 (F, 3 · joints), where the person's joints are in each frame; none
            where the data have no skeleton.
        labels: What training is told of the activities: float32 (N, K), probabilities; a row of zeros tells nothing.
            None: it is told `activity`.
    """

    frames: Arrays
    indices: Arrays
    vectors: Arrays
    masks: Arrays
    activity: np.ndarray
    subject: np.ndarray
    inside: np.ndarray
    clip: np.ndarray
    poses: Arrays = field(default_factory=dict)
    labels: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.activity)

    def __deepcopy__(self, memo: object) -> WindowSet:
        # Never modified: averaging the weights copies their module, which shall not copy the data.
        return self

    def shows(self, name: str) -> bool:
        """Whether any window has a sample of a modality."""
        return bool((self.masks[name] if name in self.masks else self.indices[name] >= 0).any())

    def known(self) -> WindowSet:
        """Those whose activity is known."""
        return self if (self.activity >= 0).all() else self.take(np.flatnonzero(self.activity >= 0))

    def groups(self, taxonomy: Taxonomy) -> np.ndarray:
        """Index of the group of each window's activity, int64 (N,)."""
        known = self.activity >= 0
        return np.where(known, taxonomy.group_indices[np.where(known, self.activity, 0)], -1 - self.activity)

    def untaught(self, taxonomy: Taxonomy) -> tuple[str, ...]:
        """Activities of which there is no window, and no label."""
        shown = set(self.activity.tolist())
        if self.labels is not None:
            shown |= set(np.flatnonzero(self.labels.any(axis=0)).tolist())
        return tuple(name for i, name in enumerate(taxonomy.activities) if i not in shown)

    def batch(self, rows: Sequence[int] | np.ndarray) -> tuple[Arrays, Arrays]:
        """The windows of these rows, laid out as `Preprocessing.batch` does."""
        index = np.asarray(rows, np.int64)
        inputs = {name: vectors[index] for name, vectors in self.vectors.items()}
        masks = {name: mask[index] for name, mask in self.masks.items()}
        for name, indices in self.indices.items():
            chosen = indices[index]
            masks[name] = chosen >= 0
            frames = self.frames[name]
            dtype = np.uint8 if frames.dtype == np.uint8 else np.float32
            inputs[name] = np.zeros((*chosen.shape, *frames.shape[1:]), dtype)
            inputs[name][masks[name]] = frames[chosen[masks[name]]]
        return inputs, masks

    def digest(self, rows: Sequence[int] | np.ndarray) -> str:
        """Of all that the windows of these rows show and are told; see `work_folder.digest`."""
        return digest(array for row in rows for array in self._arrays(int(row)))

    def _arrays(self, row: int) -> Iterator[np.ndarray]:
        inputs, masks = self.batch([row])
        yield from (*inputs.values(), *masks.values())
        yield from (x[self.indices[name][row][masks[name][0]]] for name, x in self.poses.items())
        yield from (x[[row]] for x in (self.activity, self.subject, self.inside, self.clip))
        if self.labels is not None:
            yield self.labels[row]

    def take(self, rows: np.ndarray) -> WindowSet:
        """The windows of these rows, as a set that shares the frames."""
        return WindowSet(
            self.frames,
            {n: x[rows] for n, x in self.indices.items()},
            {n: x[rows] for n, x in self.vectors.items()},
            {n: x[rows] for n, x in self.masks.items()},
            self.activity[rows],
            self.subject[rows],
            self.inside[rows],
            self.clip[rows],
            self.poses,
            None if self.labels is None else self.labels[rows],
        )

    def encoded(self, name: str, encode: Callable[[np.ndarray], np.ndarray]) -> WindowSet:
        """These windows with the frames (N, *shape) of an image modality encoded to features (N, F)."""
        indices = self.indices[name]
        # A part of a set shares the frames of the whole.
        used, positions = np.unique(indices, return_inverse=True)
        features = encode(self.frames[name][used[used >= 0]])
        renumbered = positions.reshape(indices.shape).astype(np.int32) - int((used < 0).any())
        return replace(
            self, frames={**self.frames, name: features}, indices={**self.indices, name: renumbered}, poses={}
        )

    @classmethod
    def concatenate(cls, sets: Sequence[WindowSet]) -> WindowSet:
        """One set of several of the same model, all of whose labels are told."""
        offsets = {n: np.cumsum([0, *(len(s.frames[n]) for s in sets)]) for n in sets[0].frames}
        indices = {
            name: np.concatenate(
                [np.where(s.indices[name] < 0, -1, s.indices[name] + o) for s, o in zip(sets, offset, strict=False)]
            ).astype(np.int32)
            for name, offset in offsets.items()
        }
        return cls(
            {n: np.concatenate([s.frames[n] for s in sets]) for n in sets[0].frames},
            indices,
            {n: np.concatenate([s.vectors[n] for s in sets]) for n in sets[0].vectors},
            {n: np.concatenate([s.masks[n] for s in sets]) for n in sets[0].masks},
            np.concatenate([s.activity for s in sets]),
            np.concatenate([s.subject for s in sets]),
            np.concatenate([s.inside for s in sets]),
            np.concatenate([s.clip for s in sets]),
            {n: np.concatenate([s.poses[n] for s in sets]) for n in sets[0].poses},
        )

    def save(self, path: Path) -> None:
        """Write a .npz file that `load` reads back; `labels` are not in it."""
        arrays = {key: getattr(self, key) for key in ("activity", "subject", "inside", "clip")}
        for part in _PARTS:
            arrays |= {f"{part}/{name}": array for name, array in getattr(self, part).items()}
        with replacing(path) as temporary:
            np.savez(temporary, **arrays)

    @classmethod
    def load(cls, path: Path) -> WindowSet:
        """Read what `save` wrote."""
        with np.load(path) as file:
            arrays = {key: file[key] for key in file.files}
        parts: dict[str, Any] = {part: {} for part in _PARTS}
        for key, array in arrays.items():
            part, _, name = key.partition("/")
            if name:
                parts[part][name] = array
        return cls(**parts, **{key: array for key, array in arrays.items() if "/" not in key})


def random_ends(clip: Clip, window_s: float, per_second: float, generator: np.random.Generator) -> np.ndarray:
    """End stamps of windows, one at a random time in every 1 / per_second of a clip.

    A clip that has room for one window, but not for 1 / per_second more, has the one that ends with it. It draws
    nothing, so that the windows of other clips do not depend on it. A tenth of that window may be missing; see
    `fills_window`.

    Returns:
        int64 (N,), ascending; the first of several windows begins at or after the clip's begin. None where the clip is
        too short.
    """
    start, end = clip.segments[0].start_ns, clip.segments[-1].end_ns
    first, step = start + round(window_s * NS_PER_S), NS_PER_S / per_second
    count = max(int((end - first) / step), 0)
    if count == 0:
        return np.array([end] if fills_window(start, end, window_s) else [], np.int64)
    return first + ((np.arange(count) + generator.random(count)) * step).astype(np.int64)


def clip_end(clip: Clip) -> np.ndarray:
    """End stamp of the one window that ends with a clip's newest sample, int64 (1,)."""
    return np.array([max(int(stream.stamps_ns[-1]) for stream in clip.streams.values())], np.int64)


def cut_windows(clip: Clip, config: ModelConfig, ends_ns: np.ndarray, min_overlap: float, pose: str = "") -> WindowSet:
    """Cut the windows that end at `ends_ns`, as the live recogniser would have seen them.

    A window's label is the activity that fills most of it, or of what the clip has of it between its first and its last
    sample, labelled or not; windows in which none fills `min_overlap` are left out, as are those without a sample,
    about which nothing is decided live. `pose` is a skeleton of the clip, whose joints at the time of each frame are
    kept.
    """
    preprocessing = Preprocessing(config)
    assembler = window_assembler(config)
    known: dict[str, dict[int, int]] = {m.name: {} for m in config.modalities if m.is_image}
    frames: dict[str, list[np.ndarray]] = {name: [] for name in known}
    taken_ns: dict[str, list[int]] = {name: [] for name in known}
    rows: list[tuple[Arrays, Arrays]] = []
    labels: list[tuple[str, bool]] = []
    first_ns, last_ns = min(int(stream.stamps_ns[0]) for stream in clip.streams.values()), int(clip_end(clip)[0])
    samples = _in_time(clip, config.names)
    waiting = next(samples, None)
    for end_ns in ends_ns.tolist():
        while waiting is not None and waiting[0] <= end_ns:
            assembler.insert(waiting[1], waiting[0], waiting[2])
            waiting = next(samples, None)
        window = assembler.window(end_ns)
        activity, overlap = _label(clip.segments, max(window.start_ns, first_ns), min(end_ns, last_ns))
        if not overlap or overlap < min_overlap:
            continue
        inputs, masks = preprocessing.batch([window])
        if not any(mask.any() for mask in masks.values()):
            continue
        for name, seen in known.items():
            stamps = window.series[name].stamps_ns
            indices = np.full(config.steps(name), -1, np.int32)
            for step in np.flatnonzero(masks[name][0]):
                stamp = int(stamps[step - len(indices)])
                if stamp not in seen:
                    seen[stamp] = len(frames[name])
                    frames[name].append(inputs[name][0, step])
                    taken_ns[name].append(stamp)
                indices[step] = seen[stamp]
            inputs[name] = indices[None]
        rows.append((inputs, masks))
        labels.append((activity, overlap >= 1))
    pupils = [name for name in taken_ns if pose and config.modality(name).sees_poses]
    poses = {name: _poses(clip.streams[pose], np.array(taken_ns[name])) for name in pupils}
    return replace(_stack(config, clip, frames, rows, labels), poses=poses)


def _in_time(clip: Clip, names: Sequence[str]) -> Iterator[tuple[int, str, np.ndarray]]:
    streams = [
        [(int(t), name, sample) for t, sample in zip(stream.stamps_ns, stream.samples, strict=True)]
        for name, stream in clip.streams.items()
        if name in names
    ]
    yield from heapq.merge(*streams, key=lambda item: item[0])


def _poses(stream: Stream, stamps_ns: np.ndarray) -> np.ndarray:
    """A stream's samples at other times: float32 (F, P)."""
    samples = np.asarray(stream.samples, np.float64).reshape(len(stream.samples), -1)
    columns = [np.interp(stamps_ns - stream.stamps_ns[0], stream.stamps_ns - stream.stamps_ns[0], x) for x in samples.T]
    return np.stack(columns, axis=1).astype(np.float32)


def _label(segments: tuple[Segment, ...], start_ns: int, end_ns: int) -> tuple[str, float]:
    """The activity that lasts longest in a time, of all its segments together, and its share of that time."""
    lasting: Counter[str] = Counter()
    for segment in segments:
        lasting[segment.activity] += max(min(end_ns, segment.end_ns) - max(start_ns, segment.start_ns), 0)
    ((activity, longest_ns),) = lasting.most_common(1)
    return activity, longest_ns / max(end_ns - start_ns, 1)


def _label_index(taxonomy: Taxonomy, label: str) -> int:
    if label in taxonomy.group_names and label not in taxonomy.activities:
        return -1 - taxonomy.group_names.index(label)
    return taxonomy.activity_index(label)


def _stack(
    config: ModelConfig,
    clip: Clip,
    frames: dict[str, list[np.ndarray]],
    rows: list[tuple[Arrays, Arrays]],
    labels: list[tuple[str, bool]],
) -> WindowSet:
    def column(which: int, name: str, shape: tuple[int, ...], dtype: type) -> np.ndarray:
        empty: np.ndarray = np.zeros((0, config.steps(name), *shape), dtype)
        return np.concatenate([empty, *(row[which][name] for row in rows)]).astype(dtype)

    images = [m for m in config.modalities if m.is_image]
    vectors = [m for m in config.modalities if not m.is_image]
    stacked = {
        m.name: np.array(frames[m.name], np.uint8 if m.kind == "rgb" else np.float16).reshape(-1, *m.shape)
        for m in images
    }
    return WindowSet(
        frames=stacked,
        indices={m.name: column(0, m.name, (), np.int32) for m in images},
        vectors={m.name: column(0, m.name, m.shape, np.float32) for m in vectors},
        masks={m.name: column(1, m.name, (), np.bool_) for m in vectors},
        activity=np.array([_label_index(config.taxonomy, label) for label, _ in labels], np.int64),
        subject=np.full(len(labels), clip.subject, np.int64),
        inside=np.array([inside for _, inside in labels], np.bool_),
        clip=np.full(len(labels), clip.id),
    )
