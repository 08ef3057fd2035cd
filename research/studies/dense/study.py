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

"""Single task, two tasks, missing labels that count nothing, teacher and student: tables 3 and 4 of Erkent (2025)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load_file, save_file

from mumu_ros.files import replacing
from studies.bench import Bench
from studies.dense.metrics import class_scores, depth_scores
from studies.dense.model import DenseConfig, DenseModel, Task
from studies.dense.pictures import CLASSES, split
from studies.dense.training import Recipe, Tensors, fill_in, fit, predict, stack
from studies.report import seeds_text, table

__all__ = ["GROUPS", "SIZE", "STEPS", "Group", "section", "train_group"]

SIZE = (48, 64)
"""Height and width: a training takes half a minute of one core."""
STEPS = 400
BOTH: tuple[Task, ...] = ("classes", "depth")
METRICS = ("miou", "pixels", "rmse", "log_rmse", "relative")

Scores = dict[str, dict[str, float]]
"""By method and metric."""


@dataclass(frozen=True)
class Group:
    """Trainings on the same labels.

    Attributes:
        name: Of the imbalance.
        few: The task whose labels are few.
        share: Share of the pictures that have them; all have the other task's.
    """

    name: str
    few: Task
    share: float

    @property
    def many(self) -> Task:
        """The other task."""
        return "depth" if self.few == "classes" else "classes"


GROUPS = (
    Group("moderate", "classes", 0.5),
    Group("strong", "classes", 0.1),
    Group("depth is rare", "depth", 0.5),
    Group("balanced", "classes", 1.0),
)
"""The first and the third are Erkent's: 250 of 500."""

_SINGLE = {"classes": "classes alone", "depth": "depth alone"}
_TEACHER = {"classes": "teacher: colour + depth", "depth": "teacher: colour + classes"}
_BOTH, _ZERO = "both tasks, pictures with both labels", "both tasks, missing labels count nothing"
_UNI, _MULTI = "student of a teacher that sees colour", "student of a teacher that sees the label, too (paper)"
_PAPER = {
    _SINGLE["classes"]: ("20.7", "–"),
    _BOTH: ("22.1", "0.790"),
    _ZERO: ("19.2", "0.783"),
    _TEACHER["classes"]: ("24.4", "(0.337)"),
    _MULTI: ("25.3", "0.653"),
}
"""mIoU and RMSE on NYUv2 (Erkent 2025, tables 3 and 4): UMST-S, UMMT, UMMT-D, MMMT-D and UMMT-PS.

UMMT has 250 labels of each task, as the discussion of table 4 says; that of table 3 gives it 500 of depth."""


def section(bench: Bench) -> str:
    """Compare methods under three imbalances of the classes' labels, and one of depth's."""
    folder = bench.out / "dense"
    found = {seed: _of_seed(folder, seed) for seed in bench.seeds}
    seeds = seeds_text(bench.seeds)
    parts = [
        f"    python research study dense --seeds {seeds} --out {bench.out}",
        f"Synthetic pictures of {SIZE[1]}×{SIZE[0]}: 500 to train on, 395 to test on; the classes are "
        f"{', '.join(CLASSES)}. Every training takes {STEPS} steps of 8 pictures. Seeds {seeds} ({len(bench.seeds)}): "
        "mean ± standard deviation. In brackets: the value was an input.",
    ]
    for group in GROUPS:
        parts += [
            f"**{group.name}**: {_described(group)}",
            _table(group, [found[seed][group.name] for seed in bench.seeds]),
        ]
    return "\n\n".join([*parts, _order([found[seed] for seed in bench.seeds])])


def train_group(
    group: Group, train: Tensors, test: Tensors, recipe: Recipe
) -> Iterator[tuple[str, DenseModel, dict[str, float]]]:
    """Train each method on the labels that a group leaves; yields its name, the network and what it scores."""
    count = round(group.share * len(train))
    whole = train.take(count)

    def of(name: str, config: DenseConfig, data: Tensors) -> tuple[str, DenseModel, dict[str, float]]:
        model = fit(config, data, recipe)
        return name, model, _score(model, test)

    yield of(_SINGLE[group.few], DenseConfig(len(CLASSES), (group.few,)), whole)
    if group.few == "classes":
        yield of(_SINGLE["depth"], DenseConfig(len(CLASSES), ("depth",)), train)
    plain = DenseConfig(len(CLASSES), BOTH)
    both = of(_BOTH, plain, whole)
    yield both
    if count == len(train):
        return
    hidden = train.hide(group.few, count)
    yield of(_ZERO, plain, hidden)
    yield of(_UNI, plain, fill_in(both[1], hidden, group.few))
    teacher = of(_TEACHER[group.few], DenseConfig(len(CLASSES), BOTH, extra=group.many), whole)
    yield teacher
    yield of(_MULTI, plain, fill_in(teacher[1], hidden, group.few))


