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

"""What `mumu fuzz` feeds with bytes: every way in which something from outside comes in."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import rclpy
import torch
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.serialization import deserialize_message, serialize_message
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from mumu_ros.conversions import array_to_imu, people_to_message, samples_to_frame
from mumu_ros.labelling.imports import import_labels
from mumu_ros.labelling.marks import Timeline
from mumu_ros.model.checkpoint import load_checkpoint, read_config, save_checkpoint
from mumu_ros.model.config import ModelConfig
from mumu_ros.model.modality import Modality
from mumu_ros.model.network import Network
from mumu_ros.model.novelty import Novelty
from mumu_ros.model.taxonomy import Taxonomy, find_taxonomy
from mumu_ros.nodes.inference import Inference
from mumu_ros.nodes.sensor_sync import SensorSync
from mumu_ros.nodes.subscribers import message_class
from mumu_ros.people.person import Person
from mumu_ros.pipeline.configuration import SensorSyncConfig
from mumu_ros.pipeline.framing import FrameBuilder
from mumu_ros.pipeline.parameter_file import ParameterFile
from mumu_ros.pipeline.parameter_tables import SENSOR_SYNC
from mumu_ros.recordings import Recording, RecordingError
from mumu_ros.recordings.label_files import read_labels
from mumu_ros.recordings.typestore import BagTypes
from mumu_ros.share import share_path
from mumu_ros.streams import SynchronizedSet
from mumu_ros.trials.tiny_sensors import SENSORS, TYPES

__all__ = ["TARGETS"]

STAMP_NS = 1_700_000_000 * 10**9
REFUSED = (ValueError, OSError, RecordingError)
"""What bad input may end in: a sentence."""
UNEXPECTED = "cannot be converted, "
"""How the frame builder begins where a conversion raised what it must not."""

Feed: TypeAlias = Callable[[bytes], None]
Entry: TypeAlias = tuple[Sequence[bytes], Feed]
Target: TypeAlias = Callable[[Path, contextlib.ExitStack], Entry]
"""Sets up a target in a folder of its own; returns good inputs to begin with, and the function to fuzz, which raises on
a defect only. The stack ends what it has started."""


def _context(undo: contextlib.ExitStack) -> rclpy.Context:
    context = rclpy.Context()
    rclpy.init(context=context)
    undo.callback(rclpy.shutdown, context=context)
    return context


def _node(undo: contextlib.ExitStack, context: rclpy.Context, cls: Any, **parameters: Any) -> Any:
    """A node that is active."""
    # rclpy keeps 0.1 MiB of each node that has the service get_type_description.
    parameters["start_type_description_service"] = False
    overrides = [rclpy.Parameter(name, value=value) for name, value in parameters.items()]
    node = cls(context=context, parameter_overrides=overrides)
    undo.callback(node.destroy_node)
    undo.callback(node.undo.close)
    node.trigger_configure()
    node.trigger_activate()
    return node


def _check(node: Any) -> None:
    if node._errors:
        raise AssertionError(node._last_error)


def _messages(cls: Any, good: Sequence[Any], take: Callable[[Any], None]) -> Entry:
    """CDR bytes but for the first four, which say how to read the others."""
    seeds = [bytes(serialize_message(message)) for message in good]

    def feed(data: bytes) -> None:
        try:
            message = deserialize_message(seeds[0][:4] + data, cls)
        except Exception:  # the middleware drops it
            return
        take(message)

    return [seed[4:] for seed in seeds], feed


def _sensor(name: str, _: Path, undo: contextlib.ExitStack) -> Entry:
    kind = SENSORS[name]
    parameters = kind.parameters(name) | {"streams": [name], f"{name}.max_pixels": 100_000}
    node = _node(undo, _context(undo), SensorSync, **parameters)
    (stream,) = node._config.streams
    builder = FrameBuilder([stream])
    received: list[Any] = []
    node._subscribers[0].registerCallback(received.append)
    seeds = [bytes(serialize_message(kind.make(STAMP_NS + i * 10**8))) for i in range(3)]

    def feed(data: bytes) -> None:
        node._subscribers[0]._receive(seeds[0][:4] + data)
        node._poll()
        while received:
            message = received.pop()
            items = message if stream.is_image else [(STAMP_NS, message)]
            builder.build(SynchronizedSet(STAMP_NS, 0, (items,), (True,)))
        last = builder.last_error.get(name)
        if last is not None and UNEXPECTED in str(last):
            raise AssertionError(str(last))
        _check(node)

    return [seed[4:] for seed in seeds], feed


_RGB = Modality("rgb", "rgb", (32, 32, 3), 10.0, "small_cnn")
_IMU = Modality("imu", "vector", (2, 3), 10.0, "cooccurrence", stride=2)


def _model(folder: Path, *modalities: Modality) -> Path:
    torch.manual_seed(3)
    taxonomy = Taxonomy("tiny", {"gesture": ("wave", "point"), "gait": ("walk", "run")})
    config = ModelConfig("tiny", modalities, taxonomy, window_s=1.0, feature_size=4)
    save_checkpoint(folder / "tiny", Network(config).eval())
    return folder / "tiny"


def _frame(stamp_ns: int) -> Any:
    rgb = (stamp_ns, "camera", np.full((32, 32, 3), 90, np.uint8))
    series = {"imu": ([stamp_ns - i * 10**7 for i in (2, 1, 0)], [np.ones((2, 3))] * 3)}
    return samples_to_frame(stamp_ns, "camera", {"rgb": rgb}, series, TYPES)


def _people(stamp_ns: int) -> Any:
    keypoints, joints, visibility = (np.ones((33, *axes), np.float32) for axes in ((2,), (3,), ()))
    person = Person("abcde", 0.9, (1.0, 2.0, 30.0, 60.0), keypoints, joints, visibility, "nominal")
    return people_to_message(stamp_ns, "camera", 640, 480, "blazepose33", [person], TYPES)


def _inference(name: str, folder: Path, undo: contextlib.ExitStack) -> Entry:
    node = _node(undo, _context(undo), Inference, model=str(_model(folder, _RGB, _IMU)), backend="eager")
    make, receive = (_frame, node._receive) if name == "MultimodalFrame" else (_people, node._see)

    def take(message: Any) -> None:
        receive(message)
        _check(node)

    cls = message_class(f"mumu_ros/msg/{name}")
    return _messages(cls, [make(STAMP_NS + i * 10**8) for i in range(3)], take)


def _service(cls: Any, requests: Sequence[Any], _: Path, undo: contextlib.ExitStack) -> Entry:
    """Requests to a sensor_sync, in whatever state the ones before have left it; a new one where it was shut down."""
    context = _context(undo)  # one for all: Fast DDS keeps memory of each
    of_node = undo.enter_context(contextlib.ExitStack())
    streams = {"streams": ["imu"], **SENSORS["imu"].parameters("imu")}
    node = _node(of_node, context, SensorSync, **streams)

    def take(request: Any) -> None:
        nonlocal node
        service = next(s for s in node.services if s.srv_type is cls)
        service.callback(request, cls.Response())  # what rclpy raises for a bad request is caught there, and counted
        if node._state_machine.current_state[1] == "finalized":
            of_node.close()
            node = _node(of_node, context, SensorSync, **streams)

    return _messages(cls.Request, requests, take)


def _transitions() -> list[Any]:
    requests = [ChangeState.Request() for _ in range(6)]
    for request, number in zip(requests, (1, 2, 3, 4, 5, 99), strict=True):
        request.transition.id = number
    requests[-1].transition.label = "configure"
    return requests


def _settings() -> list[Any]:
    values = {"rate_hz": ParameterValue(type=3, double_value=10.0), "streams": ParameterValue(type=9)}
    values["imu.topic"] = ParameterValue(type=4, string_value="imu")
    requests = []
    for name, value in values.items():
        request = SetParameters.Request()
        request.parameters = [rclpy.parameter.Parameter("x", value=1.0).to_parameter_msg()]
        request.parameters[0].name, request.parameters[0].value = name, value
        requests.append(request)
    return requests


def _file(name: str, good: Sequence[bytes], read: Callable[[Path], Any], folder: Path, _: Any = None) -> Entry:
    """The contents of a file of this name."""
    path = folder / name

    def feed(data: bytes) -> None:
        path.write_bytes(data)
        with contextlib.suppress(*REFUSED):
            read(path)

    return good, feed


def _bag(storage: str, compressed: str, name: str, folder: Path, _: contextlib.ExitStack) -> Entry:
    """A file of a recording: its storage, or metadata.yaml."""
    types, writer = BagTypes(), Writer(folder / "bag", version=9, storage_plugin=StoragePlugin[storage])
    writer.set_compression(CompressionMode[compressed], CompressionFormat.ZSTD)
    with writer:
        connection = writer.add_connection("/imu", "sensor_msgs/msg/Imu", typestore=types.typestore)
        for i in range(8):
            stamp_ns = STAMP_NS + i * 10**7
            message = array_to_imu(np.ones((2, 3)), stamp_ns, "wrist", types)
            writer.write(connection, stamp_ns, types.typestore.serialize_cdr(message, connection.msgtype))
    path = next(iter(sorted((folder / "bag").glob(name))))
    good = path.read_bytes()
    if name != "metadata.yaml":
        (folder / "bag" / "metadata.yaml").unlink()  # has a target of its own, and takes half of the time

    def read(_path: Path) -> None:
        with Recording(folder / "bag") as recording:
            for _message in recording.messages():
                pass

    seeds, feed = _file(path.name, [good], read, path.parent)

    def clean(data: bytes) -> None:
        for journal in path.parent.glob("*-journal"):
            journal.unlink()
        feed(data)

    return seeds, clean


def _model_file(name: str, read: Callable[[Path], Any], folder: Path, _: contextlib.ExitStack) -> Entry:
    model = _model(folder, _IMU)
    return _file(name, [(model / name).read_bytes()], lambda path: read(path.parent), model)


def _weights(folder: Path, undo: contextlib.ExitStack) -> Entry:
    """What describes the weights; the numbers themselves, which follow unchanged, would be most of the bytes."""
    (file,), feed = _model_file("model.safetensors", load_checkpoint, folder, undo)
    start = 8 + int.from_bytes(file[:8], "little")
    return [file[:start]], lambda data: feed(data + file[start:])


def _novelty() -> bytes:
    features = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    return Novelty("imu", features).to_bytes("0a1b2c3d")


def _sensor_sync_yaml(path: Path) -> None:
    SensorSyncConfig.read(ParameterFile(path).read("sensor_sync", SENSOR_SYNC))


def _taxonomies() -> list[bytes]:
    return [path.read_bytes() for path in sorted(share_path("config", "taxonomies").glob("*.yaml"))[:2]]


_CSV = b"start,end,group,activity\n1700000000.0,1700000003.25,gesture,wave\n1700000004,1700000005,,walk\n"
_JSONL = b'{"start": 1700000000.0, "end": 1700000003.25, "activity": "wave"}\n'
_AUDACITY = b"1.0\t2.5\twave\n3.0\t4.0\tgait/walk\n"
_ELAN = b"""<?xml version="1.0" encoding="UTF-8"?><ANNOTATION_DOCUMENT><TIME_ORDER>
<TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="100"/><TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="900"/></TIME_ORDER>
<TIER TIER_ID="a"><ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" TIME_SLOT_REF1="ts1" TIME_SLOT_REF2="ts2">
<ANNOTATION_VALUE>wave</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION></TIER></ANNOTATION_DOCUMENT>"""
_BORIS = b"""{"behaviors_conf": {"0": {"type": "State event", "code": "wave", "category": ""}},
"observations": {"a": {"events": [[1.5, "", "wave", "", ""], [2.5, "", "wave", "", ""]]}}}"""
_LABEL_STUDIO = b"""[{"id": 1, "annotations": [{"result": [
{"type": "timelinelabels", "value": {"ranges": [{"start": 3, "end": 9}], "timelinelabels": ["wave"]}},
{"type": "timeserieslabels", "value": {"start": 2.5, "end": 4, "instant": false, "timeserieslabels": ["walk"]}}]}]}]"""
_CVAT = b"""<annotations><image id="0"><tag label="wave"/></image><image id="1"/>
<track label="walk"><box frame="5" outside="0"/><box frame="9" outside="1"/></track></annotations>"""
_YAML = [
    share_path("config", "sim.yaml").read_bytes(),
    b"sensor_sync: {ros__parameters: {streams: [a], a: {topic: b}}}",
]


def _imported(path: Path) -> Any:
    frames_ns = STAMP_NS + np.arange(600) * 10**8
    return import_labels(path, Timeline(STAMP_NS, STAMP_NS + 60 * 10**9, frames_ns))


TARGETS: Mapping[str, Target] = {
    **{name: partial(_sensor, name) for name in SENSORS},
    "multimodal_frame": partial(_inference, "MultimodalFrame"),
    "people": partial(_inference, "People"),
    "change_state": partial(_service, ChangeState, _transitions()),
    "set_parameters": partial(_service, SetParameters, _settings()),
    "mcap": partial(_bag, "MCAP", "NONE", "*.mcap"),
    "mcap_zstd_chunks": partial(_bag, "MCAP", "STORAGE", "*.mcap"),
    "mcap_zstd": partial(_bag, "MCAP", "FILE", "*.zstd"),
    "sqlite3": partial(_bag, "SQLITE3", "NONE", "*.db3"),
    "sqlite3_zstd_messages": partial(_bag, "SQLITE3", "MESSAGE", "*.db3"),
    "sqlite3_zstd": partial(_bag, "SQLITE3", "FILE", "*.zstd"),
    "metadata": partial(_bag, "MCAP", "NONE", "metadata.yaml"),
    "model_config": partial(_model_file, "config.json", read_config),
    "model_weights": _weights,
    "model_novelty": partial(
        _file, "novelty.safetensors", [_novelty()], lambda path: Novelty.from_bytes(path.read_bytes())
    ),
    "labels_csv": partial(_file, "labels.csv", [_CSV], read_labels),
    "labels_jsonl": partial(_file, "labels.jsonl", [_JSONL], read_labels),
    "audacity": partial(_file, "labels.txt", [_AUDACITY], _imported),
    "elan": partial(_file, "labels.eaf", [_ELAN], _imported),
    "boris": partial(_file, "labels.boris", [_BORIS], _imported),
    "label_studio": partial(_file, "labels.json", [_LABEL_STUDIO], _imported),
    "cvat": partial(_file, "labels.xml", [_CVAT], _imported),
    "parameter_file": partial(_file, "parameters.yaml", _YAML, _sensor_sync_yaml),
    "taxonomy": partial(_file, "taxonomy.yaml", _taxonomies(), lambda path: find_taxonomy(str(path))),
}
"""By name."""
