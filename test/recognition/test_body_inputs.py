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

"""What a model is given of one person."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mumu_ros.datasets.utd_mhad import UtdMhad
from mumu_ros.model.checkpoint import read_config
from mumu_ros.model.modality import Modality
from mumu_ros.model.preprocessing import Preprocessing, SampleError
from mumu_ros.recognition.body_inputs import PersonSamples, check_background, reframe
from mumu_ros.share import share_path
from mumu_ros.skeletons import convert

from .conftest import make_person

REPOSITORY = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("MUMU_UTD_MHAD", REPOSITORY.parent / "shared/data/utd_mhad"))
DEPTH = Modality("depth", "depth", (48, 64, 1), 10.0, "pose_cnn", joints=5, body=(0, 1, 2, 3))


@given(distance=st.floats(1.0, 6.0), side=st.floats(0.2, 1.0), focal=st.floats(0.6, 1.2), wanted=st.floats(0.6, 1.2))
def test_a_plate_is_as_large_in_metres_whatever_the_focal_length(
    distance: float, side: float, focal: float, wanted: float
) -> None:
    """A square plate before the camera, drawn for one focal length, reframed, and measured with the other."""
    across = (np.arange(128) - 63.5) / 128 * distance / focal
    down = (np.arange(96) - 47.5) / 128 * distance / focal
    plate = (np.abs(across) < side / 2)[None, :] & (np.abs(down) < side / 2)[:, None]
    image = np.where(plate, np.uint16(round(distance * 1000)), np.uint16(0))
    seen = reframe(image, focal, wanted)
    assert set(np.unique(seen)) <= {0, round(distance * 1000)}
    pixel_m = distance / (128 * wanted)
    width_m = np.count_nonzero(seen[48]) * pixel_m
    drawn_m = np.count_nonzero(image[48]) * distance / (128 * focal)
    assert width_m == pytest.approx(min(drawn_m, 128 * pixel_m), abs=1.01 * pixel_m + 1e-6)


def test_joints_come_in_the_models_layout_and_unseen_ones_are_nan_where_the_model_masks_them() -> None:
    masked = Modality("skeleton", "vector", (20, 3), 20.0, "cooccurrence1d", stride=2, layout="kinect20")
    plain = Modality("old", "vector", (20, 3), 20.0, "cooccurrence", stride=2)
    assert masked.joint_layout == plain.joint_layout == "kinect20"
    assert Modality("imu", "vector", (2, 3), 50.0, "cooccurrence", stride=5).joint_layout == ""
    samples = PersonSamples([masked, plain, DEPTH])
    whole, hidden = make_person("anna1", 0), make_person("anna1", 1, unseen=(15, 17, 19, 21))
    first = dict(samples.of(10**18, "blazepose33", whole))
    assert first.keys() == {"skeleton", "old", "depth"}
    np.testing.assert_array_equal(first["skeleton"], convert(whole.joints, "blazepose33", "kinect20"))
    moment = dict(samples.of(10**18 + 50_000_000, "blazepose33", hidden))
    missing = np.isnan(moment["skeleton"]).any(axis=1)
    assert missing.any()
    np.testing.assert_array_equal(moment["old"][missing], first["old"][missing])
    np.testing.assert_array_equal(moment["old"][~missing], moment["skeleton"][~missing])
    assert "old" not in dict(samples.of(10**18 + 500_000_000, "blazepose33", hidden))
    nobody = make_person("anna1", 2, unseen=tuple(range(33)))
    assert dict(samples.of(10**18 + 600_000_000, "blazepose33", nobody)).keys() == {"depth"}


@given(share=st.floats(0, 1), kind=st.sampled_from([np.uint16, np.float32]), seed=st.integers(0, 100))
def test_a_picture_is_refused_by_its_share_of_readings_and_for_pose_models_only(
    share: float, kind: type, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    there = rng.random((48, 64)) < share
    depth = np.where(there, 2500 if kind is np.uint16 else 2.5, 0 if kind is np.uint16 else np.nan).astype(kind)
    check_background(Modality("depth", "depth", (48, 64, 1), 10.0, "small_cnn"), depth)
    if there.mean() <= 0.4:
        check_background(DEPTH, depth)
    else:
        with pytest.raises(SampleError, match=r"depth: \d+% of the pixels.*background"):
            check_background(DEPTH, depth)


@pytest.mark.parametrize("depth", [[[1, 2], [3, 4]], None, np.zeros((2, 2), "U1"), np.zeros((0, 2), np.uint16)])
def test_what_is_no_depth_picture_is_left_to_whoever_refuses_it_by_name(people_model: Path, depth: Any) -> None:
    check_background(DEPTH, depth)
    with pytest.raises(SampleError, match="depth: got "):
        Preprocessing(read_config(people_model)).prepare("depth", depth)


@pytest.mark.skipif(not DATA.is_dir(), reason="UTD-MHAD is not here: set MUMU_UTD_MHAD")
@pytest.mark.parametrize("subject", [1, 4, 6])
def test_of_real_people_those_with_a_wall_behind_are_refused(subject: int) -> None:
    modality = read_config(share_path("models") / "utd-mhad-dp").modality("depth")
    clips = UtdMhad(DATA, modalities=("depth",), subjects=[subject])
    rng = np.random.default_rng(subject)
    for number in rng.choice(len(clips), 4, replace=False):
        clip = clips.read(*clips.clips[number])
        assert clip is not None
        for depth in clip.samples("depth")[::15]:
            check_background(modality, depth)
            wall = rng.random(depth.shape) < 0.8  # a sensor has holes
            with pytest.raises(SampleError, match="background"):
                check_background(modality, np.where((depth == 0) & wall, np.uint16(3500), depth))
