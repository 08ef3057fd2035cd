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

"""Evaluation of a health model: simulated faults in healthy recordings, and which modalities are flagged."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mumu_ros.datasets.clips import Clip, Segment, Stream
from mumu_ros.evaluation.metrics import auroc
from mumu_ros.failures import Fault, FaultInjector
from mumu_ros.health import Description, HealthModel, HealthMonitor, flag
from mumu_ros.health.statistics import EDGE, STILL
from mumu_ros.model.checkpoint import Checkpoint
from mumu_ros.recognition import Decision, Recognizer
from mumu_ros.streams import NS_PER_S, seconds_to_ns
from mumu_ros.training.conditions import Condition
from mumu_ros.training.health import describe_windows
from mumu_ros.training.windows import WindowSet

__all__ = ["Caught", "Delay", "catch", "follow", "is_plain", "join"]

DECISION_S = 0.2
_PLAIN = 0.5
FAULT_S = 10.0
"""In `follow` a sensor fails for so long, again and again, with twice as long between."""


@dataclass(frozen=True)
class Caught:
    """What came of windows of which one modality fails.

    Attributes:
        auroc: Of the failing modality's score, against healthy windows.
        auroc_concept: Of the concept score (low is taken for anomalous), which does not identify the modality.
        flagged: Share of the windows in which the failing modality is flagged.
        others: Share in which another one is.
        unmasked: Top-1 accuracy without masking.
        masked: Top-1 accuracy with stuck modalities masked, and other flagged ones if that raises the top-1
            probability.
        plain_flagged: Share of the windows in which the failing modality repeats itself or is clipped: see `is_plain`.
        plain_masked: Top-1 accuracy with those modalities masked that are.
    """

    auroc: float
    auroc_concept: float
    flagged: float
    others: float
    unmasked: float
    masked: float
    plain_flagged: float
    plain_masked: float


@dataclass(frozen=True)
class Delay:
    """What came of a sensor that begins to fail in a running recording, several times.

    Attributes:
        onsets: How often it began to.
        delays_s: Delays in seconds until it was flagged; fewer than `onsets` if it was not always.
        others: Share of the decisions during the failure in which another one was flagged.
        healthy: Share of the decisions while nothing failed, and nothing had for a while, in which any was.
    """

    onsets: int
    delays_s: tuple[float, ...]
    others: float
    healthy: float


def catch(
    checkpoint: Checkpoint, health: HealthModel, windows: WindowSet, conditions: Sequence[Condition], seed: int = 0
) -> dict[str, dict[str, Any]]:
    """Judge windows under each condition, by its name, and unchanged as "healthy".

    Args:
        checkpoint: The model.
        health: Its health model.
        windows: Healthy ones, of people that neither has learned from.
        conditions: With a failure `on` one modality each.
        seed: Of the failures' draw.

    Returns:
        `Caught` as a dictionary; of "healthy" only flagged (one for each modality), unmasked and masked.
    """
    healthy = describe_windows(checkpoint.model, windows)
    reference = health.judge(healthy)
    _, flagged = flag(health, healthy)
    found: dict[str, dict[str, Any]] = {
        "healthy": {
            "flagged": flagged.mean(axis=0).tolist(),
            "unmasked": _top1(checkpoint, healthy, healthy.present, windows),
            "masked": _masked(checkpoint, health, healthy, flagged, windows),
            "plain_flagged": is_plain(health, healthy).mean(axis=0).tolist(),
            "plain_masked": _top1(checkpoint, healthy, healthy.present & ~is_plain(health, healthy), windows),
        }
    }
    for condition in conditions:

        def change(rows: np.ndarray, inputs: Any, masks: Any, condition: Condition = condition) -> Any:
            return condition.apply(checkpoint.config, windows, rows, (inputs, masks), seed)

        index = checkpoint.config.names.index(condition.on)
        failing = describe_windows(checkpoint.model, windows, change)
        there = failing.present[:, index]
        judged = health.judge(failing)
        _, flagged = flag(health, failing)
        caught = Caught(
            auroc=auroc(judged.scores[there, index], reference.scores[healthy.present[:, index], index]),
            auroc_concept=auroc(-judged.concept[there], -reference.concept),
            flagged=float(flagged[there, index].mean()),
            others=float(np.delete(flagged, index, axis=1).any(axis=1).mean()),
            unmasked=_top1(checkpoint, failing, failing.present, windows),
            masked=_masked(checkpoint, health, failing, flagged, windows),
            plain_flagged=float(is_plain(health, failing)[there, index].mean()),
            plain_masked=_top1(checkpoint, failing, failing.present & ~is_plain(health, failing), windows),
        )
        found[condition.name] = asdict(caught)
    return found


def is_plain(health: HealthModel, description: Description) -> NDArray[np.bool_]:
    """Which modalities a detector without a network would flag, bool (B, M).

    More than half of the steps repeat the previous one, or more than half of the values lie at the window's extremes.
    """
    modalities = np.arange(len(health.ends))
    shares = [description.values[:, modalities, health.ends[:, 1] + position] for position in (STILL, EDGE)]
    plain: NDArray[np.bool_] = description.present & (np.maximum(*shares) > _PLAIN)
    plain &= (plain.sum(axis=1) < description.present.sum(axis=1))[:, None]  # one always stays
    return plain


def _top1(checkpoint: Checkpoint, description: Description, unmasked: NDArray[np.bool_], windows: WindowSet) -> float:
    decided = _decide(checkpoint, description, unmasked).argmax(axis=1)
    return float((decided == windows.activity).mean())


def _masked(
    checkpoint: Checkpoint,
    health: HealthModel,
    description: Description,
    flagged: NDArray[np.bool_],
    windows: WindowSet,
) -> float:
    """Top-1 as the recogniser decides: see `Recognizer`."""
    left = description.present & ~is_plain(health, description)
    unflagged = left & ~flagged
    unflagged |= left & ~unflagged.any(axis=1, keepdims=True)
    with_all, without = (_decide(checkpoint, description, chosen) for chosen in (left, unflagged))
    more_confident = np.where((without.max(axis=1) > with_all.max(axis=1))[:, None], without, with_all)
    return float((more_confident.argmax(axis=1) == windows.activity).mean())


@torch.inference_mode()
def _decide(checkpoint: Checkpoint, description: Description, unmasked: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Probabilities of the activities, (N, K)."""
    size = checkpoint.model.unimodal_size
    features = {n: torch.from_numpy(description.values[:, i, :size]) for i, n in enumerate(checkpoint.config.names)}
    present = {n: torch.from_numpy(unmasked[:, i].copy()) for i, n in enumerate(checkpoint.config.names)}
    logits = checkpoint.model.decide(features, present).activity_logits
    probabilities: NDArray[np.float32] = torch.softmax(logits, dim=-1).numpy()
    return probabilities


