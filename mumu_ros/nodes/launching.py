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

"""The nodes started by the launch files: one table of arguments and one plan for `ros2 launch` and for `mumu launch`.

Imports neither rclpy nor launch, and nothing that only pip installs: `ros2 launch` runs in the system's Python.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from shlex import quote
from typing import Any

from mumu_ros.files import expanded
from mumu_ros.model.checkpoint import find_model
from mumu_ros.nodes.node_configuration import input_topics
from mumu_ros.nodes.parameters import PEOPLE, TABLES
from mumu_ros.pipeline.parameter_file import check_names, check_sections, node_sections, own_parameters, read_parameters
from mumu_ros.pipeline.parameter_tables import INFERENCE, SENSOR_SYNC, ParameterError
from mumu_ros.reading import read_json
from mumu_ros.share import located, share_path

__all__ = [
    "AWAITED",
    "DEMO",
    "HRI",
    "REPLAY",
    "RESPAWN_DELAY_S",
    "Argument",
    "NodePlan",
    "check_demo",
    "enclave",
    "node_namespace",
    "plan_demo",
    "plan_hri",
    "plan_replay",
    "value_text",
]

AWAITED = ["multimodal_frame", "activity"]
"""Playback starts once the model is loaded and the evaluation subscribed."""
CAMERAS = tuple(sorted(path.stem for path in share_path("config", "cameras").glob("*.yaml")))
COMPOSED = ("sensor_sync", "people", "inference")
"""Nodes that can run in one process: `composed.py`."""
RESPAWN_DELAY_S = 2.0
DEMO_SECONDS = 60.0
FLAG = ("true", "false")
GIVEN_FLAG = ("", *FLAG)
_NAMESPACE_PATTERN = re.compile(r"/?[A-Za-z_]\w*(/[A-Za-z_]\w*)*", re.ASCII)


@dataclass(frozen=True)
class Argument:
    """An argument of a launch file. Required without a default; the default "" leaves it to `params_file`."""

    name: str
    default: str | None
    description: str
    choices: tuple[str, ...] = ()

    @property
    def accepted(self) -> tuple[str, ...]:
        """The choices, and the flags as Python writes them."""
        return (*self.choices, *(flag.title() for flag in FLAG if flag in self.choices))

    def read(self, text: str) -> str:
        """A value with a flag in lower case."""
        return text.lower() if text in self.accepted else text


@dataclass(frozen=True)
class NodePlan:
    """A node to start.

    Attributes:
        name: Of the node and of its executable.
        params_file: Its parameter file.
        parameters: Those that override the file's.
        arguments: Of its command line, before those of ROS.
        respawn: Whether it is restarted when it has ended.
        may_end: Whether the others continue after its regular end; otherwise its end ends the launch.
    """

    name: str
    params_file: Path | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    respawn: bool = False
    may_end: bool = False


_MODEL = Argument("model", "", "Model folder, or the name of a shipped model. Empty: as in params_file.")
_DEVICE = Argument("device", "", "Where the model runs: auto, cpu, cuda, cuda:0. Empty: as in params_file.")
_NAMESPACE = Argument("namespace", "", "Namespace of the nodes, their topics and their sections of params_file.")
HRI = (
    Argument(
        "params_file",
        "",
        "Parameters of the nodes: topics, rates, thresholds. sensor_sync and people are started if it has a section "
        "for them; people also with a camera. Empty: config/hri.yaml, or config/sim.yaml for simulated people.",
    ),
    Argument(
        "camera",
        "",
        "A camera whose driver runs with its default names: topics and types come from config/cameras and override "
        "params_file's. Empty: as in params_file.",
        ("", *CAMERAS),
    ),
    _MODEL,
    _NAMESPACE,
    _DEVICE,
    Argument(
        "composed", "false", "Run sensor_sync, people and inference in one process, which takes less memory.", FLAG
    ),
    Argument("overlay", "false", "Publish the picture with people and their activities drawn on it.", FLAG),
    Argument("simulate", "false", "Start simulated people with sensors, to try it out.", FLAG),
    Argument("use_sim_time", "", "Take time from /clock (bag replay). Empty: as in params_file.", GIVEN_FLAG),
    Argument(
        "autostart",
        "",
        "Configure and activate; false leaves that to a manager. Empty: as in params_file.",
        GIVEN_FLAG,
    ),
    Argument("respawn", "false", "Restart a node that has ended; false: all end, with an error.", FLAG),
)
REPLAY = (
    Argument("bag", None, "Folder of the rosbag2 to play."),
    Argument(
        "params_file",
        "",
        "Parameters of the nodes that recorded it. Empty: config/hri.yaml, or config/sim.yaml for a model of simulated "
        "people.",
    ),
    _MODEL,
    _NAMESPACE,
    _DEVICE,
    Argument("labels", "", "Label file; empty: BAG.labels.csv beside the bag if it is there, else its annotations."),
    Argument("out", "evaluation", "Folder for the report."),
    Argument("rate", "1.0", "Playback speed."),
    Argument("loop", "false", "Restart at the end, until Ctrl-C.", FLAG),
)
DEMO = (
    _MODEL,
    _NAMESPACE,
    _DEVICE,
    Argument("faults", "[imu_wrist:13.2-27, rgb:37.2-51]", "Simulated faults, such as '[imu_wrist:stuck:12-30]'."),
)


def enclave(node: str) -> str:
    """The enclave of a node in `config/security/policy.xml`; without SROS 2 it is a name only."""
    return f"/mumu_ros/{node}"


def node_namespace(text: str) -> str:
    """A namespace without a final slash.

    Raises:
        ParameterError: No node can be in it.
    """
    name = text.rstrip("/")
    if name and not _NAMESPACE_PATTERN.fullmatch(name):
        raise ParameterError(
            f"namespace {text!r} cannot be one: expected letters, digits and _ between slashes, no digit first, such "
            "as robot1 or /fleet/robot1"
        )
    return name


def value_text(value: object) -> str:
    """A parameter for ROS's command line; texts are quoted, or "1000" and "" would be read as a number and nothing."""
    return json.dumps(value, default=str)


