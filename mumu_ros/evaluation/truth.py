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

"""What was really going on, from a recording's annotations or from a label file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from mumu_ros.conversions import time_to_ns
from mumu_ros.evaluation.live_accuracy import TruthSegment
from mumu_ros.recordings.label_files import Label
from mumu_ros.streams.stamps import FOREVER_NS

__all__ = ["from_annotations", "from_labels"]


def from_labels(labels: Iterable[Label]) -> list[TruthSegment]:
    """Return labels as segments."""
    return [TruthSegment(label.start_ns, label.end_ns, label.activity, label.group) for label in labels]


def from_annotations(annotations: Sequence[Any], problems: list[str]) -> list[TruthSegment]:
    """Return messages of mumu_ros/msg/ActivityAnnotation as segments in order of time that do not overlap.

    An annotation with the end 0 lasts until the next one of its body begins. One that comes twice, as in a bag that was
    played in a loop, counts once. Where two overlap, the later one ends the earlier. `problems` gets a sentence about
    each annotation that is dropped or cut.
    """
    bodies = {message.body_id for message in annotations}
    if len(bodies) > 1:
        problems.append(
            f"annotations are of {len(bodies)} bodies, {', '.join(sorted(map(repr, bodies)))}; all are taken for one"
        )
    given = sorted(
        {
            (time_to_ns(m.start), time_to_ns(m.end) or FOREVER_NS, str(m.activity), str(m.group), str(m.subject))
            for m in annotations
        }
    )
    segments: list[TruthSegment] = []
    empty = cut = 0
    for index, (start_ns, end_ns, activity, group, subject) in enumerate(given):
        next_ns = given[index + 1][0] if index + 1 < len(given) else FOREVER_NS
        if next_ns < end_ns < FOREVER_NS:
            cut += 1
        end_ns = min(end_ns, next_ns)
        if end_ns <= start_ns:
            empty += 1
        elif activity:
            segments.append(TruthSegment(start_ns, end_ns, activity, group, subject))
    if cut:
        problems.append(f"{cut} annotations overlap the next one and were cut where that begins")
    if empty:
        problems.append(f"{empty} annotations end before they begin and were left out")
    return segments
