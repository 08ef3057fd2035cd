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

"""The nodes started by the launch files: one plan for `ros2 launch` and for `mumu launch`.

Imports neither rclpy nor launch, and nothing that only pip installs: `ros2 launch` runs in the system's Python.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from shlex import quote
from typing import Any

from mumu_ros.files import expanded
from mumu_ros.model.checkpoint import find_model
from mumu_ros.nodes.launch_arguments import HRI, node_namespace
from mumu_ros.nodes.node_configuration import input_topics
from mumu_ros.nodes.parameters import PEOPLE, TABLES
from mumu_ros.pipeline.parameter_file import ParameterFile
from mumu_ros.pipeline.parameter_tables import INFERENCE, SENSOR_SYNC
from mumu_ros.pipeline.parameter_values import ParameterError
from mumu_ros.reading import read_json
from mumu_ros.share import located, share_path

__all__ = [
    "RESPAWN_DELAY_S",
    "NodePlan",
    "check_demo",
    "enclave",
    "parameter_texts",
    "plan_demo",
    "plan_hri",
    "plan_replay",
]

_AWAITED = ["multimodal_frame", "activity"]
"""Playback starts once the model is loaded and the evaluation subscribed."""
COMPOSED = ("sensor_sync", "people", "inference")
"""Nodes that can run in one process: `composed.py`."""
RESPAWN_DELAY_S = 2.0
DEMO_SECONDS = 60.0


@dataclass(frozen=True)
class NodePlan:
    """A node to start.

    Attributes:
        name: Of the node and of its executable.
        params_file: Its parameter file.
        parameters: Those that override the file's.
        arguments: Of its command line, before those of ROS.
        remappings: Name of a topic to the one that is used in its place.
        respawn: Whether it is restarted when it has ended.
        may_end: Whether the others continue after its regular end; otherwise its end ends the launch.
    """

    name: str
    params_file: Path | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    remappings: Mapping[str, str] = field(default_factory=dict)
    respawn: bool = False
    may_end: bool = False


def enclave(node: str) -> str:
    """The enclave of a node in `config/security/policy.xml`; without SROS 2 it is a name only."""
    return f"/mumu_ros/{node}"


def parameter_texts(parameters: Mapping[str, object]) -> list[str]:
    """NAME=VALUE for each, for a node's command line (`declaring.own_arguments`).

    Texts are quoted, or "1000" and "" would be read as a number and nothing; rcl cannot read JSON's escapes of emoji.
    """
    return [f"{name}={json.dumps(value, default=str, ensure_ascii=False)}" for name, value in parameters.items()]


def plan_hri(arguments: Mapping[str, str]) -> list[NodePlan]:
    """The nodes of hri.launch.py, from a value for each of `HRI`.

    Raises:
        ParameterError: An argument is invalid; the message contains its name.
        OSError: `params_file` cannot be read.
    """
    simulates, camera = arguments["simulate"] == "true", arguments["camera"]
    if simulates and camera:
        raise ParameterError(f"camera:={camera} is a real camera: leave it out, or leave out simulate:=true")
    file = _params_file(arguments)
    common = {name: arguments[name] == "true" for name in ("use_sim_time", "autostart") if arguments[name]}
    model = {name: arguments[name] for name in ("model", "device") if arguments[name]}
    known = _Model.of(_model_name(file, arguments["model"]))
    if known.is_simulated_only and not simulates and arguments["use_sim_time"] != "true":
        raise ParameterError(
            f"model {known.name!r} was trained on simulated people only, and is not valid for real ones: give another, "
            "or simulate:=true (or use_sim_time:=true with a recording of simulated people)"
        )
    overlay = arguments["overlay"] == "true"
    preset = ParameterFile(share_path("config", "cameras", f"{camera}.yaml") if camera else None, file.namespace)
    sources = _sources(file, preset, known, overlay=overlay)
    plans = [NodePlan(name, file.path, {**common, **_streams_of(name, file, arguments["model"])}) for name in sources]
    plans.append(NodePlan("inference", file.path, {**common, **model}))
    optional = {"overlay": overlay, "simulator": simulates}
    plans += [NodePlan(name, file.path, common) for name, wanted in optional.items() if wanted]
    _check_names(plans, file)
    plans = [
        replace(
            plan,
            parameters={
                **(_picture_of_people(file) if plan.name == "overlay" else {}),
                **preset.own(plan.name),
                **plan.parameters,
            },
            respawn=arguments["respawn"] == "true",
        )
        for plan in plans
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
    file = _params_file(arguments)
    model = {name: arguments[name] for name in ("model", "device") if arguments[name]}
    known = _Model.of(_model_name(file, arguments["model"]))
    sources = _sources(file, ParameterFile(None), known)
    annotations = _recorded_annotations(expanded(arguments["bag"]), file, sources)
    clock = {"use_sim_time": True}
    judged = {
        "model": known.name,
        "labels": arguments["labels"] or str(find_labels(expanded(arguments["bag"])) or ""),
        "out": arguments["out"],
    }
    played = {"bag": arguments["bag"], "rate": rate, "loop": arguments["loop"] == "true", "wait_for": _AWAITED}
    plans = [NodePlan(name, file.path, {**clock, **_streams_of(name, file, arguments["model"])}) for name in sources]
    plans.append(NodePlan("inference", file.path, {**clock, **model}))
    _check_names(plans, file)
    remappings = {"annotation": annotations} if annotations else {}
    evaluation = NodePlan("evaluation", None, {**clock, **judged}, remappings=remappings)
    return [*plans, evaluation, NodePlan("player", None, played)]


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
    streams = ParameterFile(share_path("config", "sim.yaml")).read("sensor_sync", SENSOR_SYNC).read("streams")
    if known.modalities and (known.uses_people or not set(known.modalities) & set(streams)):
        raise ParameterError(
            f"model {model!r} takes {', '.join(known.modalities)}, and the demo has {', '.join(streams)} and looks for "
            "no people: give a model such as sim"
            + (f", or try it with: mumu launch hri simulate:=true model:={quote(model)}" if known.uses_people else "")
        )


def _params_file(arguments: Mapping[str, str]) -> ParameterFile:
    """The file that is given, else that of the simulator or of a camera, by the model."""
    given, model = arguments["params_file"], arguments["model"]
    is_simulated = arguments.get("simulate") == "true" or (bool(model) and _Model.of(model).is_simulated_only)
    path = located(given) if given else share_path("config", "sim.yaml" if is_simulated else "hri.yaml")
    if not path.is_file():
        raise ParameterError(f"params_file:={given} is not a file")
    file = ParameterFile(path, node_namespace(arguments["namespace"]))
    file.check_sections(TABLES)
    return file


def _check_names(plans: Sequence[NodePlan], file: ParameterFile) -> None:
    """Check every name in the nodes' own sections: rclpy drops unknown ones silently."""
    for plan in plans:
        file.check_names(plan.name, TABLES[plan.name])


