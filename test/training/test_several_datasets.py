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

"""Several datasets in the words of one taxonomy, from files to what `mumu test` says."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from mumu_ros.cli import main
from mumu_ros.datasets import open_dataset
from mumu_ros.datasets.animated import PEOPLE as PEOPLE_ANIMATED
from mumu_ros.datasets.clips import ClipInfo, DatasetError
from mumu_ros.datasets.skeleton_sets import SKELETON_SETS
from mumu_ros.datasets.utd_mhad import ACTIONS
from mumu_ros.model.calibration import Calibration
from mumu_ros.model.checkpoint import load_checkpoint, save_checkpoint
from mumu_ros.model.config import ConfigError, ModelConfig
from mumu_ros.model.modality import Modality
from mumu_ros.model.network import Network
from mumu_ros.model.preprocessing import Preprocessing
from mumu_ros.model.taxonomy import Taxonomy, find_taxonomy
from mumu_ros.share import share_path
from mumu_ros.training.acceptance import TRAINING_FEATURES, ClipDecisions, score_accepted
from mumu_ros.training.composition import compose, window_series
from mumu_ros.training.health import ANY_OVERLAP, healthy_windows
from mumu_ros.training.loading import load_windows, tell_untaught
from mumu_ros.training.people_protocol import assess_people
from mumu_ros.training.scoring import predict
from mumu_ros.training.settings import Data, read_settings
from mumu_ros.training.several_datasets import (
    accepted_labels,
    divide_takes,
    has_labels,
    known_people,
    load_takes,
    load_test_windows,
    read_labels,
)
from mumu_ros.training.train import train
from mumu_ros.training.windows import clip_end, cut_windows

torch.set_num_threads(1)
PEOPLE = find_taxonomy("people")
CONFIG = ModelConfig(
    "tiny",
    (Modality("skeleton", "vector", (15, 3), 15, "cooccurrence1d", stride=4, layout="florence15", max_gap_s=0.2),),
    PEOPLE,
    2.0,
    8,
)
IMU = Modality("imu", "vector", (2, 3), 30, "cooccurrence1d", stride=9)
WORN = dataclasses.replace(CONFIG, modalities=(*CONFIG.modalities, IMU))


@pytest.fixture
def kard(tmp_path: Path) -> Path:
    """Two people who clap (13), drink (16) and take an umbrella (11), and a broken clip."""
    folder = tmp_path / "kard"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for activity in (11, 13, 16):
        for subject in (1, 2):
            joints = rng.normal((0, 0, 2500), (200, 400, 100), (40, 15, 3))
            lines = "".join(f"{x:.1f} {y:.1f} {z:.1f}\n" for x, y, z in joints.reshape(-1, 3))
            (folder / f"a{activity:02}_s{subject:02}_e01_realworld.txt").write_text(lines)
    (folder / "a14_s01_e01_realworld.txt").write_text("0 0 0\n" * 150)
    return tmp_path


@pytest.fixture
def utd_mhad(tmp_path: Path) -> Path:
    """Two people who wave (3), the IMU on the wrist, and squat (27), the IMU on the thigh: clips of three seconds."""
    savemat = pytest.importorskip("scipy.io", reason="UTD-MHAD needs scipy (extra train)").savemat
    rng = np.random.default_rng(0)
    for clip in ("a3_s1_t1", "a3_s2_t1", "a27_s1_t1", "a27_s2_t1"):
        joints = rng.normal([[0], [0], [2.5]], 0.2, (20, 3, 90))
        for kind, key, samples in (("skeleton", "d_skel", joints), ("inertial", "d_iner", rng.normal(size=(150, 6)))):
            folder = tmp_path / "utd_mhad" / kind.capitalize()
            folder.mkdir(parents=True, exist_ok=True)
            savemat(folder / f"{clip}_{kind}.mat", {key: samples})
    return tmp_path / "utd_mhad"


def test_every_activity_of_every_dataset_is_one_of_the_taxonomy_or_none() -> None:
    labels = read_labels(PEOPLE)
    expected = {name: set(spec.activities) for name, spec in SKELETON_SETS.items()} | {"utd_mhad": set(ACTIONS)}
    assert {name: set(activities) for name, activities in labels.items()} == expected
    taught = {
        label for name in ("utd_mhad", "msr_action3d", "florence3d") for x in labels[name].values() for label in x
    }
    assert taught == set(PEOPLE.activities) - {"idle", "other"}, "no activity without training data"


def test_what_neither_file_says_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"kard has juggle; say in config/labels/people\.yaml"):
        accepted_labels(PEOPLE, "kard", [ClipInfo("x", 1, "juggle")])
    smaller = Taxonomy("people", {"g": ("wave", "idle", "other")})
    with pytest.raises(ConfigError, match=r"swipe_left of utd_mhad is swipe_inward, which taxonomy 'people' lacks"):
        read_labels(smaller)
    with pytest.raises(ConfigError, match="'people' lacks idle, other; add them"):
        load_takes(dataclasses.replace(CONFIG, taxonomy=Taxonomy("people", {"g": ("wave",)})), {})


def own_set(root: Path, activities: tuple[str, ...]) -> Path:
    """A training set as `mumu dataset build` writes it: a clip of four seconds for each activity."""
    rng = np.random.default_rng(0)
    for name in activities:
        (root / name).mkdir(parents=True)
        stamps_ns = np.arange(60, dtype=np.int64) * 66_666_667
        samples = rng.normal((0, 0, 2.5), (0.2, 0.4, 0.1), (60, 15, 3)).astype(np.float32)
        np.savez(root / name / "skeleton.npz", stamps_ns=stamps_ns, samples=samples)
    (root / "clips.csv").write_text("id,subject,activity\n" + "".join(f"{name},1,{name}\n" for name in activities))
    return root


def test_a_users_taxonomy_may_be_called_as_a_shipped_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is called after the folder of the training set."""
    own = Taxonomy("people", {"new": ("bow", "juggle")})
    assert has_labels(PEOPLE)
    assert not has_labels(own)
    root = own_set(tmp_path / "people", ("bow", "juggle"))
    save_checkpoint(tmp_path / "m", Network(dataclasses.replace(CONFIG, taxonomy=own)).eval())
    assert main(["test", str(tmp_path / "m"), "folder", str(root), "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["clips"] == 2
    assert "known_refused" not in result
    newer = own_set(tmp_path / "newer", ("bow", "wave"))
    assert main(["test", str(tmp_path / "m"), "folder", str(newer), "--json"]) == 0
    out, error = capsys.readouterr()
    assert json.loads(out.splitlines()[-1])["clips"] == 1
    assert "1 clips were skipped: wave; the first: wave: 'wave' is not in the taxonomy 'people' of the model" in error


def test_a_users_dataset_is_in_the_words_of_the_taxonomy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = own_set(tmp_path / "mine", ("wave", "idle"))
    save_checkpoint(tmp_path / "m", Network(CONFIG).eval())
    assert main(["test", str(tmp_path / "m"), "folder", str(root), "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["clips"] == 2
    with pytest.raises(ConfigError, match=r"folder has 'bow', which taxonomy 'people' lacks; every clip needs one"):
        accepted_labels(PEOPLE, "folder", [ClipInfo("x", 1, "bow")])


def test_clips_of_a_users_dataset_without_an_activity_of_the_taxonomy_are_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of others, of a group, and of several."""
    root = own_set(tmp_path / "mine", ("wave", "bow", "daily", "several"))
    (root / "several" / "segments.csv").write_text("start_s,end_s,activity\n0,2,wave\n2,4,clap\n")
    table = root / "clips.csv"
    table.write_text(table.read_text().replace("several,1,several", "several,1,"))
    save_checkpoint(tmp_path / "m", Network(CONFIG).eval())
    assert main(["test", str(tmp_path / "m"), "folder", str(root), "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["clips"] == 1
    assert result["skipped"] == {
        "bow": "'bow' is not in the taxonomy 'people' of the model",
        "daily": "only its group 'daily' is known",
        "several": "it has its activities in segments; a test of whole clips needs one activity for each",
    }
    with pytest.raises(ConfigError, match="folder has '', 'bow', 'daily', which taxonomy 'people' lacks"):
        load_takes(CONFIG, {"folder": str(root)})
    table.write_text(table.read_text().replace("wave,1,wave", "wave,1,juggle"))
    with pytest.raises(DatasetError, match="no clip of folder can be used; the first: 'bow' is not in the taxonomy"):
        load_test_windows(CONFIG, "folder", str(root))


def test_clips_of_idle_and_other_are_unknown_since_neither_is_ever_accepted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = own_set(tmp_path / "mine", ("wave", "idle", "other"))
    save_checkpoint(tmp_path / "m", Network(CONFIG).eval())
    assert main(["test", str(tmp_path / "m"), "folder", str(root), "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (result["known"], result["unknown"]) == (1, 2)
    assert [result["per_class"][name]["right"] for name in ("idle", "other")] == [None, None]


def test_windows_to_test_on_accept_what_the_label_file_accepts(kard: Path) -> None:
    loaded = load_test_windows(CONFIG, "kard", str(kard / "kard"))
    assert list(loaded.skipped) == ["a14_s01_e01_realworld"]
    assert loaded.windows.labels is not None
    told = [[PEOPLE.activities[i] for i in np.flatnonzero(row)] for row in loaded.windows.labels]
    assert [(c.activity, c.subject) for c in loaded.clips] == [
        *[("take_umbrella", 1), ("take_umbrella", 2)],
        *[("hand_clap", 1), ("hand_clap", 2), ("drink", 1), ("drink", 2)],
    ]
    assert told == [[], [], ["clap"], ["clap"], ["drink"], ["drink"]]
    assert list(loaded.windows.clip) == [clip.id for clip in loaded.clips]


def test_a_long_clip_is_decided_by_several_windows(
    kard: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second drinks for five seconds: windows of two seconds, one each half second."""
    path = kard / "kard" / "a16_s02_e01_realworld.txt"
    path.write_text("".join((path.read_text() * 4).splitlines(keepends=True)[: 150 * 15]))
    loaded = load_test_windows(CONFIG, "kard", str(kard / "kard"))
    counts = [int((loaded.windows.clip == clip.id).sum()) for clip in loaded.clips]
    assert counts == [1, 1, 1, 1, 1, 8]
    assert loaded.windows.labels is not None
    assert (loaded.windows.labels[-8:] == loaded.windows.labels[-1]).all()
    save_checkpoint(tmp_path / "m", Network(CONFIG).eval())
    assert main(["test", str(tmp_path / "m"), "kard", str(kard / "kard"), "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (result["clips"], result["known"]) == (6, 4)
    assert result["per_class"]["drink"]["clips"] == 2


def test_an_imu_on_the_thigh_is_neither_trained_nor_tested_on(utd_mhad: Path) -> None:
    """The model's is on a wrist; by its place on the thigh it would tell the activity."""
    takes = load_takes(WORN, {"utd_mhad": str(utd_mhad)}).takes
    trained_on = {take.id: take.imu is not None for take in takes}
    wave, squat = ("utd_mhad/a3_s1_t1", "utd_mhad/a3_s2_t1"), ("utd_mhad/a27_s1_t1", "utd_mhad/a27_s2_t1")
    assert trained_on == dict.fromkeys(wave, True) | dict.fromkeys(squat, False)
    windows = load_test_windows(WORN, "utd_mhad", str(utd_mhad)).windows
    on_wrist = np.char.startswith(windows.clip, "a3_")
    assert set(windows.clip) == {"a3_s1_t1", "a3_s2_t1", "a27_s1_t1", "a27_s2_t1"}
    assert windows.masks["skeleton"].any(axis=1).all()
    np.testing.assert_array_equal(windows.masks["imu"].any(axis=1), on_wrist)


def test_health_is_learned_from_any_activities_and_from_sensors_where_the_model_has_them(
    utd_mhad: Path, no_processes: None
) -> None:
    data = Data("utd_mhad", root=str(utd_mhad), windows_per_s=0, min_overlap=ANY_OVERLAP)
    windows = healthy_windows(WORN, data, (1,))
    assert set(windows.clip) == {"a3_s1_t1", "a27_s1_t1"}
    np.testing.assert_array_equal(windows.masks["imu"].any(axis=1), windows.clip == "a3_s1_t1")
    on_both = dataclasses.replace(WORN, taxonomy=Taxonomy("one", {"some": ("bow",), "more": ("juggle",)}))
    assert healthy_windows(on_both, data).masks["imu"].any(axis=1).all()


def test_streams_of_a_dataset_that_are_parts_of_what_a_model_takes_are_not_missed(
    utd_mhad: Path, no_processes: None, capsys: pytest.CaptureFixture[str]
) -> None:
    two = dataclasses.replace(WORN, taxonomy=Taxonomy("two", {"arms": ("wave",), "legs": ("squat",)}))
    loaded = load_windows(two, Data("utd_mhad", root=str(utd_mhad), windows_per_s=0))
    tell_untaught(loaded.windows, two, loaded.unused)
    assert "does not take" not in capsys.readouterr().err


def test_a_clip_of_nothing_but_an_imu_on_the_thigh_is_skipped(utd_mhad: Path) -> None:
    loaded = load_test_windows(dataclasses.replace(WORN, modalities=(IMU,)), "utd_mhad", str(utd_mhad))
    assert [clip.id for clip in loaded.clips] == ["a3_s1_t1", "a3_s2_t1"]
    assert set(loaded.skipped) == {"a27_s1_t1", "a27_s2_t1"}
    assert "a27_s1_t1: its IMU was worn on the thigh, the model's is on a wrist" in loaded.skipped["a27_s1_t1"]


def test_a_clip_without_a_skeleton_is_skipped_since_windows_are_composed_of_skeletons(tmp_path: Path) -> None:
    root = own_set(tmp_path / "own", ("wave", "clap"))
    np.savez(root / "clap" / "imu.npz", stamps_ns=np.arange(60) * 33_333_333, samples=np.ones((60, 2, 3), np.float32))
    (root / "clap" / "skeleton.npz").unlink()
    loaded = load_takes(WORN, {"folder": str(root)})
    assert [take.id for take in loaded.takes] == ["folder/wave"]
    assert loaded.skipped == {"folder/clap": "clap has no stream 'skeleton', of which windows are composed"}


GAP = (0.9, 2.1)


@pytest.mark.parametrize(
    ("seen", "worn"),
    [
        pytest.param((0, 3), (0, 3), id="whole"),
        pytest.param((0, 3), (0, 2), id="sensor ends early"),
        pytest.param((1, 3), (0, 3), id="comes into view late"),
        pytest.param((0, 2), (0, 3), id="leaves the view early"),
        pytest.param(GAP, GAP, id="hidden in the middle"),
    ],
)
def test_a_clip_as_recorded_is_the_window_that_a_robot_sees(
    tmp_path: Path, seen: tuple[float, float], worn: tuple[float, float]
) -> None:
    root, rng = own_set(tmp_path / "own", ("wave",)), np.random.default_rng(1)
    for name, hz, shape, (begin, end) in (("skeleton", 30, (15, 3), seen), ("imu", 60, (2, 3), worn)):
        times = np.arange(0, 89 / 30 + 1e-6, 1 / hz)
        inside = (times >= begin) & (times < end)
        times = times[inside != (begin == GAP[0])]
        np.savez(
            root / "wave" / f"{name}.npz",
            stamps_ns=np.round(times * 1e9).astype(np.int64),
            samples=rng.normal(2, 0.2, (len(times), *shape)).astype(np.float32),
        )
    (take,) = load_takes(WORN, {"folder": str(root)}).takes
    dataset = open_dataset("folder", str(root))
    clip = dataset.read(dataset.clips[0], Preprocessing(WORN))
    windows = cut_windows(clip, WORN, clip_end(clip), 0.0)
    for name, samples in (("skeleton", take.skeleton), ("imu", take.imu)):
        x, mask = window_series(WORN.modality(name), WORN.steps(name), [samples])
        np.testing.assert_array_equal(mask, windows.masks[name])
        np.testing.assert_allclose(x, windows.vectors[name], atol=1e-4)


@pytest.mark.parametrize("samples", [1, 2])
def test_a_clip_that_hardly_shows_anybody_is_skipped_and_named(tmp_path: Path, samples: int) -> None:
    root = own_set(tmp_path / "own", ("wave", "clap"))
    with np.load(root / "clap" / "skeleton.npz") as file:
        arrays = {name: array[:samples] for name, array in file.items()}
    np.savez(root / "clap" / "skeleton.npz", **arrays)
    loaded = load_takes(WORN, {"folder": str(root)})
    assert [take.id for take in loaded.takes] == ["folder/wave"]
    steps = 2 * samples - 1
    expected = f"clap: {steps} frames, at 30 Hz, show a person; expected 5 or more"
    assert loaded.skipped == {"folder/clap": expected}
    assert len(compose(loaded.takes, WORN, 40, 0)) == 40


def test_a_training_assesses_clips_as_mumu_test_does(kard: Path, tmp_path: Path) -> None:
    for number, path in enumerate(sorted((kard / "kard").glob("*.txt"))):
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join((lines * 6)[: (40 + 25 * number) * 15]))
    torch.manual_seed(0)
    network, calibration = Network(CONFIG).eval(), Calibration(1.0, 0.06)
    save_checkpoint(tmp_path / "m", network, calibration=calibration)
    loaded = load_test_windows(CONFIG, "kard", str(kard / "kard"))
    tested = ClipDecisions.of(load_checkpoint(tmp_path / "m"), predict(network, loaded.windows), loaded.windows)
    one = score_accepted(tested, loaded.clips, PEOPLE, calibration)
    takes = load_takes(CONFIG, {"kard": str(kard / "kard")}).takes
    other = assess_people(network, takes, 0, calibration)[1]["conditions"]["kard"]
    assert len(loaded.windows) > 3 * len(loaded.clips)
    for key in ("known", "unknown", "top1", "known_refused", "auroc"):
        assert one[key] == pytest.approx(other[key]["mean"]), key


def test_subjects_that_are_not_there_are_refused(kard: Path) -> None:
    with pytest.raises(DatasetError, match=r"kard has no subjects \[9, 99\]; it has \[1, 2\]"):
        load_test_windows(CONFIG, "kard", str(kard / "kard"), (1, 9, 99))
    assert len(load_test_windows(CONFIG, "kard", str(kard / "kard"), (2,)).clips) == 3


@pytest.mark.parametrize(("held_out", "missing"), [("99", r"\[99\]"), ("2,7-8", r"\[7, 8\]")])
def test_people_to_hold_out_who_are_not_there_are_refused_before_a_training(
    kard: Path, tmp_path: Path, held_out: str, missing: str
) -> None:
    path = share_path("config") / "training" / "people.yaml"
    sets = f"data.sets={{kard: '{held_out}'}}"
    overrides = [f"data.root={kard}", sets, "data.windows=40", "optimization.epochs=1"]
    match = rf"data\.sets\.kard is '{held_out}': no clip of {missing} can be used; expected some of \[1, 2\]"
    with pytest.raises(DatasetError, match=match):
        train(read_settings(path, overrides), tmp_path / "model", progress=False)
    assert not (tmp_path / "model.training").exists()
    found = load_takes(CONFIG, {"kard": str(kard / "kard")}).takes
    kept, left = divide_takes(found, Data("people", sets={"kard": "2"}, windows=1))
    assert {take.subject for take in kept} == {1}
    assert {take.subject for take in left} == {2}


def test_jobs_are_refused_where_the_trainings_follow_one_another(
    kard: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(share_path("config") / "training" / "people.yaml")
    sets = ["data.sets={kard: 1}", "data.windows=40", "optimization.epochs=1"]
    command = ["cross-validate", path, f"data.root={kard}", *sets, "--out", str(tmp_path / "out"), "--jobs", "2"]
    assert main(command) == 2
    error = capsys.readouterr().err
    assert "--jobs is 2; the trainings of several datasets (data.sets) follow one another: leave it out" in error
    assert not (tmp_path / "out").exists()


def test_mumu_test_tells_known_from_unknown_activities(
    kard: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    network = Network(CONFIG).eval()
    for threshold, refused in ((0.0, 0.0), (1.0, 1.0)):
        save_checkpoint(tmp_path / "m", network, calibration=Calibration(1.0, threshold))
        assert main(["test", str(tmp_path / "m"), "kard", str(kard / "kard"), "--json"]) == 0
        result = json.loads(capsys.readouterr().out.splitlines()[-1])
        assert (result["clips"], result["known"], result["unknown"]) == (6, 4, 2)
        assert result["known_refused"] >= refused
        assert result["unknown_accepted"] <= 1 - refused
        assert 0 <= result["top1"] <= 1
        assert set(result["per_class"]) == {"take_umbrella", "hand_clap", "drink"}
        assert result["per_class"]["take_umbrella"]["right"] is None
        assert list(result["skipped"]) == ["a14_s01_e01_realworld"]


@pytest.mark.parametrize("dataset", ["kard", "utd_mhad_front"])
@pytest.mark.parametrize(
    ("data", "calibration", "trained_on", "calibrated_on"),
    [
        ({"sets": {"kard": 2, "utd_mhad": 2}}, "", [1], [2]),
        ({"sets": {"kard": 2, "utd_mhad": 2}}, " --calibration x", [1], {"kard": [2], "utd_mhad_front": []}),
        ({"sets": {"kard": "1-2", "utd_mhad_front": "1,2"}}, "", [], [1, 2]),
        ({"sets": {"kard": "", "utd_mhad_front": ""}}, " --calibration x", [1, 2], []),
        ({"sets": {"florence3d": "1"}}, "", [], []),
        ({"sets": {"kard": ["x"], "utd_mhad": "x"}}, "", [], []),
        ({"train_subjects": "1"}, "", [1], []),
        ({"train_subjects": ""}, " --calibration x", [1, 2], []),
        ({"train_subjects": 2, "calibration_subjects": 1}, "", [2], [1]),
    ],
)
def test_people_whom_a_model_of_several_datasets_knows_are_reported(
    kard: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    dataset: str,
    data: dict[str, Any],
    calibration: str,
    trained_on: list[int],
    calibrated_on: Any,
) -> None:
    """Those who are held out are not trained on; a cross-validation calibrates by all people but UTD-MHAD's.

    UTD-MHAD's people are the same in both of its datasets.
    """
    (kard / "utd_mhad_front").mkdir()
    joints = np.random.default_rng(0).normal((0, 0, 2.5), 0.2, (40, 33, 3)).astype(np.float32)
    for subject in (1, 2):
        path = kard / "utd_mhad_front" / f"a3_s{subject}_t1.npz"
        np.savez(path, with_depth=joints, without_depth=joints, stamps_s=np.arange(40) / 15)
    one = {"dataset": {"kard": "kard", "utd_mhad_front": "utd_mhad"}[dataset]}
    origin = {"command": f"mumu train x.yaml{calibration}", "data": {"dataset": "people", **data}}
    if "sets" not in data:
        origin["data"] |= one
    save_checkpoint(tmp_path / "m", Network(CONFIG).eval(), provenance=origin)
    assert main(["test", str(tmp_path / "m"), dataset, str(kard / dataset), "--json"]) == 0
    output, errors = capsys.readouterr()
    result = json.loads(output.splitlines()[-1])
    wanted = calibrated_on[dataset] if isinstance(calibrated_on, dict) else calibrated_on
    for how, people in (("trained on", trained_on), ("calibrated on", wanted)):
        assert result.get(how.replace(" ", "_"), []) == people
        assert (f"was {how} {len(people)} of these 2 people: " in errors) == bool(people)


def test_clips_of_which_nothing_is_left_are_not_scored(
    kard: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_checkpoint(tmp_path / "m", Network(CONFIG).eval())
    drops = ["--drop", "skeleton", "--drop", "skeleton:0.5"]
    assert main(["test", str(tmp_path / "m"), "kard", str(kard / "kard"), *drops, "--json"]) == 0
    output = capsys.readouterr().out
    assert "(6 clips not counted: nothing is left)" in output
    result = json.loads(output.splitlines()[-1])
    assert (result["left_out"], result["dropped"]["skeleton"]) == (0, {"clips": 0, "left_out": 6})
    half = result["dropped"]["skeleton:0.5"]
    assert half["clips"] == half["known"] + half["unknown"] == 6 - half["left_out"]
    assert 0 < half["left_out"] < 6


def test_a_model_is_trained_on_several_datasets_at_once(kard: Path, tmp_path: Path) -> None:
    (kard / "florence3d").mkdir()
    rng = np.random.default_rng(1)
    for activity in (1, 8):
        lines = "".join(f"{x:.1f} {y:.1f} {z:.1f}\n" for x, y, z in rng.normal((0, 0, 2500), 200, (300, 3)))
        (kard / "florence3d" / f"a{activity:02}_s1_id{activity}.txt").write_text(lines)
    content = yaml.safe_load((share_path("config") / "training" / "people.yaml").read_text())
    content["model"] |= {"taxonomy": str(share_path("config", "taxonomies") / "people.yaml"), "feature_size": 8}
    content["data"] |= {"root": str(kard), "sets": {"kard": 2, "florence3d": ""}, "windows": 40}
    content["optimization"] |= {"epochs": 1, "batch_size": 16}
    (tmp_path / "people.yaml").write_text(yaml.safe_dump(content))
    metrics = train(read_settings(tmp_path / "people.yaml"), tmp_path / "model", progress=False)
    assert metrics["train_windows"] == 40
    assert list(metrics["skipped"]) == ["kard/a14_s01_e01_realworld"]
    # Two clips of activities that it knows, of the person left out.
    assert metrics["held_out"]["conditions"]["kard"]["known"]["mean"] == 2
    calibration = load_checkpoint(tmp_path / "model").calibration
    assert dataclasses.asdict(calibration) == metrics["held_out"]["calibration"]

    given = Calibration(unknown_threshold=0.5, novelty_weight=1.0)
    train(read_settings(tmp_path / "people.yaml"), tmp_path / "aware", calibration=given, progress=False)
    aware = load_checkpoint(tmp_path / "aware")
    assert aware.calibration == given
    assert aware.novelty is not None
    assert (aware.novelty.modality, aware.novelty.features.shape[1]) == ("skeleton", aware.model.unimodal_size)
    assert 5 < len(aware.novelty.features) <= TRAINING_FEATURES, "of windows that are composed for it"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.sets={kard: 1, octopus: 2}", r"data\.sets is .*'octopus': 2\}; expected some of utd_mhad, "),
        ("data.sets={}", r"data\.sets is \{\}; expected some of"),
        ("data.sets={kard: everybody}", r"subjects are 'everybody'; expected numbers"),
        ("data.windows=0", r"data\.windows is 0; expected 1 or more"),
        ("data.windows=true", r"data\.windows is True; expected 1 or more"),
        ("data.dataset=kard", "expected none but for people"),
    ],
)
def test_impossible_data(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_settings(share_path("config") / "training" / "people.yaml", [override])


def test_of_animated_people_a_model_knows_those_who_are_in_a_training() -> None:
    data = {"dataset": "people", "root": "", "sets": {"utd_mhad": "6", "animated": ""}}
    last = PEOPLE_ANIMATED[-1]
    assert known_people(data, "animated", "", {last - 1, last, last + 1}, True) == ({last - 1, last}, set())
    assert known_people(data, "kard", "", {1}, True) == (set(), set())
