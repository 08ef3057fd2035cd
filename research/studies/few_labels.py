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

"""Few labels: what a teacher is worth that fills in the activities of clips of which the group only is known.

After Erkent (2025), whose teacher sees the plentiful label as one more input.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mumu_ros.training.given_labels import hide_labels, known_labels
from mumu_ros.training.loading import load_windows
from mumu_ros.training.scoring import softmax
from mumu_ros.training.windows import WindowSet
from studies import heads
from studies.bench import Bench, Run
from studies.plots import curves
from studies.report import difference, mean_std, paired_by_seed, provenance, table, top1

__all__ = ["CONFIG", "SHARES", "Method", "labelled_only", "methods", "section", "student"]

CONFIG = "utd_mhad_sp.yaml"

SHARES = (0.1, 0.25, 0.5)

CONFIDENCE = 0.9
"""The threshold τ of Erkent (2025)."""

GROUP_INPUT = "labels.input=group"
"""What makes a teacher multi-modal: it is given the label that is plentiful."""

_EPOCHS = 25
"""Of the configuration. With a share of the clips there are as many more, so that every training has as many steps."""


@dataclass(frozen=True)
class Method:
    """One way to train with few labels.

    Attributes:
        name: In tables.
        run: The training.
    """

    name: str
    run: Run


def labelled_only(config: str, share: float, *overrides: str) -> Run:
    """A training on the labelled clips, for as many steps as one on all clips takes."""
    epochs = f"optimization.epochs={round(_EPOCHS / share)}"
    labels = (f"labels.share={share:g}", "labels.unlabelled=false")
    return replace(heads.OURS.run(config, *labels, epochs, *overrides), clean=True)


def student(config: str, share: float, teacher: Run | None, *overrides: str) -> Run:
    """A training on all clips; a teacher fills in the missing labels, or nobody does."""
    return replace(heads.OURS.run(config, f"labels.share={share:g}", *overrides), teacher=teacher, clean=True)


def methods(share: float) -> tuple[Method, ...]:
    """What is compared at a share of labels."""
    alone = labelled_only(CONFIG, share)
    with_group = labelled_only(CONFIG, share, GROUP_INPUT)
    free = "labels.within_group=false"
    return (
        Method("labelled clips only", alone),
        Method("missing labels weigh nothing", student(CONFIG, share, None)),
        Method("uni-modal teacher", student(CONFIG, share, alone, free)),
        Method("multi-modal teacher (paper)", student(CONFIG, share, with_group, free)),
        Method(
            "… labels above 0.9 only (paper)",
            student(CONFIG, share, with_group, free, f"labels.confidence={CONFIDENCE:g}"),
        ),
        Method("… soft labels", student(CONFIG, share, with_group, free, "labels.soft=true")),
        Method("uni-modal teacher, activities of the known group (ours)", student(CONFIG, share, alone)),
    )


def section(bench: Bench) -> str:
    """Compare ways to train when few activities are known, and all groups."""
    every = bench.study(heads.OURS.run(CONFIG))
    studies = [[bench.study(method.run) for method in methods(share)] for share in SHARES]
    names = [method.name for method in methods(SHARES[0])]
    scores = [[top1(study) for study in of_share] for of_share in zip(*studies, strict=True)]
    curves(
        bench.images / "few_labels.png",
        [100 * share for share in SHARES],
        [(name, 100 * np.array(of_shares)) for name, of_shares in zip(names, scores, strict=True)],
        ("clips with an activity label (%)", "top-1 on unseen people (%)"),
    )
    header = ("trained with", *(f"{share:.0%} of labels" for share in SHARES))
    rows = [(name, *map(mean_std, of_shares)) for name, of_shares in zip(names, scores, strict=True)]
    full = mean_std(top1(every))
    differences = [
        (f"{name} − {names[0]}", *map(difference, of_shares, scores[0]))
        for name, of_shares in zip(names[1:], scores[1:], strict=True)
    ]
    settings = bench.settings(heads.OURS.run(CONFIG))
    windows = load_windows(settings.model, settings.data).windows
    quality = [_quality(bench, windows, share) for share in SHARES]
    return "\n\n".join(
        (
            provenance("few_labels", bench, every),
            "Skeleton and inertial sensor, trusted MuMu. So many of each activity's training clips keep their label "
            f"({', '.join(of_share[0] for of_share in quality)} clips), the others their group only. Top-1; with all "
            f"labels it is {full}. Every training takes as many steps: of the labelled clips alone there are more "
            "epochs.",
            table(header, [*rows, ("all labels", *[full] * len(SHARES))]),
            "![Top-1 by share of labels](images/few_labels.png)",
            paired_by_seed(len(bench.seeds)),
            table(("difference", *header[1:]), differences),
            "How many of the labels that the teachers fill in are right; and of the multi-modal teacher's how many are "
            "above 0.9, and how many of those are right:",
            table(
                ("labels", "uni-modal teacher", "… of the known group", "multi-modal teacher", "above 0.9", "… right"),
                [(f"{share:.0%}", *of_share[1:]) for share, of_share in zip(SHARES, quality, strict=True)],
            ),
        )
    )


def _quality(bench: Bench, windows: WindowSet, share: float) -> tuple[str, ...]:
    """At a share: how many clips are labelled; how right teachers are about the others, or where they are sure."""
    taxonomy = bench.settings(student(CONFIG, share, None)).model.taxonomy
    alone, with_group = (bench.study(labelled_only(CONFIG, share, *shown)) for shown in ((), (GROUP_INPUT,)))
    columns: list[list[float]] = [[], [], [], [], []]
    for one, other in zip(alone.results, with_group.results, strict=True):
        train = windows.take(np.flatnonzero(np.isin(windows.clip, one.taught_clips)))
        told = known_labels(hide_labels(train, share, one.seed, taxonomy), taxonomy).any(axis=1)
        labelled = int(told.sum())
        truth = train.activity[~told]
        groups = np.equal(taxonomy.group_indices, taxonomy.group_indices[truth][:, None])
        predicted, shown = one.taught_logits[~told], other.taught_logits[~told]
        right, confident = shown.argmax(axis=1) == truth, softmax(shown).max(axis=1) >= CONFIDENCE
        values = (
            (predicted.argmax(axis=1) == truth).mean(),
            (np.where(groups, predicted, -np.inf).argmax(axis=1) == truth).mean(),
            right.mean(),
            confident.mean(),
            right[confident].mean(),
        )
        for column, value in zip(columns, values, strict=True):
            column.append(float(value))
    return str(labelled), *(mean_std(np.array(column)) for column in columns)
