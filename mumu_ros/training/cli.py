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

"""`mumu train`, `mumu test` and `mumu cross-validate`."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mumu_ros.files import write_json
from mumu_ros.model.checks import build
from mumu_ros.model.config import ConfigError
from mumu_ros.reading import read_json

if TYPE_CHECKING:
    from mumu_ros.model.calibration import Calibration
    from mumu_ros.model.checkpoint import Checkpoint
    from mumu_ros.training.cross_validation import FoldResult
    from mumu_ros.training.loading import Loaded
    from mumu_ros.training.scoring import Predictions
    from mumu_ros.training.settings import Data

__all__ = ["add_config", "register"]


def register(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the commands; each sets `run`, a function of the parsed arguments that returns the exit status."""
    train = commands.add_parser("train", description=_train.__doc__)
    add_config(train)
    train.add_argument("--out", required=True, help="model folder to write")
    train.add_argument(
        "--init",
        metavar="MODEL",
        help="model, or name of a shipped one, to go on from (its activities may be others); or the folder of a "
        "ResNet-50 of Hugging Face's transformers, for encoders of this kind",
    )
    train.add_argument(
        "--teacher",
        metavar="MODEL",
        help="model that fills in the activities that labels.share leaves out; it may have more sensors",
    )
    train.add_argument(
        "--calibration", metavar="FILE", help="calibration.json of a cross-validation, to store in the model"
    )
    train.set_defaults(run=_train)

    validate = commands.add_parser("cross-validate", description=_cross_validate.__doc__)
    add_config(validate)
    validate.add_argument("--seeds", default="0", help="such as 0,1,2 (default: 0)")
    validate.add_argument("--out", required=True, help="folder for the results; an interrupted run there goes on")
    validate.add_argument(
        "--jobs",
        type=int,
        help="trainings at a time, 1 or more (default: one for each processor); refused with data.sets",
    )
    validate.add_argument("--json", action="store_true", help="end with the results as one JSON object")
    validate.set_defaults(run=_cross_validate)

    test = commands.add_parser("test", description=_test.__doc__)
    test.add_argument("model", help="model folder, or the name of a shipped model")
    test.add_argument(
        "dataset",
        help="a dataset of docs/datasets.md, such as utd_mhad, or of an installed package",
    )
    test.add_argument("root", nargs="?", default="", help="the dataset's folder; simulator and animated have none")
    test.add_argument("--subjects", default="", help="such as 7,8 or 5000-5009 (default: all that are there)")
    test.add_argument("--seconds", type=float, help="of each simulated subject (default: 60)")
    test.add_argument(
        "--drop",
        action="append",
        default=[],
        metavar="NAME[:SHARE]",
        help="take a modality away, or all whose names begin with NAME_, or several joined by +, from this share of "
        "the windows (default: all); each --drop is scored by itself",
    )
    test.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:<index>")
    test.add_argument(
        "--backend",
        help="run on a back end of the inference node, or auto, and print how often it agrees with PyTorch",
    )
    test.add_argument("--json", action="store_true", help="end with the results as one JSON object")
    test.set_defaults(run=_test)


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add a training configuration and its overrides to a command."""
    parser.add_argument("config", help="YAML file such as config/training/utd_mhad_sp.yaml")
    listed = parser.add_argument("overrides", nargs="*", metavar="key=value", help="such as optimization.epochs=3")
    parser.set_defaults(listed=listed)


def _train(arguments: argparse.Namespace) -> int:
    """Train a model and write its folder.

    An interrupted training resumes when it is started again. TensorBoard's logs are in OUT.training/logs.
    """
    from mumu_ros.training.settings import read_settings
    from mumu_ros.training.train import train

    settings = read_settings(arguments.config, arguments.overrides)
    calibration = _read_calibration(arguments.calibration) if arguments.calibration else None
    command = "mumu " + shlex.join(sys.argv[1:])
    metrics = train(
        settings, arguments.out, command, init=arguments.init, teacher=arguments.teacher, calibration=calibration
    )
    if not metrics:
        return 0
    text = (
        f"{arguments.out}: {metrics['parameters']:,} parameters, trained in {metrics['training_s']:.0f} s on "
        f"{metrics['train_windows']} windows"
    )
    if "labelled_windows" in metrics:
        text += f", {metrics['labelled_windows']} of them with an activity"
    if held_out := metrics.get("calibration_subjects"):
        text += f"; {held_out['top1']:.3f} of the calibration subjects' windows are right"
    print(text)
    _print_skipped(metrics["skipped"])
    return 0


def _read_calibration(path: str) -> Calibration:
    from mumu_ros.model.calibration import Calibration

    try:
        return build(Calibration, read_json(path), f"calibration {path!r}")
    except (OSError, ValueError) as error:
        raise ConfigError(f"calibration {path!r}: {error}; give the file that mumu cross-validate wrote") from error


def _cross_validate(arguments: argparse.Namespace) -> int:
    """Train and test on every fold of the configuration's protocol, with every seed.

    A model of several datasets (data.sets) is tested on each of them and on people of UTD-MHAD, left out in turn.
    """
    from mumu_ros.datasets.clips import parse_subjects
    from mumu_ros.training.cross_validation import cross_validate
    from mumu_ros.training.fold_summary import summarize, table
    from mumu_ros.training.people_protocol import cross_validate_people, people_table
    from mumu_ros.training.settings import read_settings

    def report(result: FoldResult, done: int, total: int) -> None:
        right = result.logits["clean"].argmax(axis=1) == result.truth
        share = f"{right.mean():.1%}" if len(right) else "–"
        print(f"[{done}/{total}] {result.fold}, seed {result.seed}: {share}, {result.cpu_s:.0f} CPU s", flush=True)

    settings = read_settings(arguments.config, arguments.overrides)
    seeds = parse_subjects(arguments.seeds, "--seeds")
    if settings.data.sets:
        if arguments.jobs is not None:
            raise ConfigError(
                f"--jobs is {arguments.jobs}; the trainings of several datasets (data.sets) follow one another: leave "
                "it out"
            )
        results = cross_validate_people(settings, seeds, Path(arguments.out))
        text, skipped = people_table(results), results["skipped"]
    else:
        study = cross_validate(settings, seeds, arguments.out, jobs=arguments.jobs, report=report)
        results = summarize(study, settings.model.taxonomy)
        text, skipped = table(results), study.skipped
    summary = {"command": "mumu " + shlex.join(sys.argv[1:]), **results}
    write_json(Path(arguments.out) / "results.json", summary)
    write_json(Path(arguments.out) / "calibration.json", summary["calibration"])
    print(text)
    _print_skipped(skipped)
    if arguments.json:
        print(json.dumps(summary))
    return 0


def _print_skipped(skipped: dict[str, str]) -> None:
    if skipped:
        first = next(iter(skipped.items()))
        print(
            f"{len(skipped)} clips were skipped: {', '.join(skipped)}; the first: {first[0]}: {first[1]}",
            file=sys.stderr,
        )


def _test(arguments: argparse.Namespace) -> int:
    """Score a model on people that it was not trained on."""
    from mumu_ros.datasets import DATASETS, SEVERAL
    from mumu_ros.datasets.clips import parse_subjects
    from mumu_ros.evaluation.whatif import parse_alteration
    from mumu_ros.model.checkpoint import find_model, load_checkpoint, select_device
    from mumu_ros.recognition.backends import choose_backend, open_backend
    from mumu_ros.training.conditions import Condition
    from mumu_ros.training.loading import known_windows, load_windows
    from mumu_ros.training.scoring import predict, score
    from mumu_ros.training.several_datasets import has_labels, load_test_windows

    if arguments.dataset == SEVERAL:
        raise ConfigError(
            f"{SEVERAL!r} is several datasets, for training only; test on one of {', '.join(DATASETS)}, with its folder"
        )
    folder = find_model(arguments.model)
    checkpoint = load_checkpoint(folder, select_device(arguments.device))
    backend = None
    if arguments.backend:
        name = choose_backend(checkpoint, folder) if arguments.backend == "auto" else arguments.backend
        backend = open_backend(name, checkpoint, folder)
    taxonomy = checkpoint.config.taxonomy
    taken = [parse_alteration("drop", text, checkpoint.config.sensors) for text in arguments.drop]
    drops = (
        Condition("nothing"),
        *(Condition(text, drop.modalities, drop.amount) for text, drop in zip(arguments.drop, taken, strict=True)),
    )
    subjects = parse_subjects(arguments.subjects) if arguments.subjects else ()
    data = _test_data(checkpoint, arguments)
    labelled = has_labels(taxonomy)
    if labelled:
        loaded = load_test_windows(checkpoint.config, arguments.dataset, arguments.root, subjects)
    else:
        loaded = load_windows(checkpoint.config, data, subjects, skip_unknown=True)
    whose = f"{arguments.dataset}, subjects {arguments.subjects or 'all'}"
    windows = loaded.windows if labelled else known_windows(loaded.windows, whose)
    dropped = {name for drop in drops for name in drop.gone}
    if absent := [name for name in checkpoint.config.names if name in dropped and not windows.shows(name)]:
        print(f"{whose}: no clip has {', '.join(absent)}, --drop takes nothing away there", file=sys.stderr)
    results = {}
    for drop in drops:
        predictions = predict(checkpoint.model, windows, drop)
        if backend is not None:
            eager, predictions = predictions, predict(checkpoint.model, windows, drop, backend=backend)
        if labelled:
            results[drop.name] = _score_clips(checkpoint, predictions, loaded)
        else:
            results[drop.name] = score(predictions, windows, taxonomy, checkpoint.calibration.temperature)
        if backend is not None:
            same = predictions.activity_logits.argmax(axis=1) == eager.activity_logits.argmax(axis=1)
            results[drop.name]["agreement"] = float(same.mean())
    (_print_accepted if labelled else _print_results)(checkpoint.id, results)
    if backend is not None:
        shares = ", ".join(f"{result['agreement']:.2%} ({drop})" for drop, result in results.items())
        print(f"decisions on {name} that are PyTorch's, too: {shares}")
    _print_skipped(dict(loaded.skipped))
    known = _known_people(checkpoint, arguments, {clip.subject for clip in loaded.clips})
    if told := [modality.name for modality in checkpoint.config.modalities if modality.label]:
        print(f"{checkpoint.id} is given the true label as {', '.join(told)}; a robot has none", file=sys.stderr)
    if arguments.json:
        whole = results.pop("nothing")
        print(
            json.dumps({"model": checkpoint.id, **whole, "dropped": results, "skipped": dict(loaded.skipped), **known})
        )
    return 0


def _score_clips(checkpoint: Checkpoint, predictions: Predictions, loaded: Loaded) -> dict[str, Any]:
    """Compare decisions about clips, of which anything was left, with what is right."""
    from mumu_ros.training.acceptance import ClipDecisions, score_accepted

    rows = predictions.shown.nonzero()[0]
    windows = loaded.windows.take(rows)
    shown = set(windows.clip.tolist())
    clips = [clip for clip in loaded.clips if clip.id in shown]
    found: dict[str, Any] = {"clips": 0}
    if clips:
        tested = ClipDecisions.of(checkpoint, predictions.take(rows), windows)
        found = score_accepted(tested, clips, checkpoint.config.taxonomy, checkpoint.calibration)
    return {**found, "left_out": len(loaded.clips) - len(clips)}


def _known_people(checkpoint: Checkpoint, arguments: argparse.Namespace, tested: set[int]) -> dict[str, list[int]]:
    """Those of the tested subjects whom the model, or one that it was made from, was trained or calibrated on, by that;
    they are counted on the standard error stream.
    """
    from mumu_ros.training.several_datasets import known_people

    has_calibration = "--calibration" in str(checkpoint.provenance.get("command"))
    # A calibration is not taken over from the models that it was made from: that of several datasets counts as given.
    origins = [(checkpoint.trained_on, has_calibration), *((parent["data"], True) for parent in checkpoint.made_from)]
    found = [known_people(data, arguments.dataset, arguments.root, tested, given) for data, given in origins]
    trained, calibrated = (set().union(*people) for people in zip(*found, strict=True))
    known = {}
    for key, people, effect in (
        ("trained_on", trained, "recognises others less well"),
        ("calibrated_on", calibrated, "its confidence fits others less well; top-1 does not depend on it"),
    ):
        if people:
            known[key] = sorted(people)
            how = key.replace("_", " ")
            print(
                f"{checkpoint.id} was {how} {len(people)} of these {len(tested)} people: {effect}; choose some with "
                "--subjects",
                file=sys.stderr,
            )
    return known


def _test_data(checkpoint: Checkpoint, arguments: argparse.Namespace) -> Data:
    """What to test on, in windows as the model was trained on: cut anywhere, or one for each clip."""
    from mumu_ros.training.loading import simulated_s
    from mumu_ros.training.settings import Data

    seconds = simulated_s(arguments.dataset, arguments.seconds)
    data = Data(arguments.dataset, root=arguments.root, seconds=seconds)
    if data.dataset != "simulator":
        data = replace(data, windows_per_s=0.0)
    known = checkpoint.trained_on
    if known.get("dataset") != data.dataset:
        return data
    try:
        return replace(data, **{key: known[key] for key in ("windows_per_s", "min_overlap") if key in known})
    except ConfigError as error:
        raise ConfigError(
            f"model {checkpoint.id}: its provenance cannot be used: {error}; correct or remove it in its config.json"
        ) from error


def _print_accepted(model: str, results: dict[str, dict[str, Any]]) -> None:
    whole = next(iter(results.values()))
    print(
        f"{model}, {whole['clips']} clips, {whole['known']} of them of known activities; unknown below a "
        f"confidence of {whole['threshold']:.2f}"
    )
    print(f"{'without':24} {'top-1':>7} {'known refused':>14} {'unknown accepted':>17} {'AUROC':>6}")
    for text, result in results.items():
        shares = [_share(result.get(key)) for key in ("top1", "known_refused", "unknown_accepted", "auroc")]
        print(f"{text:24} {shares[0]:>7} {shares[1]:>14} {shares[2]:>17} {shares[3]:>6}{_left_out(result, 'clips')}")
    print(f"\n{'activity':24} {'clips':>6} {'right':>6} {'refused':>8}  most frequent decisions")
    for activity, part in whole["per_class"].items():
        right = "–" if part["right"] is None else f"{part['right']:.2f}"
        decided = ", ".join(f"{name} {count}" for name, count in part["decided"].items())
        print(f"{activity:24} {part['clips']:6} {right:>6} {part['refused']:8.2f}  {decided}")


def _print_results(model: str, results: dict[str, dict[str, Any]]) -> None:
    whole = next(iter(results.values()))
    print(f"{model}, {whole['clips']} clips, {whole['windows']} windows of {len(whole['per_subject'])} subjects")
    print(f"{'without':24} {'top-1':>7} {'group':>7} {'macro F1':>9} {'ECE':>6}  most frequent errors")
    for text, result in results.items():
        shares = [_share(result.get(key)) for key in ("top1", "group_top1", "macro_f1", "ece")]
        errors = ", ".join(f"{a} as {b} {share:.0%}" for a, b, share in result.get("confusions", ())[:3])
        print(
            f"{text:24} {shares[0]:>7} {shares[1]:>7} {shares[2]:>9} {shares[3]:>6}  {errors}"
            f"{_left_out(result, 'windows')}"
        )


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _left_out(result: dict[str, Any], what: str) -> str:
    return f" ({result['left_out']} {what} not counted: nothing is left)" if result["left_out"] else ""
