"""`mumu train` and `mumu test`."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from typing import Any

from mumu_ros.model.config import ConfigError
from mumu_ros.training.settings import Data, parse_subjects, read_settings

__all__ = ["register"]


def register(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the two commands; each sets `run`, a function of the parsed arguments that returns the exit status."""
    train = commands.add_parser("train", help="train a model from a configuration", description=_train.__doc__)
    train.add_argument("config", help="YAML file such as config/training/sim.yaml")
    train.add_argument("overrides", nargs="*", metavar="key=value", help="such as optimization.epochs=3")
    train.add_argument("--out", required=True, help="model folder to write")
    train.add_argument("--init", metavar="MODEL", help="model of the same configuration to go on from")
    train.set_defaults(run=_train)

    test = commands.add_parser("test", help="score a model on a dataset", description=_test.__doc__)
    test.add_argument("model", help="model folder")
    test.add_argument("dataset", help="such as simulator")
    test.add_argument("root", nargs="?", default="", help="the dataset's folder; the simulator has none")
    test.add_argument("--subjects", required=True, help="such as 5000-5009")
    test.add_argument("--seconds", type=float, default=60.0, help="of each subject, where there is a choice")
    test.add_argument(
        "--drop",
        action="append",
        default=[],
        metavar="NAME[:SHARE]",
        help="take a modality away, or all whose names begin with NAME_, or several joined by +, from this share of "
        "the windows (default: all); each --drop is scored by itself",
    )
    test.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:<index>")
    test.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    test.set_defaults(run=_test)


def _train(arguments: argparse.Namespace) -> int:
    """Train a model and write its folder."""
    from mumu_ros.training.train import train

    settings = read_settings(arguments.config, arguments.overrides)
    metrics = train(settings, arguments.out, "mumu " + shlex.join(sys.argv[1:]), init=arguments.init)
    held_out = metrics["calibration_subjects"]
    print(
        f"{arguments.out}: {metrics['parameters']:,} parameters, trained in {metrics['training_s']:.0f} s on "
        f"{metrics['train_windows']} windows; on the calibration subjects {held_out['accuracy_inside']:.3f} of the "
        "windows inside one activity are right"
    )
    return 0


def _test(arguments: argparse.Namespace) -> int:
    """Score a model on people that it was not trained on."""
    from mumu_ros.model.checkpoint import load_checkpoint, select_device
    from mumu_ros.training.loading import load_windows
    from mumu_ros.training.scoring import activity_logits, score

    checkpoint = load_checkpoint(arguments.model, select_device(arguments.device))
    drops = {"nothing": ((), 1.0), **{text: parse_drop(text, checkpoint.config.names) for text in arguments.drop}}
    subjects = parse_subjects(arguments.subjects)
    nobody = str(max(subjects) + 1)
    data = Data(arguments.dataset, arguments.subjects, nobody, arguments.root, arguments.seconds)
    windows = load_windows(checkpoint.config, data, subjects)
    activities = checkpoint.config.taxonomy.activities
    results = {
        text: score(activity_logits(checkpoint.model, windows, names, share), windows, activities)
        for text, (names, share) in drops.items()
    }
    if arguments.json:
        print(json.dumps({"model": checkpoint.id, "subjects": list(subjects), "dropped": results}))
        return 0
    print(f"{checkpoint.id}, {len(windows)} windows of {len(subjects)} subjects")
    print(f"{'without':24} {'accuracy':>9} {'inside one activity':>20} {'macro F1':>9}  most frequent errors")
    for text, result in results.items():
        errors = ", ".join(f"{a} as {b} {share:.0%}" for a, b, share in result["confusions"][:3])
        print(
            f"{text:24} {result['accuracy']:9.3f} {result['accuracy_inside']:20.3f} {result['macro_f1']:9.3f}  {errors}"
        )
    return 0


def parse_drop(text: str, names: tuple[str, ...]) -> tuple[tuple[str, ...], float]:
    """Read `imu:0.5`, `rgb+depth` or `imu_wrist`: modalities, and the share of windows that lose them.

    Raises:
        ConfigError: It fits no modality, or the share is no number from 0 to 1.
    """
    targets, _, share = text.partition(":")
    try:
        fraction = float(share or 1)
    except ValueError:
        fraction = -1.0
    if not 0 <= fraction <= 1:
        raise ConfigError(f"--drop {text!r}: {share!r} is no share of the windows; expected a number from 0 to 1")
    dropped: list[str] = []
    for target in targets.split("+"):
        fitting = [name for name in names if name == target or name.startswith(f"{target}_")]
        if not fitting:
            raise ConfigError(f"--drop {text!r}: no modality {target!r}; the model has {', '.join(names)}")
        dropped.extend(fitting)
    return tuple(dropped), fraction
