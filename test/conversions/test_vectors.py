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

"""Vector messages become finite float64 arrays of the stream's shape, or an error that says why not."""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mumu_ros.conversions import (
    SUPPORTED_TYPES,
    ConversionError,
    array_to_imu,
    array_to_pose_array,
    header_stamp_ns,
    ns_to_time,
    segment_to_annotation,
    time_to_ns,
    vector_to_array,
)
from mumu_ros.conversions.vectors import MOST_ACCELERATION, MOST_ANGULAR_VELOCITY
from mumu_ros.recordings.typestore import BagTypes

IMU = "sensor_msgs/msg/Imu"
POSES = "geometry_msgs/msg/PoseArray"
FLOATS = "std_msgs/msg/Float32MultiArray"
JOINTS = "sensor_msgs/msg/JointState"
BAG_TYPES = BagTypes()


def float_array(types, values, offset=0):
    layout = types.message("std_msgs/msg/MultiArrayLayout", dim=[], data_offset=offset)
    return types.message(FLOATS, layout=layout, data=types.sequence(np.asarray(values, np.float32)))


def joint_state(types, values):
    header = types.message("std_msgs/msg/Header", stamp=ns_to_time(5, types), frame_id="")
    none = types.sequence(np.zeros(0))
    return types.message(
        JOINTS,
        header=header,
        name=[f"joint_{i}" for i in range(len(values))],
        position=types.sequence(np.asarray(values, np.float64)),
        velocity=none,
        effort=none,
    )


def test_an_imu_gives_acceleration_then_angular_rate(types):
    sample = np.array([[0.1, -0.2, 9.81], [1.0, -2.0, 3.0]])
    message = array_to_imu(sample, 7_000_000_001, "wrist", types)
    assert message.linear_acceleration.z == 9.81
    assert message.orientation_covariance[0] == -1
    assert header_stamp_ns(message) == 7_000_000_001
    actual = vector_to_array(message, IMU, (2, 3))
    assert actual.dtype == np.float64
    np.testing.assert_array_equal(actual, sample)


@pytest.mark.parametrize("quantity", ["linear_acceleration", "angular_velocity"])
def test_a_quantity_that_the_imu_does_not_measure_is_refused(quantity, types):
    message = array_to_imu(np.zeros((2, 3)), 1, "wrist", types)
    covariance = np.zeros(9)
    covariance[0] = -1
    setattr(message, f"{quantity}_covariance", covariance)
    with pytest.raises(ConversionError, match=rf"does not measure {quantity} .*-1"):
        vector_to_array(message, IMU, (2, 3))


@given(
    acceleration=arrays(np.float64, 3, elements=st.floats(0.01, MOST_ACCELERATION)),
    turn=arrays(np.float64, 3, elements=st.floats(-MOST_ANGULAR_VELOCITY, MOST_ANGULAR_VELOCITY)),
    index=st.tuples(st.integers(0, 1), st.integers(0, 2)),
    bad=st.sampled_from([np.nan, np.inf, -np.inf, 4001.0, -1e5, 3e38, 1e300]),
)
def test_a_value_that_no_imu_measures_is_named_with_its_place(acceleration, turn, index, bad):
    types = BAG_TYPES
    sample = np.stack((acceleration, turn))
    message = array_to_imu(sample, 1, "wrist", types)
    np.testing.assert_array_equal(vector_to_array(message, IMU, (2, 3)), sample)
    sample[index] = bad
    quantity = ("linear_acceleration", "angular_velocity")[index[0]]
    why = "beyond any sensor" if np.isfinite(bad) else "not finite"
    with pytest.raises(ConversionError, match=rf"{quantity} {re.escape(f'{bad:g}')} .* at \[0, {index[1]}\] is {why}"):
        vector_to_array(array_to_imu(sample, 1, "wrist", types), IMU, (2, 3))


def test_a_gyroscope_alone_is_no_imu(types):
    """RealSense publishes two topics by default, each with zeros in its other half."""
    with pytest.raises(ConversionError, match=r"gyroscope only.*angular_velocity_topic.*unite_imu_method"):
        vector_to_array(array_to_imu(np.array([[0, 0, 0], [0.1, 0, 0]]), 1, "camera", types), IMU, (2, 3))


