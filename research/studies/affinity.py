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

"""Which task helps which: a teacher is given the label of one task and tested on the other.

After Erkent (2025). Where the label of one task, as one more input,
makes the other task better on people that were not trained on, the first shares with the second most of what the second
needs. Three conditions follow:

1. Either label helps the other task.
2. One label helps the other task, but not the other way round.
3. Neither helps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mumu_ros.evaluation.significance import compare_paired
from mumu_ros.model.config import ConfigError
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.training.conditions import CLEAN, Condition
from mumu_ros.training.cross_validation import FoldResult, Study, cross_validate
from mumu_ros.training.given_labels import with_label_input
from mumu_ros.training.settings import Settings

__all__ = ["PROTOCOL", "Affinity", "measure_affinity"]

PROTOCOL = "three_fold"
"""Validation people are a third of the subjects of `data.train_subjects`, each third in turn."""

Scores = NDArray[np.float64]
Label = Literal["", "group", "activity"]


@dataclass(frozen=True, eq=False)
class Affinity:
    """Accuracies on people that were not trained on, (S,), by ascending seed.

    Attributes:
        activity: Without any label as input.
        activity_given_group: With the true group as one more input.
        activity_in_group: Without that input, but only activities of the true group are chosen from: what knowing the
            group is worth if nothing is learned from it.
        group: Without any label as input.
        group_given_activity: With the true activity as one more input.
        clips: How many were tested.
    """

    activity: Scores
    activity_given_group: Scores
    activity_in_group: Scores
    group: Scores
    group_given_activity: Scores
    clips: int

    @property
    def group_helps(self) -> bool:
        """Whether the group's label makes activities better, by more than the differences vary over seeds."""
        return _is_better(self.activity_given_group, self.activity)

    @property
    def activity_helps(self) -> bool:
        """Whether the activity's label makes groups better, by more than the differences vary over seeds."""
        return _is_better(self.group_given_activity, self.group)

    @property
    def condition(self) -> int:
        """Erkent's: 1, 2 or 3."""
        return 3 - self.group_helps - self.activity_helps

    def __str__(self) -> str:
        rows = (
            ("activity", self.activity, "the group is given", self.activity_given_group, self.group_helps),
            ("group", self.group, "the activity is given", self.group_given_activity, self.activity_helps),
        )
        lines = [f"{self.clips} clips of people that were not trained on, mean ± standard deviation over seeds:"]
        for task, without, given, with_label, helps in rows:
            paired = compare_paired(with_label, without)
            lines.append(
                f"{task:9} {_percent(without)}; {given}: {_percent(with_label)}; difference {100 * paired.mean:+.2f} ± "
                f"{100 * paired.std:.2f}, {'which helps' if helps else 'no more than the seeds differ'}"
            )
        added = compare_paired(self.activity_given_group, self.activity_in_group)
        lines.append(
            f"{'activity':9} {_percent(self.activity_in_group)} without that input, if chosen within the true group; "
            f"the input adds {100 * added.mean:+.2f} ± {100 * added.std:.2f} to that"
        )
        lines.append(f"Condition {self.condition}: {self._conclusion()}")
        return "\n".join(lines)

    def _conclusion(self) -> str:
        if self.condition == 1:
            return "either label helps the other task; a teacher with the plentiful one as input can fill in the other"
        if self.condition == 3:
            return "neither label helps the other task; a teacher with one as input is not worth it"
        helps, helped = ("group", "activity") if self.group_helps else ("activity", "group")
        return f"the {helps} helps the {helped}, not the other way round; as a teacher's input it is worth it"


def _is_better(with_label: Scores, without: Scores) -> bool:
    paired = compare_paired(with_label, without)
    return bool(paired.mean > paired.std)


def _percent(scores: Scores) -> str:
    return f"{100 * scores.mean():.2f} ± {100 * scores.std(ddof=1):.2f}"


def measure_affinity(
    settings: Settings,
    seeds: Sequence[int],
    out: Path,
    *,
    jobs: int | None = None,
    report: Callable[[Label, FoldResult, int, int], None] = lambda *_: None,
) -> Affinity:
    """Train with no label, with the group and with the activity as one more input, and compare.

    As a teacher would be, each is trained on the clips that have both labels (`labels.share`).

    Args:
        settings: What to train, on whom; the protocol is `PROTOCOL`.
        seeds: At least two; each is three trainings of every fold.
        out: Folder for the results; trainings that are finished there are not done again.
        jobs: Trainings at a time; None: one for each processor.
        report: Called after each training with the label that is given, its result, how many are done, and of how many.

    Raises:
        ConfigError: The configuration has a label as input already, there are too few seeds, or `out` holds results of
            something else.
        DatasetError: The data cannot be read.
        ValueError: There are fewer than three subjects.
    """
    if given := [m.name for m in settings.model.modalities if m.label]:
        raise ConfigError(f"the model has {', '.join(given)} as input; leave labels.input empty, both ways are tried")
    if len(seeds) < 2:
        raise ConfigError(f"seeds are {list(seeds)}; expected two or more, to estimate the variation by chance")
    settings = replace(
        settings,
        data=replace(settings.data, protocol=PROTOCOL),
        labels=replace(settings.labels, unlabelled=False),
    )

    def study(label: Label) -> Study:
        return cross_validate(
            replace(settings, model=with_label_input(settings.model, label)),
            seeds,
            out / (label or "none"),
            conditions=lambda _: (Condition(CLEAN),),
            jobs=jobs,
            report=lambda result, done, total: report(label, result, done, total),
        )

    plain, given_group, given_activity = study(""), study("group"), study("activity")
    taxonomy = settings.model.taxonomy
    return Affinity(
        activity=_by_seed(plain, _activity_right),
        activity_given_group=_by_seed(given_group, _activity_right),
        activity_in_group=_by_seed(plain, lambda result: _right_in_group(result, taxonomy)),
        group=_by_seed(plain, lambda result: _group_right(result, taxonomy)),
        group_given_activity=_by_seed(given_activity, lambda result: _group_right(result, taxonomy)),
        clips=len({clip for result in plain.results for clip in result.clips}),
    )


def _by_seed(study: Study, right: Callable[[FoldResult], np.ndarray]) -> Scores:
    seeds = sorted({result.seed for result in study.results})
    return np.array([np.concatenate([right(r) for r in study.results if r.seed == seed]).mean() for seed in seeds])


def _activity_right(result: FoldResult) -> np.ndarray:
    right: np.ndarray = result.logits[CLEAN].argmax(axis=1) == result.truth
    return right


def _group_right(result: FoldResult, taxonomy: Taxonomy) -> np.ndarray:
    right: np.ndarray = result.group_logits.argmax(axis=1) == taxonomy.group_indices[result.truth]
    return right


def _right_in_group(result: FoldResult, taxonomy: Taxonomy) -> np.ndarray:
    groups = taxonomy.group_indices
    possible = np.equal(groups, groups[result.truth][:, None])
    right: np.ndarray = np.where(possible, result.logits[CLEAN], -np.inf).argmax(axis=1) == result.truth
    return right
