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

"""Decisions beside the truth: which is looked up at the stamp, and what counts as right."""

from __future__ import annotations

import csv
import errno
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mumu_ros.evaluation.output as output
from mumu_ros.evaluation.decisions import UNDECIDED, DecisionLog, Decisions, to_csv
from mumu_ros.evaluation.live_accuracy import TruthSegment
from mumu_ros.evaluation.results import BagResult, pause_problems, true_labels, unknown_names
from mumu_ros.evaluation.summary import headline, reliability, summarize
from mumu_ros.evaluation.truth import from_labels
from mumu_ros.model.config import ModelConfig
from mumu_ros.model.modality import Modality
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.recognition import Decision, NoDecision
from mumu_ros.recordings.label_files import Label

S = 1_000_000_000
TAXONOMY = Taxonomy("tiny", {"gesture": ("wave", "point"), "gait": ("walk",)})
IMU = Modality("imu", "vector", (2, 3), 50.0, "cooccurrence")
CONFIG = ModelConfig("tiny", (IMU, Modality("belt", "vector", (2, 3), 50.0, "cooccurrence")), TAXONOMY, window_s=1.0)


def decision(second: float, activity: str, likeliest: str = "", present: tuple[bool, bool] = (True, True)) -> Decision:
    probabilities = np.array([0.7 if name == (likeliest or activity) else 0.15 for name in TAXONOMY.activities])
    group = TAXONOMY.group_of(activity) if activity in TAXONOMY.activities else "unknown"
    weights = np.array([0.75 if present[1] else 1.0, 0.25]) * present
    return Decision(
        start_ns=round((second - 1) * S),
        stamp_ns=round(second * S),
        group=group,
        activity=activity,
        group_probabilities=np.array([probabilities[:2].sum(), probabilities[2]]),
        activity_probabilities=probabilities,
        present=np.array(present),
        coverage=np.array(present, np.float32),
        ages_s=np.array([0.0, 0.0 if present[1] else np.nan], np.float32),
        sm_weights=weights,
        gm_weights=weights,
    )


def logged(*decisions: Decision | NoDecision) -> Decisions:
    log = DecisionLog(TAXONOMY, CONFIG.names)
    for each in decisions:
        log.append(0, each)
    return log.table()


def result(*decisions: Decision | NoDecision, truth: tuple[TruthSegment, ...] = (), name: str = "bag") -> BagResult:
    table = logged(*decisions)
    return BagResult(
        name=name,
        start_ns=0,
        end_ns=10 * S,
        period_ns=S,
        decisions=table,
        truth=truth,
        labels=true_labels(table, truth, TAXONOMY),
        sensors={},
        pauses=(),
        waits_ms=None,
        problems=(),
    )


TRUTH = (
    TruthSegment(0, 4 * S, "wave", "gesture"),
    TruthSegment(4 * S, 6 * S, "walk"),
    TruthSegment(7 * S, 20 * S, "fly", "other"),
)
DECISIONS = (
    NoDecision(1 * S, "nothing there"),
    decision(2, "wave"),
    decision(3, "unknown", "wave"),
    decision(4, "wave"),
    decision(5, "walk", present=(True, False)),
    decision(6.5, "point"),
    decision(8, "unknown", "walk"),
    decision(9, "wave"),
)


def test_the_truth_is_that_of_the_stamp_and_its_group_the_models_by_default() -> None:
    labels = result(*DECISIONS, truth=TRUTH).labels
    assert labels.activity.tolist() == [0, 0, 0, 2, 2, UNDECIDED, 3, 3], "3: the model does not know it"
    assert labels.group.tolist() == [0, 0, 0, 1, 1, UNDECIDED, 2, 2]
    assert labels.inside.tolist() == [True, True, True, False, True, False, True, True]


def test_the_truth_of_a_run_is_that_of_its_epoch() -> None:
    log = DecisionLog(TAXONOMY, CONFIG.names)
    for epoch in (0, 1):
        log.append(epoch, decision(2, "wave"))
    truth = (TruthSegment(0, 4 * S, "wave", epoch=0), TruthSegment(S, 3 * S, "walk", epoch=1))
    table = log.table()
    labels = true_labels(table, truth, TAXONOMY)
    assert labels.activity.tolist() == [0, 2]
    bag = replace(result(truth=truth), decisions=table, labels=labels)
    assert [[segment.label for segment in run.truth] for run in bag.runs(TAXONOMY.activities)] == [["wave"], ["walk"]]


