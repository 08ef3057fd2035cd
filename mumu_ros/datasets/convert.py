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

"""`mumu convert`: public datasets as recordings."""

from __future__ import annotations

import argparse
import heapq
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mumu_ros.conversions import MessageTypes, segment_to_annotation
from mumu_ros.datasets.clips import parse_subjects
from mumu_ros.datasets.utd_mhad import (
    DatasetError,
    UtdMhad,
    UtdMhadClip,
    inertial_site,
)
from mumu_ros.recordings.options import new_folder
from mumu_ros.recordings.topics import ANNOTATION_TOPIC, ANNOTATION_TYPE, UTD_MHAD_TOPICS, StreamTopic
from mumu_ros.recordings.writer import STORAGES, RecordingWriter

__all__ = ["PAUSE_S", "register"]

PAUSE_S = 5.0
"""Silence of every sensor between two clips: longer than the windows of the shipped models, so that none holds two."""

_START_NS = 1_500_000_000_000_000_000


def _clip_messages(clip: UtdMhadClip, start_ns: int, types: MessageTypes) -> Iterator[tuple[str, str, int, Any]]:
    """Yield (topic, ROS type, stamp in nanoseconds, message) of a clip that starts at `start_ns`, in order.

    Its annotation comes first. Stamps are those of `UtdMhadClip.stamps_ns`: frames at their nominal rate, inertial
    samples spread over the same time, which is how the two belong together.
    """
    annotation = segment_to_annotation(
        start_ns, start_ns + clip.duration_ns, clip.group, clip.activity, types, subject=str(clip.subject)
    )
    yield ANNOTATION_TOPIC, ANNOTATION_TYPE, start_ns, annotation
    topics = {
        "depth": UTD_MHAD_TOPICS["depth"],
        "skeleton": UTD_MHAD_TOPICS["skeleton"],
        "inertial": UTD_MHAD_TOPICS[f"imu_{inertial_site(clip.action)}"],
    }
    streams = (_stream_messages(clip, modality, topic, start_ns, types) for modality, topic in topics.items())
    yield from heapq.merge(*streams, key=lambda row: row[2])


def _stream_messages(
    clip: UtdMhadClip, modality: str, topic: StreamTopic, start_ns: int, types: MessageTypes
) -> Iterator[tuple[str, str, int, Any]]:
    stamps_ns = clip.stamps_ns(modality, start_ns).tolist()
    for stamp_ns, sample in zip(stamps_ns, clip.samples(modality), strict=True):
        yield topic.name, topic.type_name, stamp_ns, topic.message(sample, stamp_ns, types)


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the `mumu` parser."""
    parser = commands.add_parser("convert")
    datasets = parser.add_subparsers(dest="dataset", required=True, metavar="DATASET")
    utd_mhad = datasets.add_parser(
        "utd-mhad",
        help="depth, skeleton and inertial clips of UTD-MHAD with annotations",
        description=f"String clips of UTD-MHAD together, with pauses of {PAUSE_S:g} s, as a rosbag2.",
    )
    utd_mhad.add_argument("root", type=Path, metavar="ROOT", help="folder with Depth, Skeleton and Inertial")
    utd_mhad.add_argument("out", type=new_folder, metavar="OUT", help="folder of the new recording")
    utd_mhad.add_argument("--subjects", metavar="1,2", help="subjects to take (default: all)")
    utd_mhad.add_argument("--activities", metavar="wave,clap", help="activities to take (default: all)")
    utd_mhad.add_argument("--limit", type=int, metavar="N", help="at most so many clips")
    utd_mhad.add_argument("--storage", choices=sorted(STORAGES), default="mcap", help="(default: mcap)")
    utd_mhad.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    dataset = UtdMhad(
        arguments.root,
        subjects=parse_subjects(arguments.subjects) if arguments.subjects is not None else None,
        activities=arguments.activities.split(",") if arguments.activities is not None else None,
    )
    limit = len(dataset) if arguments.limit is None else min(arguments.limit, len(dataset))
    if limit < 1:
        raise ValueError(f"--limit is {arguments.limit}; expected at least 1")
    written = _record(dataset, limit, arguments.out, arguments.storage)
    for path, reason in dataset.skipped.items():
        print(f"skipped {path}: {reason}", file=sys.stderr)
    print(f"{arguments.out}: {written} clips, {len(dataset.skipped)} skipped")
    return 0


def _record(dataset: UtdMhad, limit: int, path: Path, storage: str) -> int:
    start_ns = _START_NS
    written = 0
    with RecordingWriter(path, storage) as writer:
        for written, clip in enumerate(itertools.islice(dataset, limit), start=1):
            for topic, type_name, stamp_ns, message in _clip_messages(clip, start_ns, writer.types):
                writer.write(topic, type_name, message, stamp_ns)
            start_ns += clip.duration_ns + round(PAUSE_S * 1e9)
            print(f"{written} of {limit}: {clip.name} ({clip.activity})", file=sys.stderr, flush=True)
        if not written:
            raise DatasetError(f"none of {len(dataset.skipped)} clips can be read: {dataset.skipped}")
    return written