def plan_hri(arguments: Mapping[str, str]) -> list[NodePlan]:
    """The nodes of hri.launch.py, from a value for each of `HRI`.

    Raises:
        ParameterError: An argument is invalid; the message contains its name.
        OSError: `params_file` cannot be read.
    """
    simulates, camera = arguments["simulate"] == "true", arguments["camera"]
    if simulates and camera:
        raise ParameterError(f"camera:={camera} is a real camera: leave it out, or leave out simulate:=true")
    params_file, namespace = _params_file(arguments), node_namespace(arguments["namespace"])
    common = {name: arguments[name] == "true" for name in ("use_sim_time", "autostart") if arguments[name]}
    model = {name: arguments[name] for name in ("model", "device") if arguments[name]}
    known = _Model.of(_model_name(params_file, namespace, arguments["model"]))
    if known.is_simulated_only and not simulates and arguments["use_sim_time"] != "true":
        raise ParameterError(
            f"model {known.name!r} was trained on simulated people only, and is not valid for real ones: give another, "
            "or simulate:=true (or use_sim_time:=true with a recording of simulated people)"
        )
    overlay = arguments["overlay"] == "true"
    preset = share_path("config", "cameras", f"{camera}.yaml") if camera else None
    sources = _sources(params_file, namespace, known, preset, overlay=overlay)
    plans = [
        NodePlan(name, params_file, {**common, **_streams_of(name, params_file, namespace, arguments)})
        for name in sources
    ]
    plans.append(NodePlan("inference", params_file, {**common, **model}))
    optional = {"overlay": overlay, "simulator": simulates}
    plans += [NodePlan(name, params_file, common) for name, wanted in optional.items() if wanted]
    plans = [
        replace(
            plan,
            parameters={
                **(_picture_of_people(params_file, namespace) if plan.name == "overlay" else {}),
                **(own_parameters(preset, plan.name, namespace) if preset else {}),
                **plan.parameters,
            },
            respawn=arguments["respawn"] == "true",
        )
        for plan in _checked(plans, namespace)
    ]
    return _composed(plans) if arguments["composed"] == "true" else plans


def plan_replay(arguments: Mapping[str, str]) -> list[NodePlan]:
    """The nodes of replay.launch.py, from a value for each of `REPLAY`; they end when the player ends.

    Raises:
        ParameterError: An argument is invalid, or the bag has none of the topics that the nodes subscribe to.
        OSError: `params_file` cannot be read.
    """
    from mumu_ros.recordings.label_files import find_labels  # needs rosbags

    if not expanded(arguments["bag"]).exists() or not arguments["bag"]:
        raise ParameterError(f"bag:={arguments['bag']} is not a recording; give the folder of the rosbag2 to play")
    if arguments["labels"] and not expanded(arguments["labels"]).is_file():
        raise ParameterError(f"labels:={arguments['labels']} is not a file")
    try:
        rate = float(arguments["rate"])
    except ValueError as error:
        raise ParameterError(
            f"rate:={arguments['rate']} is not a number; expected a playback speed such as 1.0"
        ) from error
    params_file, namespace = _params_file(arguments), node_namespace(arguments["namespace"])
    model = {name: arguments[name] for name in ("model", "device") if arguments[name]}
    known = _Model.of(_model_name(params_file, namespace, arguments["model"]))
    sources = _sources(params_file, namespace, known)
    _check_recorded(expanded(arguments["bag"]), params_file, namespace, sources)
    clock = {"use_sim_time": True}
    judged = {
        "model": known.name,
        "labels": arguments["labels"] or str(find_labels(expanded(arguments["bag"])) or ""),
        "out": arguments["out"],
    }
    played = {"bag": arguments["bag"], "rate": rate, "loop": arguments["loop"] == "true", "wait_for": AWAITED}
    plans = [
        *(
            NodePlan(name, params_file, {**clock, **_streams_of(name, params_file, namespace, arguments)})
            for name in sources
        ),
        NodePlan("inference", params_file, {**clock, **model}),
        NodePlan("evaluation", None, {**clock, **judged}),
        NodePlan("player", None, played),
    ]
    return _checked(plans, namespace)


