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

"""Does guided fusion pay? Six streams: clean, with some missing, with one corrupted."""

from __future__ import annotations

import numpy as np

from mumu_ros.model.config import ModelConfig
from mumu_ros.training.conditions import CLEAN
from mumu_ros.training.corruption import CORRUPTIONS
from mumu_ros.training.cross_validation import Study
from studies.bench import Bench, victims
from studies.heads import HAMLET, KEYLESS, KEYLESS_SUM, MUMU, OURS, Head
from studies.report import Scores, difference, mean_std, paired_by_seed, provenance, table, top1

__all__ = ["CONFIG", "CORRUPTION", "RECIPES", "ROWS", "attention_ratio", "columns", "section"]

CONFIG = "utd_mhad_six.yaml"
CORRUPTION = "augmentation.corruption=0.3"

ROWS: tuple[Head, ...] = (KEYLESS, Head("mean (Keyless, SUM)", KEYLESS_SUM.overrides), HAMLET, MUMU, OURS)
_MEAN = ROWS[1]
# The others give every modality the same weight, whatever it shows.
_ATTENTIVE = (HAMLET, MUMU, OURS)

RECIPES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Trained without corrupted streams", ()),
    ("Trained with one corrupted stream in 30 % of the windows (ours)", (CORRUPTION,)),
)


def section(bench: Bench) -> str:
    """Compare heads on six streams, trained without and with corruption."""
    config = KEYLESS.run(CONFIG).settings().model
    parts: list[str] = []
    for text, overrides in RECIPES:
        studies = {head: bench.study(head.run(CONFIG, *overrides)) for head in ROWS}
        scores = {head: columns(study, config) for head, study in studies.items()}
        header = ("fusion", *scores[KEYLESS])
        rows = [
            (head.name, *map(mean_std, scores[head].values()), _ratio(studies[head], config, head)) for head in ROWS
        ]
        pairs = [*((head, KEYLESS) for head in ROWS if head != KEYLESS), (OURS, _MEAN)]
        differences = [
            (f"{a.name} − {b.name}", *(difference(scores[a][name], scores[b][name]) for name in scores[a]))
            for a, b in pairs
        ]
        parts += [
            *(() if parts else (provenance("guidance", bench, studies[KEYLESS]),)),
            f"{text}, top-1:",
            table((*header, "attention ratio"), rows),
            table(("difference", *header[1:]), differences),
        ]
    parts.append(
        f"Streams: {', '.join(config.names)}. Missing: each is taken away with probability 0.5, one stays. One gone: "
        "mean over the streams. Noise, stuck, swap, roll: one stream of each clip, drawn at random, is corrupted "
        "(`mumu_ros/training/corruption.py`); corrupted: mean of the four. Attention ratio: weight of the corrupted "
        "stream over its weight in the same clips when it is clean, mean of the four. "
        f"{paired_by_seed(len(bench.seeds))}"
    )
    return "\n\n".join(parts)


def attention_ratio(study: Study, config: ModelConfig) -> Scores:
    """Weight of the corrupted modality over its weight in the same clips when clean, mean of the corruptions: (S,)."""
    ratios = []
    for seed in sorted({result.seed for result in study.results}):
        results = [result for result in study.results if result.seed == seed]
        of_seed = []
        for kind in CORRUPTIONS:
            changed = clean = 0.0
            for result in results:
                rows, columns = np.arange(len(result.truth)), victims(result, kind, config)
                changed += float(result.weights[kind][rows, columns].sum())
                clean += float(result.weights[CLEAN][rows, columns].sum())
            of_seed.append(changed / clean)
        ratios.append(np.mean(of_seed))
    return np.array(ratios)


def columns(study: Study, config: ModelConfig) -> dict[str, Scores]:
    """Top-1 by condition, each (S,) over seeds: corrupted is the mean of the four corruptions."""
    gone = np.mean([top1(study, f"-{name}") for name in config.names], axis=0)
    corrupted = {kind: top1(study, kind) for kind in CORRUPTIONS}
    return {
        "clean": top1(study),
        "missing": top1(study, "missing"),
        "one gone": gone,
        **corrupted,
        "corrupted": np.mean(list(corrupted.values()), axis=0),
    }


def _ratio(study: Study, config: ModelConfig, head: Head) -> str:
    if head not in _ATTENTIVE:
        return "–"
    ratio = attention_ratio(study, config)
    return f"{ratio.mean():.2f} ± {ratio.std(ddof=1):.2f}" if len(ratio) > 1 else f"{ratio[0]:.2f}"
