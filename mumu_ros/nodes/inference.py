"""MultimodalFrames in, ActivityRecognitions out."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from diagnostic_msgs.msg import DiagnosticStatus

from mumu_ros.conversions import ConversionError, RosTypes, frame_to_samples, header_stamp_ns, ns_to_time
from mumu_ros.health import HealthMonitor, fault_age_s, load_health
from mumu_ros.model.checkpoint import Checkpoint, load_checkpoint, select_device
from mumu_ros.model.config import ModelConfig
from mumu_ros.model.preprocessing import SampleError
from mumu_ros.msg import ActivityRecognition, MultimodalFrame
from mumu_ros.nodes.diagnostics import OK, STALE, WARN, status
from mumu_ros.nodes.managed import ManagedNode, main
from mumu_ros.nodes.parameters import INFERENCE
from mumu_ros.nodes.worker import Worker
from mumu_ros.pipeline.configuration import InferenceConfig
from mumu_ros.recognition import Decision, Recognizer, RecognizerSettings
from mumu_ros.recognition.backends import Backend, choose_backend, is_exported, open_backend, takes_long
from mumu_ros.streams import NS_PER_S, RateSampler

__all__ = ["Inference"]


@dataclass(frozen=True)
class _Job:
    """A frame that has come."""

    stamp_ns: int
    epoch: int
    frame_id: str


class Inference(ManagedNode):
    """Runs a model on `multimodal_frame` and publishes `activity`."""

    def __init__(self, **options: Any) -> None:
        super().__init__("inference", INFERENCE, **options)
        self._publisher = self.create_lifecycle_publisher(ActivityRecognition, "activity", 10)
        self._types = RosTypes()
        self._recognizer: Recognizer | None = None

    def configure(self) -> None:
        """Load the model, put it on its device and run it once."""
        config = self._config = InferenceConfig.read(self.values)
        torch.set_num_threads(config.threads)
        self._device = select_device(config.device)
        checkpoint = load_checkpoint(config.model, self._device)
        health = HealthMonitor(load_health(config.model, checkpoint)) if config.health else None
        self._recognizer = Recognizer(
            checkpoint, self._settings(checkpoint.config), self._open_backend(checkpoint), health
        )
        self._recognizer.warm_up()
        self._names = set(checkpoint.config.names)
        self.get_logger().info(
            f"model {checkpoint.id} on {self._device} by {self._backend}: "
            f"{len(checkpoint.config.taxonomy.activities)} activities from {', '.join(checkpoint.config.names)}"
        )

    def _settings(self, model: ModelConfig) -> RecognizerSettings:
        config = self._config
        fastest_hz = max((m.rate_hz for m in model.modalities if m.is_image), default=config.rate_hz)
        # The frames since the last decision, and one more: who is slower than that gives frames up, not the present.
        backlog = math.ceil(fastest_hz / config.rate_hz) + 1
        return RecognizerSettings(
            config.min_coverage, config.unknown_threshold, config.smoothing_s, config.hysteresis, backlog
        )

    def _open_backend(self, checkpoint: Checkpoint) -> Backend:
        config = self._config
        self._backend = choose_backend(checkpoint, config.model) if config.backend == "auto" else config.backend
        if takes_long(self._backend) and not is_exported(self._backend, checkpoint, config.model):
            self.get_logger().info(
                f"preparing {checkpoint.id} for {self._backend}; done ahead of time by: "
                f"mumu export {config.model} --backend {self._backend}"
            )
        return open_backend(self._backend, checkpoint, config.model, config.threads)

    def cleanup(self) -> None:
        """Free the model and the memory of its device."""
        self._recognizer = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def activate(self) -> None:
        """Subscribe and start the worker."""
        self._epoch: int | None = None
        self._sampled_epoch: int | None = None
        self._sampler = RateSampler(round(NS_PER_S / self._config.rate_hz))
        self._frames = 0
        self._decisions = 0
        self._no_decision = ""
        self._faults: dict[str, str] = {}
        self._seen: set[str] = set()
        self._seconds: deque[float] = deque(maxlen=200)
        self._worker: Worker[_Job] = Worker("inference", self._work, self.report_worker_error)
        self._subscription = self.create_subscription(MultimodalFrame, "multimodal_frame", self._receive, 10)

    def deactivate(self) -> None:
        """Unsubscribe and stop the worker."""
        self.destroy_subscription(self._subscription)
        self._worker.stop()

    def _receive(self, message: MultimodalFrame) -> None:
        assert self._recognizer is not None
        self._frames += 1
        stamp_ns = header_stamp_ns(message) or 0
        if message.epoch != self._epoch:
            self._epoch = message.epoch
            self._recognizer.clear()
        self._push(message)
        self._worker.put(_Job(stamp_ns, message.epoch, message.header.frame_id))

    def _push(self, message: MultimodalFrame) -> None:
        assert self._recognizer is not None
        try:
            for name, stamp_ns, sample in frame_to_samples(message):
                self._seen.add(name)
                if name in self._names:
                    self._recognizer.push(name, stamp_ns, sample)
        except (ConversionError, SampleError) as error:
            self.log_throttled("sample", f"{self._subscription.topic_name}: {error}; the rest of this frame is skipped")

    def _work(self, job: _Job) -> None:
        """Encode what has come; decide when it is time."""
        assert self._recognizer is not None
        if job.epoch != self._sampled_epoch:
            self._sampled_epoch = job.epoch
            self._sampler.reset()
        if not self._sampler.accept(job.stamp_ns):
            self._recognizer.encode(job.stamp_ns)
            return
        start = time.perf_counter()
        decision = self._recognizer.recognize(job.stamp_ns)
        seconds = time.perf_counter() - start
        if isinstance(decision, Decision):
            self._publisher.publish(self._message(decision, seconds, job.frame_id))
            self._seconds.append(seconds)
            self._decisions += 1
            self._no_decision = ""
            self._faults = _faults(decision, self._recognizer.checkpoint.config.names)
        else:
            self._no_decision = decision.reason

    def _message(self, d: Decision, seconds: float, frame_id: str) -> ActivityRecognition:
        assert self._recognizer is not None
        checkpoint = self._recognizer.checkpoint
        types = self._types
        message = ActivityRecognition(
            window_start=ns_to_time(d.start_ns, types),
            body_id=self._config.body_id,
            group=d.group,
            group_probability=float(d.group_probabilities.max()),
            activity=d.activity,
            activity_probability=float(d.activity_probabilities.max()),
            group_labels=list(checkpoint.config.taxonomy.group_names),
            group_probabilities=_floats(d.group_probabilities),
            activity_labels=list(checkpoint.config.taxonomy.activities),
            activity_probabilities=_floats(d.activity_probabilities),
            modalities=list(checkpoint.config.names),
            present=d.present.tolist(),
            coverage=_floats(d.coverage),
            sm_fusion_weights=_floats(d.sm_weights),
            gm_fusion_weights=_floats(d.gm_weights),
            modality_age_s=_floats(d.ages_s),
            model=checkpoint.id,
            processing_time_s=seconds,
            anomaly=[h.score for h in d.health],
            fault=[h.fault for h in d.health],
            fault_age_s=[fault_age_s(h, d.stamp_ns) for h in d.health],
        )
        message.header.stamp = ns_to_time(d.stamp_ns, types)
        message.header.frame_id = frame_id
        return message

    def diagnose(self) -> Iterable[DiagnosticStatus]:
        """One status: what the recogniser gets and gives."""
        assert self._recognizer is not None
        never = sorted(self._names - self._seen)
        if not self._frames:
            level, text = STALE, f"no frame on {self._subscription.topic_name} yet: is sensor_sync active?"
        elif self._no_decision:
            level, text = WARN, self._no_decision
        elif self._faults:
            level, text = WARN, "; ".join(f"{name}: {fault}" for name, fault in self._faults.items())
        elif never:
            level, text = (
                WARN,
                f"the model's {', '.join(never)} never came; sensor_sync sends {sorted(self._seen)}",
            )
            self.log_throttled("never", text)
        else:
            level, text = OK, f"{self._decisions} decisions"
        times = np.array(self._seconds or [np.nan])
        yield status(
            level,
            f"{self.get_name()}: recogniser",
            text,
            self.get_fully_qualified_name(),
            model=self._recognizer.checkpoint.id,
            device=self._device,
            frames=self._frames,
            decisions=self._decisions,
            backend=self._backend,
            dropped=self._worker.dropped,
            skipped_frames=self._recognizer.skipped_frames,
            processing_ms_p50=float(np.median(times) * 1e3),
            processing_ms_p99=float(np.quantile(times, 0.99) * 1e3),
        )


def _faults(decision: Decision, names: Sequence[str]) -> dict[str, str]:
    return {
        name: f"{health.fault} since {fault_age_s(health, decision.stamp_ns):.1f} s"
        for name, health in zip(names, decision.health, strict=False)
        if health.fault
    }


def _floats(values: np.ndarray) -> list[float]:
    return [float(value) for value in values]


if __name__ == "__main__":
    main(Inference)
