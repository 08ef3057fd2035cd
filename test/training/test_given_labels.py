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

"""Which labels a training is given: every activity keeps some, groups are known for all, a teacher may see a label."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from mumu_ros import cli
from mumu_ros.model.config import ConfigError, ModelConfig
from mumu_ros.model.heads import Head, HeadOutput, equal_weights
from mumu_ros.model.loss import MuMuLoss
from mumu_ros.model.modality import Modality
from mumu_ros.model.network import Network
from mumu_ros.model.parts import FUSIONS
from mumu_ros.training.augmentation import Augmentation, augment
from mumu_ros.training.frame_training import labelled_frames
from mumu_ros.training.given_labels import Labels, hide_labels, known_labels, show_labels, with_label_input
from mumu_ros.training.loading import load_windows
from mumu_ros.training.module import NetworkModule
from mumu_ros.training.pseudo_labels import training_labels
from mumu_ros.training.settings import Settings, read_settings
from mumu_ros.training.windows import WindowSet
from mumu_ros.training.work_folder import reserve

torch.set_num_threads(1)
read_only = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)


# Which clips keep their activity


@read_only
@given(share=st.floats(0.125, 0.999), seed=st.integers(0, 50))
def test_every_activity_keeps_its_share_and_at_least_one_clip(
    vector_settings: Settings, vector_windows: WindowSet, share: float, seed: int
) -> None:
    taxonomy = vector_settings.model.taxonomy
    hidden = hide_labels(vector_windows, share, seed, taxonomy)
    assert hidden.labels is not None
    kept = hidden.labels.any(axis=1)
    for activity in range(3):
        of_it = vector_windows.activity == activity
        assert kept[of_it].sum() == max(1, int(4 * share + 0.5))
    np.testing.assert_array_equal(hidden.labels.argmax(axis=1)[kept], vector_windows.activity[kept])
    np.testing.assert_array_equal(hidden.activity, vector_windows.activity)


def test_more_labels_include_fewer_and_the_seed_chooses(vector_settings: Settings, vector_windows: WindowSet) -> None:
    def kept(share: float, seed: int) -> set[int]:
        hidden = hide_labels(vector_windows, share, seed, vector_settings.model.taxonomy)
        return set(np.flatnonzero(known_labels(hidden, vector_settings.model.taxonomy).any(axis=1)))

    assert kept(0.25, 0) < kept(0.5, 0) < kept(0.75, 0) < kept(1, 0)
    assert len({frozenset(kept(0.25, seed)) for seed in range(8)}) > 1
    assert kept(0.5, 3) == kept(0.5, 3)


def test_windows_of_one_clip_keep_their_activity_together(vector_settings: Settings, vector_windows: WindowSet) -> None:
    cut = replace(vector_windows, clip=np.array([f"c{i // 6}" for i in range(12)]))
    hidden = hide_labels(cut, 0.5, 0, vector_settings.model.taxonomy)
    for activity in range(3):
        for clip in ("c0", "c1"):
            rows = (cut.activity == activity) & (cut.clip == clip)
            assert len(set(known_labels(hidden, vector_settings.model.taxonomy).any(axis=1)[rows])) == 1


def test_a_share_that_leaves_an_activity_nothing_names_the_smallest_that_fits(
    vector_settings: Settings, vector_windows: WindowSet
) -> None:
    taxonomy = vector_settings.model.taxonomy
    fewer = vector_windows.take(np.arange(11))  # one clip of walking less
    with pytest.raises(ConfigError, match=r"labels.share is 0.05, which leaves 'walk' without any of its 3 clips") as e:
        hide_labels(fewer, 0.05, 0, taxonomy)
    smallest = float(str(e.value).rpartition(" ")[2])
    hide_labels(fewer, smallest, 0, taxonomy)
    with pytest.raises(ConfigError):
        hide_labels(fewer, 0.99 * smallest, 0, taxonomy)


def test_clips_without_an_activity_can_be_left_out(vector_settings: Settings, vector_windows: WindowSet) -> None:
    labels = Labels(share=0.5, unlabelled=False)
    told = training_labels(replace(vector_settings, labels=labels), vector_windows)
    assert len(told) == 6
    assert known_labels(told, vector_settings.model.taxonomy).any(axis=1).all()


def test_all_labels_are_told_by_default(vector_settings: Settings, vector_windows: WindowSet) -> None:
    assert training_labels(vector_settings, vector_windows) is vector_windows


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("share", 0, "share is 0; expected more than 0, at most 1"),
        ("share", 1.5, "share is 1.5"),
        ("confidence", 1, "confidence is 1; expected 0 or more, less than 1"),
        ("soft", "yes", "soft is 'yes'; expected true or false"),
        ("input", "grup", "input is 'grup'; expected group, activity"),
    ],
)
def test_impossible_labels_are_quoted(name: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Labels(**{name: value})  # type: ignore[arg-type]


# Clips of which nobody has said more than the group


@pytest.fixture
def partly(vector_settings: Settings, vector_windows: WindowSet) -> WindowSet:
    """Twelve windows; of the last six the group only is known."""
    groups = vector_windows.groups(vector_settings.model.taxonomy)
    return replace(vector_windows, activity=np.where(np.arange(12) < 6, vector_windows.activity, -1 - groups))


def test_a_group_is_known_without_its_activity(
    vector_settings: Settings, vector_windows: WindowSet, partly: WindowSet
) -> None:
    taxonomy = vector_settings.model.taxonomy
    np.testing.assert_array_equal(partly.groups(taxonomy), vector_windows.groups(taxonomy))
    np.testing.assert_array_equal(partly.known().activity, vector_windows.activity[:6])
    told = training_labels(vector_settings, partly)
    np.testing.assert_array_equal(known_labels(told, taxonomy).any(axis=1), np.arange(12) < 6)
    fewer = training_labels(replace(vector_settings, labels=Labels(share=0.5)), partly)
    assert known_labels(fewer, taxonomy).any(axis=1).sum() == 3
    both = with_label_input(with_label_input(vector_settings.model, "group"), "activity")
    _, masks = show_labels(partly, both).batch(range(12))
    assert masks["group_label"].all()
    np.testing.assert_array_equal(masks["activity_label"][:, 0], np.arange(12) < 6)


def test_groups_alone_are_not_enough(vector_settings: Settings, partly: WindowSet) -> None:
    with pytest.raises(ConfigError, match="no clip has an activity"):
        training_labels(vector_settings, partly.take(np.arange(6, 12)))


def test_what_is_known_of_a_group_only_trains_the_group(vector_settings: Settings, partly: WindowSet) -> None:
    module = NetworkModule(Network(vector_settings.model), training_labels(vector_settings, partly), vector_settings)
    batch = augment(
        training_labels(vector_settings, partly),
        range(6, 12),
        vector_settings.model,
        Augmentation(),
        np.random.default_rng(0),
    )
    loss = module.training_step(batch, 0)
    loss.backward()
    gradients = {name: p.grad for name, p in module.model.named_parameters() if p.grad is not None}
    assert gradients["head.group_head.0.weight"].any()
    assert not gradients["head.activity_head.3.weight"].any()


class OtherHead(Head):
    """As another package has one: its classifiers have names of their own."""

    has_groups = True

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.classify = nn.Linear(config.feature_size, len(config.taxonomy.activities))
        self.sort = nn.Linear(config.feature_size, len(config.taxonomy.group_names))

    def forward(self, features: Tensor, mask: Tensor, unimodal_logits: Tensor | None) -> HeadOutput:  # noqa: ARG002
        weights = equal_weights(mask, features)
        fused = torch.einsum("bm,bmd->bd", weights, features)
        return HeadOutput(self.classify(fused), self.sort(fused), weights, weights)


def test_a_fusion_of_another_package_learns_groups_if_it_says_that_it_has_them(
    vector_settings: Settings, vector_windows: WindowSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FUSIONS._own, "other", f"{__name__}:OtherHead")
    settings = replace(vector_settings, model=replace(vector_settings.model, fusion="other"))
    for has_groups in (True, False):
        monkeypatch.setattr(OtherHead, "has_groups", has_groups)
        module = NetworkModule(Network(settings.model), vector_windows, settings)
        rng = np.random.default_rng(0)
        module.training_step(augment(vector_windows, range(12), settings.model, Augmentation(), rng), 0).backward()
        gradients = {name: p.grad for name, p in module.model.named_parameters() if p.grad is not None}
        assert gradients["head.classify.weight"].any()
        assert gradients["head.sort.weight"].any() == has_groups


def test_a_clip_may_be_labelled_with_its_group(
    write_folder: Callable[[Path], Path], tmp_path: Path, no_processes: None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_folder(tmp_path / "data")
    clips = path.with_name("clips.csv")
    lines = clips.read_text().splitlines()
    named = [line.replace(",walk", ",gait").replace(",wave", ",gesture") for line in lines[5:]]
    clips.write_text("\n".join([*lines[:5], *named]))
    settings = read_settings(path)
    windows = load_windows(settings.model, settings.data).windows
    assert sorted(windows.activity) == [-2] * 4 + [-1] * 4 + [0, 0, 1, 1]

    teacher, student = tmp_path / "teacher", tmp_path / "student"
    assert cli.main(["train", str(path), "labels.unlabelled=false", "labels.input=group", "--out", str(teacher)]) == 0
    assert cli.main(["train", str(path), "--teacher", str(teacher), "--out", str(student)]) == 0
    text = capsys.readouterr().out
    assert "on 4 windows, 4 of them with an activity" in text
    assert "on 12 windows, 12 of them with an activity" in text
    assert cli.main(["test", str(student), "folder", str(tmp_path / "data")]) == 0
    assert "4 clips, 4 windows of 1 subjects" in capsys.readouterr().out


# What the loss makes of them


@pytest.fixture
def output(vector_settings: Settings, vector_windows: WindowSet):  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    inputs, masks = vector_windows.batch(range(12))
    model = Network(vector_settings.model).eval()
    return model(
        {k: torch.from_numpy(v) for k, v in inputs.items()}, {k: torch.from_numpy(v) for k, v in masks.items()}
    )


def test_what_is_not_labelled_weighs_nothing_but_its_group_does(output, vector_windows: WindowSet) -> None:  # type: ignore[no-untyped-def]
    loss = MuMuLoss(0.5, deep_supervision_weight=1.0, label_smoothing=0.1)
    activity = torch.from_numpy(vector_windows.activity)
    group = (activity == 2).long()
    labels = torch.nn.functional.one_hot(activity, 3).float()
    labels[6:] = 0
    parts, all_told = loss(output, labels, group), loss(output, activity, group)
    fewer = type(output)(**{k: v[:6] for k, v in vars(output).items() if v is not None})
    told = loss(fewer, activity[:6], group[:6])
    assert torch.isclose(parts.target, told.target)
    assert torch.isclose(parts.unimodal, told.unimodal)
    assert torch.equal(parts.auxiliary, all_told.auxiliary)
    labels[:] = 0
    nothing = loss(output, labels, group)
    assert nothing.target == 0
    assert nothing.unimodal == 0
    nothing.total.backward()


def test_one_hot_labels_are_the_activities(output, vector_windows: WindowSet) -> None:  # type: ignore[no-untyped-def]
    loss = MuMuLoss(0.5, deep_supervision_weight=1.0, label_smoothing=0.1)
    activity = torch.from_numpy(vector_windows.activity)
    hard = loss(output, activity, activity // 2)
    soft = loss(output, torch.nn.functional.one_hot(activity, 3).float(), activity // 2)
    assert torch.isclose(hard.total, soft.total)


def test_frames_without_a_label_teach_no_activity(vector_windows: WindowSet) -> None:
    frames = {"rgb": np.zeros((12, 32, 32, 3), np.uint8)}
    windows = replace(vector_windows, frames=frames, indices={"rgb": np.arange(12, dtype=np.int32)[:, None]})
    labels = np.zeros((12, 3), np.float32)
    labels[3:5] = [[0, 0.3, 0.7], [0, 1, 0]]
    indices, activity = labelled_frames(replace(windows, labels=labels), "rgb")
    assert (indices.tolist(), activity.tolist()) == ([3, 4], [2, 1])


# A label as an input


@pytest.mark.parametrize(("label", "expected"), [("group", [0, 0, 1]), ("activity", [0, 1, 2])])
def test_a_label_is_one_more_modality(
    vector_settings: Settings, vector_windows: WindowSet, label: str, expected: list[int]
) -> None:
    config = with_label_input(vector_settings.model, label)  # type: ignore[arg-type]
    assert config.names == (*vector_settings.model.names, f"{label}_label")
    assert config.measured == vector_settings.model.modalities
    inputs, masks = show_labels(vector_windows, config).batch(range(3))
    assert inputs[f"{label}_label"].argmax(axis=2).ravel().tolist() == expected
    assert masks[f"{label}_label"].all()


@read_only
@given(seed=st.integers(0, 1000))
def test_no_augmentation_touches_a_label(vector_settings: Settings, vector_windows: WindowSet, seed: int) -> None:
    config = with_label_input(vector_settings.model, "group")
    windows = show_labels(vector_windows, config)
    strong = replace(vector_settings.augmentation, modality_dropout=0.9, corruption=0.9, crop=0.4)
    batch = augment(windows, range(12), config, strong, np.random.default_rng(seed))
    np.testing.assert_array_equal(batch.inputs["group_label"], windows.vectors["group_label"])
    assert batch.masks["group_label"].all()
    assert not batch.corrupted[:, config.names.index("group_label")].any()
    sensors = torch.stack([batch.masks[m.name].any(dim=1) for m in config.measured])
    assert sensors.any(dim=0).all()


def test_augmentation_without_label_inputs_is_as_before(vector_settings: Settings, vector_windows: WindowSet) -> None:
    """A training that is repeated gives the same weights: with or without a label, sensors meet the same."""
    config = with_label_input(vector_settings.model, "group")
    plain, shown = (
        augment(show_labels(vector_windows, c), range(12), c, vector_settings.augmentation, np.random.default_rng(0))
        for c in (vector_settings.model, config)
    )
    for name in vector_settings.model.names:
        assert torch.equal(plain.inputs[name], shown.inputs[name])
        assert torch.equal(plain.masks[name], shown.masks[name])


def test_a_label_of_another_size_is_refused(vector_settings: Settings) -> None:
    wrong = Modality("group_label", "vector", (5, 1), 1.0, "cooccurrence1d", label="group")
    with pytest.raises(ConfigError, match=r"its label is one of 2: expected vector, \(2, 1\)"):
        replace(vector_settings.model, modalities=(*vector_settings.model.modalities, wrong))


def test_loading_shows_the_label(write_folder: Callable[[Path], Path], tmp_path: Path, no_processes: None) -> None:
    path = write_folder(tmp_path / "data")
    settings = read_settings(path, ("labels.input=activity",))
    windows = load_windows(settings.model, settings.data).windows
    np.testing.assert_array_equal(windows.vectors["activity_label"][:, 0, :, 0].argmax(axis=1), windows.activity)


def test_results_of_before_go_on(vector_settings: Settings, tmp_path: Path) -> None:
    """What older versions wrote down of a training says nothing about labels."""
    path = tmp_path / "settings.json"
    reserve(path, vector_settings)
    old = json.loads(path.read_text())
    del old["labels"]
    for modality in old["model"]["modalities"]:
        del modality["label"]
    path.write_text(json.dumps(old))
    reserve(path, vector_settings)
    path.write_text(json.dumps(old))
    with pytest.raises(ConfigError, match=r"labels"):
        reserve(path, replace(vector_settings, labels=Labels(share=0.5)))
