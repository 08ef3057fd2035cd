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

"""Preprocessing: geometry, units, what is refused, and the layout of a batch."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mumu_ros.model.config import ModelConfig
from mumu_ros.model.modality import Modality
from mumu_ros.model.preprocessing import Preprocessing, SampleError, resize_image
from mumu_ros.model.taxonomy import Taxonomy


def make() -> Preprocessing:
    modalities = (
        Modality("rgb", "rgb", (32, 40, 3), 5, "small_cnn"),
        Modality("depth", "depth", (32, 32, 1), 5, "small_cnn", range_m=(0.5, 4.0)),
        Modality("imu", "vector", (2, 3), 10, "cooccurrence"),
    )
    return Preprocessing(ModelConfig("t", modalities, Taxonomy("t", {"g": ("a", "b")}), window_s=1.0))


PREPROCESSING = make()
sizes = st.tuples(st.integers(1, 90), st.integers(1, 90))


@given(sizes, st.integers(0, 255))
@settings(max_examples=30, deadline=None)
def test_rgb_is_resized_and_keeps_its_bytes(size: tuple[int, int], value: int) -> None:
    prepared = PREPROCESSING.prepare("rgb", np.full((*size, 3), value, np.uint8))
    assert prepared.shape == (32, 40, 3)
    assert prepared.dtype == np.uint8
    assert (prepared == value).all()


def test_rgb_is_averaged_over_area() -> None:
    checkerboard = np.zeros((64, 80, 3), np.uint8)
    checkerboard[::2, ::2] = checkerboard[1::2, 1::2] = 200
    assert (PREPROCESSING.prepare("rgb", checkerboard) == 100).all()


@given(hnp.arrays(np.uint16, hnp.array_shapes(min_dims=2, max_dims=2, max_side=60)))
@settings(max_examples=40, deadline=None)
def test_depth_in_millimetres_and_in_metres_agree(millimetres: np.ndarray) -> None:
    prepared = PREPROCESSING.prepare("depth", millimetres)
    metres = np.where(millimetres == 0, np.nan, millimetres / 1000).astype(np.float32)
    np.testing.assert_allclose(PREPROCESSING.prepare("depth", metres), prepared, rtol=1e-6)
    assert prepared.dtype == np.float32
    assert prepared.shape == (32, 32, 1)
    # Nothing in between: each value is a reading of the image, clipped, or "no reading".
    possible = np.where(millimetres == 0, 0, np.clip(millimetres / 1000, 0.5, 4.0)).astype(np.float32)
    assert np.isclose(np.setdiff1d(prepared, possible)[:, None], possible.reshape(1, -1)).any(axis=1).all()


@pytest.mark.parametrize("nothing", [0.0, -1.0, np.nan, np.inf, -np.inf])
def test_depth_without_a_reading_is_zero(nothing: float) -> None:
    assert (PREPROCESSING.prepare("depth", np.full((32, 32), nothing, np.float32)) == 0).all()


def test_vectors_become_float32() -> None:
    prepared = PREPROCESSING.prepare("imu", np.arange(6, dtype=np.float64).reshape(2, 3))
    assert prepared.dtype == np.float32
    np.testing.assert_array_equal(prepared, [[0, 1, 2], [3, 4, 5]])


@pytest.mark.parametrize(("name", "kind"), [("depth", ">u2"), ("depth", ">f4"), ("imu", ">f4"), ("imu", ">i2")])
def test_the_byte_order_does_not_matter(name: str, kind: str) -> None:
    sample = np.random.default_rng(0).uniform(1, 4, (50, 60) if name == "depth" else (2, 3)).astype(kind)
    native = sample.astype(kind.replace(">", "="))
    np.testing.assert_array_equal(PREPROCESSING.prepare(name, sample), PREPROCESSING.prepare(name, native))


def test_preparing_what_is_prepared_changes_nothing() -> None:
    generator = np.random.default_rng(0)
    raw = {
        "rgb": generator.integers(0, 256, (50, 60, 3), np.uint8),
        "depth": generator.integers(0, 9000, (50, 60), np.uint16),
        "imu": generator.normal(size=(2, 3)),
    }
    for name, sample in raw.items():
        once = PREPROCESSING.prepare(name, sample)
        np.testing.assert_array_equal(PREPROCESSING.prepare(name, once), once)
    right = generator.integers(0, 256, (32, 40, 3), np.uint8)
    assert PREPROCESSING.prepare("rgb", right) is right


@pytest.mark.parametrize(
    ("name", "sample", "message"),
    [
        ("sonar", np.zeros(3), "no modality 'sonar'; the model has rgb, depth, imu"),
        ("rgb", [[1]], "rgb: got a list; expected a numpy array"),
        ("rgb", np.zeros((9, 9, 3), np.float32), r"rgb: got float32 of shape \(9, 9, 3\).*uint8"),
        ("rgb", np.zeros((9, 9), np.uint8), r"rgb: got uint8 of shape \(9, 9\)"),
        ("rgb", np.zeros((9, 9, 4), np.uint8), r"shape \(9, 9, 4\)"),
        ("rgb", np.zeros((0, 9, 3), np.uint8), "non-empty"),
        ("depth", np.zeros((9, 9), np.uint8), "depth: got uint8 .* uint16 millimetres or float32 metres"),
        ("depth", np.zeros((9, 9, 2), np.uint16), r"shape \(9, 9, 2\)"),
        ("depth", np.zeros((9, 0), np.uint16), "non-empty"),
        ("imu", np.zeros(6), r"imu: got float64 of shape \(6,\); expected real numbers of shape \(2, 3\)"),
        ("imu", np.zeros((2, 3), complex), "got complex128"),
        ("imu", np.full((2, 3), np.nan), r"imu: got nan \(6 of 6 numbers\); expected finite"),
        ("imu", np.full((2, 3), 1e300), r"got 1e\+300 "),
    ],
)
def test_what_is_not_expected_is_refused_by_name(name: str, sample: Any, message: str) -> None:
    with pytest.raises(SampleError, match=message):
        PREPROCESSING.prepare(name, sample)


def test_resize_keeps_the_axes_it_is_given() -> None:
    assert resize_image(np.zeros((10, 12), np.uint16), (5, 6)).shape == (5, 6)
    assert resize_image(np.zeros((10, 12, 1), np.float32), (5, 6)).shape == (5, 6, 1)


def series(samples: Any, mask: Any) -> SimpleNamespace:
    return SimpleNamespace(samples=samples, mask=np.asarray(mask, bool))


def test_batch_aligns_to_the_newest_step_and_masks_the_rest() -> None:
    frames = tuple(np.full((32, 40, 3), value, np.uint8) for value in (1, 2, 3))
    vectors = np.arange(60, dtype=np.float32).reshape(10, 2, 3)
    vectors[4] = np.nan
    there = np.arange(10) != 4
    window = SimpleNamespace(series={"rgb": series(frames, [1, 1, 1]), "imu": series(vectors, there)})
    empty = SimpleNamespace(series={})

    inputs, masks = PREPROCESSING.batch([window, empty])

    assert inputs["rgb"].shape == (2, 5, 32, 40, 3)
    assert inputs["rgb"].dtype == np.uint8
    assert inputs["rgb"][0, :, 0, 0, 0].tolist() == [0, 0, 1, 2, 3]
    assert masks["rgb"].tolist() == [[False, False, True, True, True], [False] * 5]
    assert not masks["depth"].any()
    assert inputs["depth"].shape == (2, 5, 32, 32, 1)
    np.testing.assert_array_equal(masks["imu"][0], there)
    np.testing.assert_array_equal(inputs["imu"][0][there], vectors[there])
    assert (inputs["imu"][0, 4] == 0).all()
    assert not masks["imu"][1].any()


def test_batch_takes_the_newest_of_too_many_frames() -> None:
    frames = tuple(np.full((32, 40, 3), value, np.uint8) for value in range(8))
    inputs, masks = PREPROCESSING.batch([SimpleNamespace(series={"rgb": series(frames, [1] * 8)})])
    assert inputs["rgb"][0, :, 0, 0, 0].tolist() == [3, 4, 5, 6, 7]
    assert masks["rgb"].all()


def test_batch_refuses_samples_that_were_not_prepared() -> None:
    window = SimpleNamespace(series={"rgb": series((np.zeros((9, 9, 3), np.uint8),), [1])})
    with pytest.raises(SampleError, match=r"rgb: a window holds shape \(9, 9, 3\)"):
        PREPROCESSING.batch([window])
