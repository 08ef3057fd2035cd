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

"""Assignment of a recording's topics to a model's modalities, without a parameter file."""

from __future__ import annotations

import itertools
import math
import re

from mumu_ros.conversions import SUPPORTED_TYPES, VECTOR_TYPES, ConversionError
from mumu_ros.conversions.transports import picture_kind
from mumu_ros.model.config import ModelConfig
from mumu_ros.model.modality import Modality
from mumu_ros.pipeline.configuration import SensorSyncConfig, StreamConfig
from mumu_ros.pipeline.parameter_file import given_parameters
from mumu_ros.pipeline.parameter_tables import SENSOR_SYNC
from mumu_ros.recordings import Recording, RecordingError, Topic

__all__ = ["guess_streams", "resolve_topics"]

_PEEKED = 5


def resolve_topics(config: SensorSyncConfig, recording: Recording) -> dict[str, str]:
    """Find the topic of each stream in a recording.

    A relative name fits the topic of that name at the root, else the only one that ends in it: a namespace.

    Returns:
        Stream name to topic; streams whose topic was not recorded are not in it.

    Raises:
        RecordingError: A topic has another type, several would do, none of them is there, or a stream needs two topics
            or TF, which are read live only.
    """
    found: dict[str, str] = {}
    for stream in config.streams:
        if stream.angular_velocity_topic:
            raise RecordingError(
                f"stream {stream.name!r} has its angular velocity on a topic of its own, which recordings cannot have: "
                "let the driver unite both while it records (RealSense: unite_imu_method:=2) and name that topic"
            )
        if stream.target_frame:
            raise RecordingError(
                f"parameter {stream.name}.target_frame is {stream.target_frame!r}: axes are turned by TF live only, "
                "not in clips and evaluations; leave it empty, on the robot too, or record the topic of a node that "
                "turns the Imu"
            )
        name = stream.topic if stream.topic.startswith("/") else f"/{stream.topic}"
        fitting = [name] if name in recording.topics else []
        if not fitting and not stream.topic.startswith("/"):
            fitting = [topic for topic in recording.topics if topic.endswith(name)]
        if len(fitting) > 1:
            raise RecordingError(f"{recording.path}: stream {stream.name!r} could be {' or '.join(fitting)}; name one")
        if fitting:
            topic = recording.topics[fitting[0]]
            if topic.type_name != stream.type:
                raise RecordingError(
                    f"{recording.path}: {topic.name} has type {topic.type_name}, the parameters say {stream.type}"
                )
            found[stream.name] = topic.name
    if not found:
        wanted = ", ".join(stream.topic for stream in config.streams)
        raise RecordingError(f"{recording.path} has none of {wanted}; it has {_listing(recording)}")
    return found


def guess_streams(config: ModelConfig, recording: Recording) -> SensorSyncConfig:
    """Choose a topic for each of a model's modalities by type, shape and name.

    Raises:
        RecordingError: No topic fits any modality, or several fit one equally well, or one fits several; they are
            listed.
    """
    kinds = _peek(recording)
    fitting = {
        modality.name: [topic for topic in kinds if _fits(modality, *kinds[topic])] for modality in config.modalities
    }
    chosen = _assign(fitting, recording)
    if not chosen:
        raise RecordingError(
            f"{recording.path}: no topic fits a modality of the model, {', '.join(config.names)}; it has "
            f"{_listing(recording)}. Say with --params which topic is which"
        )
    streams = [_stream(m, recording.topics[chosen[m.name]]) for m in config.modalities if m.name in chosen]
    defaults = given_parameters({}, SENSOR_SYNC)
    rates = [modality.rate_hz for modality in config.modalities if modality.is_image]
    return SensorSyncConfig(
        streams=tuple(sorted(streams, key=lambda stream: not stream.is_image)),
        rate_hz=max(rates, default=defaults.read("rate_hz")),
        slop_s=defaults.read("slop_s"),
        timeout_s=defaults.read("timeout_s"),
        queue_size=defaults.read("queue_size"),
    )


def _peek(recording: Recording) -> dict[str, tuple[str, int]]:
    """Topic to what its first messages are: rgb, depth or a ROS vector type, and how many numbers a sample has."""
    wanted = [
        topic.name
        for topic in recording.topics.values()
        if topic.type_name in SUPPORTED_TYPES and topic.count and topic.name not in recording.undecoded
    ]
    found: dict[str, tuple[str, int]] = {}
    for topic in wanted:
        type_name = recording.topics[topic].type_name
        for _, _, message in itertools.islice(recording.messages([topic]), _PEEKED):
            if SUPPORTED_TYPES[type_name] == "image":
                if kind := picture_kind(message):
                    found[topic] = (kind, 0)
                break
            try:
                found[topic] = (type_name, VECTOR_TYPES[type_name](message).size)
                break
            except ConversionError:
                continue
    return found


def _fits(modality: Modality, kind: str, size: int) -> bool:
    if modality.is_image:
        return kind == modality.kind
    return kind in VECTOR_TYPES and size == math.prod(modality.shape)


def _assign(fitting: dict[str, list[str]], recording: Recording) -> dict[str, str]:
    """Assign to each modality the topic whose name has most of the modality's words; each topic to one modality."""
    chosen: dict[str, str] = {}
    # First those that can be told by name; what they take is no candidate any more.
    for modality in sorted(fitting, key=lambda name: -max((_shared(name, t) for t in fitting[name]), default=0)):
        free = [topic for topic in fitting[modality] if topic not in chosen.values()]
        best = max((_shared(modality, topic) for topic in free), default=0)
        likeliest = [topic for topic in free if _shared(modality, topic) == best]
        if len(likeliest) > 1:
            raise RecordingError(
                f"{recording.path}: modality {modality!r} could be {' or '.join(likeliest)}; say with --params which"
            )
        if not likeliest:
            continue
        rivals = [name for name in fitting if name not in chosen and likeliest[0] in fitting[name]]
        alike = [name for name in rivals if _shared(name, likeliest[0]) == best]
        if len(alike) > 1:
            raise RecordingError(
                f"{recording.path}: topic {likeliest[0]} could be {' or '.join(alike)}; say with --params which"
            )
        chosen[modality] = likeliest[0]
    return chosen


def _shared(modality: str, topic: str) -> int:
    words = set(re.split(r"[^a-z0-9]+", topic.lower()))
    return sum(word in words for word in re.split(r"[^a-z0-9]+", modality.lower().replace("_", " ")))


def _stream(modality: Modality, topic: Topic) -> StreamConfig:
    size = modality.shape[:2] if modality.is_image else (224, 224)
    return StreamConfig(
        name=modality.name,
        topic=topic.name,
        type=topic.type_name,
        kind=modality.kind,
        size=(size[0], size[1]),
        crop=None,
        shape=modality.shape,
        reliability="best_effort",
        depth=10,
    )


def _listing(recording: Recording) -> str:
    shown = (
        f"{topic.name} ({topic.type_name}{'' if topic.count else ', 0 messages'})"
        for topic in recording.topics.values()
    )
    return "; ".join([", ".join(shown) or "no topic", *recording.problems])