def plan_demo(arguments: Mapping[str, str]) -> list[NodePlan]:
    """The nodes of demo.launch.py, from a value for each of `DEMO`; they end when watch ends.

    Raises:
        ParameterError: An argument is invalid; the message contains its name.
    """
    if arguments["model"]:
        check_demo(arguments["model"])
    given = {argument.name: argument.default or "" for argument in HRI} | {"simulate": "true"}
    given |= {name: value for name, value in arguments.items() if name in given}
    faults = [text.strip() for text in arguments["faults"].strip("[] ").split(",")]
    performance = {"seconds": DEMO_SECONDS, "faults": faults}
    # Without people: decisions about the anonymous body continue when the colour camera is unplugged.
    plans = [plan for plan in plan_hri(given) if plan.name not in ("people", "simulator")]
    simulator = NodePlan("simulator", share_path("config", "sim.yaml"), performance, may_end=True)
    return [*plans, simulator, NodePlan("watch", None, performance)]


def check_demo(model: str) -> None:
    """Reject a model that would recognise nothing in the demo, which looks for no people.

    Raises:
        ParameterError: It is one.
        CheckpointError: There is no such model.
    """
    known = _Model.of(model)
    streams = read_parameters(share_path("config", "sim.yaml"), "sensor_sync", SENSOR_SYNC).read("streams")
    if known.modalities and (known.uses_people or not set(known.modalities) & set(streams)):
        raise ParameterError(
            f"model {model!r} takes {', '.join(known.modalities)}, and the demo has {', '.join(streams)} and looks for "
            "no people: give a model such as sim"
            + (f", or try it with: mumu launch hri simulate:=true model:={quote(model)}" if known.uses_people else "")
        )


def _params_file(arguments: Mapping[str, str]) -> Path:
    """The file that is given, else that of the simulator or of a camera, by the model."""
    given, model = arguments["params_file"], arguments["model"]
    is_simulated = arguments.get("simulate") == "true" or (bool(model) and _Model.of(model).is_simulated_only)
    path = located(given) if given else share_path("config", "sim.yaml" if is_simulated else "hri.yaml")
    if not path.is_file():
        raise ParameterError(f"params_file:={given} is not a file")
    check_sections(path, TABLES, node_namespace(arguments.get("namespace", "")))
    return path


def _checked(plans: Sequence[NodePlan], namespace: str) -> list[NodePlan]:
    """The plans, after checking every name in the nodes' own sections: rclpy drops unknown ones silently."""
    for plan in plans:
        if plan.params_file:
            check_names(plan.params_file, plan.name, TABLES[plan.name], namespace)
    return list(plans)


def _composed(plans: Sequence[NodePlan]) -> list[NodePlan]:
    """The plans, with one process for all nodes that can share it."""
    inside = [plan for plan in plans if plan.name in COMPOSED]
    texts = [f"{plan.name}.{name}={value_text(value)}" for plan in inside for name, value in plan.parameters.items()]
    arguments = (*(plan.name for plan in inside), *texts)
    composed = replace(inside[-1], name="composed", parameters={}, arguments=arguments)
    return [composed, *(plan for plan in plans if plan not in inside)]