def test_numbers_are_what_counting_gives() -> None:
    summary = summarize([result(*DECISIONS, truth=TRUTH)], CONFIG)
    numbers = headline(summary)
    pooled = summary["pooled"]
    assert numbers["decisions"] == 7
    assert numbers["judged"] == 6
    assert numbers["accuracy"] == pytest.approx(3 / 6, abs=1e-6), "wave, walk, and the unknown activity as unknown"
    assert numbers["accuracy_inside"] == pytest.approx(3 / 5, abs=1e-6)
    assert numbers["top1"] == pytest.approx(3 / 4, abs=1e-6), "of the activities that it knows: the wrong wave at 4 s"
    assert numbers["top3"] == 1
    assert numbers["unknown_share"] == pytest.approx(2 / 7, abs=1e-6)
    assert numbers["undecided_share"] == pytest.approx(1 / 8, abs=1e-6)
    assert numbers["missed_segments"] == 1, "an activity that the model does not know is never found"
    assert numbers["false_alarms_per_min"] == pytest.approx(2 * 6), "point at 6.5 s and wave at 9 s, in ten seconds"
    assert numbers["onset_delay_s"] == pytest.approx(1.5)
    assert pooled["confusion"]["labels"] == ["wave", "walk", "unknown"]
    assert pooled["confusion"]["counts"] == [[1, 0, 1], [1, 1, 0], [1, 0, 1]]
    assert pooled["attention"]["gm_by_activity"]["walk"] == {"imu": pytest.approx(0.875), "belt": pytest.approx(0.25)}
    assert pooled["modalities"]["belt"]["present_share"] == pytest.approx(6 / 7, abs=1e-6)
    assert numbers["accuracy_interval"] is None, "one recording has none"


def test_without_truth_only_what_needs_none_is_there() -> None:
    summary = summarize([result(*DECISIONS)], CONFIG)
    assert headline(summary)["accuracy"] is None
    assert "confusion" not in summary["pooled"]
    assert summary["pooled"]["attention"]["gm_by_activity"].keys() == {"wave", "walk", "point"}, "by what was said"
    assert reliability([result(*DECISIONS)]) == []


def test_nothing_decided_is_no_accident() -> None:
    summary = summarize([result(NoDecision(S, "nothing"), truth=TRUTH)], CONFIG)
    assert headline(summary)["decisions"] == 0
    assert headline(summary)["accuracy"] is None
    assert summarize([result()], CONFIG)["pooled"]["undecided_share"] is None


def test_recordings_are_pooled_with_an_interval_over_them() -> None:
    good = result(decision(2, "wave"), decision(3, "wave"), truth=TRUTH, name="good")
    bad = result(decision(2, "walk"), truth=TRUTH, name="bad")
    summary = summarize([good, bad], CONFIG)
    assert {name: numbers["accuracy"] for name, numbers in summary["bags"].items()} == {"good": 1.0, "bad": 0.0}
    assert summary["pooled"]["accuracy"] == pytest.approx(2 / 3, abs=1e-6)
    assert summary["pooled"]["accuracy_interval"] == [0.0, 1.0]


def test_a_recording_without_truth_changes_no_number_that_needs_it() -> None:
    good, bare = result(*DECISIONS, truth=TRUTH, name="good"), result(*DECISIONS, *DECISIONS, name="bare")
    alone, both = (summarize(bags, CONFIG)["pooled"] for bags in ([good], [bare, good]))
    assert both["decisions"] == 3 * alone["decisions"], "which are counted without truth"
    assert {name for name in alone if both[name] != alone[name]} <= {"minutes", "decisions"}, "all else is the same"
    assert {"attention", "false_alarms_per_min", "edit", "f1@50", "judged"} <= alone.keys()


def test_the_interval_is_over_people_where_they_are_named() -> None:
    truth = (TruthSegment(0, 4 * S, "wave", "", "ann"), TruthSegment(4 * S, 9 * S, "wave", "", "bob"))
    one = result(decision(2, "wave"), decision(3, "wave"), decision(5, "walk"), truth=truth)
    assert summarize([one], CONFIG)["pooled"]["accuracy_interval"] == [0.0, 1.0]
    same = (TruthSegment(0, 4 * S, "wave", "", "ann"),)
    two = [result(decision(2, predicted), truth=same, name=predicted) for predicted in ("wave", "walk")]
    assert summarize(two, CONFIG)["pooled"]["accuracy_interval"] is None, "one person in two recordings"


