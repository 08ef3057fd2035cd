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

"""`mumu health`: train the health model of a model."""

from __future__ import annotations

import argparse
import shlex
import sys

from mumu_ros.files import check_folder
from mumu_ros.model.checkpoint import find_model

__all__ = ["register"]


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "health",
        description="Learn the healthy statistics of a model's sensors from a dataset without faults, and write them "
        "beside the model. The inference node (parameter `health`) and `mumu evaluate --health` then flag a sensor "
        "that is noisy, too still, shifted or contradicts the others, and mask it where that helps.",
    )
    parser.add_argument("model", help="folder of a model, or the name of a shipped one")
    parser.add_argument("dataset", help="a dataset of docs/datasets.md, such as utd_mhad, or of an installed package")
    parser.add_argument("root", nargs="?", default="", help="the dataset's folder; the simulator has none")
    parser.add_argument(
        "--subjects", default="", help="such as 1,3,5: two or more; not those to test on (default: all)"
    )
    parser.add_argument("--seconds", type=float, help="of each simulated subject (default: 60)")
    parser.add_argument(
        "--windows-per-s",
        type=float,
        metavar="N",
        help="windows cut per second, at random times; 0: one at each clip's end (default: as trained)",
    )
    parser.add_argument(
        "--false-alarms",
        type=float,
        default=0.01,
        metavar="SHARE",
        help="share of any one person's healthy windows in which a sensor may be flagged (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    parser.set_defaults(run=_health)


def _health(arguments: argparse.Namespace) -> int:
    from mumu_ros.datasets.clips import parse_subjects
    from mumu_ros.health import save_health
    from mumu_ros.model.checkpoint import load_checkpoint
    from mumu_ros.training.health import ANY_OVERLAP, healthy_windows, learn_health
    from mumu_ros.training.loading import simulated_s
    from mumu_ros.training.settings import Data

    folder = find_model(arguments.model)
    check_folder(folder)
    checkpoint = load_checkpoint(folder)
    trained = checkpoint.trained_on
    per_s = arguments.windows_per_s
    if per_s is None:
        per_s = trained.get("windows_per_s", 1.0) if trained.get("dataset") == arguments.dataset else 1.0
    seconds = simulated_s(arguments.dataset, arguments.seconds)
    data = Data(arguments.dataset, root=arguments.root, seconds=seconds, windows_per_s=per_s, min_overlap=ANY_OVERLAP)
    subjects = parse_subjects(arguments.subjects) if arguments.subjects else ()
    windows = healthy_windows(checkpoint.config, data, subjects)
    health = learn_health(checkpoint, [windows], arguments.false_alarms, arguments.seed)
    provenance = {"command": "mumu " + shlex.join(sys.argv[1:]), "windows": len(windows)}
    where = save_health(folder, health, provenance)
    print(f"{where}: {checkpoint.id}, {len(windows)} healthy windows, {where.stat().st_size / 1e6:.1f} MB")
    return 0