@pytest.mark.parametrize("bad", [np.inf, 1e300, 1001.0])
def test_a_joint_that_is_not_seen_is_passed_on_as_such(bad, types):
    joints = np.random.default_rng(0).normal(size=(5, 3))
    joints[2, 1] = np.nan
    found = vector_to_array(array_to_pose_array(joints, 3, "camera", types), POSES, (5, 3))
    assert np.isnan(found[2]).all()
    np.testing.assert_array_equal(found[[0, 1, 3, 4]], joints[[0, 1, 3, 4]])
    with pytest.raises(ConversionError, match="none of the 5 joints is seen"):
        vector_to_array(array_to_pose_array(np.full((5, 3), np.nan), 3, "camera", types), POSES, (5, 3))
    joints[1, 1] = bad
    with pytest.raises(ConversionError, match=r"position .* at \[1, 1\]"):
        vector_to_array(array_to_pose_array(joints, 3, "camera", types), POSES, (5, 3))


@given(order=st.permutations(["a", "b", "c", "d"]))
def test_joints_that_are_named_are_found_in_any_order(order):
    message = joint_state(BAG_TYPES, [float(ord(name)) for name in order])
    message.name = list(order)
    found = vector_to_array(message, JOINTS, (2,), ("c", "a"))
    np.testing.assert_array_equal(found, [ord("c"), ord("a")])
    message.name = [*order[:-1], "e"]
    if {"c", "a"} <= set(message.name):
        return
    with pytest.raises(ConversionError, match="not there once each"):
        vector_to_array(message, JOINTS, (2,), ("c", "a"))


def test_opposite_infinities_are_not_finite(types):
    with pytest.raises(ConversionError, match="not finite"):
        vector_to_array(joint_state(types, [np.inf, -np.inf]), JOINTS, (2,))


def test_a_skeleton_gives_positions_in_metres(types):
    joints = np.random.default_rng(0).normal(size=(20, 3))
    message = array_to_pose_array(joints, 3, "camera", types)
    assert message.poses[4].orientation.w == 1.0
    np.testing.assert_array_equal(vector_to_array(message, POSES, (20, 3)), joints)


def test_a_float_array_takes_the_streams_shape_and_has_no_stamp(types):
    message = float_array(types, [9, 9, 1, 2, 3, 4], offset=2)
    assert header_stamp_ns(message) is None
    np.testing.assert_array_equal(vector_to_array(message, FLOATS, (2, 2)), [[1, 2], [3, 4]])


def test_joint_positions_keep_the_order_of_the_message(types):
    np.testing.assert_array_equal(vector_to_array(joint_state(types, [0.5, -1.5, 2.5]), JOINTS, (3,)), [0.5, -1.5, 2.5])


@pytest.mark.parametrize(("values", "shape"), [([1, 2, 3], (4,)), ([], (2,)), ([1, 2, 3, 4], (2, 3))])
def test_another_number_of_values_than_the_shape_is_refused(values, shape, types):
    with pytest.raises(ConversionError, match=rf"{len(values)} values in .* needs {int(np.prod(shape))}"):
        vector_to_array(float_array(types, values), FLOATS, shape)


def test_a_skeleton_without_joints_is_refused(types):
    message = array_to_pose_array(np.zeros((0, 3)), 3, "camera", types)
    with pytest.raises(ConversionError, match=r"0 values .*\[20, 3\] needs 60"):
        vector_to_array(message, POSES, (20, 3))


def test_a_type_that_is_no_vector_is_refused_with_those_that_are():
    with pytest.raises(ConversionError, match=r"'sensor_msgs/msg/Image' is not a vector.*sensor_msgs/msg/Imu"):
        vector_to_array(SimpleNamespace(), "sensor_msgs/msg/Image", (2, 3))
    assert {name for name, kind in SUPPORTED_TYPES.items() if kind == "vector"} == {
        IMU,
        POSES,
        FLOATS,
        JOINTS,
    }


@given(stamp_ns=st.integers(0, 2**31 * 10**9 - 1))
def test_times_keep_every_nanosecond(stamp_ns):
    class Namespaces:
        def message(self, _type_name, **fields):
            return SimpleNamespace(**fields)

    assert time_to_ns(ns_to_time(stamp_ns, Namespaces())) == stamp_ns


def test_an_annotation_says_what_one_person_did_and_when(own_types):
    message = segment_to_annotation(1_500_000_000, 4_000_000_002, "rest", "sit", own_types, subject="s3")
    assert header_stamp_ns(message) == time_to_ns(message.start) == 1_500_000_000
    assert time_to_ns(message.end) == 4_000_000_002
    assert (message.group, message.activity, message.subject, message.body_id) == ("rest", "sit", "s3", "")
