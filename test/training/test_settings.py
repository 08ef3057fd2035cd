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

"""Training configurations: the shipped one, overrides, and every mistake named."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from mumu_ros.datasets.clips import parse_subjects
from mumu_ros.model.config import ConfigError
from mumu_ros.model.network import Network
from mumu_ros.model.parts import FUSIONS
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.share import share_path
from mumu_ros.training.body_augmentation import BodyAugmentation
from mumu_ros.training.members import member_seeds
from mumu_ros.training.settings import Machine, read_settings

SIM = share_path("config", "training", "sim.yaml")
UTD = share_path("config", "training", "utd_mhad_sp.yaml")
PEOPLE = share_path("config", "training", "people.yaml")
SECTIONS = ("model", "data", "optimization", "augmentation", "machine", "labels")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=3), children, max_size=3),
    max_leaves=4,
)


def test_the_shipped_configuration_leaves_the_demo_its_people() -> None:
    settings = read_settings(SIM)
    used = {*parse_subjects(settings.data.train_subjects), *parse_subjects(settings.data.calibration_subjects)}
    assert max(used) < 1000
    assert settings.model.names == ("rgb", "depth", "imu_wrist", "imu_belt")
    assert settings.model.taxonomy.name == "sim"


def test_overrides_reach_every_depth() -> None:
    overrides = ["optimization.epochs=3", "model.modalities.0.rate_hz=5", "data.train_subjects=1-2", "model.name=my"]
    settings = read_settings(SIM, overrides)
    assert settings.optimization.epochs == 3
    assert settings.model.modalities[0].rate_hz == 5
    assert parse_subjects(settings.data.train_subjects) == (1, 2)
    assert settings.model.name == "my"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optimization.epoch=3", "optimization: no key 'epoch'; did you mean epochs"),
        ("model.windows_s=3", "no key 'windows_s'; did you mean window_s"),
        ("augmentation.colour=0.1", "no key 'colour'; did you mean color"),
        ("optimization.epochs=many", "optimization.epochs is 'many'; expected an integer"),
        ("optimization.ema_decay=1", "ema_decay is 1; expected less than 1"),
        ("optimization.learning_rate=-1", "learning_rate is -1"),
        ("data.train_subjects=0-3,900", r"subjects \[900\] are in train_subjects and in calibration_subjects"),
        ("data.train_subjects=all", "subjects are 'all'; expected numbers and ranges"),
        ("data.min_overlap=0", "min_overlap is 0"),
        ("data.min_overlap=most", "min_overlap is 'most'; expected a number"),
        ("augmentation.bodi.mirror=0.5", "augmentation: no key 'bodi'; did you mean body"),
        ("data.dataset=imagenet", "data.dataset is 'imagenet'; expected one of simulator, utd_mhad, mmact, folder"),
        ("data.protocol=random", "data.protocol is 'random'; expected one of leave_one_subject_out"),
        ("data.windows_per_s=-1", "data.windows_per_s is -1; expected a number ≥ 0"),
        ("optimization.batch_size=0", "batch_size is 0; expected a number ≥ 1"),
        ("optimization.label_smoothing=1", "label_smoothing is 1; expected less than 1"),
        ("augmentation.crop=1", "crop is 1; expected 0 to below 1"),
        ("machine={gpus: 2}", "machine: no key 'gpus'"),
        ("machine.accelerator=3", "machine.accelerator is 3; expected a name, such as auto"),
        ("machine.strategy=3", "machine.strategy is 3; expected a name"),
        ("machine.devices=0", "machine.devices is 0; expected how many, 1 or more, or auto"),
        ("machine.devices=[1]", r"machine.devices is \[1\]; expected how many"),
        ("machine.devices=true", "machine.devices is True; expected how many"),
        ("machine.num_nodes=auto", "machine.num_nodes is 'auto'; expected how many, 1 or more$"),
        ("machine.precision=foo", "machine.precision is 'foo'; expected one of 32-true, .*bf16-mixed"),
        ("machine.precision=16", "machine.precision is 16; expected one of 32-true, .*16-mixed"),
        ("optimization.seed=4294967296", "optimization.seed is 4294967296; expected 4294967295 or less with .* 1$"),
        ("model.taxonomy=gone.yaml", r"gone\.yaml"),
        ("epochs", "override 'epochs'; expected key=value"),
        ("model.modalities.9.rate_hz=1", "has no 'model.modalities.9.rate_hz'"),
        ("optimizer.epochs=1", "has no 'optimizer.epochs'"),
        ("model.name=[", r"'\[' is not YAML"),
        ("optimization.task_weighting=dwa", "task_weighting is 'dwa'; expected one of fixed, uncertainty, adaptive"),
        ("optimization.target_weight=-1", "target_weight is -1; expected a number ≥ 0"),
        ("optimization.decoupling_weight=0.1", r"decoupling_weight is 0\.1; mumu has no .*model\.fusion dual_branch"),
    ],
)
def test_mistakes_are_named(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_settings(SIM, [override])


@examples(deadline=None, max_examples=60)
@given(section=st.sampled_from(SECTIONS), value=VALUES.filter(lambda value: not isinstance(value, dict)))
def test_a_section_that_is_no_mapping_is_named(section: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"{section} is .*; expected keys and values: {section}\.KEY=VALUE"):
        read_settings(SIM, [f"{section}={yaml.safe_dump(value)}"])


@examples(deadline=None, max_examples=100)
@given(
    key=st.sampled_from([f"{s}.{key}" for s in SECTIONS[1:] for key in vars(getattr(read_settings(SIM), s))]),
    value=VALUES,
)
def test_whatever_a_key_is_it_is_taken_or_refused(key: str, value: Any) -> None:
    with suppress(ConfigError):
        read_settings(SIM, [f"{key}={yaml.safe_dump(value)}"])


@given(members=st.integers(1, 8), seed=st.integers(0, 2**33))
def test_every_seed_that_is_taken_is_one_of_numpy(members: int, seed: int) -> None:
    base = read_settings(UTD)
    one = replace(base, model=replace(base.model, members=members))
    largest = 2**32 // members - 1
    if seed <= largest:
        assert max(member_seeds(one.with_seed(seed))) < 2**32
    else:
        with pytest.raises(
            ConfigError, match=rf"seed is {seed}; expected {largest} or less with model.members {members}"
        ):
            one.with_seed(seed)


@pytest.mark.parametrize(
    "override",
    [
        "data.train_subjects=0-3",
        "data.train_subjects=0",
        "data.calibration_subjects=3",
        "data.protocol=odd_even",
        "data.seconds=30",
        "data.windows_per_s=0",
        "data.min_overlap=0.5",
        "data.pose=skeleton",
        "data.cache=there",
    ],
)
def test_what_says_nothing_about_several_datasets_is_refused(override: str) -> None:
    key, _, _ = override.partition("=")
    with pytest.raises(ConfigError, match=rf"{key} is .*: leave it out; data\.sets lists the people"):
        read_settings(PEOPLE, [override])


@pytest.mark.parametrize("value", ["", "0.5", "[]", "mirror", "true"])
def test_augmentation_of_bodies_is_keys_and_values(value: str) -> None:
    with pytest.raises(ConfigError, match=r"augmentation\.body: expected keys and values, got "):
        read_settings(PEOPLE, [f"augmentation.body={value}"])


@pytest.mark.parametrize("key", [field.name for field in fields(BodyAugmentation)])
def test_bodies_are_changed_only_where_a_layout_says_what_is_left_and_right(key: str) -> None:
    override = f"augmentation.body.{key}=0.5"
    assert getattr(read_settings(PEOPLE, [override]).augmentation.body, key) == 0.5
    with pytest.raises(ConfigError, match=rf"augmentation\.body\.{key} is 0\.5, but no modality of .* has a layout"):
        read_settings(UTD, [override])
    assert read_settings(UTD, [f"augmentation.body.{key}=0"]).augmentation.body == BodyAugmentation()


@pytest.mark.parametrize("override", ["shift=0.1", "color=0.1", "zoom=0.1", "flip=true"])
def test_pictures_are_changed_only_where_a_model_takes_any(override: str) -> None:
    key, _, value = override.partition("=")
    assert getattr(read_settings(SIM, [f"augmentation.{override}"]).augmentation, key) == yaml.safe_load(value)
    with pytest.raises(ConfigError, match=rf"augmentation\.{key} is .*, but of skeleton, imu none is rgb or depth"):
        read_settings(UTD, [f"augmentation.{override}"])


@pytest.mark.parametrize("path", sorted(share_path("config", "training").glob("*.yaml")), ids=lambda path: path.stem)
def test_single_pictures_are_changed_only_where_a_shipped_training_passes_over_any(path: Path) -> None:
    content = yaml.safe_load(path.read_text())
    changed = {"zoom", "flip"} & set(content.get("augmentation", {}))
    assert not changed or content["optimization"]["frame_epochs"]


def test_a_person_is_held_out_of_both_sets_of_utd_mhad_or_of_none() -> None:
    for same in ("{utd_mhad: 5-6, utd_mhad_front: '6,5'}", "{utd_mhad: '', utd_mhad_front: ''}", "{utd_mhad: 5}"):
        assert read_settings(PEOPLE, [f"data.sets={same}"])
    for front in ("", "6", "5-6"):
        with pytest.raises(ConfigError, match=r"data\.sets\.utd_mhad is 5, and utd_mhad_front .* are the same people"):
            read_settings(PEOPLE, [f"data.sets={{utd_mhad: 5, utd_mhad_front: '{front}'}}"])


@pytest.mark.parametrize(
    "override",
    [
        "labels.share=0.5",
        "labels.unlabelled=false",
        "labels.input=group",
        "labels.soft=true",
        "labels.confidence=0.5",
        "labels.within_group=false",
    ],
)
def test_windows_of_several_datasets_have_all_their_labels(override: str) -> None:
    key, _, _ = override.partition("=")
    assert getattr(read_settings(UTD, [override]).labels, key.partition(".")[2]) is not None
    with pytest.raises(ConfigError, match=rf"{key} is .*composed with all their labels: expected .*, leave it out"):
        read_settings(PEOPLE, [override])


def test_the_shipped_configurations_are_found_in_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_settings("config/training/sim.yaml") == read_settings(SIM)
    with pytest.raises(ConfigError, match=r"configuration 'config/training/gone\.yaml': .*No such file"):
        read_settings("config/training/gone.yaml")


def test_numbers_are_read_as_everybody_writes_them() -> None:
    settings = read_settings(SIM, ["optimization.learning_rate=1e-3", "data.min_overlap=6e-1", "data.seconds=1E2"])
    assert settings.optimization.learning_rate == 0.001
    assert settings.data.min_overlap == 0.6
    assert settings.data.seconds == 100


@examples(deadline=None, max_examples=60)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
@example("20241127")
@example("1e3")
@example("2024-11-27")
@example("~")
@example("set #2")
@example("'a'")
@example("a: b")
@example("[a")
def test_a_folder_may_be_called_anything(name: str) -> None:
    assert read_settings(SIM, [f"data.root={name}"]).data.root == name


def test_a_taxonomy_file_may_be_called_anything(tmp_path: Path) -> None:
    own = tmp_path / "set #2.yaml"
    Taxonomy("own", {"g": ("wave",)}).write(own)
    assert read_settings(SIM, [f"model.taxonomy={own}"]).model.taxonomy.activities == ("wave",)


def test_a_number_as_a_folder_in_the_file_is_refused(tmp_path: Path) -> None:
    text = (
        UTD.read_text()
        .replace("  dataset:", "  root: 20241127\n  dataset:")
        .replace("../taxonomies", str(UTD.parents[1] / "taxonomies"))
    )
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"data.root is 20241127; expected text: put it in quotes"):
        read_settings(tmp_path / "own.yaml")


def test_without_a_taxonomy_and_a_folder_both_are_named() -> None:
    with pytest.raises(
        ConfigError, match=r"model\.taxonomy or from the dataset in data\.root, .* add data\.root=FOLDER"
    ):
        read_settings(share_path("config", "training", "own.yaml"))


def test_a_part_that_was_left_out_can_be_set() -> None:
    overrides = ["augmentation.body.mirror=0.5", "model.modalities.0.layout=kinect20", "model.modalities.0.body=[]"]
    assert read_settings(UTD, overrides).augmentation.body.mirror == 0.5


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("weighting", ["uncertainty", "adaptive"])
def test_tasks_are_weighed_where_there_are_two(fusion: str, weighting: str) -> None:
    overrides = [f"model.fusion={fusion}", f"optimization.task_weighting={weighting}"]
    if hasattr(Network(read_settings(UTD, overrides[:1]).model).head, "group_head"):
        assert read_settings(UTD, overrides).optimization.task_weighting == weighting
    else:
        with pytest.raises(
            ConfigError, match=rf"task_weighting is '{weighting}'; {fusion} has one task: .*dual_branch"
        ):
            read_settings(UTD, overrides)


def test_sections_that_may_be_left_out_have_defaults() -> None:
    settings = read_settings(UTD)
    assert settings.machine == Machine()
    assert settings.data.protocol == "leave_one_subject_out"
    assert settings.data.subjects("train") == settings.data.subjects("calibration") == ()
    assert read_settings(UTD, ["machine={devices: 2}"]).machine.devices == 2


def test_the_shipped_configuration_for_utd_mhad_is_small_enough_for_a_robot() -> None:
    settings = read_settings(UTD)
    assert settings.model.names == ("skeleton", "imu")
    assert len(settings.model.taxonomy.activities) == 27
    assert sum(p.numel() for p in Network(settings.model).parameters()) < 1_000_000


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.yaml"):
        read_settings(tmp_path / "gone.yaml")


def test_subjects() -> None:
    assert parse_subjects("1,3,10-12") == (1, 3, 10, 11, 12)
    assert parse_subjects("7") == (7,)
    assert parse_subjects("1,1") == (1,)
    assert parse_subjects("2,0-2") == (2, 0, 1)
    for wrong in ("", "a", "3-1", "1,,2", "-1"):
        with pytest.raises(ConfigError, match="expected numbers and ranges"):
            parse_subjects(wrong)
    assert len(parse_subjects("0-99999")) == 100_000
    for too_many in ("0-100000", "1-99999999999999999999", "1,0-99999"):
        with pytest.raises(ConfigError, match="expected at most 100000 of them"):
            parse_subjects(too_many)
