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

"""`mumu dataset`: training sets from recordings."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mumu_ros.recordings.options import add_labelled_recordings, one_each
from mumu_ros.text import shorten

if TYPE_CHECKING:
    from mumu_ros.datasets.build import BagReport, Report
    from mumu_ros.pipeline.configuration import SensorSyncConfig

__all__ = ["register"]

_SHOWN = 5
_PARAMS = "default: config/sim.yaml"


def register(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command; it sets `run`, a function of the parsed arguments that returns the exit status."""
    parser = commands.add_parser("dataset")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    build = actions.add_parser(
        "build",
        help="recordings and labels become a training set",
        description="Write one clip for each label of the recordings, in the folder format of docs/datasets.md, with "
        "clips.csv, taxonomy.yaml and report.json. Streams are converted as the nodes do it. If the parameter file "
        "has a section for people, and a model that takes skeletons, the people in the pictures are found, and their "
        "joints are the stream skeleton: about 30 ms of one core a picture.",
    )
    add_labelled_recordings(build, _PARAMS)
    build.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="the new training set")
    build.add_argument(
        "--subjects",
        metavar="1,1,2",
        help="the person in each bag, as a number; default: a different one each, 1, 2, …",
    )
    build.add_argument(
        "--taxonomy",
        metavar="FILE",
        help="activities to take, a YAML file or the name of a shipped taxonomy; default: those "
        "that are labelled, in the labels' groups",
    )
    build.add_argument(
        "--shortest",
        type=float,
        metavar="SECONDS",
        help="a window's length: labels that do not fill nine tenths of one are dropped (default: that of "
        "config/training/own.yaml, with people that of own_people.yaml)",
    )
    build.set_defaults(run=_build)
    front = actions.add_parser(
        "front-end",
        help="the joints that the people front end finds in UTD-MHAD become a training set",
        description="Draw UTD-MHAD's depth images as shaded pictures, let the people front end find the person in "
        "them, with and without depth, and keep the joints as dataset utd_mhad_front of docs/datasets.md. Clips in "
        "OUT are left as they are. A clip takes about five seconds of one core.",
    )
    front.add_argument("root", nargs="?", default="", help="UTD-MHAD's folder (default: $MUMU_UTD_MHAD)")
    front.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where the joints go")
    front.add_argument("--trials", default="1", metavar="1,2", help="of each person and activity (default: 1)")
    front.add_argument("--weights", type=Path, metavar="FOLDER", help="of the pose network (default: see mumu weights)")
    front.set_defaults(run=_front_end)
    _register_lerobot(actions)


def _register_lerobot(actions: argparse._SubParsersAction[Any]) -> None:
    to = actions.add_parser(
        "to-lerobot",
        help="recordings and labels become a LeRobot dataset",
        description="Write a LeRobot dataset (v3.0) with an episode for each recording. Its rows have the rate of "
        "sensor_sync in the parameter file, their task is the label. See docs/datasets.md.",
    )
    add_labelled_recordings(to, _PARAMS)
    to.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="the new dataset")
    to.set_defaults(run=_to_lerobot)
    back = actions.add_parser(
        "from-lerobot",
        help="the episodes of a LeRobot dataset become recordings and label files",
        description="Write a rosbag2 for each episode of a LeRobot dataset (v3.0), with its tasks as labels. Stamps "
        "are compared with the dataset's rate.",
    )
    back.add_argument("root", type=Path, metavar="DATASET", help="folder of the dataset, with meta and data")
    back.add_argument(
        "--out", type=Path, required=True, metavar="FOLDER", help="for episode_000, episode_000.labels.csv, …"
    )
    back.set_defaults(run=_from_lerobot)


def _build(arguments: argparse.Namespace) -> int:
    from mumu_ros.datasets import open_dataset
    from mumu_ros.datasets.build import Source, build_dataset
    from mumu_ros.datasets.clips import lonely_activity, unlike_names
    from mumu_ros.model.taxonomy import find_taxonomy

    bags = arguments.bags
    labels = one_each("--labels", arguments.labels or [None] * len(bags), bags)
    subjects = _subjects(arguments.subjects, bags)
    finds_people, has_streams = _sources(arguments.params)
    configuration = "own_people" if finds_people else "own"
    model = _model(configuration)
    window_s = float(model["window_s"])
    shortest_s = window_s if arguments.shortest is None else arguments.shortest
    report = build_dataset(
        [Source(bag, subject, path) for bag, subject, path in zip(bags, subjects, labels, strict=True)],
        arguments.out,
        _sensor_sync(arguments.params) if has_streams else None,
        shortest_s,
        skeletons=finds_people,
        taxonomy=find_taxonomy(arguments.taxonomy) if arguments.taxonomy else None,
        progress=_print_bag,
    )
    shorter = "" if shortest_s == window_s else f" model.window_s={shortest_s}"
    _print_report(report, arguments.out, configuration, f"data.root={shlex.quote(str(arguments.out))}{shorter}")
    streams = open_dataset("folder", str(arguments.out)).streams
    if text := unlike_names(streams, [modality["name"] for modality in model["modalities"]]):
        print(f"config/training/{configuration}.yaml: {text}", file=sys.stderr)
    if text := lonely_activity(report.activities):
        print(text, file=sys.stderr)
    return 0


