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

"""Cameras, depth sensors and IMUs in, synchronised compact MultimodalFrames out."""

from __future__ import annotations

import contextlib
import itertools
import math
import time
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus

from mumu_ros.conversions import ConversionError, RosTypes, time_to_ns
from mumu_ros.fault_codes import FaultCode, Level
from mumu_ros.msg import MultimodalFrame
from mumu_ros.nodes.black_box import BlackBox
from mumu_ros.nodes.diagnostics import Problem
from mumu_ros.nodes.endpoints import CLOCK, CLOCK_TYPE, contest, why_silent
from mumu_ros.nodes.managed import ManagedNode
from mumu_ros.nodes.parameters import SENSOR_SYNC, ParameterError
from mumu_ros.nodes.running import main
from mumu_ros.nodes.subscribers import ImuPairSubscriber, Subscriber, subscribe_to_stream
from mumu_ros.nodes.transforms import AxesTurner
from mumu_ros.nodes.worker import Worker
from mumu_ros.pipeline.configuration import SensorSyncConfig, StreamConfig
from mumu_ros.pipeline.framing import FrameBuilder
from mumu_ros.pipeline.parameter_tables import STREAM, declare_streams
from mumu_ros.pipeline.stream_watch import Report, StreamWatch
from mumu_ros.streams import SynchronizedSet, SynchronizerFilter

__all__ = ["SensorSync"]

POLL_PERIOD_S = 0.01
"""Longest time that a sample of an IMU waits, and a set whose deadline has passed; a picture takes them along."""
WAITING_SETS = 32
"""Sets that may wait for conversion; more if a second more than `timeout_s` has more, as they leave together when a
reference times out."""
_SLOW_S = 2.0
"""So long after a dropped frame the conversion is reported as too slow."""
_OF_CLOCK = (FaultCode.CLOCK, FaultCode.LATE)
"""Problems of every sensor if two publishers send simulated time."""
_OF_PAUSE = (FaultCode.SILENT, FaultCode.UNPUBLISHED, *_OF_CLOCK)
"""Problems of every sensor of a simulation that has paused or ended."""
_UNLOGGED = (FaultCode.NONE, FaultCode.WAITING, FaultCode.UNREADABLE, FaultCode.IMPLAUSIBLE)
"""Problems of messages are logged on arrival."""


