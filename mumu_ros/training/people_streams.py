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

"""Streams of people whom nobody trained on: what is decided while they do one thing after the other, and how well."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from mumu_ros.model.calibration import Calibration
from mumu_ros.model.network import Network
from mumu_ros.model.novelty import Novelty
from mumu_ros.model.taxonomy import OTHER, Taxonomy
from mumu_ros.training.acceptance import accept, novelties
from mumu_ros.training.composition import Take, compose_stream, window_series

__all__ = ["PersonStream", "decide", "decide_streams", "score_streams"]

_DECISIONS_HZ = 5.0
_REST_S = (4.0, 7.0)

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class PersonStream:
    """Decisions about a person's clips with rest between them.

    Attributes:
        ends: (N,), where windows end, in samples.
        logits: (N, K).
        novelty: (N,).
        spans: Start and end of each activity, in samples.
        labels: Of each, which are right.
    """

    ends: NDArray[np.int64]
    logits: Array
    novelty: Array
    spans: tuple[tuple[int, int], ...]
    labels: tuple[tuple[str, ...], ...]


@torch.inference_mode()
def decide(
    network: Network, novelty: Novelty | None, inputs: Mapping[str, Array], masks: Mapping[str, NDArray[np.bool_]]
) -> tuple[Array, Array]:
    """Logits (N, K) and novelty (N,) of windows."""
    count = len(next(iter(inputs.values())))
    parts = []
    for start in range(0, count, 128):
        rows = slice(start, start + 128)
        output = network(
            {name: torch.from_numpy(x[rows]) for name, x in inputs.items()},
            {name: torch.from_numpy(mask[rows]) for name, mask in masks.items()},
        )
        features = output.features.numpy()
        parts.append((output.activity_logits.numpy(), novelties(novelty, network.config.names, features)))
    logits, novelty_scores = map(np.concatenate, zip(*parts, strict=True))
    return logits, novelty_scores


def decide_streams(
    network: Network, novelty: Novelty | None, takes: Sequence[Take], seed: int
) -> Iterator[PersonStream]:
    """Compose a stream of the first trials of each person who has any, and decide about it."""
    firsts = [take for take in takes if _first(take)]
    for source, subject in sorted({(take.source, take.subject) for take in firsts}):
        own = [take for take in firsts if (take.source, take.subject) == (source, subject)]
        performance = compose_stream(own, network.config, _REST_S, seed)
        step = round(30 / _DECISIONS_HZ)
        ends = np.arange(step, len(performance.skeleton) + 1, step)
        inputs, masks = {}, {}
        for modality in network.config.measured:
            whole = performance.skeleton if modality.layout else performance.imu
            series = [None if whole is None else whole[:end] for end in ends]
            steps = network.config.steps(modality.name)
            inputs[modality.name], masks[modality.name] = window_series(modality, steps, series)
        logits, scores = decide(network, novelty, inputs, masks)
        yield PersonStream(ends, logits, scores, performance.spans, performance.labels)


def _first(take: Take) -> bool:
    return "_t1" in take.id


def score_streams(
    streams: Sequence[PersonStream], taxonomy: Taxonomy, calibration: Calibration
) -> dict[str, float | None]:
    """How often rest is called an activity, and how soon an activity is named and forgotten; empty without streams."""
    if not streams:
        return {}
    rest, right, half, lag = [], [], [], []
    activities = np.array(taxonomy.activities)
    for stream in streams:
        decided, accepted, _ = accept(stream.logits, stream.novelty, taxonomy, calibration)
        ends = stream.ends
        resting = np.ones(len(ends), np.bool_)
        following = [*(start for start, _ in stream.spans[1:]), ends[-1]]
        for (start, end), labels, until in zip(stream.spans, stream.labels, following, strict=True):
            resting &= ~((ends > start) & (ends <= end + 30))
            correct = accepted & np.isin(activities[decided], labels)
            last = np.flatnonzero((ends > start) & (ends <= end + 9))
            if len(last) and labels != (OTHER,):
                right.append(correct[last[-3:]].any())
                half.append(correct[(ends > start) & (ends <= (start + end) / 2)].any())
            after = np.flatnonzero((ends > end) & (ends <= until))
            quiet = after[~accepted[after]]
            lag.append(((ends[quiet[0]] if len(quiet) else until) - end) / 30)
        rest.append(accepted[resting])
    return {
        "rest called an activity, share of decisions": float(np.concatenate(rest).mean()),
        "right at the end of an activity, share": float(np.mean(right)) if right else None,
        "right by its half, share": float(np.mean(half)) if half else None,
        "still claimed after its end, median s": float(np.median(lag)),
    }