def judged(labels: Iterable[tuple[float, float, str]], decisions: Iterable[Decision]) -> dict[str, object]:
    """The numbers of a recording with these labels, as (start, end, activity) in seconds."""
    truth = from_labels(Label(round(a * S), round(b * S), "gesture", activity) for a, b, activity in labels)
    return summarize([result(*decisions, truth=tuple(truth))], CONFIG)["pooled"]


def test_repetitions_that_were_labelled_one_by_one_are_found_as_what_they_are_together() -> None:
    decisions = [decision(second, "wave") for second in range(1, 11)]
    whole = judged([(0, 10, "wave")], decisions)
    assert [whole[name] for name in ("f1@10", "f1@25", "f1@50", "edit", "accuracy_inside")] == [1.0] * 5
    assert judged([(0, 5, "wave"), (5, 10, "wave")], decisions) == whole


@given(
    ends=st.lists(
        st.tuples(st.integers(1, 99), st.sampled_from(TAXONOMY.activities)), max_size=5, unique_by=lambda x: x[0]
    ),
    cuts=st.lists(st.integers(1, 99), max_size=9, unique=True),
    said=st.lists(st.sampled_from([*TAXONOMY.activities, "unknown"]), min_size=1, max_size=10),
)
def test_where_labels_are_cut_changes_no_number(ends: list[tuple[int, str]], cuts: list[int], said: list[str]) -> None:
    starts = dict(sorted([(0, "wave"), *ends]))
    decisions = [decision(second, activity) for second, activity in enumerate(said, start=1)]

    def labelled(times: Iterable[int]) -> dict[str, object]:
        edges = [*sorted(times), 100]
        at = [starts[max(start for start in starts if start <= edge)] for edge in edges]
        return judged([(a / 10, b / 10, name) for (a, b), name in zip(pairwise(edges), at, strict=False)], decisions)

    assert labelled(starts) == labelled({*starts, *cuts})


def test_a_recording_that_loops_is_judged_run_by_run() -> None:
    def numbers(*epochs: int) -> dict[str, object]:
        log = DecisionLog(TAXONOMY, CONFIG.names)
        for epoch in epochs:
            for second, predicted in enumerate(("wave", "wave", "point", "wave", "walk", "walk"), start=1):
                log.append(epoch, decision(second, predicted))
        table = log.table()
        labels = true_labels(table, TRUTH, TAXONOMY)
        bag = BagResult("b", 0, 6 * S, S, table, TRUTH, labels, {}, (), None, ())
        assert [len(run.found) for run in bag.runs(TAXONOMY.activities)] == [4] * len(epochs)
        return headline(summarize([bag], CONFIG))

    once, twice = numbers(0), numbers(0, 1)
    assert {**once, "decisions": 12, "judged": 10} == twice


def test_predictions_can_be_read_back() -> None:
    bag = result(*DECISIONS, truth=TRUTH)
    text = to_csv(bag.decisions, bag.labels, "my,bag", TAXONOMY, CONFIG.names, header=True)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["activity"] for row in rows] == ["", "wave", "unknown", "wave", "walk", "point", "unknown", "wave"]
    assert [row["true_activity"] for row in rows][3:7] == ["walk", "walk", "", "unknown"]
    assert {row["bag"] for row in rows} == {"my,bag"}
    assert rows[4]["stamp"] == "5"
    assert rows[4]["window_start"] == "4"
    assert [rows[4][name] for name in ("p:walk", "present:belt", "gm:imu", "age_s:belt")] == ["0.7", "0", "1", ""]
    assert rows[4]["p_group:gait"] == "0.7"
    assert "p:unknown" not in rows[0]


@pytest.mark.parametrize("groups", [{"walk": ("walk", "group:walk"), "group:walk": ("run",)}, TAXONOMY.groups])
def test_every_column_of_the_predictions_has_a_name_of_its_own(groups: Mapping[str, Sequence[str]]) -> None:
    """Also where a group is called as an activity or a sensor is."""
    taxonomy = Taxonomy("t", {group: tuple(names) for group, names in groups.items()})
    modalities = ["walk", *CONFIG.names]
    nobody = true_labels(table := DecisionLog(taxonomy, modalities).table(), (), taxonomy)
    names = next(csv.reader(io.StringIO(to_csv(table, nobody, "b", taxonomy, modalities, header=True))))
    assert len(set(names)) == len(names) == 11 + 7 * 3 + len(taxonomy.groups) + len(taxonomy.activities)