def _sources(
    params_file: Path, namespace: str, model: _Model, preset: Path | None = None, *, overlay: bool = False
) -> list[str]:
    """The nodes that inference subscribes to: those with a section in the file or in the camera's preset.

    For a model without a modality of one person, people is started for the overlay only.
    """
    sections = node_sections(params_file, namespace) | (node_sections(preset, namespace) if preset else set())
    sources = [name for name in ("sensor_sync", "people") if name in sections]
    if not sources:
        raise ParameterError(
            f"params_file {params_file} has no section for sensor_sync or people: nothing to recognise"
        )
    if not model.uses_people and "sensor_sync" not in sources:
        raise ParameterError(
            f"params_file {params_file} has no section for sensor_sync, and model {model.name!r} takes "
            f"{', '.join(model.modalities)} from it: give a params_file that names their topics"
        )
    if model.needs_depth and "sensor_sync" not in sources and not _depth_topic(params_file, namespace, preset):
        camera = f"camera:={preset.stem} " if preset else ""
        raise ParameterError(
            f"model {model.name!r} takes {', '.join(model.modalities)}, and none would come: params_file {params_file} "
            f"has no section for sensor_sync, and {camera}no depth.topic for people; give a camera with depth, a "
            "params_file that names the topics, or a model of skeletons such as people"
        )
    return [name for name in sources if name != "people" or overlay or model.uses_people]


def _depth_topic(params_file: Path, namespace: str, preset: Path | None) -> str:
    """The topic of depth that people subscribes to; empty if none."""
    of_camera = own_parameters(preset, "people", namespace) if preset else {}
    if "depth.topic" in of_camera:
        return str(of_camera["depth.topic"])
    return str(read_parameters(params_file, "people", PEOPLE, namespace).read("depth.topic"))


def _picture_of_people(params_file: Path, namespace: str) -> dict[str, Any]:
    """What the file says of the picture that people reads: the overlay draws on it unless the file names another."""
    own, people = (own_parameters(params_file, node, namespace) for node in ("overlay", "people"))
    names = () if "image.topic" in own else ("image.topic", "image.type", "encoding", "reliability")
    return {name: people[name] for name in names if name in people and name not in own}


def _check_recorded(bag: Path, params_file: Path, namespace: str, sources: Sequence[str]) -> None:
    """Reject a recording of other topics: its player would wait for somebody to subscribe."""
    from mumu_ros.recordings import Recording, RecordingError  # needs rosbags

    wanted = sorted(input_topics(params_file, sources, namespace))
    try:
        with Recording(bag) as recording:
            recorded = set(recording.topics)
    except RecordingError as error:
        raise ParameterError(f"bag:={bag}: {error}") from error
    full = [topic if topic.startswith("/") else f"/{namespace}/{topic}".replace("//", "/") for topic in wanted]
    if wanted and recorded.isdisjoint(full):
        ends = [f"/{topic}" for topic in wanted if not topic.startswith("/")]
        spaces = {name.removesuffix(end) for end in ends for name in recorded if name.endswith(end)}
        remedy = " or ".join(f"namespace:={space[1:]}" for space in sorted(spaces))
        raise ParameterError(
            f"bag:={bag} has none of {', '.join(full)}, which {params_file} names; it has "
            f"{', '.join(sorted(recorded)) or 'no topic'}: give {remedy or 'the params_file that it was recorded with'}"
        )


def _streams_of(node: str, params_file: Path, namespace: str, arguments: Mapping[str, str]) -> dict[str, str]:
    """The model that gives sensor_sync its streams' sizes: the argument, else the file's for it, else inference's."""
    named = arguments["model"] or not own_parameters(params_file, node, namespace).get("model")
    return {"model": _model_name(params_file, namespace, arguments["model"])} if node == "sensor_sync" and named else {}


def _model_name(params_file: Path, namespace: str, given: str) -> str:
    try:
        return given or str(read_parameters(params_file, "inference", INFERENCE, namespace).read("model"))
    except ParameterError:  # no section for inference, or a value that inference itself rejects
        return next(str(row.default) for row in INFERENCE if row.name == "model")


@dataclass(frozen=True)
class _Model:
    """Properties of a model that a launch depends on.

    Attributes:
        name: As it was given.
        is_simulated_only: Whether it was trained on simulated people.
        uses_people: Whether it has a modality of one person: a skeleton, or the person's own depth picture.
        needs_depth: Whether the depth picture is all that it takes of a person.
        modalities: Names of what it takes.
    """

    name: str
    is_simulated_only: bool
    uses_people: bool
    needs_depth: bool
    modalities: tuple[str, ...]

    @classmethod
    def of(cls, name: str) -> _Model:
        """Read a model's configuration; for one that cannot be read, inference reports the error.

        Raises:
            CheckpointError: There is no such model.
        """
        folder = find_model(name)
        try:
            content = read_json(folder / "config.json")
            data = content["provenance"].get("data")
            dataset = data.get("dataset") if isinstance(data, dict) else None
            modalities = content["model"]["modalities"]
            joints = any(m.get("layout") or m["shape"] == [20, 3] for m in modalities)
            depth = any(m["encoder"] == "pose_cnn" for m in modalities)
            names = tuple(str(m["name"]) for m in modalities)
            return cls(name, dataset == "simulator", joints or depth, depth and not joints, names)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return cls(name, False, True, False, ())
