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

"""`mumu evaluate`: how well a model recognises what recordings show."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mumu_ros.evaluation.whatif import KINDS, Alteration, parse_alteration
from mumu_ros.failures import NOTATION, parse_fault
from mumu_ros.files import check_file, check_folder
from mumu_ros.install_hints import install
from mumu_ros.recordings.label_files import find_labels
from mumu_ros.recordings.options import add_labelled_recordings, one_each

if TYPE_CHECKING:
    from mumu_ros.evaluation.decision_features import FeatureLog, FeatureMap
    from mumu_ros.evaluation.evaluate import Evaluation, Setup
    from mumu_ros.evaluation.results import BagResult
    from mumu_ros.recordings.progress import ReadingProgress

__all__ = ["register"]

_WHAT_IF = {
    "drop": ("NAME[:SHARE]", "take a modality away, or for this share of the time, such as imu or rgb:0.5"),
    "offset": ("NAME:SECONDS", "delay a modality's stamps, such as depth:+0.2s"),
    "noise": ("NAME:FACTOR", "add noise, so many times as strong as the sensor's own variation, such as imu:0.5"),
    "rate": ("NAME:HZ", "thin a sensor out to this rate, such as rgb:15"),
}
_SHOWN = 8


def register(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command; it sets `run`, a function of the parsed arguments that returns the exit status."""
    parser = commands.add_parser(
        "evaluate",
        description="Play rosbag2 recordings through the synchroniser, the conversions and the recogniser of the live "
        "nodes, as fast as possible, and compare with annotations or labels. See docs/evaluation.md.",
    )
    parser.add_argument("model", help="model folder, or the name of a shipped model")
    add_labelled_recordings(parser, "without it topics are guessed")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for report.html, metrics.json, predictions.csv")
    parser.add_argument(
        "--rerun", type=Path, metavar="FILE.rrd", help="recording for the viewer of rerun; needs the extra `rerun`"
    )
    for kind in KINDS:
        metavar, text = _WHAT_IF[kind]
        parser.add_argument(f"--{kind}", action="append", default=[], metavar=metavar, help=f"what if: {text}")
    parser.add_argument(
        "--failure",
        action="append",
        default=[],
        metavar=NOTATION,
        help="what if: let a modality fail, always or from START to END in seconds since the recording's start, such "
        "as imu:stuck:12-20, imu_wrist:noise=2 or camera:black:10-20; docs/failures.md lists the kinds",
    )
    parser.add_argument(
        "--robustness", action="store_true", help="what if: each sensor gone, noisy and late, as curves in the report"
    )
    parser.add_argument(
        "--health",
        action="store_true",
        help="also flag sensors by the health model, like the inference node's parameter health",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:<index>")
    parser.add_argument("--json", action="store_true", help="end with the headline numbers as one JSON object")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from mumu_ros.evaluation.decision_features import FeatureLog
    from mumu_ros.evaluation.evaluate import evaluate_bag
    from mumu_ros.evaluation.output import write_outputs
    from mumu_ros.evaluation.robustness import robustness
    from mumu_ros.evaluation.stopwatch import Stopwatch
    from mumu_ros.evaluation.summary import headline, summarize

    evaluation, setups = _prepare(arguments)
    stopwatch = Stopwatch()
    started = time.perf_counter()
    bags, logs = [], []
    for name, setup in setups.items():
        log = FeatureLog() if arguments.out else None
        with _progress(setup, name) as progress:
            bags += evaluate_bag(
                evaluation, setup, name=name, stopwatch=stopwatch, progress=progress.update, features=log
            )
        logs += [log] if log else []
    elapsed_s = time.perf_counter() - started
    altered = list(map(str, (*evaluation.alterations, *evaluation.faults)))
    summary = {"alterations": altered, **summarize(bags, evaluation.checkpoint.config)}
    if arguments.robustness:
        summary["robustness"] = robustness(evaluation, setups, _progress)
    headlines = headline(summary)
    recorded_s = 60 * sum(bag.minutes for bag in bags)
    for bag in bags:
        _print_problems(bag.name, bag.problems)
    threshold = evaluation.inference.unknown_threshold
    _print_headline(headlines, evaluation.checkpoint.calibration.unknown_threshold if threshold is None else threshold)
    _print_robustness(summary.get("robustness", []))
    print(
        f"{recorded_s:.0f} s of recording in {elapsed_s:.1f} s: {recorded_s / elapsed_s:.1f} times as fast as real time"
    )
    if arguments.out:
        write_outputs(
            arguments.out,
            evaluation.checkpoint.id,
            bags,
            evaluation.checkpoint.config,
            summary,
            timing={"elapsed_s": elapsed_s, "recorded_s": recorded_s, "stages": stopwatch.summary()},
            maps=_maps(bags, logs, evaluation),
        )
        print(f"see {arguments.out / 'report.html'}, and beside it metrics.json, predictions.csv, timing.json")
    if arguments.rerun:
        from mumu_ros.evaluation.rerun_recording import write_rerun

        write_rerun(arguments.rerun, bags, setups, evaluation.checkpoint.config)
        print(f"see it with: rerun {arguments.rerun}")
    if arguments.json:
        print(json.dumps(headlines))
    return 0


def _maps(bags: list[BagResult], logs: list[FeatureLog], evaluation: Evaluation) -> list[FeatureMap]:
    from mumu_ros.evaluation.decision_features import map_features

    try:
        return map_features(bags, logs, evaluation.checkpoint.config)
    except ModuleNotFoundError as error:
        print(f"no map of the features: {error}; {install('train')}", file=sys.stderr)
        return []


def _prepare(arguments: argparse.Namespace) -> tuple[Evaluation, dict[str, Setup]]:
    """See that everything can be read before anything is computed."""
    from mumu_ros.model.checkpoint import find_model, load_checkpoint, select_device
    from mumu_ros.pipeline.configuration import InferenceConfig, read_sensor_sync
    from mumu_ros.pipeline.parameter_file import ParameterFile
    from mumu_ros.pipeline.parameter_tables import INFERENCE
    from mumu_ros.pipeline.parameter_values import ParameterError
    from mumu_ros.recordings.storage_files import check_distinct

    params = ParameterFile(arguments.params)
    sections = params.nodes()
    if "people" in sections and "sensor_sync" not in sections:
        given = [("bag", arguments.bags[0]), ("model", arguments.model), ("params_file", arguments.params)]
        given += [("labels", path) for path in arguments.labels[:1]]
        command = " ".join(f"{name}:={shlex.quote(str(value))}" for name, value in given)
        raise ParameterError(
            f"{arguments.params} has a section for people and none for sensor_sync; people are found in pictures live "
            f"only: mumu launch replay {command} out:=REPORT writes the same report"
        )
    labels = one_each("--labels", arguments.labels or list(map(find_labels, arguments.bags)), arguments.bags)
    check_distinct(arguments.bags)
    if arguments.out:
        check_folder(arguments.out)
    if arguments.rerun:
        check_file("--rerun", arguments.rerun, ".rrd")
        import mumu_ros.evaluation.rerun_recording  # noqa: F401  # what is missing is said at once
    model = find_model(arguments.model)
    sync = read_sensor_sync(arguments.params, str(model)) if arguments.params else None
    inference = InferenceConfig.read(params.read("inference", INFERENCE))

    import torch

    from mumu_ros.evaluation.evaluate import Evaluation, open_setup
    from mumu_ros.health import load_health

    torch.set_num_threads(inference.threads)
    checkpoint = load_checkpoint(model, select_device(arguments.device))
    sensors = checkpoint.config.sensors
    alterations = tuple(parse_alteration(kind, text, sensors) for kind in KINDS for text in getattr(arguments, kind))
    faults = tuple(parse_fault(text, sensors) for text in arguments.failure)
    setups: dict[str, Setup] = {}
    for path, label_file in zip(arguments.bags, labels, strict=True):
        setup = open_setup(path, label_file, sync, checkpoint.config)
        names = (path.resolve().name, str(path), str(path.resolve()))
        name = next(name for name in names if name not in setups)  # no path is given twice
        setups[name] = setup
        _print_streams(name, setup, checkpoint.config.names, guessed=sync is None)
        _print_idle(name, setup, alterations)
    health = load_health(model, checkpoint) if arguments.health or inference.health else None
    evaluation = Evaluation(checkpoint, inference, alterations, faults, health)
    evaluation.session().recognizer.warm_up()
    return evaluation, setups


def _progress(setup: Setup, name: str) -> ReadingProgress:
    from mumu_ros.recordings import Recording
    from mumu_ros.recordings.progress import ReadingProgress

    with Recording(setup.path) as recording:
        return ReadingProgress(recording, name)


def _print_streams(name: str, setup: Setup, modalities: Sequence[str], *, guessed: bool) -> None:
    print(f"{name}: topics {'guessed from their types and names' if guessed else 'of the parameter file'}")
    for stream in setup.sync.streams:
        topic = setup.topics.get(stream.name, "(not recorded)")
        print(f"  {stream.name:12} {topic:30} {stream.type}{', 0 messages' if topic in setup.empty else ''}")
    for modality in modalities:
        if modality not in [stream.name for stream in setup.sync.streams]:
            print(f"  {modality:12} (not recorded)")
    for topic in setup.empty:
        if topic not in setup.topics.values():
            print(f"  {'':12} {topic:30} 0 messages")
    print(f"  truth        {setup.labels or 'annotations'}")
    sys.stdout.flush()


def _print_idle(name: str, setup: Setup, alterations: Sequence[Alteration]) -> None:
    """Say which of the rates that were asked for change nothing in a recording."""
    from mumu_ros.recordings import Recording

    with Recording(setup.path) as recording:
        duration_s = recording.duration_s
        counts = {stream: recording.topics[topic].count for stream, topic in setup.topics.items()}
    for rate in (alteration for alteration in alterations if alteration.kind == "rate"):
        for modality in rate.modalities:
            if counts.get(modality, 0) < rate.amount * duration_s:
                its_hz = counts.get(modality, 0) / duration_s
                print(f"{name}: {rate} changes nothing of {modality}, which has {its_hz:.1f} Hz", file=sys.stderr)


def _print_problems(name: str, problems: Sequence[str]) -> None:
    for problem in problems[:_SHOWN]:
        print(f"{name}: {problem}", file=sys.stderr)
    if len(problems) > _SHOWN:
        print(f"{name}: and {len(problems) - _SHOWN} problems more, all in metrics.json", file=sys.stderr)


def _print_headline(numbers: Mapping[str, Any], unknown_threshold: float) -> None:
    def percent(name: str) -> str:
        return _percent(numbers.get(name))

    unknown = f"{percent('unknown_share')} of them unknown, with a confidence below {unknown_threshold:.4g}"
    print(f"{numbers['decisions']} decisions, {unknown}")
    if not numbers.get("judged"):
        return
    interval = numbers["accuracy_interval"]
    between = f" (95 %: {interval[0]:.1%} to {interval[1]:.1%}, over people or bags)" if interval else ""
    print(f"accuracy              {percent('accuracy')}{between}; {percent('accuracy_inside')} inside one activity")
    print(f"best guess, top 3     {percent('top1')}, {percent('top3')}")
    print(f"macro F1, groups      {percent('macro_f1')}, {percent('group_accuracy')}")
    print(f"calibration error     {percent('ece')}")
    print(f"segments F1@10/25/50  {percent('f1@10')}, {percent('f1@25')}, {percent('f1@50')}; edit {percent('edit')}")
    delay = numbers["onset_delay_s"]
    print(
        f"onset delay           {'—' if delay is None else f'{delay:.1f} s'}, {numbers['missed_segments']} missed; "
        f"{numbers['false_alarms_per_min']:.1f} false alarms a minute"
    )


def _percent(value: float | None) -> str:
    return "—" if value is None else f"{value:.1%}"


def _print_robustness(rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows or rows[0]["accuracy"] is None:
        return
    print(f"accuracy at one decision a second: {rows[0]['accuracy']:.1%}")
    for kind, modality in dict.fromkeys((row["kind"], row["modality"]) for row in rows[1:]):
        amounts = [row for row in rows if (row["kind"], row["modality"]) == (kind, modality)]
        cells = ", ".join(f"{row['amount']:g}: {_percent(row['accuracy'])}" for row in amounts)
        print(f"  {kind:6} {modality:12} {cells}")
