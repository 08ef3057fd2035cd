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

"""A privileged teacher: it sees a skeleton, which no robot has; its student sees depth and an inertial sensor."""

from __future__ import annotations

from studies import heads
from studies.bench import Bench
from studies.few_labels import labelled_only, student
from studies.report import difference, mean_std, paired_by_seed, provenance, table, top1

__all__ = ["FRAME_EPOCHS", "SHARE", "STUDENT", "TEACHER", "section"]

STUDENT, TEACHER = "utd_mhad_dp.yaml", "utd_mhad_dsp.yaml"

SHARE = 0.25
"""Of the activity labels; groups are known for all clips."""


FRAME_EPOCHS = f"optimization.frame_epochs={round(8 / SHARE)}"
"""Of the labelled clips alone: as many steps as the configurations take over all clips."""


def section(bench: Bench) -> str:
    """Compare students of a teacher with more sensors, of one with the same, and of none."""
    alone, privileged = (labelled_only(config, SHARE, FRAME_EPOCHS) for config in (STUDENT, TEACHER))
    runs = {
        "labelled clips only": alone,
        "missing labels weigh nothing": student(STUDENT, SHARE, None),
        "student of a teacher with the same sensors": student(STUDENT, SHARE, alone),
        "student of a teacher with a skeleton": student(STUDENT, SHARE, privileged),
    }
    studies = {name: bench.study(run) for name, run in runs.items()}
    scores = {name: top1(study) for name, study in studies.items()}
    others = {
        "the teacher itself (depth, skeleton, inertial)": top1(bench.study(privileged)),
        "all labels, no teacher": top1(bench.study(heads.OURS.run(STUDENT))),
    }
    rows = [(name, mean_std(values)) for name, values in (scores | others).items()]
    own, _, of_same, of_privileged = scores
    pairs = ((of_same, own), (of_privileged, own), (of_privileged, of_same))
    differences = [(f"{a} − {b}", difference(scores[a], scores[b])) for a, b in pairs]
    return "\n\n".join(
        (
            provenance("privileged", bench, studies[own]),
            f"Depth and inertial sensor, {SHARE:.0%} of the activity labels, the group of every clip known (a teacher "
            "fills in an activity of that group). Top-1.",
            table(("trained with", "top-1"), rows),
            paired_by_seed(len(bench.seeds)),
            table(("difference", "top-1"), differences),
        )
    )