def _score(model: DenseModel, test: Tensors) -> dict[str, float]:
    said = predict(model, test)
    scores: dict[str, float] = {}
    if "classes" in said:
        scores |= class_scores(said["classes"].argmax(dim=1), test.classes, len(CLASSES))
    if "depth" in said:
        scores |= depth_scores(said["depth"], test.depth)
    return scores


def _of_seed(folder: Path, seed: int) -> dict[str, Scores]:
    """By group and method; kept for the next time."""
    path = folder / f"seed_{seed}.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    if missing := [group for group in GROUPS if group.name not in found]:
        train, test = (_pictures(folder, name) for name in ("train", "test"))
        for group in missing:
            scores = {}
            for name, _, score in train_group(group, train, test, Recipe(STEPS, seed=seed)):
                scores[name] = score
                print(f"dense, {group.name}, seed {seed}, {name}: {score}", flush=True)
            found[group.name] = scores
            with replacing(path) as temporary:
                temporary.write_text(json.dumps(found, indent=1) + "\n")
    return found


def _pictures(folder: Path, name: str) -> Tensors:
    """The synthetic pictures; drawing them takes a minute, so that they are kept."""
    path = folder / f"{name}.safetensors"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            save_file(vars(stack(split(name, SIZE))), temporary)
    return Tensors(**load_file(path))


def _described(group: Group) -> str:
    few = round(group.share * 500)
    return f"{few} pictures have {group.few}, {500} {group.many}." if few < 500 else "500 pictures have both labels."


def _table(group: Group, seeds: list[Scores]) -> str:
    rows = []
    for name in seeds[0]:
        cells = [_cell(name, metric, [scores[name] for scores in seeds]) for metric in METRICS]
        rows.append((name, *cells, *(_PAPER.get(name, ("–", "–")) if group.name == "moderate" else ())))
    header = ("trained", "mIoU", "pixels", "RMSE m", "log RMSE", "relative error")
    paper = ("paper: mIoU", "paper: RMSE") if group.name == "moderate" else ()
    return table((*header, *paper), rows)


def _cell(name: str, metric: str, seeds: list[dict[str, float]]) -> str:
    if metric not in seeds[0]:
        return "–"
    values = np.array([scores[metric] for scores in seeds])
    percent = metric in ("miou", "pixels")
    spread = values.std(ddof=1) if len(values) > 1 else 0.0
    mean, std = (f"{100 * x:.1f}" if percent else f"{x:.3f}" for x in (values.mean(), spread))
    text = f"{mean} ± {std}" if len(values) > 1 else mean
    task = "classes" if percent else "depth"
    given = name in _TEACHER.values() and name != _TEACHER[task]  # a teacher of the classes sees depth
    return f"({text})" if given else text


def _order(seeds: list[dict[str, Scores]]) -> str:
    """In how many seeds the paper's order of mIoU and RMSE holds."""
    counts: dict[str, dict[str, list[bool]]] = {}
    for group in ("moderate", "strong"):
        for scores in (found[group] for found in seeds):
            zero, alone, both, student = (scores[name] for name in (_ZERO, _SINGLE["classes"], _BOTH, _MULTI))
            order = zero["miou"] < alone["miou"] < both["miou"] < student["miou"]
            for text, holds in (
                ("missing labels count nothing < classes alone < both tasks < student, by mIoU", order),
                ("student above both tasks, by mIoU", student["miou"] > both["miou"]),
                ("student above both tasks, by RMSE", student["rmse"] < both["rmse"]),
                ("student above missing labels that count nothing, by mIoU", student["miou"] > zero["miou"]),
            ):
                counts.setdefault(text, {}).setdefault(group, []).append(holds)
    rows = [(text, *(f"{sum(held)} of {len(held)}" for held in groups.values())) for text, groups in counts.items()]
    return table(("the paper's order, seeds in which it holds", "moderate", "strong"), rows)
