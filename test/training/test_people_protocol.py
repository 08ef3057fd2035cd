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

"""Leaving out datasets and people, on a few small recordings."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from mumu_ros.cli import main
from mumu_ros.datasets.clips import DatasetError
from mumu_ros.model.calibration import Calibration
from mumu_ros.model.config import ConfigError, ModelConfig
from mumu_ros.model.modality import Modality
from mumu_ros.model.network import Network
from mumu_ros.model.taxonomy import OTHER, Taxonomy
from mumu_ros.share import share_path
from mumu_ros.training import people_protocol
from mumu_ros.training.composition import Take, compose
from mumu_ros.training.people_protocol import (
    _beside,
    _folds,
    _kept,
    _spread,
    assess_people,
    cross_validate_people,
    people_table,
    stream_novelty,
)
from mumu_ros.training.settings import Machine, Settings, read_settings
from mumu_ros.training.several_datasets import Takes, read_takes
from mumu_ros.training.train import train

torch.set_num_threads(1)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Two datasets of two people with an activity that no other has, and front end joints of three people."""
    monkeypatch.setattr(people_protocol, "TRAINING_FEATURES", 50)
    rng = np.random.default_rng(0)
    for name, file, joints, activities in (
        ("florence3d", "a{:02}_s{}_id1.txt", 15, (1, 4, 8)),
        ("kard", "a{:02}_s{:02}_e01_realworld.txt", 15, (2, 13, 11)),
    ):
        (tmp_path / name).mkdir()
        for activity in activities:
            for subject in (1, 2):
                rows = rng.normal((0, 0, 2500), 200, (30 * joints, 3))
                (tmp_path / name / file.format(activity, subject)).write_text(
                    "".join(f"{x:.1f} {y:.1f} {z:.1f}\n" for x, y, z in rows)
                )
    (tmp_path / "utd_mhad_front").mkdir()
    for subject in (1, 2, 3):
        for action in (3, 4):
            x = rng.normal((0, 0, 2.5), 0.2, (30, 33, 3)).astype(np.float32)
            path = tmp_path / "utd_mhad_front" / f"a{action}_s{subject}_t1.npz"
            np.savez(path, with_depth=x, without_depth=x, stamps_s=np.arange(30) / 15)
    content = yaml.safe_load((share_path("config") / "training" / "people.yaml").read_text())
    content["model"] |= {"taxonomy": str(share_path("config", "taxonomies") / "people.yaml"), "feature_size": 8}
    sets = {"kard": "", "florence3d": "", "utd_mhad_front": ""}
    content["data"] |= {"root": str(tmp_path), "sets": sets, "windows": 30}
    content["optimization"] |= {"epochs": 1, "batch_size": 15}
    (tmp_path / "people.yaml").write_text(yaml.safe_dump(content))
    return read_settings(tmp_path / "people.yaml")


def test_every_dataset_and_every_third_of_the_people_is_left_out_once(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "kard" / "a01_s01_e01_realworld.txt").write_text("1 2 x\n")
    lines: list[str] = []
    results = cross_validate_people(settings, [0], tmp_path / "out", report=lines.append)
    assert list(results["skipped"]) == ["kard/a01_s01_e01_realworld"]
    assert [line.split(",")[0] for line in lines] == ["florence3d", "kard", "people_1", "people_2", "people_3"]
    conditions = results["conditions"]
    # Wave and clap are in other sets, too; reading a watch and taking an umbrella are nowhere.
    assert [conditions[name]["known"]["mean"] for name in ("florence3d", "kard")] == [4, 4]
    assert [conditions[name]["unknown"]["mean"] for name in ("florence3d", "kard")] == [2, 2]
    assert conditions["kard"]["unknown_accepted"] is not None
    assert conditions["front end's joints with depth"]["known"]["mean"] == 6
    assert 0 <= results["streams"]["joints"]["right at the end of an activity, share"]["mean"] <= 1
    assert Calibration(**results["calibration"]).temperature > 0
    assert "| kard | 4 |" in people_table(results)

    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.safetensors")}
    assert main(["cross-validate", str(tmp_path / "people.yaml"), "--out", str(tmp_path / "out"), "--json"]) == 0
    out, err = capsys.readouterr()
    assert "1 clips were skipped: kard/a01_s01_e01_realworld; the first: " in err
    again = json.loads(out.splitlines()[-1])
    assert again == json.loads((tmp_path / "out" / "results.json").read_text())
    assert json.loads((tmp_path / "out" / "calibration.json").read_text()) == results["calibration"]
    assert again.pop("command").startswith("mumu ")
    assert again == results, "what was trained is not trained again"
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.safetensors")}