def _composed(plans: Sequence[NodePlan]) -> list[NodePlan]:
    """The plans, with one process for all nodes that can share it."""
    inside = [plan for plan in plans if plan.name in COMPOSED]
    texts = [f"{plan.name}.{text}" for plan in inside for text in parameter_texts(plan.parameters)]
    arguments = (*(plan.name for plan in inside), *texts)
    composed = replace(inside[-1], name="composed", parameters={}, arguments=arguments)
    return [composed, *(plan for plan in plans if plan not in inside)]


def _sources(file: ParameterFile, preset: ParameterFile, model: _Model, *, overlay: bool = False) -> list[str]:
    """The nodes that inference subscribes to: those with a section in the file or in the camera's preset.

    For a model without a modality of one person, people is started for the overlay only.
    """
    sections = file.nodes() | preset.nodes()
    sources = [name for name in ("sensor_sync", "people") if name in sections]
    if not sources:
        raise ParameterError(f"params_file {file.path} has no section for sensor_sync or people: nothing to recognise")
    if not model.uses_people and "sensor_sync" not in sources:
        raise ParameterError(
            f"params_file {file.path} has no section for sensor_sync, and model {model.name!r} takes "
            f"{', '.join(model.modalities)} from it: give a params_file that names their topics"
        )
    if model.needs_depth and "sensor_sync" not in sources and not _depth_topic(file, preset):
        camera = f"camera:={preset.path.stem} " if preset.path else ""
        raise ParameterError(
            f"model {model.name!r} takes {', '.join(model.modalities)}, and none would come: params_file {file.path} "
            f"has no section for sensor_sync, and {camera}no depth.topic for people; give a camera with depth, a "
            "params_file that names the topics, or a model of skeletons such as people"
        )
    return [name for name in sources if name != "people" or overlay or model.uses_people]


def _depth_topic(file: ParameterFile, preset: ParameterFile) -> str:
    """The topic of depth that people subscribes to; empty if none."""
    of_camera = preset.own("people")
    if "depth.topic" in of_camera:
        return str(of_camera["depth.topic"])
    return str(file.read("people", PEOPLE).read("depth.topic"))


def _picture_of_people(file: ParameterFile) -> dict[str, Any]:
    """What the file says of the picture that people reads: the overlay draws on it unless the file names another."""
    own, people = file.own("overlay"), file.own("people")
    names = () if "image.topic" in own else ("image.topic", "image.type", "encoding", "reliability")
    return {name: people[name] for name in names if name in people and name not in own}


def _recorded_annotations(bag: Path, file: ParameterFile, sources: Sequence[str]) -> str | None:
    """The topic with a recording's annotations, as `mumu evaluate` chooses it; None if there is none.

    Rejects a recording of other topics than the nodes': its player would wait for somebody to subscribe.
    """
    from mumu_ros.recordings import Recording, RecordingError  # needs rosbags
    from mumu_ros.recordings.annotations import annotation_topic

    wanted = sorted(input_topics(file, sources))
    full = [topic if topic.startswith("/") else f"/{file.namespace}/{topic}".replace("//", "/") for topic in wanted]
    try:
        with Recording(bag) as recording:
            recorded = set(recording.topics)
            annotations = annotation_topic(recording, recorded.intersection(full))
    except RecordingError as error:
        raise ParameterError(f"bag:={bag}: {error}") from error
    if wanted and recorded.isdisjoint(full):
        ends = [f"/{topic}" for topic in wanted if not topic.startswith("/")]
        spaces = {name.removesuffix(end) for end in ends for name in recorded if name.endswith(end)}
        remedies = [f"give namespace:={space[1:]}" if space else "leave out namespace:=" for space in sorted(spaces)]
        raise ParameterError(
            f"bag:={bag} has none of {', '.join(full)}, which {file.path} names; it has "
            f"{', '.join(sorted(recorded)) or 'no topic'}: "
            f"{' or '.join(remedies) or 'give the params_file that it was recorded with'}"
        )
    return annotations


def _streams_of(node: str, file: ParameterFile, given: str) -> dict[str, str]:
    """The model that gives sensor_sync its streams' sizes: the given one, else the file's for it, else inference's."""
    named = given or not file.own(node).get("model")
    return {"model": _model_name(file, given)} if node == "sensor_sync" and named else {}


def _model_name(file: ParameterFile, given: str) -> str:
    try:
        return given or str(file.read("inference", INFERENCE).read("model"))
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
            # Not as a ModelConfig, which checks that encoders are installed: they may be so for the nodes only.
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
