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

"""Studies train what is missing, once; say what came out beside the paper's numbers; and write it where it belongs."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

pytest.importorskip("lightning", reason="training needs lightning (extra train)")
from hypothesis import given, settings
from hypothesis import strategies as st

from mumu_ros.model.config import ConfigError
from mumu_ros.model.network import Network
from mumu_ros.model.parts import FUSIONS
from mumu_ros.training import cross_validation, loading, members
from mumu_ros.training.cross_validation import FoldResult, Study
from mumu_ros.training.protocols import Fold, Manifest
from mumu_ros.training.scoring import predict
from mumu_ros.training.windows import WindowSet
from studies import (
    STUDIES,
    ablation,
    attention,
    embedding,
    experiment,
    few_labels,
    fusion,
    guidance,
    industrial,
    lying,
    missing,
    modalities,
    noise,
    plots,
    privileged,
    tasks,
    toy,
)
from studies import cli as research
from studies.bench import Bench, Run, study_conditions, victims
from studies.heads import HAMLET, KEYLESS, MUMU, NON_ATTENTION, OURS
from studies.report import difference, mean_std, replace_section, seeds_text

ROOT = Path(__file__).parents[2]
CLIPS = 20


@pytest.fixture
def bench(tmp_path):
    """Seeds 0 and 1, nothing trained."""
    return Bench(tmp_path / "out", tmp_path / "images", (0, 1))


@pytest.fixture
def made_up(bench):
    """made_up(run, clean=(1, 2), stuck=…): put a study on the bench, each seed with so many errors of 20 clips.

    Clip i is of activity i % 4, all of group 0; the first clips are taken for the next activity, or with group=(3, 4)
    for the next group. What is not named has no errors. Every modality has the same weight.
    """

    def make(run: Run, *, seeds=(0, 1), **errors):
        names = run.settings().model.names
        truth = np.arange(CLIPS) % 4
        results = []
        for number, seed in enumerate(seeds):
            logits = {}
            for condition in study_conditions(names):
                wrong = errors.get(condition.name, (0,) * len(seeds))[number]
                decided = np.where(np.arange(CLIPS) < wrong, (truth + 1) % 4, truth)
                logits[condition.name] = np.eye(27, dtype=np.float32)[decided]
            weights = {name: np.full((CLIPS, len(names)), 1 / len(names), np.float32) for name in logits}
            groups = np.eye(4, dtype=np.float32)[
                (np.arange(CLIPS) < errors.get("group", (0,) * len(seeds))[number]) * 1
            ]
            clips = np.array([f"test{i}" for i in range(CLIPS)])
            results.append(
                FoldResult("odd_even", seed, clips, truth, np.full(CLIPS, 2), logits, weights, groups, 1.0, 9)
            )
        fold = Fold("odd_even", ("a", "b", "c"), (), tuple(sorted(results[0].clips)))
        manifest = Manifest("utd_mhad", "odd_even", (fold,), "subjects 7, 8")
        bench.studies[run] = Study(manifest, tuple(results), {"bad": "truncated"})
        return bench.studies[run]

    return make


def line(text: str, *begin: str) -> list[str]:
    """Cells of the only line of the tables that begins with these cells."""
    lines = [[cell.strip() for cell in row.strip("|").split("|")] for row in text.splitlines() if row.startswith("|")]
    (found,) = (cells for cells in lines if tuple(cells[: len(begin)]) == begin)
    return found[len(begin) :]


# What a run is


def test_a_run_has_a_readable_folder_that_no_other_run_has():
    run = HAMLET.run("utd_mhad_six.yaml", "augmentation.corruption=0.3")
    assert run.folder == Path("utd_mhad_six/odd_even/corruption=0.3,fusion=hamlet,merge=concat")
    every = {
        *(head.run(fusion.CONFIG) for head, _, _ in fusion.ROWS),
        *(head.run(config) for config, _ in noise.CONFIGS for head, _ in noise.ROWS),
        *(head.run(c, modalities=kept) for _, c, kept in modalities.COMBINATIONS for head, _ in modalities.ROWS),
        *(head.run(guidance.CONFIG, *overrides) for _, overrides in guidance.RECIPES for head in guidance.ROWS),
        *(row.run for row in (*tasks.ROWS, *tasks.SUPERVISED)),
    }
    assert len({run.folder for run in every}) == len(every)
    for run in every:
        assert run.settings().data.protocol == "odd_even"


def test_a_run_may_keep_some_of_the_modalities():
    run = MUMU.run("utd_mhad_dsp.yaml", modalities=("depth", "skeleton"))
    assert run.settings().model.names == ("depth", "skeleton")
    assert run.settings().model.fusion == "mumu"
    with pytest.raises(ConfigError, match="no modality 'rgb'"):
        MUMU.run("utd_mhad_dsp.yaml", modalities=("rgb",)).settings()


def test_six_streams_are_small_and_have_no_corruption_unless_it_is_asked_for():
    settings = OURS.run(guidance.CONFIG).settings()
    assert settings.model.names == ("acceleration", "gyroscope", "left_arm", "right_arm", "legs", "torso")
    assert settings.model.feature_size == 64
    assert settings.augmentation.corruption == 0
    assert OURS.run(guidance.CONFIG, guidance.CORRUPTION).settings().augmentation.corruption == 0.3


def test_visual_modalities_go_together_and_so_do_those_that_are_worn():
    by_name = {condition.name: condition for condition in study_conditions(("depth", "skeleton", "imu"))}
    assert (by_name["visual"].gone, by_name["visual"].share) == (("depth", "skeleton"), 0.5)
    assert (by_name["non-visual"].gone, by_name["non-visual"].share) == (("imu",), 0.5)
    assert "visual" not in {condition.name for condition in study_conditions(("depth", "skeleton"))}


def test_runs_share_the_windows_of_their_bench(bench, monkeypatch, made_up):
    study = made_up(MUMU.run(fusion.CONFIG))
    bench.studies.clear()
    trained = []
    monkeypatch.setattr("studies.bench.cross_validate", lambda settings, *_, **__: trained.append(settings) or study)
    for head in (MUMU, OURS):
        bench.study(head.run(fusion.CONFIG))
    assert [settings.data.cache for settings in trained] == [str(bench.out / "cache")] * 2
    assert trained[0] == bench.settings(MUMU.run(fusion.CONFIG))
    assert replace(trained[0], data=replace(trained[0].data, cache="")) == MUMU.run(fusion.CONFIG).settings()


def test_a_result_that_lacks_a_condition_is_refused(bench, monkeypatch, made_up):
    run = MUMU.run(fusion.CONFIG)
    study = made_up(run)
    bench.studies.clear()
    for result in study.results:
        del result.logits["stuck"]
    monkeypatch.setattr("studies.bench.cross_validate", lambda *_, **__: study)
    with pytest.raises(ConfigError, match=r"seed 0 in .*fusion=mumu' was not tested under stuck; remove"):
        bench.study(run)


# Numbers


def test_numbers_are_percent_with_the_deviation_over_seeds():
    assert mean_std(np.array([0.95, 0.9])) == "92.50 ± 3.54"
    assert mean_std(np.array([0.95])) == "95.00"


def test_differences_are_paired_by_seed():
    assert difference(np.array([0.95, 0.92, 0.9]), np.array([0.94, 0.9, 0.87])) == "+2.00 ± 1.00 (p 0.250)"
    assert difference(np.array([0.9]), np.array([0.95])) == "-5.00"


@given(st.lists(st.integers(0, 40), min_size=1, max_size=8, unique=True))
def test_seeds_are_written_as_the_command_takes_them(seeds):
    from mumu_ros.datasets.clips import parse_subjects

    assert parse_subjects(seeds_text(tuple(seeds))) == tuple(seeds)


# Sections


def test_every_section_says_how_it_was_made(bench, made_up):
    for head, _, _ in fusion.ROWS:
        made_up(head.run(fusion.CONFIG))
    text = experiment("fusion")(bench)
    assert text.startswith(f"    python research study fusion --seeds 0,1 --out {bench.out}\n")
    for part in ("utd_mhad, odd_even, 1 fold:", "3 clips to train on, 20 to test on", "Seeds 0,1 (2)"):
        assert part in text
    assert "Missing in this copy: subjects 7, 8." in text
    assert "1 clips could not be read: bad." in text


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_is_there(name):
    assert callable(experiment(name))


def test_fusion_gives_top1_and_macro_f1_beside_the_papers(bench, made_up):
    for head, _, _ in fusion.ROWS:
        made_up(head.run(fusion.CONFIG), clean=(1, 2) if head == HAMLET else (0, 0))
    text = fusion.section(bench)
    # One error: F1 of 8/9, 10/11, 1, 1; two: 8/9, 8/10, 10/11, 1.
    assert line(text, "HAMLET-like", "CONCAT") == ["92.50 ± 3.54", "92.45 ± 3.54", "48.26"]
    assert line(text, "Keyless", "SUM") == ["100.00 ± 0.00", "100.00 ± 0.00", "51.68"]
    assert line(text, "MuMu (paper)", "–")[-1] == "61.34"
    assert line(text, "trusted MuMu (ours)", "–")[-1] == "–"


def test_modalities_has_a_column_for_each_combination(bench, made_up):
    for head, _ in modalities.ROWS:
        for errors, (_, config, kept) in enumerate(modalities.COMBINATIONS):
            made_up(head.run(config, modalities=kept), clean=(errors, errors))
    text = modalities.section(bench)
    ours = ["100.00 ± 0.00", "95.00 ± 0.00", "90.00 ± 0.00", "85.00 ± 0.00"]
    assert line(text, "fusion")[:4] == ["S+P", "D+P", "D+S", "D+S+P"]
    assert line(text, "MuMu (paper)") == [*ours, "96.10", "97.44", "97.60"]
    assert "has no RGB" in text


def test_noise_drops_visual_or_non_visual_modalities_and_delays_them(bench, made_up):
    for config, _ in noise.CONFIGS:
        for head, _ in noise.ROWS:
            is_one = head == KEYLESS and config == "utd_mhad_sp.yaml"
            errors = {"visual": (20, 20), "late 0.5 s": (20, 20)} if is_one else {}
            made_up(head.run(config), **errors)
    text = noise.section(bench)
    skeleton, depth = text.split("Depth and skeleton (visual)")
    paper = ["71.83", "67.94", "68.29"]
    dropped, late = skeleton.split("lags:")
    assert line(dropped, "Keyless") == ["100.00 ± 0.00", "0.00 ± 0.00", "100.00 ± 0.00", *paper]
    assert line(late, "Keyless") == ["100.00 ± 0.00", "100.00 ± 0.00", "0.00 ± 0.00", "100.00 ± 0.00"]
    assert line(depth.split("lags:")[0], "Keyless") == ["100.00 ± 0.00"] * 3 + paper


def test_ablation_calls_significant_what_is_and_nothing_else(bench, made_up):
    bench = replace(bench, seeds=tuple(range(6)))
    worse, better = (9, 8, 9, 10, 8, 9), (1, 0, 1, 0, 2, 1)
    for _, head, _, _ in ablation.ROWS:
        made_up(head.run(fusion.CONFIG), seeds=bench.seeds, clean=better if head in (MUMU, OURS) else worse)
    text = ablation.section(bench)
    assert line(text, "MuMu", "MuMu (paper)")[2:] == ["B1, B2, B3", "75.97 ± 0.29", "B1, B2, B3"]
    assert line(text, "B2", "Keyless")[2:] == ["none", "70.52 ± 0.98", "B1, B3"]
    assert "n = 6 seeds" in text
    assert "alpha = 0.05 / 20" in text
    matrix, paired = text.split("Row minus column")
    assert line(matrix.split("over the column:")[1], "MuMu")[:4] == ["0.00", "0.00", "0.00", ""]
    assert line(paired, "B3")[0] == "+0.00 ± 0.00 (p 1.000)"
    assert line(paired, "ours")[0].endswith("(p 0.031)")
    assert "with 6 seeds p cannot be less than 0.0312" in text


def test_guidance_gives_every_stress_and_the_differences_to_keyless(bench, made_up):
    gone = {f"-{name}": (2, 2) for name in ("acceleration", "gyroscope", "left_arm")}
    for _, overrides in guidance.RECIPES:
        for head in guidance.ROWS:
            made_up(head.run(guidance.CONFIG, *overrides), **({"swap": (4, 5), **gone} if head == MUMU else {}))
    text = guidance.section(bench)
    without, corrupted = text.split("Trained with one corrupted stream")
    assert line(without, "fusion") == [
        *["clean", "missing", "one gone", "noise", "stuck", "swap", "roll", "corrupted"],
        "attention ratio",
    ]
    full = "100.00 ± 0.00"
    assert line(corrupted, "MuMu (paper)") == [
        full,
        full,
        "95.00 ± 0.00",
        full,
        full,
        "77.50 ± 3.54",
        full,
        "94.38 ± 0.88",
        "1.00 ± 0.00",
    ]
    assert line(without, "Keyless")[-1] == "–"
    assert line(without, "MuMu (paper) − Keyless")[5] == "-22.50 ± 3.54 (p 0.500)"
    assert len(line(without, "trusted MuMu (ours) − mean (Keyless, SUM)")) == 8


def test_missing_compares_heads_made_for_it_with_ours(bench, made_up):
    for head in missing.ROWS:
        made_up(head.run(guidance.CONFIG, guidance.CORRUPTION), missing=(0, 0) if head == OURS else (2, 2))
    text = missing.section(bench)
    full = "100.00 ± 0.00"
    for name in ("ActionMAE-like", "X-Fi-like", "Centaur-like"):
        assert line(text, name) == [full, "90.00 ± 0.00", full, full]
        assert line(text, f"trusted MuMu (ours) − {name}")[1] == "+10.00 ± 0.00 (p 0.500)"


def test_tasks_are_compared_with_either_alone_and_adaptive_weights_with_fixed_ones(bench, made_up):
    for row in (*tasks.ROWS, *tasks.SUPERVISED):
        wrong = {"adaptive": (0, 1), "fixed, β 0.5": (2, 2), "activity alone": (1, 0)}.get(row.weighting, (0, 0))
        groups = (2, 3) if row.weighting == "adaptive" else (1, 1)
        made_up(row.run, clean=wrong, group=groups)
    text, supervised = tasks.section(bench).split("with these classifiers")
    assert line(supervised, "adaptive") == ["97.50 ± 3.54", "87.50 ± 3.54", "+0.00 ± 7.07 (p 1.000)"]
    mumu = "MuMu (paper)"
    assert line(text, mumu, "activity alone") == ["97.50 ± 3.54", "–", "", ""]
    assert line(text, mumu, "group alone") == ["–", "95.00 ± 0.00", "", ""]
    assert line(text, mumu, "fixed, β 0.5") == [
        *("90.00 ± 0.00", "95.00 ± 0.00"),
        *("-7.50 ± 3.54 (p 0.500)", "+0.00 ± 0.00 (p 1.000)"),
    ]
    assert line(text, f"{mumu}, adaptive − {mumu}, fixed, β 0.5") == [
        "+7.50 ± 3.54 (p 0.500)",
        "-7.50 ± 3.54 (p 0.500)",
    ]
    assert line(text, "dual branch (as drawn)", "adaptive, decoupled")[2:] == [
        "+2.50 ± 3.54 (p 1.000)",
        "+0.00 ± 0.00 (p 1.000)",
    ]


def test_a_task_alone_learns_nothing_of_the_other():
    for head, (activity, group) in tasks.ALONE.items():
        assert activity.run.settings().optimization.beta_aux == 0
        settings = group.run.settings()
        assert settings.optimization.target_weight == settings.optimization.deep_supervision_weight == 0
        assert f"model.fusion={settings.model.fusion}" in head.overrides
    assert all(row.run.settings().model.deep_supervision for row in tasks.SUPERVISED)
    assert not any(row.run.settings().model.deep_supervision for row in tasks.ROWS)


def test_the_attention_ratio_is_that_of_the_corrupted_stream(made_up):
    run = OURS.run(guidance.CONFIG)
    study, config = made_up(run), run.settings().model
    for result in study.results:
        for kind, share in (("noise", 0.5), ("stuck", 0.25), ("swap", 0.25), ("roll", 1.0)):
            corrupted = np.arange(6) == victims(result, kind, config)[:, None]
            result.weights[kind] = np.where(corrupted, share / 6, 9.0)
    np.testing.assert_allclose(guidance.attention_ratio(study, config), [0.5, 0.5], rtol=1e-6)


def test_attention_is_averaged_by_activity_and_noise_looks_at_the_noisy_stream(made_up):
    run = MUMU.run(guidance.CONFIG)
    study, config = made_up(run), run.settings().model
    for result in study.results:
        result.weights["clean"] = np.tile(result.truth[:, None] / 10, (1, 6)) * [1, 2, 3, 4, 5, 6]
        corrupted = np.arange(6) == victims(result, "noise", config)[:, None]
        result.weights["noise"] = np.where(corrupted, result.truth[:, None] + 0.5, 9.0)
    clean, noisy = attention.attention_by_activity(study, config)
    np.testing.assert_allclose(clean[:4], np.outer([0, 0.1, 0.2, 0.3], [1, 2, 3, 4, 5, 6]))
    assert np.isnan(clean[4:]).all()
    seen = ~np.isnan(noisy)
    assert seen[:4].any(axis=1).all()
    np.testing.assert_allclose(noisy[seen], (np.arange(27)[:, None] + np.full(6, 0.5))[seen])


def test_attention_makes_tables_and_a_picture(bench, made_up, monkeypatch):
    drawn = {}
    monkeypatch.setitem(sys.modules, "matplotlib", SimpleNamespace())
    monkeypatch.setattr(attention, "heat_maps", lambda path, panels, *_: drawn.update({path: panels}))
    for head in attention.ROWS:
        made_up(head.run(attention.CONFIG, attention.CORRUPTION))
    text = attention.section(bench)
    ((path, panels),) = drawn.items()
    assert path == bench.images / "attention.png"
    assert len(panels) == 2 * len(attention.ROWS)
    assert "(images/attention.png)" in text
    tables = text.split("<details>")[1:]
    assert len(tables) == len(attention.ROWS)
    assert line(tables[0], "swipe_left")[0] == "0.17 → 0.17"
    assert line(tables[0], "squat")[0] == "– → –"


# Few labels


@pytest.fixture
def training_clips(monkeypatch):
    """24 clips of four activities, the first two of one group, that the teachers of a study are asked about."""
    activity = np.tile([0, 1, 9, 10], 6)
    clips = np.array([f"train{i:02}" for i in range(24)])
    windows = WindowSet({}, {}, {}, {}, activity, np.ones(24, np.int64), np.ones(24, np.bool_), clips)
    monkeypatch.setattr(few_labels, "load_windows", lambda *_: SimpleNamespace(windows=windows))
    return windows


def teaching(study: Study, windows: WindowSet, decided: np.ndarray, sure: float) -> None:
    """Let the networks of a study say something of their training clips."""
    logits = np.log(np.full((len(windows), 27), (1 - sure) / 26))
    logits[np.arange(len(windows)), decided] = np.log(sure)
    for result in study.results:
        object.__setattr__(result, "taught_clips", windows.clip)
        object.__setattr__(result, "taught_logits", logits)


def test_few_labels_compares_methods_by_share_and_says_how_good_the_teachers_are(
    bench, made_up, monkeypatch, training_clips
):
    drawn = {}
    monkeypatch.setattr(few_labels, "curves", lambda path, x, lines, _: drawn.update({path: (x, dict(lines))}))
    made_up(OURS.run(few_labels.CONFIG))
    for share in few_labels.SHARES:
        for method in few_labels.methods(share):
            is_paper = method.name.startswith("multi-modal")
            study = made_up(method.run, clean=(1, 1) if is_paper else (2, 4))
            if method.run.teacher:
                confused = np.where(training_clips.activity == 1, 0, training_clips.activity)
                teacher = bench.studies.get(method.run.teacher) or made_up(method.run.teacher)
                shown = few_labels.GROUP_INPUT in method.run.teacher.overrides
                teaching(
                    teacher, training_clips, training_clips.activity if shown else confused, 0.95 if shown else 0.5
                )
            assert study.results
    text = few_labels.section(bench)
    assert "(4, 8, 12 clips)" in text
    assert line(text, "multi-modal teacher (paper)") == ["95.00 ± 0.00"] * 3
    assert line(text, "multi-modal teacher (paper) − labelled clips only")[0] == "+10.00 ± 7.07 (p 0.500)"
    assert line(text, "all labels") == ["100.00 ± 0.00"] * 3
    # A quarter of the clips is taken for another activity of the same group.
    assert line(text, "25%") == ["75.00 ± 0.00", "75.00 ± 0.00", *["100.00 ± 0.00"] * 3]
    ((path, (x, lines)),) = drawn.items()
    assert path == bench.images / "few_labels.png"
    assert x == [10, 25, 50]
    np.testing.assert_allclose(lines["multi-modal teacher (paper)"], np.full((3, 2), 95))


def test_with_few_labels_a_training_takes_as_many_steps():
    for share in few_labels.SHARES:
        run = few_labels.labelled_only(few_labels.CONFIG, share)
        assert run.settings().optimization.epochs * share == pytest.approx(25)
        assert not run.settings().labels.unlabelled
        assert few_labels.student(few_labels.CONFIG, share, run).settings().optimization.epochs == 25


def test_a_run_names_its_teacher_and_is_tested_clean_where_that_is_enough():
    alone = few_labels.labelled_only(few_labels.CONFIG, 0.1)
    folder = few_labels.student(few_labels.CONFIG, 0.1, alone).folder.name
    assert folder == (
        "fusion=trusted_mumu,share=0.1,teacher=utd_mhad_sp(epochs=250,fusion=trusted_mumu,share=0.1,unlabelled=false)"
    )
    every = [method.run for share in few_labels.SHARES for method in few_labels.methods(share)]
    assert len({run.folder for run in every}) == len(every)
    assert [condition.name for condition in alone.conditions(("skeleton", "imu"))] == ["clean"]
    assert OURS.run(few_labels.CONFIG).conditions(("skeleton", "imu")) == study_conditions(("skeleton", "imu"))


def test_a_teacher_is_trained_before_its_student(bench, monkeypatch, made_up):
    alone = few_labels.labelled_only(few_labels.CONFIG, 0.1)
    taught = few_labels.student(few_labels.CONFIG, 0.1, alone)
    study = made_up(alone)
    bench.studies.clear()
    trained = []
    monkeypatch.setattr(
        "studies.bench.cross_validate",
        lambda settings, _, out, *, teacher, **__: trained.append((out, teacher)) or study,
    )
    bench.study(taught)
    assert trained == [(bench.out / alone.folder, None), (bench.out / taught.folder, bench.out / alone.folder)]


def test_the_privileged_teacher_has_a_skeleton_and_its_student_has_not(bench, made_up):
    seen = {}

    def trained(run):
        seen[run.settings().model.names] = run.teacher and run.teacher.settings().model.names
        errors = (0, 0) if run.teacher and run.teacher.config == privileged.TEACHER else (2, 2)
        return bench.studies.get(run) or made_up(run, clean=errors)

    text = privileged.section(SimpleNamespace(**vars(bench), study=trained))
    assert seen[("depth", "skeleton", "imu")] is None
    assert line(text, "student of a teacher with a skeleton") == ["100.00 ± 0.00"]
    difference_row = "student of a teacher with a skeleton − student of a teacher with the same sensors"
    assert line(text, difference_row) == ["+10.00 ± 0.00 (p 0.500)"]


# The toy example


def test_the_functions_of_the_toy_example():
    z = torch.tensor([0.0, 1.0])
    first = [2.0, np.sin(1) + 1 / 300 + 2 + 3 * np.sin(5) * np.cos(2)]
    second = [2.0, np.cos(1 / 3) + 1 / 200 + 1 - np.sin(3) * np.cos(4)]
    np.testing.assert_allclose(toy.f1(z).numpy(), first, rtol=1e-6)
    np.testing.assert_allclose(toy.f2(z).numpy(), second, rtol=1e-6)


@pytest.mark.parametrize("optimizer", ["Adam 0.001", "SGD 0.01, momentum 0.9"])
def test_every_method_of_the_toy_example_learns_f2(optimizer):
    regime = toy.Regime(optimizer, "tanh", True, 6)
    errors = toy.train_all(regime, (0, 1))
    assert tuple(errors) == toy.METHODS
    for values in errors.values():
        assert values.shape == (2,)
        assert (values < 1).all()  # a constant 0 has the mean square of f2, which is above 2
    assert errors["ST, 4 × epochs"].mean() < errors["ST"].mean()


def test_what_is_missing_teaches_nothing_in_the_toy_example():
    def trained(missing):
        generator = torch.Generator().manual_seed(0)
        networks = toy.Networks(2, 1, 2, "tanh", generator)
        z = torch.rand(2, 64, 1, generator=generator)
        y = torch.cat([torch.where(z < 0.5, z, missing), z], dim=-1)
        networks.train(z, y, torch.optim.SGD([t for pair in networks.weights for t in pair], 0.1), 2, generator)
        return torch.cat([t.flatten() for pair in networks.weights for t in pair]).detach()

    nothing = trained(torch.nan)
    assert nothing.isfinite().all()
    assert not torch.allclose(nothing, trained(torch.tensor(1.0)))


def test_the_toy_example_counts_where_the_papers_order_holds(bench, monkeypatch):
    def errors(regime, seeds):
        means = (3, 1, 2, 2, 1.5) if regime.activation == "tanh" else (1, 1, 2, 2, 3)
        return {name: np.full(len(seeds), float(mean)) for name, mean in zip(toy.METHODS, means, strict=True)}

    monkeypatch.setattr(toy, "train_all", errors)
    text = toy.section(bench)
    assert "python research study toy --seeds 0,1" in text
    assert line(text, "paper")[0] == "0.0149 ± 0.0111"
    assert line(text, "Adam 0.001, tanh, as it is, 20")[-1] == "2 of 2"
    assert line(text, "Adam 0.001, ReLU, standardised, 20")[-1] == "0 of 2"
    assert "holds in 8 of 16 regimes" in text
    assert "In 8 of those 8 one task alone is better" in text
    monkeypatch.setattr(toy, "train_all", None)
    assert toy.section(bench) == text, "nothing is trained again"
    with pytest.raises(TypeError):  # other seeds are
        toy.section(replace(bench, seeds=(0, 2)))


def test_the_toy_example_of_one_seed_has_no_deviation(bench, monkeypatch):
    monkeypatch.setattr(toy, "train_all", lambda _, seeds: {name: np.full(len(seeds), 0.5) for name in toy.METHODS})
    bench = replace(bench, seeds=(3,))
    text = toy.section(bench)
    assert "nan" not in text
    assert line(text, "Adam 0.001, tanh, as it is, 20")[0] == "0.5000"
    (kept,) = (bench.out / "toy").iterdir()
    two_seeds = {method: [1, 2] for method in toy.METHODS}
    for damage in ("{", "3", json.dumps({toy.GRID[0].name: {}}), json.dumps({toy.GRID[0].name: two_seeds})):
        kept.write_text(damage)
        with pytest.raises(ConfigError, match=r"seeds_3\.json' is damaged .*; remove it, and it is trained again"):
            toy.section(bench)


# Embedding


@pytest.mark.parametrize("name", FUSIONS)
def test_the_fused_feature_is_what_the_classifier_decides_by(name, vector_settings, vector_windows):
    torch.manual_seed(0)
    model = Network(replace(vector_settings.model, fusion=name)).eval()
    features, said = embedding.features_of(model, vector_windows), predict(model, vector_windows)
    np.testing.assert_array_equal(features.unimodal, said.features)
    assert features.fused.shape == (12, 8)
    (head,) = (module for key, module in model.head.named_modules() if key.endswith("activity_head"))
    logits = head(torch.from_numpy(features.fused)).detach().numpy()
    if name == "trusted_mumu":
        logits = logits + np.einsum("nm,nmk->nk", said.gm_weights, said.unimodal_logits)
    np.testing.assert_allclose(logits, said.activity_logits, atol=1e-5)
    assert not any(module._forward_pre_hooks for module in model.modules())


# Real trainings


@pytest.fixture
def tiny(tmp_path, write_folder, monkeypatch):
    """Studies on a skeleton and an IMU of three made-up people, one epoch; names the runs that are trained."""
    path = write_folder(tmp_path / "data")
    for file in path.parent.glob("*/imu_belt.csv"):
        file.rename(file.with_name("skeleton.csv"))
    path.write_text(path.read_text().replace("imu_belt", "skeleton"))
    heads = (KEYLESS, OURS)
    monkeypatch.setattr(fusion, "CONFIG", str(path))
    monkeypatch.setattr(fusion, "ROWS", [(head, "–", "1.23") for head in heads])
    monkeypatch.setattr(noise, "CONFIGS", [(str(path), "Two")])
    monkeypatch.setattr(noise, "ROWS", [(head, ("1", "2", "3")) for head in (*heads, NON_ATTENTION)])
    monkeypatch.setattr(embedding, "CONFIG", str(path))
    monkeypatch.setattr(embedding, "ROWS", (HAMLET, MUMU))
    # Processes would import torch anew.
    monkeypatch.setattr(loading, "worker_pool", ThreadPoolExecutor)
    trained, loaded = [], {}
    for module in (members, embedding, lying):

        def fit(settings, *arguments, real=module.fit, **options):
            trained.append((settings.model.fusion, settings.optimization.seed))
            return real(settings, *arguments, **options)

        monkeypatch.setattr(module, "fit", fit)
    for module in (cross_validation, embedding, lying):

        def load_windows(model, *arguments, real=module.load_windows):
            key = (model.names, str(arguments))
            if key not in loaded:
                loaded[key] = real(model, *arguments)
            return loaded[key]

        monkeypatch.setattr(module, "load_windows", load_windows)
    return trained


def test_studies_share_trainings_and_write_their_sections(tiny, tmp_path, capsys):
    page = tmp_path / "results.md"
    page.write_text(
        "# Results\n<!-- study fusion -->\n<!-- /study fusion -->\nbetween\n<!-- study noise -->\nstale\n"
        "<!-- /study noise -->\nend\n"
    )
    command = ["--seeds", "0,1", "--out", str(tmp_path / "out"), "--jobs", "1", "--write", str(page)]
    assert research.main(["study", "fusion", *command]) == 0
    assert sorted(tiny) == [("keyless", 0), ("keyless", 1), ("trusted_mumu", 0), ("trusted_mumu", 1)]
    assert "fusion=keyless,merge=concat [1/2] odd_even, seed 0" in capsys.readouterr().out
    assert "\nstale\n" in page.read_text()
    tiny.clear()
    assert research.main(["study", "noise", "fusion", *command]) == 0
    assert tiny == [("non_attention", 0), ("non_attention", 1)]
    text = page.read_text()
    assert text.startswith("# Results\n<!-- study fusion -->\n\n    python research study fusion --seeds 0,1")
    assert "\nbetween\n" in text
    assert text.endswith("<!-- /study noise -->\nend\n")
    assert "stale" not in text
    assert line(text, "Keyless", "–")[-1] == "1.23"


def test_embedding_scores_features_and_keeps_them(tiny, bench, monkeypatch):
    def silhouette(x, labels):
        assert len(x) == len(labels)
        return float(x.shape[1] == 8) / 2

    class TSNE:
        def __init__(self, **_):
            pass

        def fit_transform(self, x):
            return x[:, :2]

    drawn = []
    monkeypatch.setitem(sys.modules, "matplotlib", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "sklearn.manifold", SimpleNamespace(TSNE=TSNE))
    monkeypatch.setitem(sys.modules, "sklearn.metrics", SimpleNamespace(silhouette_score=silhouette))
    monkeypatch.setattr(embedding, "scatter_plots", lambda *arguments: drawn.append(arguments))
    text = embedding.section(bench)
    assert len(tiny) == 4
    assert line(text, "features of") == ["imu_wrist", "skeleton", "fused"]
    assert line(text, "HAMLET-like") == ["50.00 ± 0.00"] * 3
    assert line(text, "MuMu (paper) − HAMLET-like")[2] == "+0.00 ± 0.00 (p 1.000)"
    ((path, panels, labels),) = drawn
    assert path == bench.images / "embedding.png"
    assert [len(row) for row in panels] == [3, 3]
    assert len(panels[0][0][1]) == len(labels) == 4
    assert embedding.section(bench) == text
    assert len(tiny) == 4, "features that are there are not computed again"
    configuration = Path(embedding.CONFIG)
    configuration.write_text(configuration.read_text().replace("batch_size: 4", "batch_size: 2"))
    with pytest.raises(ConfigError, match=r"is of other work: optimization\.batch_size was 4, is 2; remove"):
        embedding.section(bench)


def test_a_machine_shows_the_same_in_all_its_sensors():
    clip, again = (industrial.record(3, 40.0) for _ in range(2))
    for name, stream in clip.streams.items():
        np.testing.assert_array_equal(stream.samples, again.streams[name].samples)
        assert not np.array_equal(stream.samples, industrial.record(4, 40.0).streams[name].samples)

    def level(name: str, state: str) -> float:
        stream = clip.streams[name]
        settled = [
            np.asarray(stream.samples)[(stream.stamps_ns > s.start_ns + 10**9) & (stream.stamps_ns < s.end_ns)]
            for s in clip.segments
            if s.activity == state
        ]
        values = np.concatenate(settled).astype(float)
        return values.std() if name == "vibration" else values.mean() if name == "current" else values.max(axis=3).std()

    assert {segment.activity for segment in clip.segments} >= {"idle", "finishing", "roughing"}
    assert level("current", "roughing") > level("current", "finishing") > level("current", "idle")
    assert level("vibration", "finishing") > level("vibration", "idle")
    assert level("picture", "roughing") > level("picture", "idle"), "chips fly"


def test_lying_lets_every_sensor_fail_and_keeps_what_came_of_it(tiny, bench, monkeypatch):
    monkeypatch.setattr(lying, "RUNS", (Run(fusion.CONFIG),))
    monkeypatch.setattr(lying, "SIMULATED", {"train": range(2), "test": range(1000, 1001)})
    monkeypatch.setattr(lying, "SIMULATED_VICTIMS", ("depth",))
    monkeypatch.setattr(lying, "MACHINES", {"train": range(2), "test": range(100, 101)})
    monkeypatch.setattr(lying, "STREAM_S", 5.0)
    monkeypatch.setattr("mumu_ros.training.health._STEPS", 20)
    bench = replace(bench, seeds=(0,))
    text = lying.section(bench)
    assert len(tiny) == 2, "and one of the machine"
    real, simulated, machine = text.split("### Simulated")
    for name in ("imu_wrist", "skeleton"):
        assert len(line(real, f"{name}, stuck")) == 10
    assert len(line(simulated, "depth, frozen")) == 10
    for name in ("vibration, stuck", "current, noise", "picture, frozen"):
        assert len(line(machine, name)) == 10
    assert "depth, stuck" not in text
    assert "dropout" not in text, "who says nothing does not lie"
    assert lying.section(bench) == text
    assert len(tiny) == 2, "what is known is not tried again"
    monkeypatch.setattr(lying, "FALSE_ALARMS", 0.1)
    with pytest.raises(ConfigError, match=r"is of other work: false_alarms was 0\.01, is 0\.1; remove"):
        lying.section(bench)


# Pages


TEXT = st.text(st.characters(exclude_characters="<\r", codec="utf-8"))


@settings(max_examples=50)
@given(TEXT, TEXT, TEXT, st.text("abc |\n"))
def test_only_what_is_between_the_markers_is_replaced(before, old, after, section):
    begin, end = "<!-- study x -->", "<!-- /study x -->"
    page = f"{before}{begin}{old}{end}{after}"
    replaced = replace_section(page, "x", section)
    assert replaced == f"{before}{begin}\n\n{section}\n\n{end}{after}"
    assert replace_section(replaced, "x", section) == replaced


@pytest.mark.parametrize("page", ["", "<!-- study x -->", "<!-- /study x --><!-- study x -->", "<!-- study x -->" * 2])
def test_a_page_without_the_markers_is_refused(page):
    with pytest.raises(ValueError, match="no place for study 'x'; expected a line '<!-- study x -->'"):
        replace_section(page, "x", "section")


def test_the_page_of_results_has_a_place_for_every_study():
    page = (ROOT / "research" / "results.md").read_text()
    for name in STUDIES:
        assert "new" in replace_section(page, name, "new")


def test_an_unknown_study_is_refused_with_the_known_ones(tmp_path, capsys):
    assert research.main(["study", "fusion", "table9", "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "no study 'table9'; there are fusion, modalities, noise" in error


def test_a_page_without_a_place_is_refused_before_anything_is_trained(tiny, tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text("# Nothing\n")
    assert research.main(["study", "fusion", "--out", str(tmp_path / "out"), "--write", str(page)]) == 2
    assert "no place for study 'fusion'" in capsys.readouterr().err
    assert tiny == []
    assert page.read_text() == "# Nothing\n"


@pytest.mark.parametrize(("study", "module"), [("attention", "matplotlib"), ("embedding", "sklearn")])
def test_a_missing_library_is_named_with_its_extra_before_anything_is_trained(
    study, module, tiny, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "matplotlib", SimpleNamespace())
    for name in [module, *(n for n in sys.modules if n.startswith(f"{module}."))]:  # another test may have loaded them
        monkeypatch.setitem(sys.modules, name, None)
    assert research.main(["study", study, "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert module in error
    assert "pip install -r requirements/train.txt" in error
    assert tiny == []


def test_pictures_are_drawn(tmp_path):
    pytest.importorskip("matplotlib", reason="pictures need matplotlib (extra train)")
    values = np.array([[0.2, 0.8], [0.5, np.nan]])
    plots.heat_maps(tmp_path / "new" / "a.png", [("clean", values), ("noisy", values)], ("x", "y"), ("m", "n"))
    points = np.random.default_rng(0).normal(size=(6, 2))
    plots.scatter_plots(tmp_path / "b.png", [[("u", points), ("f", points)]], np.arange(6) % 2)
    for path in (tmp_path / "new" / "a.png", tmp_path / "b.png"):
        assert path.read_bytes().startswith(b"\x89PNG")
