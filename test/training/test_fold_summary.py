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

"""The numbers of a study, against numbers worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from mumu_ros.model.calibration import Calibration
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.training.cross_validation import FoldResult, Study
from mumu_ros.training.fold_summary import FALSE_ACCEPT_RATE, summarize, table
from mumu_ros.training.protocols import Fold, Manifest
from mumu_ros.training.scoring import softmax

TAXONOMY = Taxonomy("t", {"arms": ("wave", "clap"), "legs": ("walk",)})
WAVE, CLAP, WALK = range(3)


def logits(decisions: Sequence[int], sharpness: float = 2.0) -> np.ndarray:
    return sharpness * np.eye(3, dtype=np.float32)[list(decisions)]


def result(
    subject: int,
    seed: int,
    truth: Sequence[int],
    decided: Sequence[int],
    without: Sequence[int] | None = None,
    sharpness: float = 2.0,
) -> FoldResult:
    clips = np.array([f"s{subject}_{i}" for i in range(len(truth))])
    said = {"clean": logits(decided, sharpness), "-imu": logits(decided if without is None else without, sharpness)}
    weights = {name: np.ones((len(truth), 2), np.float32) for name in said}
    groups = np.eye(2, dtype=np.float32)[TAXONOMY.group_indices[list(decided)]]
    subjects = np.full(len(truth), subject)
    return FoldResult(
        f"subject_{subject}", seed, clips, np.array(truth), subjects, said, weights, groups, 10.0 * subject, 42
    )


def study(*results: FoldResult, protocol: str = "leave_one_subject_out", unknown: tuple[str, ...] = ()) -> Study:
    folds = {r.fold: Fold(r.fold, ("other",), (), tuple(r.clips), unknown) for r in results}
    return Study(Manifest("own", protocol, tuple(folds.values()), "subject 3"), results, {"bad": "it is empty"})


@pytest.fixture
def twice() -> Study:
    """Two subjects with 4 and 2 clips, two seeds: 5 and 3 of the 6 are right."""
    return study(
        result(1, 0, [WAVE, CLAP, WALK, WALK], [WAVE, CLAP, WALK, WALK], without=[WAVE] * 4),
        result(2, 0, [WAVE, WALK], [WAVE, WAVE], without=[WAVE] * 2),
        result(1, 1, [WAVE, CLAP, WALK, WALK], [WAVE, WAVE, WALK, WALK], without=[WAVE] * 4),
        result(2, 1, [WAVE, WALK], [CLAP, WAVE], without=[WAVE] * 2),
    )


def test_accuracy_over_seeds_and_subjects(twice: Study) -> None:
    summary = summarize(twice, TAXONOMY)
    clean = summary["conditions"]["clean"]
    assert clean["by_seed"] == pytest.approx([5 / 6, 3 / 6])
    assert clean["top1"] == pytest.approx(4 / 6)
    assert clean["std"] == pytest.approx(np.sqrt(2) / 6), "of a sample: one less than the number of seeds"
    assert clean["by_subject"] == pytest.approx({"1": 7 / 8, "2": 1 / 4})
    # The bootstrap draws both subjects, or one of them twice.
    assert clean["interval"] == pytest.approx((1 / 4, 7 / 8))
    # As 2 TP / (2 TP + FP + FN) of waving, clapping and walking.
    f1 = [(4 / 5 + 1 + 4 / 5) / 3, (2 / 5 + 0 + 4 / 5) / 3]
    assert clean["macro_f1"] == pytest.approx(np.mean(f1))
    assert clean["macro_f1_std"] == pytest.approx(np.std(f1, ddof=1))
    assert summary["per_class"]["walk"] == pytest.approx({"precision": 1, "recall": 4 / 6, "f1": 4 / 5, "support": 3})
    assert sum(part["support"] for part in summary["per_class"].values()) == summary["clips"]
    without = summary["conditions"]["-imu"]
    assert without["by_seed"] == pytest.approx([2 / 6, 2 / 6])
    assert without["std"] == 0
    # One wave and one clap are taken for each other, in one group; two walks for waves are not.
    assert summary["group_top1"] == pytest.approx(10 / 12)


def test_clips_of_which_nothing_is_left_are_not_counted(twice: Study) -> None:
    """Without the IMU something is left of the first clip of each subject only, and it is right."""
    for r in twice.results:
        r.weights["-imu"][1:] = 0
    summary = summarize(twice, TAXONOMY)
    without = summary["conditions"]["-imu"]
    assert (without["top1"], without["macro_f1"], without["left_out"]) == (1, 1, 4)
    assert summary["conditions"]["clean"]["left_out"] == 0
    assert table(summary).splitlines()[3].strip() == "not counted: 4 clips of which nothing is left"
    for r in twice.results:
        r.weights["-imu"][:] = 0
    summary = summarize(twice, TAXONOMY)
    assert json.loads(json.dumps(summary["conditions"]["-imu"]))["top1"] is None
    assert table(summary).splitlines()[2].split() == ["-imu", "–", "–"]


def in_two_windows(result: FoldResult) -> FoldResult:
    """As if each clip had two windows, about which the same is said."""
    twice = result.take(np.repeat(np.arange(len(result.clips)), 2))
    return replace(twice, weights={name: weights.copy() for name, weights in twice.weights.items()})


def test_clips_are_counted_not_their_windows(twice: Study, open_set: Study) -> None:
    for r in twice.results:
        r.weights["-imu"][1:] = 0
    for one in (twice, open_set):
        both = replace(one, results=tuple(map(in_two_windows, one.results)))
        once, again = (summarize(each, TAXONOMY) for each in (one, both))
        assert again["clips"] == once["clips"]
        assert again.get("unknown", {}).get("clips") == once.get("unknown", {}).get("clips")
        for name, condition in once["conditions"].items():
            for key in ("top1", "left_out", "by_seed", "by_subject"):
                assert again["conditions"][name][key] == condition[key]
    both = replace(twice, results=tuple(map(in_two_windows, twice.results)))
    for r in both.results:
        r.weights["-imu"][2] = 1
    left = summarize(both, TAXONOMY)["conditions"]["-imu"]["left_out"]
    assert left == 2, "of the second clip of each subject one window is left"


def test_the_macro_f1_is_that_of_a_seed() -> None:
    """Each takes everything for another class: over the decisions of all seeds it would be a third."""
    truth = [WAVE, CLAP, WALK]
    summary = summarize(study(*(result(1, seed, truth, [seed] * 3) for seed in (WAVE, CLAP, WALK))), TAXONOMY)
    clean = summary["conditions"]["clean"]
    assert clean["macro_f1"] == pytest.approx(1 / 6)
    assert clean["macro_f1_std"] == pytest.approx(0)


def test_facts_of_the_study(twice: Study) -> None:
    summary = summarize(twice, TAXONOMY)
    expected = {
        "dataset": "own",
        "protocol": "leave_one_subject_out",
        "folds": 2,
        "missing": "subject 3",
        "seeds": [0, 1],
        "clips": 6,
        "skipped": {"bad": "it is empty"},
        "parameters": 42,
        "cpu_s_per_fold": 15.0,
    }
    assert {key: summary[key] for key in expected} == expected
    assert json.loads(json.dumps(summary))["conditions"]["clean"]["top1"] == summary["conditions"]["clean"]["top1"]
    assert "unknown" not in summary


def test_one_seed_and_one_subject_have_no_spread() -> None:
    summary = summarize(study(result(1, 0, [WAVE, WALK], [WAVE, WALK])), TAXONOMY)
    assert summary["conditions"]["clean"]["std"] is None
    assert summary["conditions"]["clean"]["interval"] is None
    assert table(summary).splitlines()[1].split() == ["clean", "100.00", "100.00"]


def test_the_calibration_error_is_of_temperatures_fitted_on_the_other_folds() -> None:
    """Folds that are right in 3 of 4 and in 1 of 2 clips: each is as confident as the other deserves."""
    a = result(1, 0, [WAVE, CLAP, WALK, WALK], [WAVE, CLAP, WALK, WAVE], sharpness=9)
    b = result(2, 0, [WAVE, WALK], [WAVE, WAVE], sharpness=9)
    summary = summarize(study(a, b), TAXONOMY)
    # The targets are 5/6 and 3/4 for what is right, half of the rest for each other activity. So the confidence is
    # 7/16 in the first fold, where 3/4 are right, and 31/48 in the second, where 1/2 is.
    assert summary["ece"] == pytest.approx((4 * (3 / 4 - 7 / 16) + 2 * (31 / 48 - 1 / 2)) / 6, abs=0.01)
    one = summarize(study(a), TAXONOMY)
    assert one["ece"] == pytest.approx(softmax(np.array([9.0, 0, 0]))[0] - 0.75), "nothing to fit on"


def test_the_temperature_for_the_model_is_fitted_on_all_folds(twice: Study) -> None:
    """8 of 12 are right, with a target of 13/14: the confidence is 53/84, the logits are log(106/31) and 0."""
    chosen = summarize(twice, TAXONOMY)["calibration"]
    assert chosen["temperature"] == pytest.approx(2 / np.log(106 / 31), rel=0.02)
    assert replace(Calibration(**chosen), temperature=1.0) == Calibration()


def test_what_a_fold_could_not_learn_has_no_part_in_the_calibration(twice: Study) -> None:
    """Only subject 1 claps."""
    lonely = replace(twice, untaught={"subject_1": ("clap",)})
    summary, before = summarize(lonely, TAXONOMY), summarize(twice, TAXONOMY)
    assert summary["untaught"] == {"subject_1": ("clap",)}
    assert summary["conditions"] == before["conditions"], "they are errors"
    without = study(
        result(1, 0, [WAVE, WALK, WALK], [WAVE, WALK, WALK]),
        result(2, 0, [WAVE, WALK], [WAVE, WAVE]),
        result(1, 1, [WAVE, WALK, WALK], [WAVE, WALK, WALK]),
        result(2, 1, [WAVE, WALK], [CLAP, WAVE]),
    )
    expected = summarize(without, TAXONOMY)
    for key in ("calibration", "ece"):
        assert summary[key] == expected[key] != before[key]


def test_where_no_fold_learns_what_it_tests_nothing_is_calibrated() -> None:
    alone = study(result(1, 0, [WAVE, WAVE], [WALK, WALK]), result(2, 0, [WALK], [WAVE]))
    summary = summarize(replace(alone, untaught={"subject_1": ("wave",), "subject_2": ("walk",)}), TAXONOMY)
    assert (summary["ece"], Calibration(**summary["calibration"])) == (None, Calibration())
    assert table(summary).endswith("calibration error – %")


KNOWN, UNKNOWN = np.linspace(1.05, 6.05, 10), np.linspace(0.0, 4.0, 20)
"""The model's confidence in each clip: the higher logit."""


