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

"""Table 3 of MuMu (Islam and Iqbal 2022): fusion and merge type."""

from __future__ import annotations

from studies import heads
from studies.bench import Bench
from studies.report import macro_f1, mean_std, provenance, table, top1

__all__ = ["CONFIG", "ROWS", "section"]

CONFIG = "utd_mhad_sp.yaml"

# Merge type, and the paper's macro F1 on UCSD-MIT.
ROWS = (
    (heads.NON_ATTENTION_SUM, "SUM", "52.35"),
    (heads.NON_ATTENTION, "CONCAT", "50.92"),
    (heads.HAMLET_SUM, "SUM", "50.04"),
    (heads.HAMLET, "CONCAT", "48.26"),
    (heads.KEYLESS_SUM, "SUM", "51.68"),
    (heads.KEYLESS, "CONCAT", "54.48"),
    (heads.CONCEPT, "MAX", "–"),
    (heads.CONCEPT_PUBLISHED, "MIN", "–"),
    (heads.MUMU, "–", "61.34"),
    (heads.OURS, "–", "–"),
)


def section(bench: Bench) -> str:
    """Compare heads and merge types on skeleton and inertial sensor."""
    studies = [bench.study(head.run(CONFIG)) for head, _, _ in ROWS]
    rows = [
        (head.name, merge, mean_std(top1(study)), mean_std(macro_f1(study)), paper)
        for (head, merge, paper), study in zip(ROWS, studies, strict=True)
    ]
    header = ("fusion", "merge", "top-1", "macro F1", "paper: F1 on UCSD-MIT")
    return (
        f"{provenance('fusion', bench, studies[0])}\n\n{table(header, rows)}\n\n"
        "Skeleton and inertial sensor. The paper's column is of another dataset: compare the order, not the numbers. "
        "Our SUM is a mean of the modalities that are present."
    )
