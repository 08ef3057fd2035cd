"""Cameras, depth sensors and IMUs in, synchronised compact MultimodalFrames out."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus

from mumu_ros.conversions import ConversionError, RosTypes, time_to_ns
from mumu_ros.msg import MultimodalFrame
from mumu_ros.nodes.diagnostics import ERROR, OK, STALE, WARN, status, why_silent
from mumu_ros.nodes.managed import ManagedNode, main
from mumu_ros.nodes.parameters import SENSOR_SYNC
from mumu_ros.nodes.subscribers import sensor_qos, subscribe
from mumu_ros.nodes.worker import Worker
from mumu_ros.pipeline.configuration import SensorSyncConfig, StreamConfig
from mumu_ros.pipeline.framing import FrameBuilder
from mumu_ros.streams import ApproximateTimeSynchronizer, SynchronizedSet

__all__ = ["SensorSync"]

POLL_PERIOD_S = 0.02
"""How often sets whose deadline has passed are looked for when no message arrives."""
PATIENCE_S = 3.0
"""A stream may be silent so long after the start before the log says so."""
WAITING_SETS = 32
"""Sets that wait for conversion at most: those of a few seconds, which come at once when a stream is given up."""
DELAYS = 200
"""So many of a stream's last messages are what its delay is reported of: one second of a fast IMU."""


class SensorSync(ManagedNode):
    """Subscribes to the sensors, pairs their messages by stamp and publishes `multimodal_frame`."""

    def __init__(self, **options: Any) -> None:
        super().__init__("sensor_sync", SENSOR_SYNC, **options)
        self._publisher = self.create_lifecycle_publisher(MultimodalFrame, "multimodal_frame", 10)
        self._types = RosTypes()

    def configure(self) -> None:
        """Read the parameters."""
        self._config = SensorSyncConfig.read(self.values)
        self._published = 0
        self._builder = FrameBuilder(self._config.streams, self._report)

    def activate(self) -> None:
        """Subscribe to every stream."""
        config = self._config
        self._activated = time.monotonic()
        self._worker: Worker[SynchronizedSet] = Worker(
            "sensor_sync", self._publish, self.report_worker_error, capacity=WAITING_SETS
        )
        self._subscribers = [
            subscribe(self, s.type, s.topic, sensor_qos(s.reliability, s.depth)) for s in config.streams
        ]
        self._delays_ms: dict[str, deque[float]] = {stream.name: deque(maxlen=DELAYS) for stream in config.streams}
        for stream, subscriber in zip(config.streams, self._subscribers, strict=True):
            subscriber.registerCallback(self._note_delay, self._delays_ms[stream.name])
        frames = sum(stream.is_image for stream in config.streams)  # they come first
        self._synchronizer = ApproximateTimeSynchronizer(
            self._subscribers[:frames],
            config.queue_size,
            config.slop_s,
            ranges=self._subscribers[frames:],
            names=[stream.name for stream in config.streams],
            period_s=1.0 / config.rate_hz,
            timeout_s=config.timeout_s,
        )
        self._synchronizer.registerSetCallback(self._worker.put)
        self._timer = self.create_timer(POLL_PERIOD_S, self._synchronizer.poll, clock=self.steady_clock)

    def deactivate(self) -> None:
        """Unsubscribe and stop the worker."""
        self.destroy_timer(self._timer)
        for subscriber in self._subscribers:
            self.destroy_subscription(subscriber.sub)
        self._synchronizer.close()
        self._worker.stop()

    def _note_delay(self, message: Any, delays_ms: deque[float]) -> None:
        delays_ms.append((self.get_clock().now().nanoseconds - time_to_ns(message.header.stamp)) * 1e-6)

    def _publish(self, synchronized: SynchronizedSet) -> None:
        self._publisher.publish(self._builder.build(synchronized).message(self._types))
        self._published += 1

    def _report(self, stream: StreamConfig, error: ConversionError) -> None:
        self.log_throttled(f"convert {stream.name}", f"{stream.topic}: {error}; the message is skipped")

    def diagnose(self) -> Iterable[DiagnosticStatus]:
        """One status for each stream, one for the output."""
        statistics = self._synchronizer.statistics()
        for stream in self._config.streams:
            s = statistics[stream.name]
            topic = self.resolve_topic_name(stream.topic)
            publishers = self.count_publishers(topic)
            errors = self._builder.errors[stream.name]
            if s.received == 0:
                level, text = ERROR, f"no message on {topic} yet; {why_silent(publishers)}"
                if time.monotonic() - self._activated > PATIENCE_S:
                    self.log_throttled(f"silent {stream.name}", f"stream {stream.name!r}: {text}")
            elif not s.alive:
                level, text = STALE, f"silent for {s.age_s or 0.0:.1f} s; {why_silent(publishers)}"
            else:
                level, text = OK, f"{s.rate_hz:.1f} Hz"
            if errors:
                level = max(level, WARN)
                text += f"; {errors} messages skipped, the last one: {self._builder.last_error[stream.name]}"
            yield status(
                level,
                f"{self.get_name()}: {stream.name}",
                text,
                self.get_fully_qualified_name(),
                topic=topic,
                publishers=publishers,
                received=s.received,
                rate_hz=s.rate_hz,
                late=s.late,
                duplicate=s.duplicate,
                refused=s.refused,
                dropped=s.dropped,
                unreadable=errors,
                delay_ms_p50=_quantile(self._delays_ms[stream.name], 0.5),
                delay_ms_p99=_quantile(self._delays_ms[stream.name], 0.99),
            )
        yield status(
            WARN if self._worker.dropped else OK,
            f"{self.get_name()}: output",
            f"{self._worker.dropped} frames dropped: conversion is too slow" if self._worker.dropped else "",
            self.get_fully_qualified_name(),
            published=self._published,
            dropped=self._worker.dropped,
            epoch=self._synchronizer.epoch,
        )


def _quantile(values: deque[float], q: float) -> float:
    return float(np.quantile(values, q)) if values else float("nan")


if __name__ == "__main__":
    main(SensorSync)
