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

"""The `ActivityAnnotation` messages of a recording as labels."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import takewhile
from typing import Any

from mumu_ros.conversions import SUPPORTED_TYPES, time_to_ns
from mumu_ros.recordings.errors import RecordingError
from mumu_ros.recordings.label_files import Label, LabelError, check_label
from mumu_ros.recordings.progress import ReadingProgress
from mumu_ros.recordings.reader import Recording
from mumu_ros.recordings.stamped import Stamped, read_stamped
from mumu_ros.recordings.topics import ANNOTATION_TYPE
from mumu_ros.streams.stamps import FOREVER_NS
from mumu_ros.text import composed, shorten

__all__ = ["annotated", "annotation_topic", "decoded", "distinct", "labels_of", "of_body", "read_annotations"]


def annotation_topic(recording: Recording, streams: Collection[str]) -> str | None:
    """The topic with the annotations of what streams show, by their topics; None if there is none.

    Of several it is the one that shares most of its namespace with the streams, so that two robots in one recording are
    not mixed. Where that does not decide, it is the first, and the recording's `problems` say so.
    """
    topics = (topic for topic in recording.topics.values() if topic.type_name == ANNOTATION_TYPE and topic.count)
    names = sorted(topic.name for topic in topics if topic.name not in recording.undecoded)
    shared = {name: sum(_shared(name, stream) for stream in streams) for name in names}
    nearest = [name for name in names if shared[name] == max(shared.values())]
    if len(nearest) > 1:
        recording.problems.append(
            f"annotations are on {' and '.join(nearest)}; only those of {nearest[0]} are read: a label file decides"
        )
    return nearest[0] if nearest else None


def of_body(annotations: Sequence[Any], body_id: str) -> list[Any]:
    """The messages of mumu_ros/msg/ActivityAnnotation about a body: its own, if there are none those without a body.

    An empty `body_id` is the only body in view: all are about it.
    """
    if not body_id:
        return list(annotations)
    own = [message for message in annotations if message.body_id == body_id]
    return own or [message for message in annotations if not message.body_id]


def distinct(annotations: Iterable[Any]) -> list[Any]:
    """The messages in order of time, each once; of one that was sent without its end and then with it, the latter."""
    messages = {_order(message): message for message in annotations}
    ended = {_same(message) for message in messages.values() if time_to_ns(message.end)}
    return [messages[k] for k in sorted(messages) if time_to_ns(messages[k].end) or _same(messages[k]) not in ended]


def annotated(annotations: Iterable[Any], end_ns: int, problems: list[str]) -> list[tuple[Label, str]]:
    """What messages of mumu_ros/msg/ActivityAnnotation say: labels in order of time that do not overlap, and subjects.

    An annotation without an end lasts until the next one begins, the last one until `end_ns`. One that comes twice, as
    in a bag that was played in a loop, counts once. Where two overlap, the later one ends the earlier. Those that no
    label file could hold are dropped. `problems` gets a sentence for each reason to drop some, and one about those that
    are cut.
    """
    spans = ((m, time_to_ns(m.start), time_to_ns(m.end)) for m in distinct(annotations))
    rows = list(dict.fromkeys((a, b, _name(m.group), _name(m.activity), str(m.subject)) for m, a, b in spans))
    following = [*(row[0] for row in rows[1:]), FOREVER_NS]
    found: list[tuple[Label, str]] = []
    empty: list[str] = []
    cut: list[str] = []
    refused: list[str] = []
    for (start_ns, known_end_ns, group, activity, subject), next_ns in zip(rows, following, strict=False):
        stop_ns = min(known_end_ns or end_ns, next_ns)
        name = f"{shorten(activity, 120) or 'a pause'} at {start_ns} ns"
        if stop_ns <= start_ns:
            empty.append(name)
            continue
        if stop_ns < known_end_ns:
            cut.append(name)
        if activity:
            label = Label(start_ns, stop_ns, group, activity)
            try:
                check_label(label, f"the one at {start_ns} ns")
            except LabelError as error:
                refused.append(str(error))
                continue
            found.append((label, subject))
    if cut:
        problems.append(f"{len(cut)} annotations overlap the next one and were cut where that begins, first {cut[0]}")
    if empty:
        problems.append(f"{len(empty)} annotations last no time and were left out, first {empty[0]}")
    if refused:
        problems.append(f"{len(refused)} annotations are no labels and were left out, first {refused[0]}")
    return found


def read_annotations(recording: Recording, end_ns: int, streams: Collection[str] = ()) -> list[Label]:
    """Read the annotations of a recording's first run, before time jumps back, as labels: see `labels_of`.

    The rest is about other moments of the same stamps, of which `read_stamped` reads nothing. `streams` are the topics
    that the labels are for; empty: all sensors.
    """
    sensors = (topic.name for topic in recording.topics.values() if topic.type_name in SUPPORTED_TYPES and topic.count)
    streams = streams or list(sensors)
    notes = annotation_topic(recording, streams)
    messages = [message for _, _, message in recording.messages([notes])] if notes else []
    if notes and messages and streams:
        problems = list(recording.problems)
        with ReadingProgress(recording) as bar:
            stamped = [
                row for row in read_stamped(recording, [*streams], bar.update, beside=[notes]) if row.topic == notes
            ]
        messages = list(decoded(recording, stamped))
        recording.problems[:] = problems  # What the streams lack is reported by who uses them.
    return labels_of(recording, messages, end_ns)


def decoded(recording: Recording, rows: Iterable[Stamped]) -> Iterator[Any]:
    """Yield messages without those that are damaged, which are reported in the recording's `problems`."""
    for row in rows:
        try:
            yield recording.decode(row.topic, row.data)
        except RecordingError as error:
            recording.problems.append(f"an annotation of {row.topic} is not read: {error}")


def labels_of(recording: Recording, messages: Sequence[Any], end_ns: int) -> list[Label]:
    """Return a recording's annotations as labels, see `annotated`.

    Its `problems` name what is dropped or cut; so are all bodies but the first, because a label has no body.
    """
    bodies = sorted({str(message.body_id) for message in messages})
    if len(bodies) > 1:
        recording.problems.append(
            f"annotations are of {len(bodies)} bodies, {', '.join(map(repr, bodies))}; "
            f"only those of {bodies[0]!r} are read"
        )
        messages = [message for message in messages if message.body_id == bodies[0]]
    return [label for label, _ in annotated(messages, end_ns, recording.problems)]


def _name(text: str) -> str:
    """As `read_labels` reads it."""
    return composed(text.strip())


def _shared(topic: str, other: str) -> int:
    """How many names two topics' namespaces begin with alike."""
    pairs = zip(topic.split("/")[1:-1], other.split("/")[1:-1], strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _order(message: Any) -> tuple[int, int, str, str, str, str]:
    return time_to_ns(message.start), time_to_ns(message.end) or FOREVER_NS, *_same(message)[1:]


def _same(message: Any) -> tuple[int, str, str, str, str]:
    """All but the end."""
    names = message.activity, message.group, message.subject, message.body_id
    return time_to_ns(message.start), *names
