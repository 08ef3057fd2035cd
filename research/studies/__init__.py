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

"""The studies of the papers, and ours: each trains what is missing and writes one section of research/results.md."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from studies.bench import Bench

__all__ = ["STUDIES", "Experiment", "experiment"]

STUDIES = (
    "fusion",
    "modalities",
    "noise",
    "ablation",
    "guidance",
    "missing",
    "attention",
    "embedding",
    "toy",
    "few_labels",
    "privileged",
    "lying",
    "tasks",
    "dense",
    "robustness",
)
"""Modules. Of MuMu (Islam and Iqbal 2022) tables 3, 5, 6 and 7, figure 1 and figure 3; and what the other papers ask:
few labels, faulty sensors, task weighting, dense perception; and where the shipped model `people` ends."""


class Experiment(Protocol):
    """A table or figure that can be made again."""

    def __call__(self, bench: Bench) -> str:
        """Train what is missing on a bench, and say in Markdown what came out."""


def experiment(name: str) -> Experiment:
    """One of `STUDIES`; its module is imported now, since `python research study --help` shall not wait for torch."""
    section: Experiment = importlib.import_module(f"{__name__}.{name}").section
    return section
