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

"""Table 7 of MuMu (Islam and Iqbal 2022): what each part is worth, and whether it is more than luck."""

from __future__ import annotations

from itertools import permutations

from mumu_ros.evaluation.significance import almost_stochastic_order
from studies import heads
from studies.bench import Bench
from studies.fusion import CONFIG
from studies.report import difference, macro_f1, mean_std, paired_by_seed, provenance, table, top1

__all__ = ["ALPHA", "ROWS", "section"]

ALPHA = 0.05

# The paper's macro F1 on MMAct, and over which it is significant.
ROWS = (
    ("B1", heads.NON_ATTENTION, "68.48 ± 1.26", "none"),
    ("B2", heads.KEYLESS, "70.52 ± 0.98", "B1, B3"),
    ("B3", heads.HAMLET, "69.19 ± 0.72", "B1"),
    ("MuMu", heads.MUMU, "75.97 ± 0.29", "B1, B2, B3"),
    ("ours", heads.OURS, "–", "–"),
)


def section(bench: Bench) -> str:
    """Test every model against every other: almost stochastic order as in the paper, and paired by seed."""
    studies = {name: bench.study(head.run(CONFIG)) for name, head, _, _ in ROWS}
    scores = {name: macro_f1(study) for name, study in studies.items()}
    pairs = list(permutations(scores, 2))
    level = ALPHA / len(pairs)
    bound = {(a, b): almost_stochastic_order(scores[a], scores[b], alpha=level) for a, b in pairs}

    def better(name: str) -> str:
        return ", ".join(other for other in scores if (name, other) in bound and bound[name, other] < 0.5) or "none"

    models = [
        (name, head.name, mean_std(scores[name]), mean_std(top1(studies[name])), better(name), paper, over)
        for name, head, paper, over in ROWS
    ]
    bounds = [(a, *(f"{bound[a, b]:.2f}" if a != b else "" for b in scores)) for a in scores]
    paired = [(a, *(difference(scores[a], scores[b]) if a != b else "" for b in scores)) for a in scores]
    seeds = len(bench.seeds)
    header = (
        "model",
        "fusion",
        "macro F1",
        "top-1",
        "significant over",
        "paper: F1 (MMAct)",
        "paper: significant",
    )
    return "\n\n".join(
        (
            provenance("ablation", bench, studies["B1"]),
            table(header, models),
            f"Significant: almost stochastic order (Dror et al. 2019) of the macro F1, n = {seeds} seeds, ε_min < 0.5 "
            f"at alpha = {ALPHA} / {len(pairs)} (Bonferroni, all {len(pairs)} ordered pairs). With few seeds that is "
            "too bold; ε_min < 0.2 is meaningful (`mumu_ros/evaluation/significance.py`). The row over the column:",
            table(("ε_min", *scores), bounds),
            f"Row minus column in points of macro F1. {paired_by_seed(seeds)}",
            table(("row − column", *scores), paired),
        )
    )
