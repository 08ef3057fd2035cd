"""`mumu simulate`: a recording of a simulated person."""

from __future__ import annotations

import argparse
import heapq
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mumu_ros.conversions import MessageTypes, segment_to_annotation
from mumu_ros.failures import NOTATION
from mumu_ros.recordings.errors import RecordingError
from mumu_ros.recordings.topics import ANNOTATION_TOPIC, ANNOTATION_TYPE, SIMULATOR_TOPICS
from mumu_ros.recordings.writer import STORAGES, RecordingWriter
from mumu_ros.simulation import ACTIVITIES, GROUP_OF, Simulator, parse_fault

__all__ = ["register", "simulator_messages"]


def simulator_messages(simulator: Simulator, types: MessageTypes) -> Iterator[tuple[str, str, int, Any]]:
    """Yield (topic, ROS type, stamp in nanoseconds, message) of a simulation in the order of stamps.

    An annotation comes at the start of its segment, before the samples.
    """
    annotations = (
        (
            ANNOTATION_TOPIC,
            ANNOTATION_TYPE,
            segment.start_ns,
            segment_to_annotation(
                segment.start_ns,
                segment.end_ns,
                segment.group,
                segment.activity,
                types,
                subject=str(simulator.subject),
            ),
        )
        for segment in simulator.segments
    )
    samples = (
        (topic.name, topic.type_name, sample.stamp_ns, topic.message(sample.data, sample.stamp_ns, types))
        for sample in simulator.samples()
        for topic in (SIMULATOR_TOPICS[sample.stream],)
    )
    yield from heapq.merge(annotations, samples, key=lambda row: row[2])


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the `mumu` parser."""
    parser = commands.add_parser(
        "simulate",
        help="record a simulated person as a rosbag2",
        description="Write the simulator's streams and annotations as a rosbag2.",
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of the new recording")
    parser.add_argument("--seconds", type=float, default=60.0, metavar="N", help="duration (default: 60)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="the performance (default: 0)")
    parser.add_argument("--subject", type=int, metavar="K", help="the person (default: the seed)")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar=NOTATION,
        help="unplug a stream or device for some seconds, such as imu:10-20, or let it fail otherwise, such as "
        "imu_wrist:stuck:10-20 or camera:black: docs/failures.md lists the kinds; may be repeated",
    )
    parser.add_argument(
        "--activities",
        metavar="bow,wave",
        help=f"a script, played over and over, of {', '.join(GROUP_OF)} (default: all but "
        f"{' and '.join(sorted(set(GROUP_OF) - set(ACTIVITIES)))}, in random order)",
    )
    parser.add_argument("--image-size", default="320x240", metavar="WxH", help="size of the images (default: 320x240)")
    parser.add_argument("--storage", choices=sorted(STORAGES), default="mcap", help="(default: mcap)")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    try:
        simulator = Simulator(
            seed=arguments.seed,
            subject=arguments.subject,
            seconds=arguments.seconds,
            faults=[parse_fault(text) for text in arguments.fault],
            image_size=_image_size(arguments.image_size),
            activities=arguments.activities.split(",") if arguments.activities else None,
        )
        count = _record(simulator, arguments.out, arguments.storage)
    except (ValueError, RecordingError) as error:
        print(f"mumu simulate: {error}", file=sys.stderr)
        return 2
    print(f"{arguments.out}: {count} messages, {simulator.seconds:g} s")
    return 0


def _record(simulator: Simulator, path: Path, storage: str) -> int:
    count = 0
    told_s = 0
    start_ns = simulator.segments[0].start_ns
    with RecordingWriter(path, storage) as writer:
        for topic, type_name, stamp_ns, message in simulator_messages(simulator, writer.types):
            writer.write(topic, type_name, message, stamp_ns)
            count += 1
            if (stamp_ns - start_ns) / 1e9 >= told_s + 10:
                told_s += 10
                print(f"{told_s} of {simulator.seconds:g} s", file=sys.stderr, flush=True)
    return count


def _image_size(text: str) -> tuple[int, int]:
    """Return (height, width) of "WxH"."""
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise ValueError(f"image size {text!r} is not WIDTHxHEIGHT, such as 320x240")
    return int(height), int(width)
