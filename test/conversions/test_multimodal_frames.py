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

"""A MultimodalFrame gives back every sample that was put in, each with its own stamp."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mumu_ros.conversions import ConversionError, frame_to_samples, samples_to_frame
from mumu_ros.recordings.typestore import BagTypes

BAG_TYPES = BagTypes()


@given(
    shapes=st.dictionaries(
        st.text("abc_", min_size=1, max_size=5), st.sampled_from([(2, 3), (20, 3), (7,)]), max_size=3
    ),
    counts=st.lists(st.integers(1, 6), min_size=3, max_size=3),
    image_kinds=st.lists(st.sampled_from(["rgb", "depth"]), max_size=2, unique=True),
    start_ns=st.integers(0, 2**60),
)
def test_every_sample_survives_a_bag(shapes, counts, image_kinds, start_ns):
    rng = np.random.default_rng(0)
    images = {}
    for kind in image_kinds:
        pixels = rng.integers(0, 255, (4, 6, 3) if kind == "rgb" else (4, 6))
        images[kind] = (start_ns, f"{kind}_frame", pixels.astype(np.uint8 if kind == "rgb" else np.uint16))
    series = {}
    for (name, shape), count in zip(shapes.items(), counts, strict=False):
        stamps = [start_ns + 5_000_000 * i for i in range(count)]
        series[name] = (stamps, [rng.normal(size=shape).astype(np.float32) for _ in stamps])
    frame = samples_to_frame(start_ns, "camera", images, series, BAG_TYPES, epoch=3, missing=["late"])
    store = BAG_TYPES.typestore
    type_name = "mumu_ros/msg/MultimodalFrame"
    frame = store.deserialize_cdr(store.serialize_cdr(frame, type_name), type_name)

    assert frame.epoch == 3
    assert frame.missing == ["late"]
    expected = [(name, stamp, pixels) for name, (stamp, _, pixels) in images.items()]
    for name, (stamps, samples) in series.items():
        expected += [(name, stamp, sample) for stamp, sample in zip(stamps, samples, strict=True)]
    actual = list(frame_to_samples(frame))
    assert [(name, stamp) for name, stamp, _ in actual] == [(name, stamp) for name, stamp, _ in expected]
    for (_, _, array), (_, _, original) in zip(actual, expected, strict=True):
        assert array.dtype == original.dtype
        np.testing.assert_array_equal(array, original)


def test_samples_are_stored_in_single_precision(own_types):
    frame = samples_to_frame(9, "c", {}, {"imu": ([1, 2], [np.full((2, 3), 0.1)] * 2)}, own_types)
    samples = list(frame_to_samples(frame))
    assert [(name, stamp) for name, stamp, _ in samples] == [("imu", 1), ("imu", 2)]
    np.testing.assert_array_equal(samples[0][2], np.full((2, 3), 0.1, np.float32))


def test_samples_are_read_where_they_lie(own_types):
    images = {"rgb": (9, "c", np.zeros((4, 4, 3), np.uint8)), "depth": (9, "c", np.zeros((4, 4), np.uint16))}
    frame = samples_to_frame(9, "c", images, {"imu": ([1, 2], [np.zeros((2, 3))] * 2)}, own_types)
    memory = {part.name: np.frombuffer(part.image.data, np.uint8) for part in frame.images}
    memory["imu"] = np.frombuffer(frame.series[0].data, np.float32)
    for name, _, sample in frame_to_samples(frame):
        assert np.shares_memory(sample, memory[name])


def test_a_series_that_does_not_fit_its_shape_is_refused_by_name(own_types):
    frame = samples_to_frame(9, "c", {}, {"imu": ([1, 2], [np.zeros((2, 3))] * 2)}, own_types)
    frame.series[0].data = frame.series[0].data[:-1]
    with pytest.raises(ConversionError, match=r"stream 'imu': 11 values are not 2 samples of shape \[2, 3\]"):
        list(frame_to_samples(frame))


def test_an_image_that_is_truncated_is_refused_by_name(own_types):
    frame = samples_to_frame(9, "c", {"rgb": (9, "c", np.zeros((4, 4, 3), np.uint8))}, {}, own_types)
    frame.images[0].image.data = frame.images[0].image.data[:-1]
    with pytest.raises(ConversionError, match="stream 'rgb': image is truncated"):
        list(frame_to_samples(frame))


def test_an_array_that_is_no_image_is_refused_by_name(own_types):
    with pytest.raises(ConversionError, match="stream 'rgb': float64"):
        samples_to_frame(9, "c", {"rgb": (9, "c", np.zeros((4, 4, 3)))}, {}, own_types)


@given(
    shape=st.lists(st.sampled_from([0, 1, 2, 3, 6, 2**16, 2**32 - 1]), max_size=70),
    count=st.integers(0, 3),
    values=st.integers(0, 18),
)
def test_a_series_of_any_shape_is_read_or_refused_and_costs_no_other_part(shape, count, values):
    frame = samples_to_frame(
        9, "c", {}, {"bad": ([1], [np.zeros((2, 3))]), "good": ([2], [np.ones((2, 3))])}, BAG_TYPES
    )
    bad = frame.series[0]
    bad.shape = np.array(shape, np.uint32)
    bad.stamps_ns = np.arange(count, dtype=np.int64)
    bad.data = np.zeros(values, np.float32)
    errors: list[tuple[str, ConversionError]] = []
    found = list(frame_to_samples(frame, lambda name, error: errors.append((name, error))))
    assert [name for name, _, _ in found if name == "good"] == ["good"]
    assert all(sample.shape == tuple(shape) for name, _, sample in found if name == "bad")
    assert len(errors) + (len(found) > 1 or count == 0) >= 1
    assert all(name == "bad" and len(str(error)) < 300 for name, error in errors)


def test_a_bad_image_costs_no_other_part(own_types):
    images = {"rgb": (9, "c", np.zeros((4, 4, 3), np.uint8)), "depth": (9, "c", np.zeros((4, 4), np.uint16))}
    frame = samples_to_frame(9, "c", images, {"imu": ([1, 2], [np.zeros((2, 3))] * 2)}, own_types)
    frame.images[0].image.width = 2**32 - 1
    errors: list[str] = []
    names = [name for name, _, _ in frame_to_samples(frame, lambda name, _: errors.append(name))]
    assert names == ["depth", "imu", "imu"]
    assert errors == ["rgb"]
