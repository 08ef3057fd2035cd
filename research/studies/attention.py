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

"""After figure 1 of MuMu (Islam and Iqbal 2022): the attention to each modality, by activity, clean and noisy."""

from __future__ import annotations

import importlib

import numpy as np
from numpy.typing import NDArray

from mumu_ros.model.config import ModelConfig
from mumu_ros.training.conditions import CLEAN
from mumu_ros.training.cross_validation import Study
from studies.bench import Bench, victims
from studies.guidance import CONFIG, CORRUPTION
from studies.heads import HAMLET, MUMU, OURS
from studies.plots import heat_maps
from studies.report import provenance, table

__all__ = ["NOISE", "ROWS", "attention_by_activity", "section"]

ROWS = (HAMLET, MUMU, OURS)
NOISE = "noise"


def section(bench: Bench) -> str:
    """Show the attention of three heads on six streams as tables and a picture."""
    importlib.import_module("matplotlib")  # missed now, not after hours
    config = MUMU.run(CONFIG).settings().model
    activities = config.taxonomy.activities
    panels, tables = [], []
    for head in ROWS:
        clean, noisy = attention_by_activity(bench.study(head.run(CONFIG, CORRUPTION)), config)
        panels += [(f"{head.name}: clean", clean), (f"{head.name}: noisy", noisy)]
        every = [("all", *_cells(np.nanmean(clean, axis=0), np.nanmean(noisy, axis=0)))]
        rows = [(name, *_cells(clean[i], noisy[i])) for i, name in enumerate(activities)]
        body = table(("activity", *config.names), every + rows)
        tables.append(f"<details><summary>{head.name}</summary>\n\n{body}\n\n</details>")
    heat_maps(bench.images / "attention.png", panels, activities, config.names)
    return "\n\n".join(
        (
            provenance("attention", bench, bench.study(MUMU.run(CONFIG, CORRUPTION))),
            "Mean attention for the activity, over test clips and seeds: with clean streams → to the same stream when "
            "noise as strong as its own variation is added to it. All three heads were trained with corrupted streams, "
            "as in the second half of the study `guidance`.",
            "![Attention by activity and stream, clean and noisy](images/attention.png)",
            *tables,
        )
    )


def attention_by_activity(study: Study, config: ModelConfig) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean weight of each modality by activity: clean, and in the clips where it is the noisy one.

    Returns:
        Two (K, M); NaN where there is no such clip.
    """
    shape = len(config.taxonomy.activities), len(config.modalities)
    sums, counts = np.zeros((2, *shape)), np.zeros((2, *shape))
    for result in study.results:
        rows, noisy = np.arange(len(result.truth)), victims(result, NOISE, config)
        np.add.at(sums[0], result.truth, result.weights[CLEAN])
        np.add.at(counts[0], result.truth, 1)
        np.add.at(sums[1], (result.truth, noisy), result.weights[NOISE][rows, noisy])
        np.add.at(counts[1], (result.truth, noisy), 1)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return means[0], means[1]


def _cells(clean: NDArray[np.float64], noisy: NDArray[np.float64]) -> list[str]:
    return [
        " → ".join("–" if np.isnan(value) else f"{value:.2f}" for value in pair)
        for pair in zip(clean, noisy, strict=True)
    ]
