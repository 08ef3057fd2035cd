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

"""`mumu simulate`: a recording of simulated people."""

from __future__ import annotations

import argparse
import heapq
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mumu_ros.conversions import MessageTypes, camera_to_camera_info, people_to_message, segment_to_annotation
from mumu_ros.failures import NOTATION
from mumu_ros.recordings.options import new_folder
from mumu_ros.recordings.topics import (
    ANNOTATION_TOPIC,
    ANNOTATION_TYPE,
    CAMERA_INFO_TOPICS,
    CAMERA_INFO_TYPE,
    SIMULATOR_TOPICS,
    TRUTH_TOPIC,
    TRUTH_TYPE,
)
from mumu_ros.recordings.writer import STORAGES, RecordingWriter
from mumu_ros.simulation import ACTIVITIES, GROUP_OF, MAX_PEOPLE, TRUTH_LAYOUT, Simulator, parse_fault

__all__ = ["register", "simulator_messages"]


TRUTH_HZ = 10

_Row = tuple[str, str, int, Any]


def simulator_messages(simulator: Simulator, types: MessageTypes) -> Iterator[_Row]:
    """Yield (topic, ROS type, stamp in nanoseconds, message) of a simulation in the order of stamps.

    An annotation comes at the start of its segment, before the samples; each image is followed by its CameraInfo. Where
    people walk about, the people in view are published `TRUTH_HZ` times a second.
    """
    rows = [_annotations(simulator, types), _samples(simulator, types)]
    if simulator.people[0].body_id:
        rows.append(_truth(simulator, types))
    yield from heapq.merge(*rows, key=lambda row: row[2])


def _annotations(simulator: Simulator, types: MessageTypes) -> Iterator[_Row]:
    segments = [(segment, person.body_id) for person in simulator.people for segment in person.segments]
    for segment, body_id in sorted(segments, key=lambda pair: pair[0].start_ns):
        message = segment_to_annotation(
            segment.start_ns,
            segment.end_ns,
            segment.group,
            segment.activity,
            types,
            subject=str(simulator.subject),
            body_id=body_id,
        )
        yield ANNOTATION_TOPIC, ANNOTATION_TYPE, segment.start_ns, message


def _samples(simulator: Simulator, types: MessageTypes) -> Iterator[_Row]:
    camera = simulator.camera.intrinsics
    for sample in simulator.samples():
        topic, stamp_ns = SIMULATOR_TOPICS[sample.stream], sample.stamp_ns
        yield topic.name, topic.type_name, stamp_ns, topic.message(sample.data, stamp_ns, types)
        if sample.stream in CAMERA_INFO_TOPICS:
            info = camera_to_camera_info(camera, stamp_ns, topic.frame_id, types)
            yield CAMERA_INFO_TOPICS[sample.stream], CAMERA_INFO_TYPE, stamp_ns, info


def _truth(simulator: Simulator, types: MessageTypes) -> Iterator[_Row]:
    height, width = simulator.camera.size
    frame_id = SIMULATOR_TOPICS["rgb"].frame_id
    for second in range(math.ceil(simulator.seconds)):
        time_s = second + np.arange(TRUTH_HZ) / TRUTH_HZ
        time_s = time_s[time_s < simulator.seconds]
        for at_s, people in zip(time_s.tolist(), simulator.people_at(time_s), strict=True):
            stamp_ns = simulator.start_ns + round(at_s * 1e9)
            seen = [person for person in people if person.confidence > 0]
            message = people_to_message(stamp_ns, frame_id, width, height, TRUTH_LAYOUT, seen, types)
            yield TRUTH_TOPIC, TRUTH_TYPE, stamp_ns, message


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the `mumu` parser."""
    parser = commands.add_parser(
        "simulate",
        description="Write the simulator's streams and annotations as a rosbag2.",
    )
    parser.add_argument("out", type=new_folder, metavar="OUT", help="folder of the new recording")
    parser.add_argument("--seconds", type=float, default=60.0, metavar="N", help="duration (default: 60)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="the performance (default: 0)")
    parser.add_argument("--subject", type=int, metavar="K", help="the person (default: the seed)")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar=NOTATION,
        help="unplug a stream or device for some seconds, such as imu:10-20, or simulate another fault, such as "
        "imu_wrist:stuck:10-20 or camera:black: docs/failures.md lists the kinds; may be repeated",
    )
    parser.add_argument(
        "--activities",
        metavar="bow,wave",
        help=f"a script, played over and over, of {', '.join(GROUP_OF)} (default: all but "
        f"{' and '.join(sorted(set(GROUP_OF) - set(ACTIVITIES)))}, in random order)",
    )
    parser.add_argument("--image-size", default="320x240", metavar="WxH", help="size of the images (default: 320x240)")
    parser.add_argument(
        "--people",
        type=int,
        default=1,
        metavar="N",
        help=f"how many, up to {MAX_PEOPLE} (default: 1); more than one imply --room",
    )
    parser.add_argument(
        "--room",
        action="store_true",
        help="a furnished room in which people walk, leave and come back; the bag then has the true people in view "
        f"on {TRUTH_TOPIC}",
    )
    parser.add_argument("--storage", choices=sorted(STORAGES), default="mcap", help="(default: mcap)")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    simulator = Simulator(
        seed=arguments.seed,
        subject=arguments.subject,
        seconds=arguments.seconds,
        faults=[parse_fault(text) for text in arguments.fault],
        image_size=_image_size(arguments.image_size),
        activities=arguments.activities.split(",") if arguments.activities is not None else None,
        people=arguments.people,
        room=arguments.room,
    )
    count = _record(simulator, arguments.out, arguments.storage)
    print(f"{arguments.out}: {count} messages, {simulator.seconds:g} s")
    return 0


def _record(simulator: Simulator, path: Path, storage: str) -> int:
    count = 0
    reported_s = 0
    with RecordingWriter(path, storage) as writer:
        for topic, type_name, stamp_ns, message in simulator_messages(simulator, writer.types):
            writer.write(topic, type_name, message, stamp_ns)
            count += 1
            if (stamp_ns - simulator.start_ns) / 1e9 >= reported_s + 10:
                reported_s += 10
                print(f"{reported_s} of {simulator.seconds:g} s", file=sys.stderr, flush=True)
    return count


def _image_size(text: str) -> tuple[int, int]:
    """Return (height, width) of "WxH"."""
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise ValueError(f"image size {text!r} is not WIDTHxHEIGHT, such as 320x240")
    return int(height), int(width)