def follow(
    checkpoint: Checkpoint, health: HealthModel, clip: Clip, fault: Fault | None, sensors: Mapping[str, str]
) -> Delay:
    """Run a recording through a recogniser that looks at its sensors' health, as the node does.

    Args:
        checkpoint: The model.
        health: Its health model.
        clip: The recording.
        fault: What fails, for `FAULT_S` at a time; its own times are not looked at. None: nothing does.
        sensors: Stream → kind, of the recording.
    """
    begin_ns = min(int(stream.stamps_ns[0]) for stream in clip.streams.values())
    end_ns = max(int(stream.stamps_ns[-1]) for stream in clip.streams.values())
    starts_s = np.arange(1.5 * FAULT_S, (end_ns - begin_ns) / NS_PER_S - FAULT_S, 3 * FAULT_S).tolist() if fault else []
    faults = [Fault(fault.target, fault.streams, fault.failure, s, s + FAULT_S) for s in starts_s if fault]
    victims = set(fault.streams) if fault else set()
    decisions = list(_replay(checkpoint, health, clip, FaultInjector(faults, sensors, begin_ns)))
    delays, others, quiet, disturbed = [], 0, 0, 0
    for start_s in starts_s:
        inside = [(s, a) for s, a in decisions if start_s <= (s - begin_ns) / NS_PER_S < start_s + FAULT_S]
        caught = [(s - begin_ns) / NS_PER_S - start_s for s, flagged in inside if victims <= flagged]
        delays += caught[:1]
        others += sum(bool(flagged - victims) for _, flagged in inside)
        disturbed += len(inside)
    wrong = 0
    for stamp_ns, flagged in decisions:
        elapsed_s = (stamp_ns - begin_ns) / NS_PER_S
        # A window after a fault still shows it, and absolution takes its time.
        if all(not start_s <= elapsed_s < start_s + 1.5 * FAULT_S for start_s in starts_s):
            quiet, wrong = quiet + 1, wrong + bool(flagged)
    return Delay(len(starts_s), tuple(delays), others / max(disturbed, 1), wrong / max(quiet, 1))


