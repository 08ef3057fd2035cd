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

"""What was recognised in one recording, beside what was going on in it."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mumu_ros.evaluation.decisions import UNDECIDED, Decisions, TrueLabels
from mumu_ros.evaluation.live_accuracy import Truth, TruthSegment, of_epoch
from mumu_ros.evaluation.segment_scores import Segment, longest_step, merge
from mumu_ros.evaluation.sensor_reports import Outage, SensorReport
from mumu_ros.failures import Fault
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.recognition.decision import UNKNOWN
from mumu_ros.streams import NS_PER_S, ns_to_seconds
from mumu_ros.text import shorten

__all__ = ["BagResult", "Run", "pause_problems", "right_activity", "true_labels", "unknown_names"]

_PAUSE_NS = 10 * NS_PER_S
"""Without a decision for longer, nothing was recorded, or a clock was set forward: that is no time to recognise in."""
_SHOWN = 5


@dataclass(frozen=True, eq=False)
class Run:
    """A part of a recording in which time runs forward.

    Attributes:
        start_ns: Where it begins.
        end_ns: Where it ends.
        stamps_ns: Of its decisions.
        predicted: Their activities; None where it is unknown or there is none.
        truth: What was going on, as segments.
        found: The decisions, joined to segments.
        spans: Where it has decisions: (from, to), apart by pauses.
    """

    start_ns: int
    end_ns: int
    stamps_ns: Sequence[int]
    predicted: Sequence[str | None]
    truth: Sequence[Segment]
    found: Sequence[Segment]
    spans: Sequence[tuple[int, int]]


@dataclass(frozen=True, eq=False)
class BagResult:
    """One recording's share of an evaluation.

    Attributes:
        name: Of the recording.
        start_ns: First stamp of a frame.
        end_ns: Last one.
        period_ns: Usual time between decisions.
        decisions: What was recognised.
        truth: The true activities, in order of time; empty if unlabelled.
        labels: The truth at the decisions' stamps.
        sensors: Of each stream; empty where only recognitions were heard.
        pauses: Silences of all of them at once.
        waits_ms: See `Replay.waits_ms`.
        problems: What is wrong with the recording, a sentence each.
        faults: What failed on purpose, in seconds since `start_ns`.
    """

    name: str
    start_ns: int
    end_ns: int
    period_ns: int
    decisions: Decisions
    truth: Sequence[TruthSegment]
    labels: TrueLabels
    sensors: Mapping[str, SensorReport]
    pauses: Sequence[Outage]
    waits_ms: tuple[float, float] | None
    problems: Sequence[str]
    faults: Sequence[Fault] = ()

    @property
    def minutes(self) -> float:
        """How much was recorded, all runs together, without pauses."""
        return sum(end_ns - start_ns for run in self.runs(()) for start_ns, end_ns in run.spans) * 1e-9 / 60

    def runs(self, names: Sequence[str]) -> list[Run]:
        """The parts between jumps back in time: each is judged by itself, or a bag that loops would count as one.

        Labels other than `names` are background.
        """
        epochs = np.unique(self.decisions.epoch).tolist()
        if len(epochs) < 2:
            return [self._run(names, np.arange(len(self.decisions)), self.start_ns, self.end_ns)]
        runs = []
        for epoch in epochs:
            rows = np.flatnonzero(self.decisions.epoch == epoch)
            stamps = self.decisions.stamp_ns[rows]
            runs.append(self._run(names, rows, int(stamps.min()) - self.period_ns, int(stamps.max())))
        return runs

    def true_segments(self, start_ns: int, end_ns: int, epoch: int = 0) -> list[Segment]:
        """The truth of a run within a time."""
        truth = of_epoch(self.truth, epoch)
        clipped = (Segment(max(s.start_ns, start_ns), min(s.end_ns, end_ns), s.activity) for s in truth)
        return [segment for segment in clipped if segment.end_ns > segment.start_ns]

    def _run(self, names: Sequence[str], rows: NDArray[np.int64], start_ns: int, end_ns: int) -> Run:
        stamps = self.decisions.stamp_ns[rows].tolist()
        predicted = [names[i] if 0 <= i < len(names) else None for i in self.decisions.activity[rows].tolist()]
        found = merge(stamps, predicted, self.period_ns)
        cuts = _pauses([start_ns, *stamps, end_ns], self.period_ns) if stamps else []
        begins, ends = [start_ns, *(b - self.period_ns for _, b in cuts)], [*(a for a, _ in cuts), end_ns]
        spans = [(begin, end) for begin, end in zip(begins, ends, strict=True) if end > begin]
        truth = self.true_segments(start_ns, end_ns, int(self.decisions.epoch[rows[0]]) if len(rows) else 0)
        return Run(start_ns, end_ns, stamps, predicted, truth, found, spans)


def unknown_names(decisions: Decisions, truth: Sequence[TruthSegment], taxonomy: Taxonomy) -> list[str]:
    """A sentence about the activities and one about the groups of the truth that a model does not know.

    It may well be that nobody taught them to it; or somebody has written them otherwise.
    """
    found = _at(decisions, truth)
    segments = [s for s, decided in zip(found, decisions.decided, strict=True) if decided and s and s.activity]
    activities = Counter(s.activity for s in segments if s.activity not in taxonomy.activities)
    groups = Counter(s.group for s in segments if s.group and s.group not in taxonomy.group_names)
    sentences = []
    if activities:
        names = _listed(activities, taxonomy.activities)
        sentences.append(f"the model does not know the activities {names}: there only 'unknown' is right")
    if groups:
        names = _listed(groups, taxonomy.group_names)
        sentences.append(f"the model does not know the groups {names}: its own count for activities that it knows")
    return sentences


def _listed(counts: Counter[str], known: Sequence[str]) -> str:
    """Names with the number of decisions, and what of the known ones was perhaps meant."""
    by_case = {name.casefold(): name for name in known}
    texts = []
    for name, count in counts.most_common(_SHOWN):
        near = difflib.get_close_matches(name.casefold(), by_case, n=1)
        meant = f", did you mean {by_case[near[0]]}?" if near else ""
        texts.append(f"{shorten(name, 120)} ({count} decisions{meant})")
    return ", ".join(texts) + (f" and {len(counts) - _SHOWN} more" if len(counts) > _SHOWN else "")


def pause_problems(decisions: Decisions, period_ns: int) -> list[str]:
    """A sentence about the pauses in a recording, if there are any: a clock that was set forward looks like one."""
    runs = (decisions.stamp_ns[decisions.epoch == epoch].tolist() for epoch in np.unique(decisions.epoch))
    pauses = [pause for stamps_ns in runs for pause in _pauses(stamps_ns, period_ns)]
    if not pauses:
        return []
    start_ns, end_ns = max(pauses, key=lambda pause: pause[1] - pause[0])
    start, end = f"{ns_to_seconds(start_ns):.3f}", f"{ns_to_seconds(end_ns):.3f}"
    return [
        f"pauses between decisions count as no time: {len(pauses)}, the longest "
        f"{ns_to_seconds(end_ns - start_ns):.1f} s, from {start} to {end} s; then nothing was recorded, nobody was in "
        "view, or a clock was set"
    ]


def _pauses(stamps_ns: Sequence[int], period_ns: int) -> list[tuple[int, int]]:
    longest_ns = max(_PAUSE_NS, longest_step(period_ns))
    return [(a, b) for a, b in pairwise(stamps_ns) if b - a > longest_ns]


def _at(decisions: Decisions, truth: Sequence[TruthSegment]) -> Iterator[TruthSegment | None]:
    """The segment that holds each decision's stamp, of the run that it is of; None where there is none."""
    lookups = {epoch: Truth(of_epoch(truth, epoch)) for epoch in np.unique(decisions.epoch).tolist()}
    for epoch, stamp_ns in zip(decisions.epoch.tolist(), decisions.stamp_ns.tolist(), strict=True):
        yield lookups[epoch].at(stamp_ns)


