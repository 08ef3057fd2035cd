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

"""Samples in, decisions out: the same object in the node, in evaluation and in your scripts."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mumu_ros.fault_codes import FaultCode
from mumu_ros.health import HealthMonitor
from mumu_ros.model.checkpoint import Checkpoint, load_checkpoint, select_device
from mumu_ros.model.preprocessing import Preprocessing, SampleError
from mumu_ros.recognition.backends import Backend, Eager, Outputs
from mumu_ros.recognition.decision import UNKNOWN, Decision, NoDecision
from mumu_ros.recognition.feature_cache import FeatureCache
from mumu_ros.recognition.runner import Runner
from mumu_ros.recognition.smoothing import Smoother
from mumu_ros.recognition.snapshots import Body, Snapshot
from mumu_ros.recognition.window_assembly import window_assembler
from mumu_ros.streams import Window

__all__ = ["SCENE", "Recognizer", "RecognizerSettings"]

SCENE = ""
"""Stands for the body of samples that were pushed without naming one: the only person, or samples shared by several
persons."""


@dataclass(frozen=True)
class RecognizerSettings:
    """Settings of a recogniser.

    Attributes:
        min_coverage: Share of a window's samples that a modality needs to take part: one number for all, or one for
            each modality in the model's order.
        unknown_threshold: A lower confidence gives `UNKNOWN`; None: the model's own threshold.
        smoothing_s: Time constant of the average over decisions; 0: none.
        hysteresis: By how much probability another label must lead to replace the current one.
        backlog: Maximum number of new frames of a modality encoded per call; older ones are dropped, so that a
            slow encoder does not fall behind. None: no limit. Ignored for a modality of which a window uses only every
            n-th frame.

    Raises:
        ValueError: A value out of range; quotes it.
    """

    min_coverage: float | Sequence[float] | NDArray[np.floating] = (0.25,)
    unknown_threshold: float | None = None
    smoothing_s: float = 0.0
    hysteresis: float = 0.0
    backlog: int | None = None

    def __post_init__(self) -> None:
        least = np.atleast_1d(np.asarray(self.min_coverage, np.float64))
        if least.ndim > 1 or not least.size or not ((least > 0) & (least <= 1)).all():
            raise ValueError(f"min_coverage is {least.tolist()}; expected numbers above 0, at most 1")
        object.__setattr__(self, "min_coverage", tuple(least.tolist()))
        if self.unknown_threshold is not None and not 0 <= self.unknown_threshold <= 1:
            raise ValueError(f"unknown_threshold is {self.unknown_threshold}; expected 0 to 1")
        if not self.smoothing_s >= 0:
            raise ValueError(f"smoothing_s is {self.smoothing_s}; expected 0 or more seconds")
        if not 0 <= self.hysteresis < 1:
            raise ValueError(f"hysteresis is {self.hysteresis}; expected 0 to below 1")
        if self.backlog is not None and self.backlog < 1:
            raise ValueError(f"backlog is {self.backlog}; expected 1 or more frames, or None for all")


class Recognizer:
    """Recognises what people are doing from streams of samples: one activity for each.

    Every frame is encoded once; a decision costs the newest frames and a small tail, in one pass for all
    bodies. `push` and `drop` may be called from one thread while `encode` and `recognize` run in another. The result
    of `recognize(t)` depends on the samples up to t only, not on when they were pushed (unless frames were dropped by
    `backlog`).

    Args:
        checkpoint: The model, on its device.
        settings: Thresholds and smoothing.
        backend: The back end (`open_backend`); None: PyTorch, operation by operation.
        health: Creates the fault detection of one body by a health model, in addition to that of stuck and saturated
            sensors. None: only that.

    Attributes:
        not_finite: Number of decisions that were rejected because a number in them was not finite.

    Raises:
        ValueError: `min_coverage` has neither one value nor one for each modality.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        settings: RecognizerSettings | None = None,
        backend: Backend | None = None,
        health: Callable[[], HealthMonitor] | None = None,
    ) -> None:
        self.checkpoint = checkpoint
        self.settings = settings = settings or RecognizerSettings()
        config = checkpoint.config
        least = np.array(settings.min_coverage)
        if len(least) not in (1, len(config.modalities)):
            raise ValueError(
                f"min_coverage is {least.tolist()}; expected one value, or {len(config.modalities)}: "
                f"one each for {', '.join(config.names)}"
            )
        self.not_finite = 0
        self._min_coverage = np.broadcast_to(least, len(config.modalities))
        self._preprocessing = Preprocessing(config)
        self._images = [m.name for m in config.modalities if m.is_image]
        self._lock = threading.Lock()
        self._runner = Runner(backend or Eager(checkpoint.model), self._preprocessing, self._images)
        self._health = health
        self._bodies = {SCENE: self._body()}
        self._skipped = 0
        threshold = settings.unknown_threshold
        self._unknown_threshold = checkpoint.calibration.unknown_threshold if threshold is None else threshold

    @classmethod
    def from_pretrained(
        cls, model: str | Path, device: str = "auto", settings: RecognizerSettings | None = None
    ) -> Recognizer:
        """A recogniser of a shipped model, or of your own: docs/python.md.

        Args:
            model: Name of a shipped model, or a model's folder.
            device: auto (a GPU if there is one), cpu, cuda or cuda:<index>.
            settings: Thresholds and smoothing.

        Raises:
            ValueError: There is no such model or device, the model is damaged, or the settings do not fit it.
        """
        return cls(load_checkpoint(model, select_device(device)), settings)

    def __repr__(self) -> str:
        return f"<Recognizer of {self.checkpoint.id}>"

    def classify(
        self, recording: Mapping[str, tuple[Sequence[int] | np.ndarray, Sequence[np.ndarray] | np.ndarray]]
    ) -> Decision:
        """Decide about one window: the last one of a short recording of one person, independent of pushed samples.

        All samples of the window are used, also after a gap and whatever the setting `backlog`.

        Args:
            recording: For each recorded modality, acquisition stamps in nanoseconds (T,), increasing, and as many
                samples (T, …) as `push` takes them. The window ends at the newest stamp of all.

        Raises:
            SampleError: A modality that the model does not have, samples that do not fit it, or stamps that are not
                whole, positive and increasing.
            ValueError: There is no decision, for example because of too few samples; contains the reason.
        """
        rows = [row for name, (stamps, samples) in recording.items() for row in _rows(name, stamps, samples)]
        alone = Recognizer(self.checkpoint, replace(self.settings, backlog=None), self._runner.backend)
        windows = alone._bodies[SCENE].windows
        for name, stamp_ns, sample in sorted(rows, key=lambda row: row[1]):
            windows.insert(name, stamp_ns, self._preprocessing.prepare(name, sample))
        decision = alone.recognize(max((stamp_ns for _, stamp_ns, _ in rows), default=0))
        if isinstance(decision, NoDecision):
            raise ValueError(decision.reason)
        return decision

    def push(
        self, modality: str, stamp_ns: int, sample: np.ndarray, body: str = SCENE, *, is_accepted: bool = False
    ) -> bool:
        """Add one sample; returns whether its stamp was accepted.

        `sample` is what `Preprocessing.prepare` takes, and is copied only if it is converted. An unknown body is added.
        With `is_accepted`, the stamp has been accepted already, as of all people in view at once, and is not judged
        again by the samples of this body, which may have been out of view.

        Raises:
            SampleError: The modality does not exist or the sample does not fit it.
        """
        prepared = self._preprocessing.prepare(modality, sample)
        self.add(body)
        with self._lock:
            if body not in self._bodies:  # dropped in between
                return False
            windows = self._bodies[body].windows
            add = windows.insert if is_accepted else windows.push
            return add(modality, stamp_ns, prepared)

    def add(self, body: str) -> None:
        """Add a body, even before its first sample: a model may have worn sensors only."""
        with self._lock:
            if body not in self._bodies:
                self._bodies[body] = self._body()

    def drop(self, body: str) -> None:
        """Drop a body with its samples and state; that of samples pushed without naming one begins anew."""
        with self._lock:
            if gone := self._bodies.pop(body, None):
                self._skipped += gone.skipped_frames
            if body == SCENE:
                self._bodies[SCENE] = self._body()

    def clear(self) -> None:
        """Drop every sample and every body, before another recording."""
        with self._lock:
            scene = self._bodies.pop(SCENE)
            self._skipped += sum(body.skipped_frames for body in self._bodies.values())
            scene.windows = window_assembler(self.checkpoint.config)
            scene.recording += 1
            self._bodies = {SCENE: scene}

    @property
    def skipped_frames(self) -> int:
        """Number of dropped frames, see `RecognizerSettings.backlog`."""
        with self._lock:
            return self._skipped + sum(body.skipped_frames for body in self._bodies.values())

    def warm_up(self) -> None:
        """Run the network once on an empty window, so that the first decision is not slow."""
        self._runner.warm_up()

    def encode(self, stamp_ns: int, bodies: Mapping[str, Collection[str]] | None = None) -> None:
        """Encode the frames up to `stamp_ns` ahead of the decision that will need them.

        Modalities of which a decision uses only every n-th frame are left to `recognize`: which ones is not known yet.

        Args:
            stamp_ns: End of the windows.
            bodies: See `recognize_all`; None: the only one.
        """
        snapshots = self._snapshot(stamp_ns, {SCENE: ()} if bodies is None else bodies)
        if snapshots:
            caches = snapshots[0].caches
            self._runner.encode([name for name in self._images if caches[name].uses_every_frame], snapshots)

    def recognize(self, stamp_ns: int) -> Decision | NoDecision:
        """Decide about the only person, whose samples were pushed without naming a body.

        Returns:
            A decision, or the reason why there is none.
        """
        return self.recognize_all(stamp_ns, {SCENE: ()})[SCENE]

    def recognize_all(
        self, stamp_ns: int, bodies: Mapping[str, Collection[str]], scene_after_ns: int = 0
    ) -> dict[str, Decision | NoDecision]:
        """Decide about the windows that end at `stamp_ns`, in one pass of the network.

        Each body takes some modalities from the samples that were pushed without naming one, and of their frames those
        newer than `scene_after_ns`.

        Returns:
            A decision for each, or the reason why there is none: no modality has enough samples, or the network's
            output is not finite.
        """
        config = self.checkpoint.config
        answers: dict[str, Decision | NoDecision] = {}
        snapshots = []
        for snapshot in self._snapshot(stamp_ns, bodies, scene_after_ns):
            present = snapshot.coverage >= self._min_coverage
            snapshot.choose([modality for modality, there in zip(config.modalities, present, strict=True) if there])
            if snapshot.names:
                snapshots.append(snapshot)
            else:
                reason = _too_little(config.names, snapshot, self._min_coverage)
                is_others = bool(snapshot.others) and not snapshot.coverage.any()
                code = FaultCode.UNASSIGNED if is_others else FaultCode.SPARSE
                answers[snapshot.name] = NoDecision(stamp_ns, reason, code)
        for snapshot, output in zip(snapshots, self._runner.run(snapshots), strict=True):
            answers[snapshot.name] = self._decide(snapshot, output)
        return {name: answers[name] for name in bodies if name in answers}

    def _body(self) -> Body:
        config, settings = self.checkpoint.config, self.settings
        network = self.checkpoint.model
        return Body(
            window_assembler(config),
            {name: FeatureCache(network.encoder(name), config.steps(name), settings.backlog) for name in self._images},
            (
                Smoother(settings.smoothing_s, settings.hysteresis),
                Smoother(settings.smoothing_s, settings.hysteresis),
                Smoother(settings.smoothing_s, 0.0),
            ),
            self._health() if self._health else None,
        )

    def _snapshot(
        self, stamp_ns: int, bodies: Mapping[str, Collection[str]], scene_after_ns: int = 0
    ) -> list[Snapshot]:
        """Snapshot at this instant of each body that still exists."""
        with self._lock:
            scene = self._bodies[SCENE]
            known = {name: self._bodies[name] for name in (SCENE, *bodies) if name in self._bodies}
            windows = {name: body.windows.window(stamp_ns) for name, body in known.items()}
            for name, body in known.items():
                body.follow((body.recording, windows[name].epoch))
        snapshots = []
        for name, shared in bodies.items():
            if name not in known:
                continue
            window, caches = windows[name], known[name].caches
            others: frozenset[str] = frozenset()
            if name != SCENE:
                others = frozenset(m for m, s in windows[SCENE].series.items() if m not in shared and s.coverage)
                series = {m: windows[SCENE if m in shared else name].series[m] for m in window.series}
                series |= {m: series[m].after(scene_after_ns) for m in self._images if m in shared}
                window = Window(window.start_ns, window.end_ns, window.epoch, series)
                caches = {m: (scene if m in shared else known[name]).caches[m] for m in caches}
            coverage = np.array([window.series[m].coverage for m in self.checkpoint.config.names], np.float32)
            snapshots.append(Snapshot(name, known[name], window, caches, coverage, others))
        return snapshots

    def _decide(self, snapshot: Snapshot, output: Outputs) -> Decision | NoDecision:
        logits = (output.group_logits, output.activity_logits)
        if not all(np.isfinite(x).all() for x in logits):
            self.not_finite += 1
            return NoDecision(
                snapshot.window.end_ns,
                f"the network's output is not finite; {_largest(snapshot)}",
                FaultCode.NOT_FINITE,
            )
        calibration, taxonomy = self.checkpoint.calibration, self.checkpoint.config.taxonomy
        group, activity = (torch.softmax(torch.from_numpy(x) / calibration.temperature, dim=-1).numpy() for x in logits)
        window = snapshot.window
        group, group_index = snapshot.body.smoothers[0].update(window.end_ns, group)
        activity, activity_index = snapshot.body.smoothers[1].update(window.end_ns, activity)
        novelty = self._novelty(snapshot, output)
        probabilities = float(group[group_index]), float(activity[activity_index])
        confidences = calibration.confidence(probabilities, [novelty, novelty])
        series = [window.series[name] for name in self.checkpoint.config.names]
        return Decision(
            start_ns=window.start_ns,
            stamp_ns=window.end_ns,
            group=self._label(confidences[0], taxonomy.group_names[group_index]),
            activity=self._label(confidences[1], taxonomy.activities[activity_index]),
            group_probabilities=group,
            activity_probabilities=activity,
            present=output.present,
            coverage=snapshot.coverage,
            ages_s=np.array([np.nan if s.age_ns is None else s.age_ns * 1e-9 for s in series], np.float32),
            sm_weights=output.sm_weights,
            gm_weights=output.gm_weights,
            health=snapshot.health,
            faults=snapshot.faults(output.present),
            modalities=self.checkpoint.config.names,
            features=output.features,
            group_confidence=float(confidences[0]),
            activity_confidence=float(confidences[1]),
            novelty=novelty,
            group_probability=probabilities[0],
            activity_probability=probabilities[1],
        )

    def _novelty(self, snapshot: Snapshot, output: Outputs) -> float:
        """Smoothed like the probabilities; NaN if it is not known."""
        novelty = self.checkpoint.novelty
        if novelty is None:
            return math.nan
        score = novelty.score(self.checkpoint.config.names, output.features[None])
        if not np.isnan(score[0]):
            score, _ = snapshot.body.smoothers[2].update(snapshot.window.end_ns, score)
        return float(score[0])

    def _label(self, confidence: float, label: str) -> str:
        return UNKNOWN if confidence < self._unknown_threshold else label