def _replay(
    checkpoint: Checkpoint, health: HealthModel, clip: Clip, injector: FaultInjector
) -> Iterator[tuple[int, set[str]]]:
    """Stamp of each decision, and the modalities flagged then."""
    recognizer = Recognizer(checkpoint, health=lambda: HealthMonitor(health))
    due_ns = 0
    for stamp_ns, name, sample in heapq.merge(*(_samples(clip, n, injector) for n in clip.streams), key=lambda s: s[0]):
        if due_ns == 0:
            due_ns = stamp_ns + seconds_to_ns(1.0)
        while stamp_ns > due_ns:
            decision = recognizer.recognize(due_ns)
            if isinstance(decision, Decision):
                names = checkpoint.config.names
                yield due_ns, {n for n, h in zip(names, decision.health, strict=True) if h.fault}
            due_ns += seconds_to_ns(DECISION_S)
        recognizer.push(name, stamp_ns, sample)


def _samples(clip: Clip, name: str, injector: FaultInjector) -> Iterator[tuple[int, str, np.ndarray]]:
    stream = clip.streams[name]
    for stamp_ns, sample in zip(stream.stamps_ns, stream.samples, strict=True):
        stamps_ns = injector.arrive(name, np.array([stamp_ns], np.int64))
        if len(stamps_ns):
            stamps_ns, shown = injector.show(name, stamps_ns, sample[None])
            yield from ((int(ns), name, x) for ns, x in zip(stamps_ns, shown, strict=True))


def join(clips: Sequence[Clip], seconds: float) -> Clip:
    """One recording of several, one right after the other, up to a length."""
    streams: dict[str, list[tuple[NDArray[np.int64], list[np.ndarray]]]] = {name: [] for name in clips[0].streams}
    segments: list[Segment] = []
    end_ns = begin_ns = NS_PER_S
    for clip in clips:
        first_ns = min(int(stream.stamps_ns[0]) for stream in clip.streams.values())
        last_ns = max(int(stream.stamps_ns[-1]) for stream in clip.streams.values())
        shift_ns = end_ns - first_ns
        if last_ns + shift_ns - begin_ns > seconds * NS_PER_S:
            break
        for name, stream in clip.streams.items():
            streams[name].append((stream.stamps_ns + shift_ns, list(stream.samples)))
        segments += [Segment(s.start_ns + shift_ns, s.end_ns + shift_ns, s.activity) for s in clip.segments]
        end_ns = last_ns + shift_ns + NS_PER_S // 30
    joined = {
        name: Stream(np.concatenate([stamps for stamps, _ in parts]), [sample for _, part in parts for sample in part])
        for name, parts in streams.items()
    }
    return Clip(joined, tuple(segments), clips[0].subject, f"s{clips[0].subject}")