class SensorSync(ManagedNode):
    """Subscribes to the sensors, pairs their messages by stamp and publishes `multimodal_frame`."""

    check_period_s = 0.2

    def __init__(self, **options: Any) -> None:
        super().__init__("sensor_sync", SENSOR_SYNC, **options)
        self._output = self.create_output(MultimodalFrame, "multimodal_frame")
        self._types = RosTypes()
        self._turner: AxesTurner | None = None
        self._declare_streams()
        self.add_pre_set_parameters_callback(self._prepare_streams)

    def _prepare_streams(self, parameters: list[Any]) -> list[Any]:
        """Declare the parameters of new streams, which may be set together with `streams`."""
        for names in (parameter.value for parameter in parameters if parameter.name == "streams"):
            with contextlib.suppress(ParameterError):  # what is invalid is rejected when it is set
                self.values.check("streams", names)
                for name, row in itertools.product(names, () if self._configured else STREAM):
                    self.values.declare(row, prefix=f"{name}.")
        return parameters

    def _declare_streams(self) -> None:
        """Declare the parameters of every stream before it is configured, so that they can be listed and set."""
        with contextlib.suppress(ParameterError):  # configure reports invalid names
            declare_streams(self.values)

    def configure(self) -> None:
        """Read the parameters."""
        self._config = SensorSyncConfig.read(self.values)
        for stream in self._config.streams:
            for topic in stream.topics:
                name = "topic" if topic == stream.topic else "angular_velocity_topic"
                self.require_topic(f"{stream.name}.{name}", topic)
        targets = {stream.name: stream.target_frame for stream in self._config.streams if stream.target_frame}
        self._turner = AxesTurner(self, targets) if targets else None

    def cleanup(self) -> None:
        """Unsubscribe from TF."""
        if self._turner:
            self._turner.close()
            self._turner = None

    def activate(self) -> None:
        """Subscribe to every stream."""
        config = self._config
        # The diagnostics compare both with the synchroniser's counts, which begin at 0, too.
        self._published = 0
        self._builder = FrameBuilder(config.streams, self._report)
        capacity = max(WAITING_SETS, math.ceil((config.timeout_s + 1.0) * config.rate_hz))
        self._worker: Worker[SynchronizedSet] = Worker(
            "sensor_sync", self._publish, self.report_worker_error, capacity=capacity
        )
        self.undo.callback(self._worker.stop)
        self._black_box = None
        if config.black_box:
            self._black_box = BlackBox(config.black_box, self._output.topic_name, self.get_logger().warning)
            self.undo.callback(self._black_box.close)
        self._dropped, self._dropped_s = 0, -math.inf
        self._in_error: set[str] = set()
        self._subscribers: list[Subscriber | ImuPairSubscriber] = []
        self._ahead_ns = 0
        self._clocks: Problem = (FaultCode.NONE, "")
        now_s = time.monotonic()
        self._watches = {s.name: StreamWatch(s, config.timeout_s, config.rate_hz, now_s) for s in config.streams}
        for stream in config.streams:
            subscriber = subscribe_to_stream(self, stream)
            for subscription in subscriber.subscriptions:
                self.undo.callback(self.destroy_subscription, subscription)
            if stream.is_image:
                subscriber.registerCallback(self._take)
            subscriber.registerCallback(self._note, self._watches[stream.name], subscriber)
            self._subscribers.append(subscriber)
        frames = sum(stream.is_image for stream in config.streams)  # they come first
        self._vectors = self._subscribers[frames:]
        self._synchronizer = SynchronizerFilter(
            self._subscribers[:frames],
            config.queue_size,
            config.slop_s,
            ranges=self._subscribers[frames:],
            names=[stream.name for stream in config.streams],
            period_s=1.0 / config.rate_hz,
            timeout_s=config.timeout_s,
        )
        self.undo.callback(self._synchronizer.close)
        self._synchronizer.registerSetCallback(self._worker.put)
        timer = self.create_timer(POLL_PERIOD_S, self._poll, clock=self.steady_clock)
        self.undo.callback(self.destroy_timer, timer)

    def _poll(self) -> None:
        self._take()
        self._synchronizer.poll()

    def _take(self, _: object = None) -> None:
        self._read_clock()
        for subscriber in self._vectors:
            subscriber.take()

    def _read_clock(self) -> None:
        self.simulated_time.read()
        self._ahead_ns = self.simulated_time.now_ns - time.time_ns()

    def _note(self, message: Any, watch: StreamWatch, subscriber: Subscriber | ImuPairSubscriber) -> None:
        now_s = time.monotonic()
        arrival_ns = None if self._clock_problem()[0] else subscriber.came_ns + self._ahead_ns
        watch.note(time_to_ns(message.header.stamp), arrival_ns, now_s)

    def _clock_problem(self) -> Problem:
        """What is wrong with simulated time."""
        problem = self.simulated_time.problem(self._config.timeout_s)
        return problem if problem[0] else self._clocks

    def _contest_clock(self, problem: Problem) -> Problem:
        """A problem, with the publishers of simulated time if that is used and there are several."""
        return contest(self, CLOCK, CLOCK_TYPE, problem) if self.get_parameter("use_sim_time").value else problem

    def _publish(self, synchronized: SynchronizedSet) -> None:
        frame = self._builder.build(synchronized)
        if self._turner:
            frame = self._turner.apply(frame)
        self._output.publish(frame.message(self._types))
        self._published += 1
        if self._black_box:
            self._black_box.keep(frame)

    def _report(self, stream: StreamConfig, error: ConversionError) -> None:
        self.log_throttled(f"convert {stream.name}", f"{stream.topic}: {error}; the message is skipped")

    def diagnose(self) -> Iterable[DiagnosticStatus]:
        """One status for each stream, one for the output."""
        statistics = self._synchronizer.statistics()
        now_s = time.monotonic()
        self._read_clock()
        self._clocks = self._contest_clock((FaultCode.NONE, ""))
        for stream, subscriber in zip(self._config.streams, self._subscribers, strict=True):
            s = statistics[stream.name]
            watch = self._watches[stream.name]
            errors = self._builder.errors[stream.name]
            topic = self.resolve_topic_name(stream.topic)
            report = watch.report(
                s,
                self._published,
                [other for other in self._watches.values() if other is not watch],
                partial(self._why_silent, stream, subscriber),
                now_s,
                errors,
                self._builder.last_error.get(stream.name),
                leads=stream.name == self._synchronizer.reference,
                lost=subscriber.lost or 0,
            )
            if self._turner and report.code.level == Level.OK and (text := self._turner.problems.get(stream.name)):
                report = replace(report, code=FaultCode.NO_TRANSFORM, text=f"{text}; it is left out")
            if watch.speaks(now_s) and not stream.joints:  # several drivers may publish joints of their own
                report = self._contested(stream, report)
            report = self._judge_clock(watch, report, bool(s.received), now_s)
            self._warn(stream, report)
            yield self.status(
                stream.name,
                (report.code, report.text),
                topic=topic,
                publishers=self.count_publishers(topic),
                received=s.received,
                rate_hz=s.rate_hz,
                late=s.late,
                duplicate=s.duplicate,
                refused=s.refused,
                dropped=s.dropped,
                lost="unknown" if subscriber.lost is None else subscriber.lost,
                missing_share=_or_nan(report.missing_share),
                unreadable=errors,
                delay_ms_p50=_or_nan(watch.delay_quantile_ns(0.5)) * 1e-6,
                delay_ms_p99=_or_nan(watch.delay_quantile_ns(0.99)) * 1e-6,
                offset_s=_or_nan(report.offset_s),
            )
        yield self._output_status(now_s)

    def _judge_clock(self, watch: StreamWatch, report: Report, has_come: bool, now_s: float) -> Report:
        """The report, or what is wrong with simulated time if that explains it."""
        code, text = self._clock_problem()
        if code is FaultCode.CONTESTED:
            report, is_explained = replace(report, offset_s=None), report.code in _OF_CLOCK
        else:
            is_explained = bool(code) and (not has_come or report.code in (code, *_OF_PAUSE))
        if not is_explained:
            return report
        watch.restart(now_s)
        self.log_throttled("clock", text)
        return replace(report, code=code, text=text)

    def _contested(self, stream: StreamConfig, report: Report) -> Report:
        """The report, with the publishers of a topic if there are several."""
        code, text = report.code, report.text
        for topic in stream.topics:
            code, text = contest(self, topic, stream.type, (code, text))
        return replace(report, code=code, text=text)

    def _why_silent(
        self, stream: StreamConfig, subscriber: Subscriber | ImuPairSubscriber, has_spoken: bool
    ) -> Problem:
        """See `why_silent`; of two topics, the first that the graph shows something wrong with is named."""
        problems = {
            topic: why_silent(self, topic, stream.type, stream.reliability, has_spoken) for topic in stream.topics
        }
        if isinstance(subscriber, Subscriber) and subscriber.other and problems[stream.topic][0] is FaultCode.SILENT:
            return FaultCode.SILENT, _without_joints(stream, subscriber.other)
        if len(problems) == 1:
            return problems[stream.topic]
        for topic, (code, text) in problems.items():
            if code is not FaultCode.SILENT:
                return code, f"{topic}: {text}"
        return FaultCode.SILENT, "both are published: check that both drivers send, and stamp by the same clock"

    def _output_status(self, now_s: float) -> DiagnosticStatus:
        dropped = self._worker.dropped
        if dropped > self._dropped:
            self._dropped, self._dropped_s = dropped, now_s
        slow = (FaultCode.TOO_SLOW, f"{dropped} frames dropped: conversion is too slow")
        problem = slow if now_s - self._dropped_s < _SLOW_S else (FaultCode.NONE, "")
        return self.status(
            "output",
            contest(self, "multimodal_frame", "mumu_ros/msg/MultimodalFrame", self._contest_clock(problem)),
            published=self._published,
            dropped=dropped,
            epoch=self._synchronizer.epoch,
        )

    def _warn(self, stream: StreamConfig, report: Report) -> None:
        """Log problems, and write the black box for a new error."""
        if report.code.level != Level.ERROR:
            self._in_error.discard(stream.name)
        elif stream.name not in self._in_error:
            self._in_error.add(stream.name)
            if self._black_box:
                self._black_box.write(f"{stream.name}_{report.code}")
        if report.code not in _UNLOGGED:
            self.log_throttled(f"{report.code} {stream.name}", f"stream {stream.name!r}: {report.text}")


def _without_joints(stream: StreamConfig, message: Any) -> str:
    return (
        f"no message has any of the joints {list(stream.joints)}, the last one has {list(message.name)}: correct "
        f"{stream.name}.joints, or check the driver"
    )


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


if __name__ == "__main__":
    main(SensorSync)