def test_the_spread_over_seeds_is_that_of_a_sample_and_one_seed_has_none() -> None:
    scores = [{"top1": top1, "auroc": 0.5 if top1 == 0.6 else None, "refused": None} for top1 in (0.6, 0.7, 0.8)]
    spread = _spread(scores)
    assert spread == {
        "top1": pytest.approx({"mean": 0.7, "std": 0.1}),
        "auroc": {"mean": 0.5, "std": None},
        "refused": None,
    }
    results = {
        "seeds": [0, 1, 2],
        "calibration": {"unknown_threshold": 0.5},
        "conditions": {},
        "streams": {"joints": spread},
    }
    assert people_table(results).splitlines()[-3:] == ["| top1 | 0.70 ± 0.10 |", "| auroc | 0.50 |", "| refused | – |"]
    same = {**results, "streams": {"joints": _spread(scores[:1] * 2)}}
    assert "| top1 | 0.60 ± 0.00 |" in people_table(same)


def test_trainings_that_cannot_be_done_are_refused_before_data_are_read(settings: Settings, tmp_path: Path) -> None:
    for machine, seeds, message in (
        (Machine("cpu", devices=2), [0], r"machine\.devices is 2, .*each training has one device"),
        (Machine("abacus"), [0], "cannot train on machine accelerator 'abacus'"),
        (Machine(), [0, 2**32], "optimization.seed is 4294967296; expected 1431655764 or less with model.members 3"),
    ):
        with pytest.raises(ConfigError, match=message):
            cross_validate_people(replace(settings, machine=machine), seeds, tmp_path / "out")
    with pytest.raises(ConfigError, match=r"teacher is 'people'; .* leave it out"):
        train(settings, tmp_path / "out", teacher="people")
    assert not (tmp_path / "out").exists()


def test_with_one_dataset_there_is_nothing_to_leave_out(settings: Settings, tmp_path: Path) -> None:
    alone = read_settings(tmp_path / "people.yaml", ["data.sets={kard: 1}"])
    with pytest.raises(ConfigError, match=r"data\.sets is \('kard',\); expected two or more"):
        cross_validate_people(alone, [0], tmp_path / "out")


def test_networks_of_other_clips_are_not_tested_on_these(settings: Settings, tmp_path: Path) -> None:
    data = replace(settings.data, sets={"kard": "", "florence3d": ""})
    small = replace(settings, data=data)
    results = cross_validate_people(small, [0], tmp_path / "out", report=lambda _: None)
    assert results["streams"] == {}, "they are of people of UTD-MHAD"
    assert "streams" not in people_table(results)
    path = tmp_path / "kard" / "a02_s02_e01_realworld.txt"
    path.write_text(path.read_text().replace(".1 ", ".2 "))
    match = r"contents\.json' is of other work: clips\.kard/a02_s02_e01_realworld was .*; remove .*out'"
    with pytest.raises(ConfigError, match=match):
        cross_validate_people(small, [0], tmp_path / "out", report=lambda _: None)
    path.unlink()
    with pytest.raises(ConfigError, match=r"manifest\.json' is of other work: clips was .*; remove .*out'"):
        cross_validate_people(small, [0], tmp_path / "out", report=lambda _: None)