@pytest.fixture
def open_set() -> Study:
    """Ten clips of waving and clapping, 3 of them mistaken, and twenty of walking, which nobody was trained on."""
    wave, clap = np.eye(3, dtype=np.float32)[[WAVE, CLAP]]
    said = np.concatenate([KNOWN[:, None] * wave, UNKNOWN[:, None] * clap]).astype(np.float32)
    both = FoldResult(
        fold="subject_1",
        seed=0,
        clips=np.array([f"c{i}" for i in range(30)]),
        truth=np.array([CLAP] * 3 + [WAVE] * 7 + [WALK] * 20),
        subject=np.ones(30, np.int64),
        logits={"clean": said},
        weights={"clean": np.ones((30, 2))},
        group_logits=np.zeros((30, 2)),
        cpu_s=1.0,
        parameters=1,
    )
    return study(both, protocol="open_set", unknown=("walk",))


def test_what_is_unknown(open_set: Study) -> None:
    summary = summarize(open_set, TAXONOMY)
    assert summary["conditions"]["clean"]["top1"] == 0.7, "never-seen activities are not counted as errors"
    assert list(summary["per_class"]) == ["wave", "clap"]
    result = summary["unknown"]
    assert result["clips"] == 20
    assert result["auroc"] == pytest.approx((KNOWN[:, None] > UNKNOWN).mean())
    assert result["false_accept_rate"] == FALSE_ACCEPT_RATE
    # Two of twenty may pass: those above the third highest, 3.58.
    assert result["false_reject_rate"] == pytest.approx((np.sort(UNKNOWN)[-3] >= KNOWN).mean())
    assert summary["calibration"]["unknown_threshold"] == result["threshold"] > 0


def test_clips_of_unknown_activities_are_counted_once(open_set: Study) -> None:
    again = replace(open_set, results=(*open_set.results, replace(open_set.results[0], seed=1)))
    once, twice = (summarize(each, TAXONOMY)["unknown"] for each in (open_set, again))
    assert twice.pop("threshold") > once.pop("threshold"), "more decisions support a higher confidence"
    assert twice == once


def test_the_table_has_the_conditions_in_their_order(twice: Study, open_set: Study) -> None:
    lines = table(summarize(twice, TAXONOMY)).splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["clean", "-imu"]
    assert lines[1].split()[1:3] == ["66.67", "23.57"]
    assert lines[1].endswith("25.0 to 87.5")
    assert "2 folds, subject 3 missing, 6 clips, 2 seeds; 42 parameters, 15 CPU s a fold" in lines[3]
    assert "with 10% of them accepted" in table(summarize(open_set, TAXONOMY)).splitlines()[-1]
