"""What was recognised in one recording, beside what was going on in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mumu_ros.evaluation.decisions import UNDECIDED, Decisions, TrueLabels
from mumu_ros.evaluation.scoring import Truth, TruthSegment
from mumu_ros.evaluation.segments import Segment, merge
from mumu_ros.evaluation.sensors import Outage, SensorReport
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.recognition.decision import UNKNOWN

__all__ = ["BagResult", "true_labels"]


@dataclass(frozen=True, eq=False)
class BagResult:
    """One recording's share of an evaluation.

    Attributes:
        name: Of the recording.
        start_ns: First stamp of a sensor.
        end_ns: Last one.
        period_ns: Usual time between decisions.
        decisions: What was recognised.
        truth: What was going on, in order of time; empty if nobody said.
        labels: The truth at the decisions' stamps.
        sensors: Of each stream; empty where only recognitions were heard.
        pauses: Silences of all of them at once.
        waits_ms: See `Replay.waits_ms`.
        problems: What is wrong with the recording, a sentence each.
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

    @property
    def minutes(self) -> float:
        """How long the recording is."""
        return (self.end_ns - self.start_ns) * 1e-9 / 60

    def said(self, names: Sequence[str]) -> list[str | None]:
        """The activity of each decision; None where it is unknown or there is none."""
        return [names[i] if 0 <= i < len(names) else None for i in self.decisions.activity.tolist()]

    def found_segments(self, names: Sequence[str]) -> list[Segment]:
        """Decisions joined to segments; the activities' names are given."""
        segments: list[Segment] = []
        said = np.array(self.said(names), dtype=object)
        for epoch in np.unique(self.decisions.epoch):
            rows = np.flatnonzero(self.decisions.epoch == epoch)
            segments += merge(self.decisions.stamp_ns[rows].tolist(), said[rows].tolist(), self.period_ns)
        return segments

    def true_segments(self) -> list[Segment]:
        """The truth within the time of the recording."""
        clipped = (Segment(max(s.start_ns, self.start_ns), min(s.end_ns, self.end_ns), s.activity) for s in self.truth)
        return [segment for segment in clipped if segment.end_ns > segment.start_ns]


def true_labels(decisions: Decisions, truth: Sequence[TruthSegment], taxonomy: Taxonomy) -> TrueLabels:
    """Look up what was going on at the stamps of decisions.

    An activity that the model does not know counts as unknown: then "unknown" is the right answer. A segment without a
    group has that of its activity in the model's taxonomy.
    """
    activities = {name: i for i, name in enumerate((*taxonomy.activities, UNKNOWN))}
    groups = {name: i for i, name in enumerate((*taxonomy.group_names, UNKNOWN))}
    lookup = Truth(truth)
    activity = np.full(len(decisions), UNDECIDED)
    group = np.full(len(decisions), UNDECIDED)
    inside = np.zeros(len(decisions), np.bool_)
    subject = np.full(len(decisions), "", dtype=object)
    for i, (start_ns, stamp_ns) in enumerate(
        zip(decisions.start_ns.tolist(), decisions.stamp_ns.tolist(), strict=True)
    ):
        segment = lookup.at(stamp_ns)
        if segment is None or not segment.activity:
            continue
        activity[i] = activities.get(segment.activity, activities[UNKNOWN])
        named = segment.group
        if not named and segment.activity in taxonomy.activities:
            named = taxonomy.group_of(segment.activity)
        group[i] = groups.get(named, groups[UNKNOWN])
        subject[i] = segment.subject
        inside[i] = start_ns >= segment.start_ns
    return TrueLabels(group, activity, inside, subject)
