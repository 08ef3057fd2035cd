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

"""How well segments are found: for decisions that come one after the other, not clip by clip.

Segmental F1 and edit score are those of Lea, Flynn, Vidal, Reiter and Hager: Temporal convolutional networks for action
segmentation and detection, CVPR 2017. Instants without an activity are background, which neither counts.

Segments are in order of time and do not overlap; decisions are in order of time. A day of them is judged in seconds.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from mumu_ros.streams import NS_PER_S

__all__ = ["Segment", "edit_score", "false_alarms", "longest_step", "merge", "onset_delays", "overlap_f1_counts"]


@dataclass(frozen=True)
class Segment:
    """The same label in [start_ns, end_ns)."""

    start_ns: int
    end_ns: int
    label: str


def longest_step(period_ns: int) -> int:
    """How far apart decisions may be and still be consecutive, ns: two and a half periods, but at least a second.

    Frames whose rate is no multiple of that of the decisions make steps of up to two periods; lost ones, longer.
    """
    return max(5 * period_ns // 2, NS_PER_S)


def merge(stamps_ns: Sequence[int], labels: Sequence[str | None], period_ns: int) -> list[Segment]:
    """Join consecutive decisions with the same label; None is background.

    A decision stands for the time since the one before; after more than `longest_step`, for one period.
    """
    longest_ns = longest_step(period_ns)
    segments: list[Segment] = []
    before_ns: int | None = None
    for stamp_ns, label in zip(stamps_ns, labels, strict=True):
        follows = before_ns is not None and stamp_ns - before_ns <= longest_ns
        start_ns = before_ns if follows and before_ns is not None else stamp_ns - period_ns
        if label is not None:
            last = segments[-1] if segments else None
            if last is not None and last.label == label and last.end_ns == start_ns:
                segments[-1] = Segment(last.start_ns, stamp_ns, label)
            else:
                segments.append(Segment(start_ns, stamp_ns, label))
        before_ns = stamp_ns
    return segments


def overlap_f1_counts(truth: Sequence[Segment], found: Sequence[Segment], overlap: float) -> tuple[int, int, int]:
    """Count found segments that are right, found ones that are wrong, and true ones that were missed.

    In order of time, a found segment is right if the true segment of its label with which it has most in common, as
    intersection over union, reaches `overlap` and has not been found before. F1 = 2 TP / (2 TP + FP + FN).

    Returns:
        TP, FP, FN.
    """
    taken: set[Segment] = set()
    for segment, others in _sharing_time(truth, found):
        ratio = partial(_intersection_over_union, segment)
        best = max(others, key=ratio, default=None)
        if best is not None and ratio(best) >= overlap:
            taken.add(best)
    return len(taken), len(found) - len(taken), len(truth) - len(taken)


def edit_score(truth: Sequence[Segment], found: Sequence[Segment]) -> float:
    """Similarity of the two orders of labels, regardless of times: 1 less the normalised Levenshtein distance.

    Returns:
        0 to 1; 1 if both are empty.
    """
    codes: dict[str, int] = {}
    a, b = (np.array([codes.setdefault(s.label, len(codes)) for s in segments], int) for segments in (truth, found))
    steps = np.arange(len(b) + 1)
    row = steps
    for i, code in enumerate(a, start=1):
        row = np.concatenate([[i], np.minimum(row[1:] + 1, row[:-1] + (b != code))])
        row = np.minimum.accumulate(row - steps) + steps  # or one more than the distance to the left of it
    return float(1 - row[-1] / max(len(a), len(b), 1))


def onset_delays(
    truth: Sequence[Segment], stamps_ns: Sequence[int], labels: Sequence[str | None]
) -> list[float | None]:
    """For each true segment the seconds from its start to the first right decision inside it; None: there is none."""
    delays: list[float | None] = []
    for segment in truth:
        inside = range(bisect_left(stamps_ns, segment.start_ns), bisect_left(stamps_ns, segment.end_ns))
        first = next((stamps_ns[i] for i in inside if labels[i] == segment.label), None)
        delays.append(None if first is None else (first - segment.start_ns) * 1e-9)
    return delays


def false_alarms(truth: Sequence[Segment], found: Sequence[Segment]) -> int:
    """How many found segments share no time with a true one of their label: insertions (Ward et al. 2011)."""
    return sum(not others for _, others in _sharing_time(truth, found))


def _sharing_time(truth: Sequence[Segment], found: Sequence[Segment]) -> Iterator[tuple[Segment, Sequence[Segment]]]:
    """Each found segment, and the true ones of its label that share time with it."""
    by_label: defaultdict[str, list[Segment]] = defaultdict(list)
    for segment in truth:
        by_label[segment.label].append(segment)
    for segment in found:
        others = by_label[segment.label]
        first = bisect_right(others, segment.start_ns, key=lambda other: other.end_ns)
        last = bisect_left(others, segment.end_ns, key=lambda other: other.start_ns)
        yield segment, others[first:last]


def _intersection_over_union(a: Segment, b: Segment) -> float:
    shared = min(a.end_ns, b.end_ns) - max(a.start_ns, b.start_ns)
    return max(0, shared) / (max(a.end_ns, b.end_ns) - min(a.start_ns, b.start_ns))
