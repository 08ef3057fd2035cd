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

"""Table 6 of MuMu (Islam and Iqbal 2022): noisy modalities; and misaligned ones, for which it has no table."""

from __future__ import annotations

from mumu_ros.training.conditions import CLEAN
from studies import heads
from studies.bench import NON_VISUAL, VISUAL, Bench
from studies.report import macro_f1, mean_std, provenance, table

__all__ = ["CONFIGS", "LATE", "ROWS", "section"]

CONFIGS = (
    ("utd_mhad_sp.yaml", "Skeleton (visual) and inertial sensor (non-visual)"),
    ("utd_mhad_dsp.yaml", "Depth and skeleton (visual) and inertial sensor (non-visual)"),
)

LATE = ("late 0.1 s", "late 0.2 s", "late 0.5 s", "late 1 s")

# The paper's macro F1 on MMAct: clean, visual, non-visual.
ROWS = (
    (heads.NON_ATTENTION, ("68.29", "66.30", "66.02")),
    (heads.HAMLET, ("69.35", "64.10", "67.57")),
    (heads.KEYLESS, ("71.83", "67.94", "68.29")),
    (heads.MUMU, ("76.28", "74.22", "73.78")),
    (heads.OURS, ("–", "–", "–")),
)


def section(bench: Bench) -> str:
    """Compare heads with modalities dropped or late."""
    parts = [provenance("noise", bench, bench.study(ROWS[0][0].run(CONFIGS[0][0])))]
    dropped = ("fusion", "clean", VISUAL, NON_VISUAL, *(f"paper: {name}" for name in (CLEAN, VISUAL, NON_VISUAL)))
    for config, text in CONFIGS:
        studies = [bench.study(head.run(config)) for head, _ in ROWS]
        rows = [
            (head.name, *(mean_std(macro_f1(study, name)) for name in (CLEAN, VISUAL, NON_VISUAL)), *paper)
            for (head, paper), study in zip(ROWS, studies, strict=True)
        ]
        parts += [f"{text}, macro F1 with the named modalities dropped from half of the clips:", table(dropped, rows)]
        rows = [
            (head.name, *(mean_std(macro_f1(study, name)) for name in LATE))
            for (head, _), study in zip(ROWS, studies, strict=True)
        ]
        parts += ["One modality of each clip, drawn at random, lags:", table(("fusion", *LATE), rows)]
    parts.append(
        "The paper's columns are MMAct, cross-subject, with raw features dropped at a probability of 50 %; whether "
        "whole clips, and whether it trains with dropped features, it does not say. All of ours do "
        "(`modality_dropout`, `corruption`)."
    )
    return "\n\n".join(parts)
