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

"""Recordings and labels become a training set in the folder format (docs/datasets.md)."""

from __future__ import annotations

import json
import math
import re
import shutil
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from mumu_ros.datasets.clip_writer import Piece, equal_parts, recorded_stamps, within, write_clips
from mumu_ros.datasets.clips import ClipInfo, DatasetError, fills_window
from mumu_ros.datasets.found_people import SKELETON, FoundPeople, find_people, write_skeletons
from mumu_ros.files import folder_beside
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.pipeline.configuration import SensorSyncConfig
from mumu_ros.recordings import Recording, RecordingError
from mumu_ros.recordings.annotations import read_annotations
from mumu_ros.recordings.label_files import Label, beyond, find_labels, labels_path, outside, read_labels
from mumu_ros.recordings.progress import ReadingProgress
from mumu_ros.recordings.stamped import Span, spans_of
from mumu_ros.recordings.storage_files import check_distinct
from mumu_ros.recordings.stream_topics import resolve_topics
from mumu_ros.streams import NS_PER_S
from mumu_ros.streams.stamps import FOREVER_NS

__all__ = ["BagReport", "Dropped", "Report", "Source", "build_dataset"]

_ANNOTATIONS = "annotations"
_NO_SAMPLE = "none of its streams has a sample then"


@dataclass(frozen=True)
class Source:
    """A recording to take clips from.

    Attributes:
        bag: The recording.
        subject: The person; splits use this.
        labels: Its label file; None: the one beside it, else its annotations.
    """

    bag: Path
    subject: int
    labels: Path | None = None


@dataclass(frozen=True)
class Dropped:
    """A label that became no clip.

    Attributes:
        start_s: Seconds from the start of the recording.
        end_s: Likewise.
        activity: What was labelled.
        reason: Why it was dropped.
    """

    start_s: float
    end_s: float
    activity: str
    reason: str


@dataclass
class BagReport:
    """What became of a recording.

    Attributes:
        bag: Its path.
        subject: The person.
        labels: Where its labels come from.
        clips: Id to activity.
        seconds: In clips.
        unlabelled_s: Of the recording, without a label.
        dropped: Labels that became no clip.
        incomplete: Stream to the number of clips that lack it; training masks it there.
        problems: What is wrong with the recording, a sentence each.
    """

    bag: str
    subject: int
    labels: str = ""
    clips: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    unlabelled_s: float = 0.0
    dropped: list[Dropped] = field(default_factory=list)
    incomplete: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, problems: Iterable[str]) -> None:
        """Add problems, each once: a recording is read several times, and says again what is damaged."""
        self.problems = list(dict.fromkeys([*self.problems, *problems]))


@dataclass(frozen=True)
class Report:
    """What a training set was made of; also in its report.json.

    Attributes:
        bags: One for each recording.
        taxonomy: Of what is in the clips.
        activities: Activity to number of clips.
    """

    bags: Sequence[BagReport]
    taxonomy: Taxonomy
    activities: Mapping[str, int]


