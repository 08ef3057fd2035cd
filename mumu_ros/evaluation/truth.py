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
from dataclasses import replace
from typing import Any

from mumu_ros.evaluation.decisions import Decisions
from mumu_ros.evaluation.live_accuracy import Truth, TruthSegment, of_epoch
from mumu_ros.recordings.annotations import annotated
from mumu_ros.recordings.label_files import Label
from mumu_ros.streams import ns_to_seconds
from mumu_ros.streams.stamps import FOREVER_NS

__all__ = ["covering", "from_annotations", "from_labels", "from_runs"]


def from_labels(labels: Iterable[Label]) -> list[TruthSegment]:
    """Return labels in order of time as segments; those that touch and say the same are one segment."""
    return _joined(TruthSegment(label.start_ns, label.end_ns, label.activity, label.group) for label in labels)


def from_annotations(annotations: Sequence[Any], problems: list[str]) -> list[TruthSegment]:
    """Return messages of mumu_ros/msg/ActivityAnnotation as segments, see `recordings.annotations.annotated`.

    The last one without an end lasts for ever. Those that touch and say the same are one segment. `problems` gets a
    sentence about what is dropped or cut.
    """
    bodies = {message.body_id for message in annotations}
    if len(bodies) > 1:
        problems.append(
            f"annotations are of {len(bodies)} bodies, {', '.join(sorted(map(repr, bodies)))}; all are taken for one"
        )
    rows = annotated(annotations, FOREVER_NS, problems)
    return _joined(
        TruthSegment(label.start_ns, label.end_ns, label.activity, label.group, subject) for label, subject in rows
    )


def from_runs(runs: Sequence[Sequence[Any]], problems: list[str]) -> list[TruthSegment]:
    """Return the annotations that came in each run between jumps back in time as segments of it, in order of time.

    See `from_annotations`. The same stamps mean other moments in each run. A run in which none came has those of all: a
    bag in a loop, with annotations that were published once.
    """
    everything = [message for run in runs for message in run]
    if len(runs) < 2:
        return from_annotations(everything, problems)
    said: list[str] = []
    found = [replace(s, epoch=k) for k, run in enumerate(runs) for s in from_annotations(run or everything, said)]
    problems += dict.fromkeys(said)
    return sorted(found, key=lambda segment: segment.start_ns)


def covering(truth: Sequence[TruthSegment], decisions: Decisions, problems: list[str]) -> Sequence[TruthSegment]:
    """The truth in order of time, or none of it if it covers no decision: then `problems` gets a sentence.

    Without a decision it is returned as it is: all of it was missed.
    """
    stamps_ns = decisions.stamp_ns[decisions.decided].tolist()
    epochs = decisions.epoch[decisions.decided].tolist()
    lookups = {epoch: Truth(of_epoch(truth, epoch)) for epoch in set(epochs)}
    covers = (lookups[epoch].at(stamp_ns) for epoch, stamp_ns in zip(epochs, stamps_ns, strict=True))
    if not truth or not stamps_ns or any(covers):
        return truth
    first, last, begin, end = (
        f"{ns_to_seconds(stamp_ns):.3f}"
        for stamp_ns in (min(stamps_ns), max(stamps_ns), truth[0].start_ns, truth[-1].end_ns)
    )
    problems.append(
        f"no decision is judged: they are from {first} to {last} s, and no annotation or label from {begin} "
        f"{'s on' if truth[-1].end_ns == FOREVER_NS else f'to {end} s'} covers one; do they have the sensors' clock?"
    )
    return ()


def _joined(segments: Iterable[TruthSegment]) -> list[TruthSegment]:
    """Repetitions that were labelled one by one are one activity, as decisions are that name it one after the other."""
    joined: list[TruthSegment] = []
    for segment in segments:
        if joined and segment == replace(joined[-1], start_ns=joined[-1].end_ns, end_ns=segment.end_ns):
            joined[-1] = replace(joined[-1], end_ns=segment.end_ns)
        else:
            joined.append(segment)
    return joined
