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

"""Missing and corrupted streams: heads made for them (`model/robust.py`) beside MuMu's and ours."""

from __future__ import annotations

from studies.bench import Bench
from studies.guidance import CONFIG, CORRUPTION, columns
from studies.heads import ACTIONMAE, CENTAUR, KEYLESS_SUM, MUMU, OURS, XFI, Head
from studies.report import difference, mean_std, paired_by_seed, provenance, table

__all__ = ["ROWS", "section"]

ROWS: tuple[Head, ...] = (Head("mean (Keyless, SUM)", KEYLESS_SUM.overrides), MUMU, ACTIONMAE, XFI, CENTAUR, OURS)
SHOWN = ("clean", "missing", "one gone", "corrupted")


def section(bench: Bench) -> str:
    """Compare heads on six streams, trained with modality dropout and corrupted streams."""
    studies = {head: bench.study(head.run(CONFIG, CORRUPTION)) for head in ROWS}
    config = OURS.run(CONFIG).settings().model
    scores = {head: columns(study, config) for head, study in studies.items()}
    rows = [(head.name, *(mean_std(scores[head][name]) for name in SHOWN)) for head in ROWS]
    differences = [
        (f"{OURS.name} − {head.name}", *(difference(scores[OURS][name], scores[head][name]) for name in SHOWN))
        for head in ROWS
        if head != OURS
    ]
    return "\n\n".join(
        (
            provenance("missing", bench, studies[OURS]),
            table(("head", *SHOWN), rows),
            table(("difference", *SHOWN), differences),
            "Streams, conditions and columns as in the study `guidance`. Each head has one feature of a modality as a "
            f"token, on the same encoders. {paired_by_seed(len(bench.seeds))}",
        )
    )
