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

"""A recording through the same synchroniser, conversions and recogniser as live, as fast as the machine can."""

from __future__ import annotations

import time
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mumu_ros.conversions.messages import header_stamp_ns, make_header
from mumu_ros.evaluation.decision_features import FeatureLog
from mumu_ros.evaluation.decisions import DecisionLog, Decisions
from mumu_ros.evaluation.sensor_reports import Outage, SensorLog, SensorReport, split_pauses
from mumu_ros.evaluation.stopwatch import Stopwatch
from mumu_ros.evaluation.whatif import Alterer
from mumu_ros.pipeline.configuration import SensorSyncConfig, StreamConfig
from mumu_ros.pipeline.framing import Frame, FrameBuilder, Received, content, is_of_stream, message_to_array
from mumu_ros.recognition.session import Sample, Session
from mumu_ros.recordings import Recording
from mumu_ros.recordings.typestore import BagTypes
from mumu_ros.streams import NS_PER_S, SynchronizedSet, Synchronizer, seconds_to_ns
from mumu_ros.streams.stamps import JUMP_NS

__all__ = ["Chain", "Replay", "SharedConversions", "replay"]

POLL_NS = 20_000_000
"""As often as sensor_sync looks for sets whose deadline has passed."""
DRAIN_NS = NS_PER_S
"""So long after the last message sets are still looked for."""
_KEPT_MESSAGES = 512
_LONGEST_WAIT_MS = 60_000
"""No set is waited for as long: the log has another clock than the stamps."""


@dataclass(frozen=True, eq=False)
class Replay:
    """What came out.

    Attributes:
        decisions: In the order in which they were made.
        sensors: Of each stream.
        pauses: Silences of all of them at once.
        annotations: Messages of mumu_ros/msg/ActivityAnnotation that came in each run between jumps back in time.
        start_ns: First stamp of a frame; 0 if there is none.
        end_ns: Last one.
        waits_ms: Time on the recording's clock from a frame's stamp until its set left: median and 99th percentile;
            None where there is no frame, or the stamps have another clock, such as simulated time.
        epochs: How often time jumped back.
        problems: What is wrong with the recording, a sentence each.
    """

    decisions: Decisions
    sensors: Mapping[str, SensorReport]
    pauses: Sequence[Outage]
    annotations: Sequence[Sequence[Any]]
    start_ns: int
    end_ns: int
    waits_ms: tuple[float, float] | None
    epochs: int
    problems: tuple[str, ...]


