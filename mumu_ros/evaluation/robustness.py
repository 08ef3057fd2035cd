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

"""How accuracy falls as sensors fail: the curves of the report."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from mumu_ros.evaluation.evaluate import Evaluation, Setup, evaluate_bag
from mumu_ros.evaluation.results import BagResult
from mumu_ros.evaluation.summary import summarize
from mumu_ros.evaluation.whatif import robustness_alterations

__all__ = ["RATE_HZ", "robustness"]

RATE_HZ = 1.0
"""Decisions a second: there are many curves."""


class _Progress(Protocol):
    def update(self, log_ns: int) -> None: ...


def robustness(
    evaluation: Evaluation,
    setups: Mapping[str, Setup],
    progress: Callable[[Setup, str], AbstractContextManager[_Progress]],
) -> list[dict[str, Any]]:
    """Judge recordings with each sensor gone, noisy and late, more and more. Each recording is read once.

    The evaluation's own alterations are made, too.

    Returns:
        The unaltered first, with the kind "none": kind, modality, amount, and the scores of all recordings together.

    Raises:
        RecordingError: A recording cannot be read.
    """
    config = evaluation.checkpoint.config
    slower = dataclasses.replace(evaluation, inference=dataclasses.replace(evaluation.inference, rate_hz=RATE_HZ))
    recorded = [name for name in config.names if any(name in setup.topics for setup in setups.values())]
    alterations = robustness_alterations(recorded)
    variants = ((), *((alteration,) for alteration in alterations))
    by_variant: list[list[BagResult]] = [[] for _ in variants]
    for name, setup in setups.items():
        with progress(setup, f"{name}, {len(alterations)} faults") as shown:
            results = evaluate_bag(slower, setup, name=name, variants=variants, progress=shown.update)
        for bags, result in zip(by_variant, results, strict=True):
            bags.append(result)
    rows = []
    for variant, bags in zip(variants, by_variant, strict=True):
        pooled = summarize(bags, config)["pooled"]
        fault = variant[0] if variant else None
        rows.append(
            {
                "kind": fault.kind if fault else "none",
                "modality": fault.modalities[0] if fault else "",
                "amount": fault.amount if fault else 0.0,
                **{name: pooled.get(name) for name in ("accuracy", "macro_f1", "f1@50", "undecided_share")},
            }
        )
    return rows
