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

"""From the decisions about each person to what they did from when to when."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

__all__ = ["Labelled", "Segment", "Stretch", "segments"]


@dataclass(frozen=True)
class Labelled:
    """One decision about one person.

    Attributes:
        start_s: Start of the window that it is about.
        end_s: Its end.
        activity: What the person is doing, or "unknown".
        confidence: Of that activity.
    """

    start_s: float
    end_s: float
    activity: str
    confidence: float


@dataclass
class Stretch:
    """What is known of one person from when to when it was seen, without a break.

    Attributes:
        from_s: When the person came into view.
        to_s: When it was last seen.
        decisions: In the order of their times; their windows may reach beyond both.
    """

    from_s: float
    to_s: float
    decisions: list[Labelled] = field(default_factory=list)


@dataclass(frozen=True)
class Segment:
    """What one person did for a while.

    Attributes:
        from_s: Seconds from the first picture.
        to_s: Seconds from the first picture.
        activity: What it did, or "unknown".
        confidence: Mean over the decisions.
    """

    from_s: float
    to_s: float
    activity: str
    confidence: float


def segments(stretches: Mapping[str, Sequence[Stretch]]) -> dict[str, list[Segment]]:
    """Join decisions of the same activity that follow each other in one stretch.

    A decision tells what went on in the middle of its window, as far as the person was seen in it; so a segment ends
    halfway between the middles of the two decisions that differ. The first and the last one reach to the ends of what
    is known of the person.
    """
    found = {body: [row for stretch in its for row in _joined(stretch)] for body, its in stretches.items()}
    return {body: rows for body, rows in found.items() if rows}


def _joined(stretch: Stretch) -> list[Segment]:
    runs: list[list[Labelled]] = []
    for decision in (_clipped(decision, stretch) for decision in stretch.decisions):
        if runs and runs[-1][0].activity == decision.activity:
            runs[-1].append(decision)
        else:
            runs.append([decision])
    if not runs:
        return []
    borders = [
        runs[0][0].start_s,
        *((_middle(a[-1]) + _middle(b[0])) / 2 for a, b in itertools.pairwise(runs)),
        runs[-1][-1].end_s,
    ]
    return [
        Segment(start, end, run[0].activity, sum(d.confidence for d in run) / len(run))
        for start, end, run in zip(borders, borders[1:], runs, strict=False)
        if start < end
    ]


def _clipped(decision: Labelled, stretch: Stretch) -> Labelled:
    """The decision as one about the part of its window in which the person was seen."""
    start_s, end_s = (min(max(s, stretch.from_s), stretch.to_s) for s in (decision.start_s, decision.end_s))
    return replace(decision, start_s=start_s, end_s=end_s)


def _middle(decision: Labelled) -> float:
    return (decision.start_s + decision.end_s) / 2