def build_dataset(
    sources: Sequence[Source],
    out: Path,
    config: SensorSyncConfig | None,
    window_s: float,
    *,
    skeletons: bool = False,
    taxonomy: Taxonomy | None = None,
    progress: Callable[[BagReport], None] | None = None,
) -> Report:
    """Write a training set; one clip for each label, of every stream that was recorded.

    Labels shorter than a window are joined to those of the same activity that touch them. Samples are converted,
    cropped and resized as the nodes do it, images are thinned out to the nodes' rate. A recording that cannot be read
    is reported and left out.

    Args:
        sources: The recordings.
        out: The new folder, there whole or not at all.
        config: Of sensor_sync: which topic is which stream; None: no stream is read.
        window_s: Of the training; labels with samples that do not fill one are dropped.
        skeletons: Find the people in the pictures, and write their joints as the stream `skeleton`.
        taxonomy: The activities to use; None: those that are labelled, in the groups of the labels.
        progress: Called with each recording's report.

    Raises:
        DatasetError: `out` exists, a label has two groups or is written in two ways, no clip remains, or the window has
            no length.
        LabelError: A label file that was named cannot be read.
        RecordingError: A recording does not exist, or is given twice.
        OSError: `out` cannot be written.
    """
    out = out.resolve()
    if out.exists():
        raise DatasetError(f"{out} exists already; remove it, or choose another --out")
    if not 0 < window_s < math.inf:
        raise DatasetError(f"--shortest is {window_s:g}; expected the length of a window in seconds, above 0")
    for source in sources:
        if not source.bag.exists():
            raise RecordingError(f"{source.bag} does not exist; expected the folder or a file of a rosbag2")
    check_distinct(source.bag for source in sources)
    bags = [BagReport(str(source.bag), source.subject) for source in sources]
    labels = [_read_labels(source, bag, config) for source, bag in zip(sources, bags, strict=True)]
    for label in (x for rows in labels for x in rows):
        if "," in label.activity:
            raise DatasetError(f"activity {label.activity!r} has a comma, which clips.csv cannot hold; rename it")
    _check_case(label.activity for rows in labels for label in rows)
    known = taxonomy or _labelled_taxonomy(out.name, [x for rows in labels for x in rows])
    with folder_beside(out) as scratch:
        plan = _Plan(scratch, config, skeletons, known, window_s)
        clips = []
        for number, (source, bag, rows) in enumerate(zip(sources, bags, labels, strict=True), start=1):
            clips += _build_bag(plan, number, source, bag, rows)
            if progress:
                progress(bag)
        if not clips:
            reasons = Counter(dropped.reason for bag in bags for dropped in bag.dropped)
            why = [*(f"{reason} ({n})" for reason, n in reasons.items()), *(p for b in bags for p in b.problems)]
            raise DatasetError(f"no clip remains: {'; '.join(why[:5]) or 'there are no labels'}")
        report = Report(bags, _occurring(known, clips), Counter(clip.activity for clip in clips))
        lines = [f"{clip.id},{clip.subject},{clip.activity},{clip.session}" for clip in clips]
        (scratch / "clips.csv").write_text("\n".join(("id,subject,activity,session", *lines, "")), encoding="utf-8")
        report.taxonomy.write(scratch / "taxonomy.yaml")
        content = {"taxonomy": report.taxonomy.to_dict(), "bags": [asdict(bag) for bag in bags]}
        (scratch / "report.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        scratch.rename(out)
    return report


def _read_labels(source: Source, bag: BagReport, config: SensorSyncConfig | None) -> list[Label]:
    path = source.labels or find_labels(source.bag)
    if path:
        bag.labels = str(path)
        return read_labels(path)
    bag.labels = _ANNOTATIONS
    try:
        with Recording(source.bag) as recording:
            streams = resolve_topics(config, recording).values() if config else ()
            labels = read_annotations(recording, FOREVER_NS, streams)
            bag.problems += recording.problems
    except RecordingError:
        return []
    if not labels:
        beside = labels_path(source.bag)
        bag.problems.append(f"it is unlabelled: there is no {beside}, and it has no annotations; see mumu label")
    return labels


def _labelled_taxonomy(name: str, labels: Sequence[Label]) -> Taxonomy | None:
    """The activities that have a group, in the order in which they first occur."""
    groups: dict[str, list[str]] = {}
    group_of: dict[str, str] = {}
    _check_case(label.group for label in labels)
    for label in labels:
        if not label.group:
            continue
        if group_of.setdefault(label.activity, label.group) != label.group:
            raise DatasetError(
                f"{label.activity} is labelled in group {group_of[label.activity]!r} and in {label.group!r}; it "
                "can have one only"
            )
        if label.activity not in groups.setdefault(label.group, []):
            groups[label.group].append(label.activity)
    return Taxonomy(name, {group: tuple(names) for group, names in groups.items()}) if groups else None


def _check_case(names: Iterable[str]) -> None:
    """Refuse two names that differ in nothing but capital letters: they mean the same."""
    written: dict[str, str] = {}
    for name in names:
        other = written.setdefault(name.casefold(), name)
        if other != name:
            raise DatasetError(f"the labels have both {other!r} and {name!r}; write them alike, or rename one")


def _occurring(taxonomy: Taxonomy | None, clips: Sequence[ClipInfo]) -> Taxonomy:
    assert taxonomy is not None, "without a taxonomy no label becomes a clip"
    there = {clip.activity for clip in clips}
    groups = {group: tuple(x for x in names if x in there) for group, names in taxonomy.groups.items()}
    return Taxonomy(taxonomy.name, {group: names for group, names in groups.items() if names})


def _build_bag(plan: _Plan, number: int, source: Source, bag: BagReport, labels: Sequence[Label]) -> list[ClipInfo]:
    """Write the clips of a recording and fill in its report."""
    name = f"{number:02d}_{re.sub(r'[^0-9A-Za-z_.-]', '_', source.bag.resolve().name)}"
    try:
        found, spans = _look(plan, source.bag, bag)
        if spans:
            recorded = spans[0][0], spans[-1][1]
            all_outside = "" if bag.labels == _ANNOTATIONS else outside(labels, *recorded)
            if text := all_outside or beyond(labels, *recorded):
                bag.add([f"{bag.labels}: {text}"])
        parts, dropped = _parts(plan, labels, spans)
        pieces = [Piece(f"{name}_{i:03d}", start_ns, end_ns) for i, (_, start_ns, end_ns) in enumerate(parts)]
        samples = _write(plan, source.bag, pieces, found, bag)
    except RecordingError as error:
        bag.add([str(error)])
        return []
    clips = []
    for (label, start_ns, end_ns), piece in zip(parts, pieces, strict=True):
        if reason := _useless(plan, piece, samples[piece.clip]):
            dropped.setdefault(label, reason)
            continue
        clips.append(ClipInfo(piece.clip, source.subject, label.activity, session=number))
        bag.clips[piece.clip] = label.activity
        bag.seconds += (end_ns - start_ns) / NS_PER_S
        for stream in plan.streams:
            if stream not in samples[piece.clip]:
                bag.incomplete[stream] = bag.incomplete.get(stream, 0) + 1
    used = {label for (label, _, _), piece in zip(parts, pieces, strict=True) if piece.clip in bag.clips}
    bag.dropped = [_dropped(label, reason, spans) for label, reason in dropped.items() if label not in used]
    labelled = (end_ns - start_ns for label in labels for start_ns, end_ns in within(label, spans))
    bag.unlabelled_s = (sum(end_ns - start_ns for start_ns, end_ns in spans) - sum(labelled)) / NS_PER_S
    return clips


def _look(plan: _Plan, path: Path, bag: BagReport) -> tuple[FoundPeople | None, list[Span]]:
    """The people in a recording, if they are wanted, and when it has samples."""
    stamps_ns = array("q")
    if plan.config:
        with Recording(path) as recording, ReadingProgress(recording) as bar:
            topics = resolve_topics(plan.config, recording)
            stamps_ns.extend(recorded_stamps(recording, plan.config, topics, bar.update))
            bag.add(recording.problems)
    found = None
    if plan.skeletons:
        try:
            found = find_people(path)
        except RecordingError as error:
            if not plan.config:
                raise
            bag.add([str(error)])  # the other streams are taken
        else:
            stamps_ns.extend(found.stamps_ns)
    return found, spans_of(stamps_ns)


def _parts(
    plan: _Plan, labels: Sequence[Label], spans: Sequence[Span]
) -> tuple[list[tuple[Label, int, int]], dict[Label, str]]:
    """What to make clips of, in order of time: of which label, and [from, to); and why other labels can be no clip."""
    parts: list[tuple[Label, int, int]] = []
    refused = {}
    for label in _joined(labels, plan.window_s):
        inside = list(within(label, spans))
        if reason := plan.refuse(label) or ("" if inside else _NO_SAMPLE):
            refused[label] = reason
        else:
            parts += ((label, *part) for span in inside for part in equal_parts(span))
    return parts, refused


def _useless(plan: _Plan, piece: Piece, samples: Mapping[str, int]) -> str:
    """Why a piece is no clip, and it is removed then; empty if it is one."""
    if not samples:
        return _NO_SAMPLE
    first_ns, behind_ns = _span_ns(plan.folder / piece.clip)
    if fills_window(first_ns, behind_ns, plan.window_s):
        return ""
    shutil.rmtree(plan.folder / piece.clip)
    return f"{plan.too_short}: its samples span {(behind_ns - first_ns) / NS_PER_S:.1f} s"


def _dropped(label: Label, reason: str, spans: Sequence[Span]) -> Dropped:
    begin_ns, behind_ns = (spans[0][0], spans[-1][1]) if spans else (0, 0)
    end_ns = max(label.start_ns, behind_ns) if label.end_ns == FOREVER_NS else label.end_ns
    start_s, end_s = ((stamp_ns - begin_ns) / NS_PER_S for stamp_ns in (label.start_ns, end_ns))
    return Dropped(start_s, end_s, label.activity, reason)


def _joined(labels: Sequence[Label], window_s: float) -> list[Label]:
    """Labels of which those shorter than a window are joined to neighbours of their activity that touch them.

    Repetitions that were labelled one by one may be too short alone.
    """
    shortest_ns = window_s * NS_PER_S
    joined: list[Label] = []
    for label in labels:
        before = joined[-1] if joined else None
        if (
            before
            and (before.activity, before.end_ns) == (label.activity, label.start_ns)
            and min(before.end_ns - before.start_ns, label.end_ns - label.start_ns) < shortest_ns
        ):
            joined[-1] = replace(before, end_ns=label.end_ns)
        else:
            joined.append(label)
    return joined


def _write(
    plan: _Plan, path: Path, pieces: list[Piece], found: FoundPeople | None, bag: BagReport
) -> dict[str, dict[str, int]]:
    """Write the samples of a recording's pieces; clip to stream to their number."""
    samples: dict[str, dict[str, int]] = {piece.clip: {} for piece in pieces}
    if plan.config:
        with Recording(path) as recording, ReadingProgress(recording) as bar:
            topics = resolve_topics(plan.config, recording)
            written = write_clips(recording, plan.config, topics, pieces, plan.folder, bar.update)
            bag.add(recording.problems)
        samples |= {clip: dict(counts) for clip, counts in written.samples.items()}
    if found:
        counts, problems = write_skeletons(found, pieces, plan.folder)
        bag.add(problems)
        for clip, count in counts.items():
            samples[clip][SKELETON] = count
    return samples


@dataclass(frozen=True)
class _Plan:
    """What is the same for every recording."""

    folder: Path
    config: SensorSyncConfig | None
    skeletons: bool
    taxonomy: Taxonomy | None
    window_s: float

    @property
    def streams(self) -> list[str]:
        """Of each clip, if they were recorded."""
        names = [stream.name for stream in self.config.streams] if self.config else []
        return [*names, SKELETON] if self.skeletons else names

    @property
    def too_short(self) -> str:
        """Why a label or its samples are no clip."""
        return f"too short for a window of {self.window_s:g} s"

    def refuse(self, label: Label) -> str:
        """Why a label can be no clip; empty if it can."""
        if self.taxonomy is None or label.activity not in self.taxonomy.activities:
            if label.group:
                return f"{label.activity} is not in the taxonomy"
            return f"{label.activity} has no group; write one into the label file, or give a --taxonomy"
        return "" if fills_window(label.start_ns, label.end_ns, self.window_s) else self.too_short


def _span_ns(folder: Path) -> tuple[int, int]:
    """From the first sample of a clip to behind the last one."""
    stamps_ns = [int(path.stem) for path in folder.glob("*/*.png")]
    for path in folder.glob("*.npz"):
        with np.load(path) as file:
            stamps_ns += file["stamps_ns"][[0, -1]].tolist()
    return min(stamps_ns), max(stamps_ns) + 1