def right_activity(activity: str, taxonomy: Taxonomy) -> str:
    """What a model has to say of an activity: unknown if it does not know it."""
    return activity if activity in taxonomy.activities else UNKNOWN


def true_labels(decisions: Decisions, truth: Sequence[TruthSegment], taxonomy: Taxonomy) -> TrueLabels:
    """Look up what was going on at the stamps of decisions.

    An activity that the model does not know counts as unknown, see `right_activity`. A segment without a group, or with
    one that the model does not know, has that of its activity in the model's taxonomy.
    """
    activities = {name: i for i, name in enumerate((*taxonomy.activities, UNKNOWN))}
    groups = {name: i for i, name in enumerate((*taxonomy.group_names, UNKNOWN))}
    activity = np.full(len(decisions), UNDECIDED)
    group = np.full(len(decisions), UNDECIDED)
    inside = np.zeros(len(decisions), np.bool_)
    subject = np.full(len(decisions), "", dtype=object)
    for i, (start_ns, segment) in enumerate(zip(decisions.start_ns.tolist(), _at(decisions, truth), strict=True)):
        if segment is None or not segment.activity:
            continue
        activity[i] = activities[right_activity(segment.activity, taxonomy)]
        named = segment.group
        if named not in groups and segment.activity in taxonomy.activities:
            named = taxonomy.group_of(segment.activity)
        group[i] = groups.get(named, groups[UNKNOWN])
        subject[i] = segment.subject
        inside[i] = start_ns >= segment.start_ns
    return TrueLabels(group, activity, inside, subject)
