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

"""Mutated CDR bytes of every subscribed type through the real callbacks: nothing is raised, good messages still count.

`MUMU_FUZZ=100000 pytest test/nodes/test_fuzz.py` tries so many of each type.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from geometry_msgs.msg import PoseArray
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import CompressedImage, Image, Imu, JointState
from std_msgs.msg import Float32MultiArray

from mumu_ros.conversions import (
    RosTypes,
    array_to_image,
    array_to_imu,
    array_to_pose_array,
    ns_to_time,
    people_to_message,
    samples_to_frame,
)
from mumu_ros.msg import MultimodalFrame, People
from mumu_ros.nodes.inference import Inference
from mumu_ros.nodes.sensor_sync import SensorSync
from mumu_ros.people.person import Person

TYPES = RosTypes()
COUNT = int(os.environ.get("MUMU_FUZZ", "400"))
SUCCESS = TransitionCallbackReturn.SUCCESS
NUMBERS = (
    b"\0" * 8,
    b"\xff" * 8,
    b"\xff\xff\xff\x7f",
    b"\0\0\xf0\x7f",
    b"\0\0\xc0\x7f",
    b"\xff\xff\xff\xff",
    b"\1\0\0\0",
)


def image(stamp_ns: int) -> Image:
    return array_to_image(np.full((24, 32, 3), 90, np.uint8), stamp_ns, "camera", TYPES)


def depth(stamp_ns: int) -> Image:
    return array_to_image(np.full((24, 32), 900, np.uint16), stamp_ns, "camera", TYPES)


def compressed(stamp_ns: int, extension: str = ".jpg") -> CompressedImage:
    _, data = cv2.imencode(extension, np.full((24, 32, 3), 90, np.uint8))
    message = CompressedImage(format=extension[1:], data=data.tobytes())
    message.header.stamp = ns_to_time(stamp_ns, TYPES)
    return message


def imu(stamp_ns: int) -> Imu:
    return array_to_imu(np.ones((2, 3)), stamp_ns, "wrist", TYPES)


def joints(stamp_ns: int) -> JointState:
    message = JointState(name=["a", "b"], position=[0.1, 0.2])
    message.header.stamp = ns_to_time(stamp_ns, TYPES)
    return message


def poses(stamp_ns: int) -> PoseArray:
    return array_to_pose_array(np.ones((5, 3)), stamp_ns, "camera", TYPES)


def floats(_: int) -> Float32MultiArray:
    return Float32MultiArray(data=[1.0, 2.0])


def frame(stamp_ns: int) -> MultimodalFrame:
    rgb = (stamp_ns, "camera", np.full((32, 32, 3), 90, np.uint8))
    far = (stamp_ns, "camera", np.full((32, 32), 900, np.uint16))
    series = {"imu": ([stamp_ns - i * 10_000_000 for i in range(5)][::-1], [np.ones((2, 3))] * 5)}
    return samples_to_frame(stamp_ns, "camera", {"rgb": rgb, "depth": far}, series, TYPES)


def people(stamp_ns: int) -> People:
    person = Person(
        body_id="b1",
        confidence=0.9,
        roi=(1.0, 2.0, 30.0, 60.0),
        keypoints=np.ones((33, 2)),
        joints=np.ones((33, 3)),
        visibility=np.ones(33),
        position_source="depth",
        depth=np.full((96, 128), 900, np.uint16),
    )
    return people_to_message(stamp_ns, "camera", 640, 480, "blazepose33", [person], TYPES)


STREAMS: dict[str, tuple[type, str, list[int], Callable[[int], Any]]] = {
    "rgb": (Image, "rgb", [2, 3], image),
    "depth": (Image, "depth", [2, 3], depth),
    "jpeg": (CompressedImage, "rgb", [2, 3], compressed),
    "png": (CompressedImage, "rgb", [2, 3], lambda stamp_ns: compressed(stamp_ns, ".png")),
    "imu": (Imu, "vector", [2, 3], imu),
    "joints": (JointState, "vector", [2], joints),
    "skeleton": (PoseArray, "vector", [5, 3], poses),
    "floats": (Float32MultiArray, "vector", [2], floats),
}


def mutated(data: bytes, r: random.Random) -> bytes:
    """Bytes changed, numbers put in, parts cut out, doubled or moved; the four bytes that say how to read it stay."""
    body = bytearray(data[4:])
    for _ in range(r.randint(1, 4)):
        at = r.randrange(min(len(body), r.choice([64, 10**6]))) if body else 0
        match r.randrange(5):
            case 0:
                body[at : at + 1] = bytes([r.randrange(256)])
            case 1:
                number = r.choice(NUMBERS)
                at -= at % len(number)
                body[at : at + len(number)] = number
            case 2:
                del body[at : at + r.choice([1, 4, 100])]
            case 3:
                body[at:at] = body[at : at + r.choice([4, 8, 100])]
            case 4:
                del body[at + 4 :]
    return data[:4] + bytes(body)


def mutations(cls: type, good: Callable[[int], Any]) -> Iterator[bytes]:
    r = random.Random(cls.__name__)
    return (mutated(serialize_message(good(time.time_ns())), r) for _ in range(COUNT))


def fuzz(cls: type, good: Callable[[int], Any], receive: Callable[[Any], None]) -> int:
    """Give mutated messages to a callback; how many of them the middleware would have handed over."""
    handed = 0
    for data in mutations(cls, good):
        try:
            message = deserialize_message(data, cls)
        except Exception:  # the middleware drops it
            continue
        receive(message)
        handed += 1
    return handed


@pytest.mark.serial
@pytest.mark.parametrize("name", list(STREAMS))
def test_mutated_messages_of_a_stream_do_no_harm(ros: Any, name: str) -> None:
    cls, kind, shape, good = STREAMS[name]
    other = {"imu2.topic": "imu2", "imu2.kind": "vector", "imu2.type": "sensor_msgs/msg/Imu"}
    type_name = f"{cls.__module__.split('.')[0]}/msg/{cls.__name__}"
    node = ros.add(
        SensorSync,
        **{"streams": [name, "imu2"], f"{name}.topic": name, f"{name}.kind": kind, f"{name}.type": type_name},
        **{f"{name}.shape": shape, f"{name}.width": 32, f"{name}.height": 24, f"{name}.max_pixels": 10_000},
        **other,
    )
    frames = ros.collect(MultimodalFrame, "multimodal_frame")
    assert node.trigger_configure() == node.trigger_activate() == SUCCESS
    by_name = dict(zip([s.name for s in node._config.streams], node._subscribers, strict=True))

    def receive(data: bytes) -> None:
        by_name[name]._receive(data)
        by_name["imu2"]._receive(serialize_message(imu(time.time_ns())))
        node._poll()

    for data in mutations(cls, good):
        receive(data)
    for length in range(24):
        by_name[name]._receive(bytes(length))
    frames.clear()

    def complete() -> bool:
        receive(serialize_message(good(time.time_ns())))
        ros.executor.spin_once(timeout_sec=0.02)
        return any(not found.missing for found in frames)

    ros.wait(complete)
    assert list(node.diagnose())
    assert (node._errors, node._synchronizer.callback_errors) == (0, 0)
    assert "cannot be converted, " not in str(node._builder.last_error.get(name, ""))


@pytest.mark.parametrize("cls", [MultimodalFrame, People], ids=lambda cls: cls.__name__)
def test_mutated_messages_to_inference_do_no_harm(ros: Any, tiny_model: Path, cls: type) -> None:
    node = ros.add(Inference, model=str(tiny_model), backend="eager")
    assert node.trigger_configure() == node.trigger_activate() == SUCCESS
    good, receive = (frame, node._receive) if cls is MultimodalFrame else (people, node._see)
    assert fuzz(cls, good, receive) > COUNT // 20
    node._watch.decisions = 0

    def decided() -> bool:
        node._receive(frame(time.time_ns()))
        next_s = time.monotonic() + 0.05  # as often as a camera would
        while time.monotonic() < next_s:
            ros.executor.spin_once(timeout_sec=0.01)
        return bool(node._watch.decisions)

    ros.wait(decided)  # after People, when the camera has been gone for three seconds
    assert list(node.diagnose())
    assert node._errors == 0