@pytest.mark.parametrize("stage", ["to_csv", "write_json", "render"])
@pytest.mark.parametrize("existed", [False, True])
def test_an_evaluation_that_fails_leaves_no_folder_or_all_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, existed: bool
) -> None:
    """The page is made last: that of a day takes long."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    out = tmp_path / "out"
    if existed:
        out.mkdir()
        (out / "notes.txt").touch()
    monkeypatch.setattr(output, stage, fail)
    bags = [result(decision(1, "wave"))]
    with pytest.raises(OSError, match="No space left"):
        output.write_outputs(out, "model", bags, CONFIG, summarize(bags, CONFIG))
    assert out.exists() == (existed or stage == "render")
    assert (out / "notes.txt").exists() == existed
    assert all((out / name).exists() for name in ("metrics.json", "predictions.csv")) == (stage == "render")


def test_a_pause_is_no_time_to_recognise_in_nor_is_a_clock_that_was_set_forward() -> None:
    years = 2 * 365 * 86400
    seconds = [*range(1, 11), *(years + second for second in range(11, 21))]
    truth = (TruthSegment(0, (years + 20) * S, "wave"),)
    bag = replace(result(*(decision(t, "walk") for t in seconds), truth=truth), end_ns=(years + 20) * S)
    assert bag.minutes == pytest.approx(20 / 60)
    assert summarize([bag], CONFIG)["pooled"]["false_alarms_per_min"] == pytest.approx(6)
    (problem,) = pause_problems(bag.decisions, S)
    assert f"count as no time: 1, the longest {years + 1}.0 s, from 10.000 to {years + 11}.000 s" in problem
    assert pause_problems(logged(*(decision(t, "walk") for t in (1, 5, 15))), S) == []


def test_what_the_labels_call_otherwise_than_the_model_is_said() -> None:
    segments = [("Wave", "gestures"), ("point", "tools"), ("walk", ""), ("hop", "sport"), ("", "")]
    truth = [TruthSegment(i * S, (i + 1) * S, activity, group) for i, (activity, group) in enumerate(segments)]
    table = logged(*(decision(i + 0.5, "walk") for i in range(5)))
    unknown, groups = TAXONOMY.activities.index("walk") + 1, len(TAXONOMY.group_names)
    labels = true_labels(table, truth, TAXONOMY)
    assert labels.activity.tolist() == [unknown, 1, 2, unknown, UNDECIDED]
    assert labels.group.tolist() == [groups, 0, 1, groups, UNDECIDED], "the model's own groups, where it knows them"
    assert unknown_names(table, truth, TAXONOMY) == [
        "the model does not know the activities Wave (1 decisions, did you mean wave?), hop (1 decisions): there only "
        "'unknown' is right",
        "the model does not know the groups gestures (1 decisions, did you mean gesture?), tools (1 decisions), sport "
        "(1 decisions): its own count for activities that it knows",
    ]
    assert unknown_names(table, truth[2:3], TAXONOMY) == []


def test_a_pause_after_the_first_instant_leaves_no_span_without_length() -> None:
    bag = replace(result(NoDecision(0, "nothing there"), decision(20, "wave")), end_ns=20 * S)
    [run] = bag.runs(TAXONOMY.activities)
    assert run.spans == [(19 * S, 20 * S)]


@pytest.mark.parametrize("field", ["activity_probabilities", "present", "gm_weights"])
def test_a_decision_with_another_number_of_values_is_refused_and_changes_nothing(field: str) -> None:
    log = DecisionLog(TAXONOMY, CONFIG.names)
    log.append(0, decision(1, "wave"))
    odd = replace(decision(2, "wave"), **{field: np.zeros(0, np.float32)})
    with pytest.raises(ValueError, match="a decision has 0 values of a field; expected"):
        log.append(0, odd)
    log.append(0, decision(3, "wave"))
    assert log.table().stamp_ns.tolist() == [1 * S, 3 * S]
