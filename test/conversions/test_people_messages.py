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

"""A People message gives back everybody who was put in; a person that cannot be meant costs nobody else."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mumu_ros.conversions import ConversionError, message_to_people, people_to_message
from mumu_ros.people import Person
from mumu_ros.recordings.typestore import BagTypes

BAG_TYPES = BagTypes()


def person(body_id: str = "anna1", seed: int = 0, joints: int = 33, depth: bool = True) -> Person:
    rng = np.random.default_rng(seed)
    positions = rng.normal(size=(joints, 3)).astype(np.float32)
    positions[rng.random(joints) < 0.2] = np.nan
    return Person(
        body_id=body_id,
        confidence=float(np.float32(rng.random())),
        roi=(1.0, 2.0, 30.0, 40.0),
        keypoints=rng.uniform(-10, 700, (joints, 2)).astype(np.float32),
        joints=positions,
        visibility=rng.random(joints).astype(np.float32),
        position_source=("depth", "perspective", "nominal")[seed % 3],
        depth=rng.integers(0, 65536, (96, 128)).astype(np.uint16) if depth else None,
    )


def same(first: Person, second: Person) -> None:
    for field in dataclasses.fields(Person):
        a, b = getattr(first, field.name), getattr(second, field.name)
        if isinstance(a, float):
            assert b == pytest.approx(a, rel=1e-6)
        else:
            np.testing.assert_array_equal(a, b)


@given(
    ids=st.lists(st.from_regex(r"[a-z][a-z0-9]{4}", fullmatch=True), max_size=4, unique=True),
    joints=st.sampled_from([20, 33]),
    depth=st.booleans(),
    stamp_ns=st.integers(0, 2**60),
)
def test_everybody_survives_a_bag(ids, joints, depth, stamp_ns):
    persons = [person(body_id, seed, joints, depth) for seed, body_id in enumerate(ids)]
    message = people_to_message(stamp_ns, "camera", 640, 480, "blazepose33", persons, BAG_TYPES)
    store, type_name = BAG_TYPES.typestore, "mumu_ros/msg/People"
    message = store.deserialize_cdr(store.serialize_cdr(message, type_name), type_name)
    assert (message.width, message.height, message.layout) == (640, 480, "blazepose33")
    found = message_to_people(message)
    assert len(found) == len(persons)
    for a, b in zip(persons, found, strict=True):
        same(a, b)


def test_a_depth_picture_is_the_cameras_whatever_the_frame_of_the_joints(own_types):
    message = people_to_message(9, "map", 640, 480, "blazepose33", [person()], own_types, "camera")
    assert (message.header.frame_id, message.people[0].depth.header.frame_id) == ("map", "camera")
    message = people_to_message(9, "camera", 640, 480, "blazepose33", [person()], own_types)
    assert message.people[0].depth.header.frame_id == "camera"


def test_every_kind_of_message_is_served(own_types):
    message = people_to_message(9, "camera", 640, 480, "blazepose33", [person()], own_types)
    same(message_to_people(message)[0], person())


def put(part, field: str, index: int, value: float) -> None:
    """Change one number; messages out of a bag are read-only, and rclpy's have their own kind of array."""
    values = getattr(part, field)[:]
    changed = values.copy() if isinstance(values, np.ndarray) else values
    changed[index] = value
    setattr(part, field, changed)


HOSTILE = {
    "no id": lambda p: setattr(p, "body_id", ""),
    "an id that is no part of a topic": lambda p: setattr(p, "body_id", "a/../b"),
    "a number for an id": lambda p: setattr(p, "body_id", "1abcd"),
    "an id of a megabyte": lambda p: setattr(p, "body_id", "a" * 2**20),
    "the id of somebody else": lambda p: setattr(p, "body_id", "first"),
    "half the joints": lambda p: setattr(p, "joints", p.joints[:50]),
    "no joints": lambda p: (setattr(p, "joints", p.joints[:0]), setattr(p, "keypoints", p.keypoints[:0])),
    "an infinite joint": lambda p: put(p, "joints", 0, np.inf),
    "a joint on the moon": lambda p: put(p, "joints", 0, 3e8),
    "infinite pixels": lambda p: put(p, "keypoints", 0, -np.inf),
    "a confidence that is no number": lambda p: setattr(p, "confidence", float("nan")),
    "a confidence above 1": lambda p: setattr(p, "confidence", 3.0),
    "a visibility that is no number": lambda p: put(p, "visibility", 0, np.nan),
    "an unknown source": lambda p: setattr(p, "position_source", 200),
    "a depth picture that is cut": lambda p: setattr(p.depth, "data", p.depth.data[:-1]),
    "a depth picture of claimed size": lambda p: setattr(p.depth, "width", 2**32 - 1),
    "a depth picture of another shape": lambda p: (setattr(p.depth, "width", 96), setattr(p.depth, "height", 128)),
    "a colour picture": lambda p: setattr(p.depth, "encoding", "rgb8"),
    "no focal length": lambda p: setattr(p, "depth_focal", 0.0),
}


@pytest.mark.parametrize("fault", HOSTILE.values(), ids=HOSTILE)
def test_a_person_that_cannot_be_meant_costs_nobody_else(own_types, fault):
    persons = [person("first"), person("second", 1), person("third", 2)]
    message = people_to_message(9, "camera", 640, 480, "blazepose33", persons, own_types)
    fault(message.people[1])
    errors: list[ConversionError] = []
    found = message_to_people(message, errors.append)
    assert [p.body_id for p in found] == ["first", "third"]
    assert len(errors) == 1
    assert len(str(errors[0])) < 300
    with pytest.raises(ConversionError):
        message_to_people(message)


def test_a_joint_with_half_a_position_is_not_seen(own_types):
    message = people_to_message(9, "camera", 640, 480, "blazepose33", [person()], own_types)
    put(message.people[0], "joints", 4, np.nan)
    assert np.isnan(message_to_people(message)[0].joints[1]).all()
