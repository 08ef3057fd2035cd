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

"""UTD-MHAD comes out in SI units, in the camera's optical frame and not mirrored; damaged files are named."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy", reason="UTD-MHAD needs scipy (extra train)")
from hypothesis import given, settings
from hypothesis import strategies as st

from mumu_ros.datasets.utd_mhad import (
    ACTIONS,
    GROUPS,
    DatasetError,
    UtdMhad,
    inertial_site,
)
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.share import share_path

REPOSITORY = Path(__file__).parents[2]
DATA = Path(os.environ.get("MUMU_UTD_MHAD", REPOSITORY.parent / "shared/data/utd_mhad"))
FRAMES, SAMPLES = 4, 11


@pytest.fixture(scope="module")
def dataset_root(tmp_path_factory, write_trial):
    root = tmp_path_factory.mktemp("utd_mhad")
    for name in ("a1_s1_t1", "a27_s1_t2", "a3_s2_t1", "a3_s2_t2"):
        write_trial(root, name)
    (root / "Depth" / "readme.txt").touch()
    return root


def test_units_axes_and_sides_become_those_of_ros(tmp_path, write_trial):
    raw = write_trial(tmp_path, "a3_s2_t4")
    (clip,) = UtdMhad(tmp_path)
    assert (clip.subject, clip.action, clip.trial, clip.name) == (2, 3, 4, "a3_s2_t4")
    assert (clip.activity, clip.group) == ("wave", "hand_gesture")
    assert clip.depth.dtype == np.uint16
    assert clip.depth.shape == (FRAMES, 240, 320)
    assert clip.depth.flags.c_contiguous
    # The Kinect mirrors the picture; its skeleton has x to the left and y up.
    assert clip.depth[2, 7, 30] == raw["depth"][7, 319 - 30, 2]
    np.testing.assert_array_equal(clip.skeleton[1, 5], raw["skeleton"][5, :, 1] * (-1, -1, 1))
    assert clip.inertial.shape == (SAMPLES, 2, 3)
    np.testing.assert_allclose(clip.inertial[3, 0], raw["inertial"][3, :3] * 9.80665)
    np.testing.assert_allclose(clip.inertial[3, 1], np.deg2rad(raw["inertial"][3, 3:]))


def test_clips_come_by_subject_action_and_trial(dataset_root):
    dataset = UtdMhad(dataset_root)
    assert dataset.clips == ((1, 1, 1), (1, 27, 2), (2, 3, 1), (2, 3, 2))
    assert [(c.subject, c.action, c.trial) for c in dataset] == list(dataset.clips)
    assert len(dataset) == 4
    assert dataset.skipped == {}


def test_subjects_activities_and_modalities_select(dataset_root):
    assert UtdMhad(dataset_root, subjects=[2]).clips == ((2, 3, 1), (2, 3, 2))
    assert UtdMhad(dataset_root, activities=["squat"]).clips == ((1, 27, 2),)
    clip = next(iter(UtdMhad(dataset_root, modalities=["inertial"])))
    assert clip.depth is None
    assert clip.skeleton is None
    assert clip.inertial.shape == (SAMPLES, 2, 3)


def test_all_modalities_share_the_time_of_the_frames(dataset_root):
    clip = next(iter(UtdMhad(dataset_root)))
    assert clip.duration_ns == round(FRAMES / 30 * 1e9)
    for modality, count in (("depth", FRAMES), ("skeleton", FRAMES), ("inertial", SAMPLES)):
        stamps = clip.stamps_ns(modality, start_ns=7)
        np.testing.assert_allclose(stamps - 7, np.arange(count) * clip.duration_ns / count, atol=1)


def test_what_was_not_read_is_asked_for_in_vain(dataset_root):
    clip = next(iter(UtdMhad(dataset_root, modalities=["inertial"])))
    with pytest.raises(ValueError, match="depth of a1_s1_t1 was not read"):
        clip.samples("depth")
    with pytest.raises(ValueError, match="was not read"):
        clip.stamps_ns("inertial")


@pytest.mark.parametrize(
    ("modality", "array", "text"),
    [
        ("inertial", np.full((SAMPLES, 6), np.nan), "66 of 66 values are not finite"),
        ("skeleton", np.full((20, 3, FRAMES), np.inf), "not finite"),
        ("inertial", np.zeros((SAMPLES, 5)), r"shape \(11, 5\) is not any × 6"),
        ("inertial", np.zeros((0, 6)), r"shape \(0, 6\)"),
        ("skeleton", np.zeros((19, 3, FRAMES)), "is not 20 × 3 × any"),
        ("skeleton", np.zeros((20, 3, FRAMES + 1)), "differ in length"),
        ("depth", np.zeros((240, 320, FRAMES)), "float64, not uint16"),
        ("depth", np.zeros((240, 321, FRAMES), np.uint16), "is not 240 × 320 × any"),
    ],
)
def test_a_clip_with_senseless_data_is_skipped_and_named(tmp_path, write_trial, modality, array, text):
    write_trial(tmp_path, "a1_s1_t1", **{modality: array})
    write_trial(tmp_path, "a1_s1_t2")
    dataset = UtdMhad(tmp_path)
    assert [clip.name for clip in dataset] == ["a1_s1_t2"]
    ((path, reason),) = dataset.skipped.items()
    assert path.name.startswith("a1_s1_t1")
    with pytest.raises(DatasetError, match=text):
        raise DatasetError(reason)


def test_a_clip_with_a_missing_file_is_skipped_and_named(tmp_path, write_trial):
    write_trial(tmp_path, "a1_s1_t1")
    (tmp_path / "Skeleton" / "a1_s1_t1_skeleton.mat").unlink()
    dataset = UtdMhad(tmp_path)
    assert list(dataset) == []
    assert dataset.skipped == {tmp_path / "Skeleton" / "a1_s1_t1_skeleton.mat": "the file is missing"}


@settings(deadline=None, max_examples=60)
@given(keep=st.floats(0, 0.98))
def test_a_truncated_file_is_skipped_and_named(keep, dataset_root, tmp_path_factory):
    root = tmp_path_factory.mktemp("cut")
    whole = (dataset_root / "Inertial" / "a1_s1_t1_inertial.mat").read_bytes()
    path = root / "Inertial" / "a1_s1_t1_inertial.mat"
    path.parent.mkdir()
    path.write_bytes(whole[: int(keep * len(whole))])
    dataset = UtdMhad(root, modalities=["inertial"])
    assert list(dataset) == []
    assert list(dataset.skipped) == [path]


def test_a_folder_that_is_not_the_dataset_is_refused(tmp_path):
    with pytest.raises(DatasetError, match=r"Depth is not there; .* should hold Depth, Skeleton and Inertial"):
        UtdMhad(tmp_path)


@pytest.mark.parametrize(
    ("selection", "text"),
    [
        ({"activities": ["nap"]}, "activity nap is unknown; expected some of swipe_left"),
        ({"modalities": ["rgb"]}, "modality rgb is unknown"),
        ({"subjects": [7]}, r"has no clip of subjects \[7\]"),
        ({"subjects": [2], "activities": ["squat"]}, r"no clip of subjects \[2\] and activities \['squat'\]"),
    ],
)
def test_a_selection_that_cannot_be_meant_is_refused(dataset_root, selection, text):
    with pytest.raises(DatasetError, match=text):
        UtdMhad(dataset_root, **selection)


def test_the_taxonomy_file_has_these_groups_of_the_papers_sizes():
    taxonomy = Taxonomy.read(share_path("config", "taxonomies", "utd_mhad.yaml"))
    assert taxonomy.groups == dict(GROUPS)
    assert [len(actions) for actions in GROUPS.values()] == [9, 9, 5, 4]
    assert sorted(taxonomy.activities) == sorted(ACTIONS)
    assert len(ACTIONS) == 27


def test_the_sensor_is_on_the_thigh_from_action_22_on():
    assert [inertial_site(action) for action in (1, 21, 22, 27)] == ["wrist", "wrist", "thigh", "thigh"]


needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"no UTD-MHAD at {DATA}: set MUMU_UTD_MHAD to the folder with Depth, Skeleton, Inertial"
)


@needs_data
@pytest.mark.data
def test_the_real_dataset_has_the_clips_that_it_is_known_to_have():
    clips = UtdMhad(DATA).clips
    per_cell = Counter((subject, action) for subject, action, _ in clips)
    three = {(1, 8), (6, 23), (8, 27)} & set(per_cell)
    assert {cell for cell, count in per_cell.items() if count == 3} == three
    assert set(per_cell.values()) <= {3, 4}
    assert {action for _, action in per_cell} == set(range(1, 28))


@needs_data
@pytest.mark.data
def test_real_people_stand_upright_on_the_proper_side_under_gravity():
    dataset = UtdMhad(DATA, subjects=[1, 2], activities=["wave", "squat"])
    for clip in dataset:
        head, hip, foot = (clip.skeleton[:, joint] for joint in (0, 3, 15))
        assert (head[:, 1] < hip[:, 1]).all(), "y is down"
        assert (hip[:, 1] < foot[:, 1]).all(), "y is down"
        right, left = clip.skeleton[:, 8, 0], clip.skeleton[:, 4, 0]
        assert np.median(right - left) < 0, "who faces the camera has the right shoulder at its left"
        # Kinect 1 at 320 × 240: the spine's joint lies on the silhouette, at its depth.
        x, y, z = clip.skeleton[:, 2].T
        u, v = (160 + 285 * x / z).astype(int), (120 + 285 * y / z).astype(int)
        depth = clip.depth[np.arange(len(z)), v, u]
        assert np.median(np.abs(depth - 1000 * z)) < 250
        assert 8 < np.median(np.linalg.norm(clip.inertial[:, 0], axis=1)) < 12
    assert dataset.skipped == {}
