"""Samples in, decisions out: the same object in the node, in evaluation and in a script of yours."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from mumu_ros.health import HealthMonitor
from mumu_ros.model.checkpoint import Checkpoint
from mumu_ros.model.preprocessing import Preprocessing
from mumu_ros.recognition.backends import Backend, Eager, Outputs
from mumu_ros.recognition.decision import UNKNOWN, Decision, NoDecision
from mumu_ros.recognition.features import FeatureCache
from mumu_ros.recognition.smoothing import Smoother
from mumu_ros.recognition.windows import window_assembler
from mumu_ros.streams import Window

__all__ = ["Recognizer", "RecognizerSettings"]


@dataclass(frozen=True)
class RecognizerSettings:
    """How a recogniser decides.

    Attributes:
        min_coverage: Share of a window's samples that a modality needs to take part: one number for all, or one for
            each modality in the model's order.
        unknown_threshold: A highest probability below this gives `UNKNOWN`; None: the model's own threshold.
        smoothing_s: Time constant of the average over decisions; 0: none.
        hysteresis: By how much probability another label must lead to replace the current one.
        backlog: How many new frames of a modality one call encodes, the newest; older ones are given up, so that a
            slow encoder does not fall behind for ever. None: all of them. It does not count for a modality of which a
            window shows only every so many frames.

    Raises:
        ValueError: A value out of range; quotes it.
    """

    min_coverage: tuple[float, ...] = (0.25,)
    unknown_threshold: float | None = None
    smoothing_s: float = 0.0
    hysteresis: float = 0.0
    backlog: int | None = None

    def __post_init__(self) -> None:
        if not self.min_coverage or not all(0 < value <= 1 for value in self.min_coverage):
            raise ValueError(f"min_coverage is {list(self.min_coverage)}; expected numbers above 0, at most 1")
        if self.unknown_threshold is not None and not 0 <= self.unknown_threshold <= 1:
            raise ValueError(f"unknown_threshold is {self.unknown_threshold}; expected 0 to 1")
        if not self.smoothing_s >= 0:
            raise ValueError(f"smoothing_s is {self.smoothing_s}; expected 0 or more seconds")
        if not 0 <= self.hysteresis < 1:
            raise ValueError(f"hysteresis is {self.hysteresis}; expected 0 to below 1")
        if self.backlog is not None and self.backlog < 1:
            raise ValueError(f"backlog is {self.backlog}; expected 1 or more frames, or None for all")


class Recognizer:
    """Recognises what one person is doing from streams of samples.

    Every frame is encoded once; what a decision costs is the newest frames and a small tail. `push` may be called from
    one thread while `encode` and `recognize` run in another. The result of `recognize(t)` depends on the samples up to
    t only, not on when they were pushed (unless `backlog` made it give up frames).

    Args:
        checkpoint: The model, on the device that it is to run on.
        settings: How to decide.
        backend: What it runs on (`open_backend`); None: PyTorch, operation by operation.
        health: Looks at the sensors of each window; those that lie are left out. None: all are believed.

    Raises:
        ValueError: `min_coverage` has neither one value nor one for each modality.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        settings: RecognizerSettings | None = None,
        backend: Backend | None = None,
        health: HealthMonitor | None = None,
    ) -> None:
        self.checkpoint = checkpoint
        self.settings = settings = settings or RecognizerSettings()
        config = checkpoint.config
        if len(settings.min_coverage) not in (1, len(config.modalities)):
            raise ValueError(
                f"min_coverage is {list(settings.min_coverage)}; expected one value, or {len(config.modalities)}: "
                f"one each for {', '.join(config.names)}"
            )
        self._min_coverage = np.broadcast_to(np.array(settings.min_coverage), len(config.modalities))
        self._preprocessing = Preprocessing(config)
        self._lock = threading.Lock()
        self._assembler = window_assembler(config)
        self._recording = 0
        self._backend = backend or Eager(checkpoint.model)
        self._health = health
        self._caches = {m.name: self._cache(m.name) for m in config.modalities if m.is_image}
        self._smoothers = [Smoother(settings.smoothing_s, settings.hysteresis) for _ in range(2)]
        self._timeline = (0, 0)
        calibration = checkpoint.calibration
        self._temperature = calibration.temperature
        threshold = settings.unknown_threshold
        self._unknown_threshold = calibration.unknown_threshold if threshold is None else threshold

    def push(self, modality: str, stamp_ns: int, sample: np.ndarray) -> None:
        """Take in one sample.

        Args:
            modality: A modality of the model.
            stamp_ns: Acquisition time.
            sample: As `Preprocessing.prepare` takes it. It is not copied where no conversion is needed.

        Raises:
            SampleError: The modality does not exist or the sample does not fit it.
        """
        prepared = self._preprocessing.prepare(modality, sample)
        with self._lock:
            self._assembler.push(modality, stamp_ns, prepared)

    def clear(self) -> None:
        """Forget every sample: what comes next is another recording."""
        with self._lock:
            self._assembler = window_assembler(self.checkpoint.config)
            self._recording += 1

    @property
    def skipped_frames(self) -> int:
        """How many frames were given up, see `RecognizerSettings.backlog`."""
        return sum(cache.skipped for cache in self._caches.values())

    def warm_up(self) -> None:
        """Run the network once on an empty window, so that the first decision is not a slow one."""
        inputs, masks = self._preprocessing.batch([Window(0, 0, 0, {})])
        tensors = {name: torch.from_numpy(x) for name, x in inputs.items() if name not in self._caches}
        for name in self._caches:
            features = self._backend.encode(name, inputs[name][0, :1])
            tensors[name] = features.repeat(inputs[name].shape[1], 1).unsqueeze(0)
        self._backend.decide(tensors, {name: np.ones_like(mask) for name, mask in masks.items()})

    def encode(self, stamp_ns: int) -> None:
        """Encode the frames up to `stamp_ns` ahead of the decision that will need them.

        Left to `recognize` for a modality of which a decision shows only every so many frames: it is not known which.
        """
        window = self._window(stamp_ns)
        for name, cache in self._caches.items():
            if cache.looks_at_every_frame:
                cache.update(window.start_ns, window.series[name])

    def recognize(self, stamp_ns: int) -> Decision | NoDecision:
        """Decide about the window that ends at `stamp_ns`.

        Returns:
            A decision, or the reason why there is none: no modality has enough samples.
        """
        window = self._window(stamp_ns)
        names = self.checkpoint.config.names
        coverage = np.array([window.series[name].coverage for name in names], np.float32)
        present = coverage >= self._min_coverage
        if not present.any():
            return NoDecision(stamp_ns, _too_little(names, coverage, self._min_coverage))
        output = self._run(window, [name for name, there in zip(names, present, strict=True) if there])
        group, activity = self._distributions(output)
        return self._decide(window, coverage, output, group, activity)

    def _cache(self, name: str) -> FeatureCache:
        config = self.checkpoint.config
        encode = partial(self._backend.encode, name)
        return FeatureCache(self.checkpoint.model.encoder(name), config.steps(name), encode, self.settings.backlog)

    def _window(self, stamp_ns: int) -> Window:
        """The window that ends there; another recording, or a jump back in time, makes everything begin anew."""
        with self._lock:
            window = self._assembler.window(stamp_ns)
            timeline = (self._recording, window.epoch)
        if timeline != self._timeline:
            self._timeline = timeline
            for smoother in self._smoothers:
                smoother.clear()
            for cache in self._caches.values():
                cache.clear()
            if self._health:
                self._health.clear()
        return window

    def _run(self, window: Window, names: Sequence[str]) -> Outputs:
        vectors = [name for name in names if name not in self._caches]
        arrays, masks = self._preprocessing.batch([window], vectors)
        inputs = {name: torch.from_numpy(array) for name, array in arrays.items()}
        for name in names:
            if name in self._caches:
                self._caches[name].update(window.start_ns, window.series[name])
                inputs[name], masks[name] = self._caches[name].window(window.series[name])
        if self._health is None:
            return self._backend.decide(inputs, masks)
        known: dict[tuple[str, ...], Outputs] = {}
        if self._health.is_due(window.end_ns):
            output = known[tuple(inputs)] = self._backend.decide(inputs, masks)
            samples = {name: x.cpu().numpy() for name, x in inputs.items()}
            self._health.update(window.end_ns, samples, masks, output.features)
        # Who is stuck is left out; who only looks odd, where the decision is surer without it.
        outputs = []
        for liars in (self._health.stuck, self._health.accused):
            believed = {name: x for name, x in inputs.items() if name not in liars} or inputs
            if tuple(believed) not in known:
                known[tuple(believed)] = self._backend.decide(believed, masks)
            outputs.append(known[tuple(believed)])
        return max(outputs, key=_sureness)

    def _distributions(self, output: Outputs) -> tuple[np.ndarray, np.ndarray]:
        logits = (output.group_logits, output.activity_logits)
        group, activity = (torch.softmax(torch.from_numpy(x) / self._temperature, dim=-1).numpy() for x in logits)
        return group, activity

    def _decide(
        self,
        window: Window,
        coverage: np.ndarray,
        output: Outputs,
        group: np.ndarray,
        activity: np.ndarray,
    ) -> Decision:
        taxonomy = self.checkpoint.config.taxonomy
        group, group_index = self._smoothers[0].update(window.end_ns, group)
        activity, activity_index = self._smoothers[1].update(window.end_ns, activity)
        series = [window.series[name] for name in self.checkpoint.config.names]
        return Decision(
            start_ns=window.start_ns,
            stamp_ns=window.end_ns,
            group=self._label(group, group_index, taxonomy.group_names),
            activity=self._label(activity, activity_index, taxonomy.activities),
            group_probabilities=group,
            activity_probabilities=activity,
            present=output.present,
            coverage=coverage,
            ages_s=np.array([np.nan if s.age_ns is None else s.age_ns * 1e-9 for s in series], np.float32),
            sm_weights=output.sm_weights,
            gm_weights=output.gm_weights,
            health=self._health.verdict if self._health else (),
        )

    def _label(self, probabilities: np.ndarray, index: int, labels: Sequence[str]) -> str:
        return UNKNOWN if probabilities[index] < self._unknown_threshold else labels[index]


def _sureness(output: Outputs) -> float:
    """The probability of the most probable activity."""
    logits = output.activity_logits
    return 1 / float(np.exp(logits - logits.max()).sum())


def _too_little(names: Sequence[str], coverage: np.ndarray, least: np.ndarray) -> str:
    parts = [f"{n} {c:.0%} of {m:.0%}" for n, c, m in zip(names, coverage, least, strict=True)]
    return f"no modality has enough samples in the window (has, needs): {', '.join(parts)}"