def test_who_has_no_first_trial_has_no_stream(settings: Settings, tmp_path: Path) -> None:
    front = tmp_path / "utd_mhad_front"
    for action in (3, 4):
        (front / f"a{action}_s3_t1.npz").rename(front / f"a{action}_s3_t2.npz")
    results = cross_validate_people(settings, [0], tmp_path / "out", report=lambda _: None)
    assert results["conditions"]["front end's joints with depth"]["known"]["mean"] == 6
    assert results["streams"]


def test_the_threshold_needs_a_dataset_of_other_people(settings: Settings, tmp_path: Path) -> None:
    takes = [take("utd_mhad", subject, None) for subject in (1, 2, 3)]
    takes += [take("utd_mhad_front", subject, None) for subject in (1, 2, 3)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mumu_ros.training.people_protocol.read_takes", lambda _: Takes(tuple(takes), {}))
        with pytest.raises(ConfigError, match=r"\('utd_mhad', 'utd_mhad_front'\); expected a dataset of other people"):
            cross_validate_people(settings, [0], tmp_path / "out")


def test_held_out_people_who_do_nothing_that_is_known_are_refused_before_a_training(
    settings: Settings, tmp_path: Path
) -> None:
    """They take an umbrella, which the taxonomy does not have."""
    for activity in (2, 13):
        (tmp_path / "kard" / f"a{activity:02}_s02_e01_realworld.txt").unlink()
    chosen = replace(settings, data=replace(settings.data, sets={"kard": "2", "florence3d": ""}))
    with pytest.raises(
        DatasetError, match=r"the held-out people of kard do nothing but idle and other, .*--calibration"
    ):
        train(chosen, tmp_path / "model", progress=False)
    assert not (tmp_path / "model.training").exists()


def test_datasets_without_an_activity_in_common_are_refused_before_a_training(
    settings: Settings, tmp_path: Path
) -> None:
    takes = [
        take("kard", 1, None),
        *(replace(take("florence3d", 1, None), labels=(name,)) for name in ("clap", "other")),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mumu_ros.training.people_protocol.read_takes", lambda _: Takes(tuple(takes), {}))
        with pytest.raises(
            ConfigError, match=r"\('florence3d', 'kard'\), and .* none shares an activity with the rest"
        ):
            cross_validate_people(settings, [0], tmp_path / "out")


@pytest.mark.filterwarnings("error")
def test_people_who_do_nothing_that_is_known_have_no_part_in_the_calibration() -> None:
    modality = Modality("skeleton", "vector", (15, 3), 15.0, "cooccurrence1d", layout="florence15")
    taxonomy = Taxonomy.read(share_path("config", "taxonomies") / "people.yaml")
    network = Network(ModelConfig("people", (modality,), taxonomy, window_s=1.0, feature_size=8)).eval()
    known = [take("kard", subject, None) for subject in (1, 2)]
    others = [replace(take(source, 3, None), labels=("other",)) for source in ("florence3d", "utd_mhad")]
    alone, _ = assess_people(network, known, 0)
    calibration, found = assess_people(network, [*known, *others], 0)
    assert calibration == alone
    assert found["conditions"]["florence3d"]["top1"] is None
    assert found["conditions"]["florence3d"]["unknown_accepted"] is not None
    assert "| florence3d | 0 | – | – |" in people_table(found)


def take(source: str, subject: int, imu: np.ndarray | None, trial: int = 1) -> Take:
    skeleton = np.random.default_rng(subject).normal((0, 0, 2.5), 0.2, (30, 15, 3)).astype(np.float32)
    end = "/with_depth" if source == "utd_mhad_front" else ""
    return Take(skeleton, imu, ("wave",), source, subject, f"{source}/a1_s{subject}_t{trial}{end}")


@pytest.mark.parametrize(("later", "shown"), [(0, (0, 30)), (10, (10, 40)), (-5, (-5, 25)), (35, (35, 65))])
def test_an_imu_is_laid_beside_the_joints_of_its_recording_by_time(later: int, shown: tuple[int, int]) -> None:
    """These begin this many steps later, and cover 30 of them; the IMU has 40."""
    start_ns = 10**18
    worn = replace(take("utd_mhad", 1, np.arange(40)[:, None, None] * np.ones((1, 2, 3))), start_ns=start_ns)
    joints = replace(take("utd_mhad_front", 1, None), start_ns=start_ns + later * 33_333_333)
    found = _beside(joints, worn).imu
    assert found is not None
    expected = np.arange(*shown, dtype=float)
    np.testing.assert_array_equal(found[:, 0, 0], np.where((expected >= 0) & (expected < 40), expected, np.nan))
    assert _beside(joints, None).imu is None


def test_novelty_is_measured_by_windows_of_activities_that_can_be_accepted(settings: Settings) -> None:
    network = Network(settings.model)
    named, other = take("kard", 1, None), replace(take("kard", 2, None), labels=(OTHER,))
    features = stream_novelty(network, [named, other], 0).features
    windows = compose([named, other], settings.model, 100, 0, as_recorded=0)
    activities = np.array(settings.model.taxonomy.activities)[windows.activity]
    assert len(features) == np.isin(activities, named.labels).sum() < len(windows) / 2


@given(
    sources=st.sets(st.sampled_from(["utd_mhad", "utd_mhad_front", "kard"]), min_size=1),
    model_has_imu=st.booleans(),
    worn=st.booleans(),
    trial=st.integers(1, 2),
)
@examples(deadline=None, max_examples=20)
def test_people_are_assessed_by_the_joints_and_imus_that_there_are(
    sources: set[str], model_has_imu: bool, worn: bool, trial: int
) -> None:
    modalities = [Modality("skeleton", "vector", (15, 3), 15.0, "cooccurrence1d", layout="florence15")]
    if model_has_imu:
        modalities.append(Modality("imu", "vector", (2, 3), 50.0, "cooccurrence", stride=5))
    taxonomy = Taxonomy.read(share_path("config", "taxonomies") / "people.yaml")
    network = Network(ModelConfig("people", tuple(modalities), taxonomy, window_s=1.0, feature_size=8)).eval()
    imu = np.random.default_rng(0).normal(size=(30, 2, 3)).astype(np.float32) if worn else None
    takes = [take(source, subject, imu, trial) for source in sorted(sources) for subject in (1, 2)]
    _, found = assess_people(network, takes, 0, Calibration())
    conditions = found["conditions"].keys()
    assert sources <= conditions
    assert any("IMU" in name for name in conditions) == (model_has_imu and worn and "utd_mhad" in sources)
    assert ("Kinect's joints" in conditions) == ("utd_mhad" in sources)
    assert ("joints" in found["streams"]) == (trial == 1 and sources != {"kard"})
    imu_streams = trial == 1 and model_has_imu and worn and "utd_mhad" in sources
    assert ("Kinect's joints and IMU" in found["streams"]) == imu_streams


def test_what_is_only_animated_is_unknown_when_a_dataset_is_left_out_and_animated_people_never_are(
    settings: Settings,
) -> None:
    settings = replace(settings, data=replace(settings.data, sets={**settings.data.sets, "animated": ""}))
    takes = read_takes(settings).takes
    folds = _folds(takes)
    assert [fold.name for fold in folds] == ["florence3d", "kard", "people_1", "people_2", "people_3"]
    florence, *_ = folds
    kept = _kept(florence, takes)
    recorded = {label for take in kept if take.source != "animated" for label in take.labels} - {"idle", "other"}
    assert {label for take in kept if take.source == "animated" for label in take.labels} == recorded
    assert not any(take.source == "florence3d" for take in kept)
