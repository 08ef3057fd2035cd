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

from collections.abc import Sequence
from typing import Any

from mumu_ros.conversions import time_to_ns
from mumu_ros.recordings.label_files import Label
from mumu_ros.recordings.reader import Recording
from mumu_ros.recordings.topics import ANNOTATION_TYPE

__all__ = ["annotation_topics", "of_body", "read_annotations"]


def annotation_topics(recording: Recording) -> list[str]:
    """The topics with annotations that can be decoded."""
    annotated = (topic.name for topic in recording.topics.values() if topic.type_name == ANNOTATION_TYPE)
    return [name for name in annotated if name not in recording.undecoded]


def of_body(annotations: Sequence[Any], body_id: str) -> list[Any]:
    """The messages of mumu_ros/msg/ActivityAnnotation about a body: its own, if there are none those without a body.

    An empty `body_id` is the only body in view: all are about it.
    """
    if not body_id:
        return list(annotations)
    own = [message for message in annotations if message.body_id == body_id]
    return own or [message for message in annotations if not message.body_id]


def read_annotations(recording: Recording, end_ns: int) -> list[Label]:
    """Read a recording's annotations, in order of time.

    An annotation without an end lasts until the next one begins, the last one until `end_ns`; one that comes twice
    counts once. Empty and overlapping ones are skipped and reported in the recording's `problems`; so are those of all
    bodies but the first, because a label has no body.
    """
    topics = annotation_topics(recording)
    messages = [message for _, _, message in recording.messages(topics)] if topics else []
    bodies = sorted({str(message.body_id) for message in messages})
    if len(bodies) > 1:
        recording.problems.append(
            f"annotations are of {len(bodies)} bodies, {', '.join(map(repr, bodies))}; "
            f"only those of {bodies[0]!r} are read"
        )
        messages = [message for message in messages if message.body_id == bodies[0]]
    given = dict.fromkeys((time_to_ns(m.start), time_to_ns(m.end), str(m.group), str(m.activity)) for m in messages)
    rows = sorted(given, key=lambda row: row[:2])
    next_ns = [*(row[0] for row in rows[1:]), end_ns]
    labels: list[Label] = []
    for (start_ns, known_end_ns, group, activity), after_ns in zip(rows, next_ns, strict=False):
        if not activity:  # unlabelled
            continue
        stop_ns = known_end_ns or after_ns
        if stop_ns > start_ns and (not labels or start_ns >= labels[-1].end_ns):
            labels.append(Label(start_ns, stop_ns, group, activity))
        else:
            recording.problems.append(
                f"the annotation {activity} at {start_ns} ns is empty or overlaps another; it is left out"
            )
    return labels
