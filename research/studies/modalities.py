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

"""Table 5 of MuMu (Islam and Iqbal 2022): which modalities."""

from __future__ import annotations

from studies import heads
from studies.bench import Bench
from studies.report import mean_std, provenance, table, top1

__all__ = ["COMBINATIONS", "ROWS", "section"]

# Name, configuration, and which of its modalities; none: all.
COMBINATIONS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("S+P", "utd_mhad_sp.yaml", ()),
    ("D+P", "utd_mhad_dp.yaml", ()),
    ("D+S", "utd_mhad_dsp.yaml", ("depth", "skeleton")),
    ("D+S+P", "utd_mhad_dsp.yaml", ()),
)

# The paper's top-1 with R+S, R+S+P and R+D+S+P.
ROWS = (
    (heads.KEYLESS, ("90.20", "92.67", "83.87")),
    (heads.HAMLET, ("95.12", "91.16", "90.09")),
    (heads.MUMU, ("96.10", "97.44", "97.60")),
    (heads.OURS, ("–", "–", "–")),
)


def section(bench: Bench) -> str:
    """Compare combinations of modalities."""
    studies = [[bench.study(head.run(config, modalities=kept)) for _, config, kept in COMBINATIONS] for head, _ in ROWS]
    rows = [
        (head.name, *(mean_std(top1(study)) for study in combinations), *paper)
        for (head, paper), combinations in zip(ROWS, studies, strict=True)
    ]
    header = ("fusion", *(name for name, _, _ in COMBINATIONS), "paper: R+S", "paper: R+S+P", "paper: R+D+S+P")
    return (
        f"{provenance('modalities', bench, studies[0][0])}\n\n{table(header, rows)}\n\n"
        "Top-1. R: RGB, D: depth, S: skeleton, P: physical (inertial) sensor. Our copy of UTD-MHAD has no RGB, so no "
        "combination of ours is one of the paper's. The paper leaves out one subject of eight at a time."
    )