def _subjects(text: str | None, bags: Sequence[Path]) -> list[int]:
    """The person in each bag; without a text a different one each."""
    from mumu_ros.datasets.folder import MAX_NUMBER

    if not text:
        return list(range(1, len(bags) + 1))
    numbers = [number.strip() for number in one_each("--subjects", text.split(","), bags)]
    for number in numbers:
        if not number.isdecimal() or len(number) > len(str(MAX_NUMBER)) or int(number) >= MAX_NUMBER:
            raise ValueError(
                f"--subjects: {shorten(number, 120)!r} is not a whole number below {MAX_NUMBER}; expected one for each "
                "bag, such as 1,1,2"
            )
    return [int(number) for number in numbers]


def _front_end(arguments: argparse.Namespace) -> int:
    from mumu_ros.datasets.clips import parse_subjects
    from mumu_ros.datasets.front_end import record_front_end

    trials = parse_subjects(arguments.trials, "--trials")
    written = record_front_end(arguments.root, arguments.out, trials, weights=arguments.weights)
    print(f"{arguments.out}: {written} clips written")
    return 0


def _to_lerobot(arguments: argparse.Namespace) -> int:
    from mumu_ros.datasets.lerobot_writer import write_lerobot

    bags = arguments.bags
    labels = one_each("--labels", arguments.labels or [None] * len(bags), bags)
    for report in write_lerobot(bags, arguments.out, _sensor_sync(arguments.params), labels):
        print(f"{report.bag}: {report.rows} rows, {report.labels} labels")
        for stream, count in report.dropped.items():
            print(f"  {count} pictures of {stream} have no row, another one is nearer to it")
        for problem in report.problems:
            print(f"  {problem}", file=sys.stderr)
    print(f"{arguments.out}: {len(bags)} episodes")
    return 0


def _from_lerobot(arguments: argparse.Namespace) -> int:
    from mumu_ros.datasets.lerobot_reader import read_lerobot

    read_lerobot(arguments.root, arguments.out, lambda bag, rows: print(f"{bag}: {rows} rows", flush=True))
    return 0


def _sources(params: Path | None) -> tuple[bool, bool]:
    """Whether people are to be found in pictures, for a model that takes skeletons; and whether there are streams."""
    from mumu_ros.model.checkpoint import read_config
    from mumu_ros.pipeline.parameter_file import ParameterFile
    from mumu_ros.pipeline.parameter_tables import INFERENCE

    file = ParameterFile(params)
    sections = file.nodes()
    if "people" not in sections:
        return False, True
    if "sensor_sync" not in sections:
        return True, False
    model = (file if "inference" in sections else ParameterFile(None)).read("inference", INFERENCE).read("model")
    return any(modality.layout for modality in read_config(model).modalities), True


def _model(configuration: str) -> dict[str, Any]:
    """The section `model` of a shipped training configuration."""
    from mumu_ros.reading import read_yaml
    from mumu_ros.share import share_path

    model: dict[str, Any] = read_yaml(share_path("config", "training", f"{configuration}.yaml"))["model"]
    return model


def _sensor_sync(params: Path | None) -> SensorSyncConfig:
    from mumu_ros.pipeline.configuration import read_sensor_sync
    from mumu_ros.share import share_path

    return read_sensor_sync(params or share_path("config", "sim.yaml"))


def _print_bag(bag: BagReport) -> None:
    print(f"{bag.bag}: subject {bag.subject}, labels from {bag.labels}")
    print(
        f"  clips: {len(bag.clips)}, {bag.seconds:.0f} s; labels dropped: {len(bag.dropped)}; without a label: "
        f"{bag.unlabelled_s:.0f} s",
        flush=True,
    )
    for label in bag.dropped[:_SHOWN]:
        print(f"  dropped: {label.start_s:.2f} to {label.end_s:.2f} s, {label.activity}: {label.reason}")
    if len(bag.dropped) > _SHOWN:
        print(f"  and {len(bag.dropped) - _SHOWN} more: report.json lists them")
    for stream, clips in bag.incomplete.items():
        print(f"  {clips} of {len(bag.clips)} clips lack {stream}: it is masked there")
    for problem in bag.problems:
        print(f"  {problem}", file=sys.stderr)


def _print_report(report: Report, out: Path, configuration: str, overrides: str) -> None:
    clips = Counter(bag.subject for bag in report.bags for _ in bag.clips)
    print(f"{out}: {sum(clips.values())} clips of {len(clips)} subjects")
    for group, activities in report.taxonomy.groups.items():
        print(f"  {group}: " + ", ".join(f"{activity} {report.activities[activity]}" for activity in activities))
    root, model = shlex.quote(str(out)), "people" if configuration == "own_people" else "sim"
    print(f"Next: mumu train config/training/{configuration}.yaml {overrides} --init {model} --out MODEL")
    if len(clips) == 1:
        print("Everything is of one subject: record another person to test the model on new people.")
    else:
        *others, last = map(str, sorted(clips))
        print(
            "To see how well a model knows people it never saw, leave one out, "
            f"data.train_subjects={','.join(others)}, and then: mumu test MODEL folder {root} --subjects {last}"
        )