def _rows(
    name: str, stamps: Sequence[int] | np.ndarray, samples: Sequence[np.ndarray] | np.ndarray
) -> list[tuple[str, int, np.ndarray]]:
    """Modality, stamp and sample of each sample, checked."""
    times = np.asarray(stamps)
    if times.shape != (len(samples),):
        raise SampleError(f"{name}: stamps of shape {times.shape} for {len(samples)} samples; expected one for each")
    if len(times) and times.dtype.kind not in "iu":
        raise SampleError(f"{name}: stamps are {times.dtype}; expected whole nanoseconds, (seconds * 1e9).astype(int)")
    wrong = np.flatnonzero(np.diff(times.astype(np.int64), prepend=0) <= 0)
    if len(wrong):
        raise SampleError(
            f"{name}: stamp number {wrong[0]} is {times[wrong[0]]} ns; stamps must be positive and increasing"
        )
    return [(name, int(stamp), sample) for stamp, sample in zip(times, samples, strict=True)]


def _largest(snapshot: Snapshot) -> str:
    """Description of the modality with the largest input."""
    sizes = {name: float(x.abs().max()) for name, x in snapshot.inputs.items()}
    name = max(sizes, key=lambda name: np.inf if np.isnan(sizes[name]) else sizes[name])
    return f"the largest input is {sizes[name]:.3g}, of {name}"


def _too_little(names: Sequence[str], snapshot: Snapshot, least: np.ndarray) -> str:
    parts = [
        f"{n} {c:.0%} of {m:.0%}" + (" (unassigned)" if n in snapshot.others else "")
        for n, c, m in zip(names, snapshot.coverage, least, strict=True)
    ]
    return f"no modality has enough samples in the window (has, needs): {', '.join(parts)}"
