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

"""Do the two tasks hinder each other, and is it better to weigh them adaptively than by fixed numbers?

After UV-M3TL (Liu et al. 2026), as far as `model/dual_branch.py` and `model/task_weights.py` have it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.training.cross_validation import Study
from studies.bench import Bench, Run
from studies.fusion import CONFIG
from studies.heads import DUAL_BRANCH, MUMU, Head
from studies.report import (
    Scores,
    difference,
    group_top1,
    mean_std,
    paired_by_seed,
    provenance,
    table,
    top1,
)

__all__ = ["ALONE", "PAIRS", "ROWS", "SUPERVISED", "UNSUPERVISED", "Row", "section"]

UNSUPERVISED = ("model.deep_supervision=false", "optimization.deep_supervision_weight=0")
"""Classifiers of unimodal features teach the activities to all encoders, however the tasks are weighed."""


@dataclass(frozen=True)
class Row:
    """A head and how its tasks are weighed.

    Attributes:
        head: The head.
        weighting: Its name.
        overrides: That choose it.
        tasks: What is learned.
        recipe: Other overrides of the configuration.
    """

    head: Head
    weighting: str
    overrides: tuple[str, ...]
    tasks: tuple[str, ...] = ("activity", "group")
    recipe: tuple[str, ...] = UNSUPERVISED

    @property
    def run(self) -> Run:
        """Its trainings."""
        return self.head.run(CONFIG, *self.recipe, *self.overrides)


def _activity_alone(head: Head) -> Row:
    return Row(head, "activity alone", ("optimization.beta_aux=0",), ("activity",))


def _group_alone(head: Head) -> Row:
    return Row(head, "group alone", ("optimization.beta_aux=1", "optimization.target_weight=0"), ("group",))


def _fixed(head: Head, beta_aux: str) -> Row:
    return Row(head, f"fixed, β {beta_aux}", (f"optimization.beta_aux={beta_aux}",))


_ADAPTIVE = "optimization.task_weighting=adaptive"
ALONE = {head: (_activity_alone(head), _group_alone(head)) for head in (MUMU, DUAL_BRANCH)}
"""By head: what the others of that head are compared with."""
_FIXED = tuple(_fixed(MUMU, beta_aux) for beta_aux in ("0.1", "0.5", "1"))
_LEARNED = (
    Row(MUMU, "uncertainty", ("optimization.task_weighting=uncertainty",)),
    Row(MUMU, "adaptive", (_ADAPTIVE,)),
)
_DUAL_FIXED = _fixed(DUAL_BRANCH, "0.5")
_DUAL_ADAPTIVE = Row(DUAL_BRANCH, "adaptive, decoupled", (_ADAPTIVE, "optimization.decoupling_weight=0.1"))
ROWS = (*ALONE[MUMU], *_FIXED, *_LEARNED, *ALONE[DUAL_BRANCH], _DUAL_FIXED, _DUAL_ADAPTIVE)
SUPERVISED = (
    replace(ALONE[MUMU][0], recipe=()),
    Row(MUMU, "fixed, β 0.1", (), recipe=()),
    *(replace(row, recipe=()) for row in (_FIXED[2], _LEARNED[1])),
)
"""The first learns the activities alone; it has no counterpart for the groups."""
PAIRS = (
    *((learned, fixed) for learned in _LEARNED for fixed in _FIXED),
    (_DUAL_ADAPTIVE, _DUAL_FIXED),
    (_DUAL_FIXED, _FIXED[1]),
)
"""Rows whose differences answer the second question."""


def section(bench: Bench) -> str:
    """Compare weightings of the two tasks with either task alone, and with each other."""
    studies = {row: bench.study(row.run) for row in (*ROWS, *SUPERVISED)}
    taxonomy = MUMU.run(CONFIG).settings().model.taxonomy
    scores = {row: _scores(study, row, taxonomy) for row, study in studies.items()}
    supervised = [(*_cells(row, scores[row])[1:], _transfer(row, SUPERVISED[0], scores)) for row in SUPERVISED]
    rows = [(*_cells(row, scores[row]), *(_transfer(row, alone, scores) for alone in ALONE[row.head])) for row in ROWS]
    pairs = [
        (f"{_name(a)} − {_name(b)}", *(difference(scores[a][task], scores[b][task]) for task in ("activity", "group")))
        for a, b in PAIRS
    ]
    return "\n\n".join(
        (
            provenance("tasks", bench, studies[ROWS[0]]),
            "Top-1 of activities and of groups, each of its own classifier. Without classifiers of unimodal features, "
            "which would teach the activities to every encoder (`deep_supervision: false`). The last two columns: "
            "minus the same head that learns this task alone; below 0 the other task hinders it.",
            table(("head", "weighting", "activity", "group", "activity − alone", "group − alone"), rows),
            paired_by_seed(len(bench.seeds)),
            table(("difference", "activity", "group"), pairs),
            f"{MUMU.name} with these classifiers, as in all other studies:",
            table(("weighting", "activity", "group", "activity − alone"), supervised),
        )
    )


def _scores(study: Study, row: Row, taxonomy: Taxonomy) -> dict[str, Scores]:
    both = {"activity": top1(study), "group": group_top1(study, taxonomy)}
    return {task: both[task] for task in row.tasks}


def _cells(row: Row, scores: dict[str, Scores]) -> tuple[str, ...]:
    return (row.head.name, row.weighting, *(mean_std(scores[t]) if t in scores else "–" for t in ("activity", "group")))


def _transfer(row: Row, alone: Row, scores: dict[Row, dict[str, Scores]]) -> str:
    (task,) = alone.tasks
    return difference(scores[row][task], scores[alone][task]) if len(row.tasks) > 1 else ""


def _name(row: Row) -> str:
    return f"{row.head.name}, {row.weighting}"