def replay(
    recording: Recording,
    topics: Mapping[str, str],
    chains: Sequence[Chain],
    *,
    annotations: str | None = None,
    stopwatch: Stopwatch | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[Replay]:
    """Run a recording through one or more chains, each by itself, in one go; `annotations` is the topic with those."""
    stopwatch = stopwatch or Stopwatch()
    streams_of: defaultdict[str, list[str]] = defaultdict(list)
    for stream, topic in topics.items():
        streams_of[topic].append(stream)
    messages = recording.messages([*streams_of, *([annotations] if annotations else [])])
    log_ns = 0
    while True:
        with stopwatch.measure("read"):
            row = next(messages, None)
        if row is None:
            break
        topic, log_ns, message = row
        if progress:
            progress(log_ns)
        if topic not in streams_of:
            for chain in chains:
                chain.annotate(message)
            continue
        for chain in chains:
            for stream in streams_of[topic]:
                chain.take(stream, message, log_ns)
    for chain in chains:
        chain.drain(log_ns)
    return [chain.result(recording.problems) for chain in chains]


class SharedConversions:
    """Converts a message once for each stream, though several chains ask for it."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, int], tuple[Any, NDArray[Any]]] = {}

    def __call__(self, stream: StreamConfig, message: Any) -> NDArray[Any]:
        """See `message_to_array`."""
        inner = content(message)
        # Streams of one topic take other joints of a message, or another crop.
        key = (stream.name, id(inner))
        kept = self._kept.get(key)
        if kept is None:
            if len(self._kept) >= _KEPT_MESSAGES:
                del self._kept[next(iter(self._kept))]
            # With the message, for as long as its id is to mean it.
            kept = self._kept[key] = (inner, message_to_array(stream, inner))
        return kept[1]


class Chain:
    """sensor_sync and inference, one behind the other, for a recording.

    A message's log time stands for its arrival, so deadlines and timeouts work as they did when it was recorded; where
    the recorder's clock was set back, arrival goes on. The session is a fresh one.
    """

    def __init__(
        self,
        topics: Mapping[str, str],
        sync: SensorSyncConfig,
        session: Session,
        *,
        alterer: Alterer | None = None,
        stopwatch: Stopwatch | None = None,
        convert: SharedConversions | None = None,
        features: FeatureLog | None = None,
    ) -> None:
        config = session.checkpoint.config
        self._stopwatch = stopwatch or Stopwatch()
        self._topics = topics
        self._streams = {stream.name: stream for stream in sync.streams}
        self._synchronizer = Synchronizer(
            [stream.name for stream in sync.streams if stream.is_image],
            [stream.name for stream in sync.streams if not stream.is_image],
            queue_size=sync.queue_size,
            slop_s=sync.slop_s,
            period_s=1.0 / sync.rate_hz,
            timeout_s=sync.timeout_s,
        )
        self._builder = FrameBuilder(sync.streams, convert=convert)
        self._session = session
        self._modalities = set(config.names)
        self._alterer = alterer
        self._log = DecisionLog(config.taxonomy, config.names)
        self._features = features
        self._timeout_ns = seconds_to_ns(sync.timeout_s)
        self._sensors = {name: SensorLog(self._timeout_ns) for name in topics}
        self._offsets_ns = {stream.name: seconds_to_ns(stream.offset_s) for stream in sync.streams}
        self._types = BagTypes()
        self._waits_ms = array("f")
        self._polled_ns = 0
        self._logged_ns = 0
        self._set_back_ns = 0
        self._first_ns = self._last_ns = self._newest_ns = 0
        self._annotations: list[list[Any]] = [[]]
        self._on_time = 0

    def take(self, stream: str, message: Any, log_ns: int) -> None:
        """Take in a message, as a subscription does."""
        if log_ns < self._logged_ns - JUMP_NS:
            self._set_back_ns += self._logged_ns - log_ns
        self._logged_ns = log_ns
        now_ns = log_ns + self._set_back_ns
        self._poll_until(now_ns)
        if not is_of_stream(self._streams[stream], message):
            return
        own_ns = header_stamp_ns(message)
        recorded_ns = (log_ns if own_ns is None else own_ns) + self._offsets_ns[stream]
        stamp_ns = self._alterer.restamp(stream, recorded_ns) if self._alterer else recorded_ns
        if stamp_ns is None:
            return
        if stamp_ns != own_ns:
            message = Received(self._header(stamp_ns, message), partial(content, message))
        self._sensors[stream].add(stamp_ns)
        with self._stopwatch.measure("synchronise"):
            found = self._synchronizer.add(stream, stamp_ns, message, now_ns)
        self._note_run(stamp_ns)
        self._deliver(found, now_ns)

    def annotate(self, message: Any) -> None:
        """Take in an annotation, a message of mumu_ros/msg/ActivityAnnotation."""
        self._annotations[-1].append(message)

    def _note_run(self, stamp_ns: int) -> None:
        """Begin another list of annotations if time has jumped back, with those that came since it did."""
        if self._synchronizer.epoch >= len(self._annotations):
            self._annotations.append(self._annotations[-1][self._on_time :])
            del self._annotations[-2][self._on_time :]
            self._newest_ns = 0
        if stamp_ns >= self._newest_ns - JUMP_NS:
            self._on_time = len(self._annotations[-1])

    def drain(self, log_ns: int) -> None:
        """Deliver what is still due after the last message."""
        self._poll_until(log_ns + self._set_back_ns + DRAIN_NS)

    def result(self, problems: Sequence[str]) -> Replay:
        """What came out; the recording's problems are given."""
        statistics = self._synchronizer.statistics(self._polled_ns)
        problems = [*problems, *(f"{n} times: {reason}" for n, reason in self._session.refused.values())]
        for name, errors in self._builder.errors.items():
            problems.append(
                f"{errors} messages of {self._topics[name]} were skipped, the last one because of: "
                f"{self._builder.last_error[name]}"
            )
        for name, topic in self._topics.items():
            if (joints := self._streams[name].joints) and not self._sensors[name].messages:
                problems.append(f"no message of {topic} has any of the joints {list(joints)}: correct {name}.joints")
            if unused := statistics[name].late + statistics[name].refused:
                problems.append(f"{unused} messages of {topic} are out of order or have impossible stamps; not used")
        for log in self._sensors.values() if not self._synchronizer.epoch else ():
            log.end(self._first_ns, self._last_ns)
        pauses, outages = split_pauses({name: log.outages for name, log in self._sensors.items()}, self._timeout_ns)
        sensors: dict[str, SensorReport] = {}
        for name in self._streams:
            if name not in self._topics:
                sensors[name] = SensorReport("")
                continue
            seen, counted = self._sensors[name], statistics[name]
            seen.settle()
            skew_ns = counted.mean_skew_ns
            sensors[name] = SensorReport(
                topic=self._topics[name],
                messages=seen.messages,
                rate_hz=seen.rate_hz,
                lost=seen.lost,
                outages=outages[name],
                late=counted.late,
                duplicate=counted.duplicate,
                refused=counted.refused,
                dropped=counted.dropped,
                unreadable=self._builder.errors[name],
                skew_ms=None if skew_ns is None else skew_ns * 1e-6,
            )
        return Replay(
            decisions=self._log.table(),
            sensors=MappingProxyType(sensors),
            pauses=pauses,
            annotations=self._annotations,
            start_ns=self._first_ns,
            end_ns=self._last_ns,
            waits_ms=_summary(self._waits_ms),
            epochs=self._synchronizer.epoch,
            problems=tuple(problems),
        )

    def _poll_until(self, now_ns: int) -> None:
        """Poll as often as sensor_sync does until a message arrives."""
        # In a silence nothing is due any more after a while.
        self._polled_ns = max(self._polled_ns, now_ns - 10 * NS_PER_S)
        while (next_ns := self._polled_ns + POLL_NS) < now_ns:
            self._polled_ns = next_ns
            self._deliver(self._synchronizer.poll(next_ns), next_ns)

    def _header(self, stamp_ns: int, message: Any) -> Any:
        frame_id = message.header.frame_id if hasattr(message, "header") else ""
        return make_header(stamp_ns, frame_id, self._types)

    def _deliver(self, found: Sequence[SynchronizedSet], now_ns: int) -> None:
        for synchronized in found:
            # Not those of all messages: one may have another clock, and is refused.
            self._first_ns = min(self._first_ns or synchronized.stamp_ns, synchronized.stamp_ns)
            self._last_ns = max(self._last_ns, synchronized.stamp_ns)
            self._newest_ns = synchronized.stamp_ns
            self._waits_ms.append((now_ns - self._set_back_ns - synchronized.stamp_ns) * 1e-6)
            with self._stopwatch.measure("convert"):
                frame = self._builder.build(synchronized)
            self._receive(frame)

    def _receive(self, frame: Frame) -> None:
        """What the inference node does with a MultimodalFrame."""
        with self._stopwatch.measure("prepare"):
            stamps_ns = self._session.receive(frame.stamp_ns, self._samples(frame), frame.epoch)
        for stamp_ns in stamps_ns:
            start = time.perf_counter()
            answers = self._session.decide(stamp_ns)
            if answers:
                self._stopwatch.add("recognise", (time.perf_counter() - start) * 1e3)
            for _, answer in answers:
                self._log.append(frame.epoch, answer)
                if self._features:
                    self._features.append(answer)

    def _samples(self, frame: Frame) -> Iterator[Sample]:
        for name, stamp_ns, sample in frame.samples():
            if name in self._modalities:
                changed = self._alterer.change(name, stamp_ns, sample) if self._alterer else sample
                if changed is not None:
                    yield name, stamp_ns, changed


def _summary(waits_ms: Sequence[float]) -> tuple[float, float] | None:
    if not waits_ms or abs(median_ms := float(np.median(waits_ms))) > _LONGEST_WAIT_MS:
        return None
    return median_ms, float(np.quantile(waits_ms, 0.99))
