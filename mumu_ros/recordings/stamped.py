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

"""Messages by their header stamps: which of them to accept, without decoding unused ones, and when there are any."""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mumu_ros.conversions import ConversionError
from mumu_ros.recordings.reader import Recording
from mumu_ros.streams.stamps import NS_PER_S, StampGuard, StreamClock, Verdict

__all__ = ["Span", "Stamped", "cdr_stamp_ns", "read_stamped", "spans_of"]

Span = tuple[int, int]
"""[from, to), in nanoseconds of header stamps."""

_HELD, _HELD_BYTES, _LEAST_HELD = 2048, 64 * 2**20, 64
"""How many messages of a topic wait until it is clear whether time has jumped or a stamp is garbage, which takes half a
second: as many as 64 MiB hold, at most 2048 (an IMU of 4 kHz) and at least 64 (pictures)."""
_SILENCE_NS = 60 * NS_PER_S
_WITHOUT_HEADER = "std_msgs/msg/Float32MultiArray"


class Stamped(NamedTuple):
    """A message that is not decoded yet.

    Attributes:
        topic: Where it was published.
        stamp_ns: Of its header, its log time where the type has none; with the topic's offset.
        logged_ns: Its log time.
        data: What `Recording.decode` takes.
    """

    topic: str
    stamp_ns: int
    logged_ns: int
    data: bytes


def read_stamped(
    recording: Recording,
    topics: Collection[str],
    progress: Callable[[int], None] | None = None,
    offsets_ns: Mapping[str, int] | None = None,
    beside: Collection[str] = (),
) -> Iterator[Stamped]:
    """Yield the messages of topics with acceptable stamps, by the rule of the live nodes.

    `offsets_ns` are added to the stamps of a topic before they are judged, as sensor_sync adds `offset_s`.
    Reading ends where time jumps back: from there on the same stamps would mean other moments. What is left out is
    reported in the recording's `problems` when everything has been read. Messages of the topics begin with a header, or
    have none. Those of the topics `beside`, such as annotations, are about other times than that of a header: they come
    last, each with its log time, without those since time jumped back.
    """
    offsets_ns = offsets_ns or {}
    clocks = {name: StreamClock(_LEAST_HELD) for name in topics}
    guard: StampGuard[StreamClock, Stamped] = StampGuard(list(clocks.values()))
    cut_off = dict.fromkeys(topics, 0)
    waiting: list[Stamped] = []
    on_time = 0  # how many of them came before a message that was on the timeline
    newest_ns = 0  # the clocks forget theirs in a jump back
    for topic, logged_ns, data in recording.raw_messages([*topics, *beside]):
        if progress:
            progress(logged_ns)
        if topic in beside:
            waiting.append(Stamped(topic, logged_ns, logged_ns, data))
            continue
        headless = recording.topics[topic].type_name == _WITHOUT_HEADER
        try:
            own_ns = logged_ns if headless else cdr_stamp_ns(data)
            message = Stamped(topic, own_ns + offsets_ns.get(topic, 0), logged_ns, data)
        except ConversionError:
            cut_off[topic] += 1
            continue
        clocks[topic].hold_limit = max(_LEAST_HELD, min(_HELD, _HELD_BYTES // max(1, len(data))))
        verdict = guard.judge(clocks[topic], message.stamp_ns, message)
        if verdict is Verdict.BACKWARD:
            recording.problems.append(
                f"time jumps back after {newest_ns} ns: the bag holds two recordings, only the first is used; split it "
                "for the others"
            )
            del waiting[on_time:]
            break
        if verdict is Verdict.TURNED_AWAY:
            continue
        on_time = len(waiting)
        for clock, stamp_ns, good in guard.release() or [(clocks[topic], message.stamp_ns, message)]:
            clock.newest_ns = max(clock.newest_ns, stamp_ns)
            newest_ns = max(newest_ns, stamp_ns)
            yield good
    yield from waiting
    for name, clock in clocks.items():
        if wrong := clock.refused + clock.late:
            recording.problems.append(f"{wrong} messages of {name} have unacceptable stamps; not used")
        if cut_off[name]:
            recording.problems.append(f"{cut_off[name]} messages of {name} are cut off; not used")


def spans_of(stamps_ns: Sequence[int] | NDArray[np.int64], silence_ns: int = _SILENCE_NS) -> list[Span]:
    """Where stamps, in any order, are: [first, behind the last), apart by silences that are longer than `silence_ns`.

    A clock that is set forward leaves one, too, of years where it had no time of its own.
    """
    ordered = np.sort(np.array(stamps_ns, np.int64))
    parts = np.split(ordered, np.flatnonzero(np.diff(ordered) > silence_ns) + 1)
    return [(int(part[0]), int(part[-1]) + 1) for part in parts if len(part)]


def cdr_stamp_ns(data: bytes) -> int:
    """The stamp of a serialised message that begins with a std_msgs/Header, without decoding the rest.

    Raises:
        ConversionError: The message is shorter than that.
    """
    if len(data) < 12:
        raise ConversionError(f"the message is cut off: {len(data)} bytes")
    # Four bytes of encapsulation, whose second says the byte order; then sec and nanosec.
    sec, nanosec = struct.unpack_from("<iI" if data[1] & 1 else ">iI", data, 4)
    return int(sec * NS_PER_S + nanosec)
