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

"""`study` repeats a table or figure of the papers; `affinity` measures which task helps which."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mumu_ros.cli import run
from mumu_ros.files import replacing
from mumu_ros.model.config import ConfigError
from mumu_ros.training.cli import add_config
from studies import STUDIES, experiment

if TYPE_CHECKING:
    from mumu_ros.training.cross_validation import FoldResult
    from studies.bench import Run

__all__ = ["main", "register"]

COMMANDS = {
    "Commands": {
        "study": (__name__, "repeat a table or figure of the papers"),
        "affinity": (__name__, "measure which task helps which: activities, groups"),
        "dense": (__name__, "train a network that sees what is where and how far away, draw and compare it"),
    }
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line of `python research`, as `mumu` runs its own."""
    return run("python research", "The studies behind mumu_ros.", COMMANDS, arguments)


def register(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the commands; each sets `run`, a function of the parsed arguments that returns the exit status."""
    study = commands.add_parser("study", description=_study.__doc__)
    listed = study.add_argument("names", nargs="+", metavar="NAME", help=", ".join(STUDIES))
    study.set_defaults(listed=listed)
    study.add_argument("--seeds", default="0-5", help="such as 0,1,2 (default: 0-5; six are needed for p < 0.05)")
    study.add_argument("--out", required=True, help="folder for the trainings' results, the same for all studies")
    study.add_argument("--jobs", type=int, help="trainings at a time (default: one for each processor)")
    study.add_argument(
        "--write",
        metavar="PAGE",
        help="replace the sections in this page, research/results.md; pictures go to its images/",
    )
    study.set_defaults(run=_study)

    affinity = commands.add_parser("affinity", description=_affinity.__doc__)
    add_config(affinity)
    affinity.add_argument("--seeds", default="0-2", help="two or more, such as 0,1,2 (default: 0-2)")
    affinity.add_argument("--out", required=True, help="folder for the results; an interrupted run there goes on")
    affinity.add_argument("--jobs", type=int, help="trainings at a time (default: one for each processor)")
    affinity.set_defaults(run=_affinity)

    dense = commands.add_parser("dense", description=_dense.__doc__)
    dense.add_argument("action", choices=("train", "video", "speed", "compare"))
    dense.add_argument("model", help="folder of the student")
    dense.add_argument("video", nargs="?", help="for video: what to look at")
    dense.add_argument("--out", help="for video: what to write (default: VIDEO with .dense.mp4)")
    dense.add_argument("--steps", type=int, default=1500, help="for train: of each training (default: 1500)")
    dense.add_argument("--rooms", type=int, default=6, help="for compare: 10 s with three people in each (default: 6)")
    dense.set_defaults(run=_dense)


def _study(arguments: argparse.Namespace) -> int:
    """Repeat tables and figures of the papers.

    Trainings that are in OUT are not done again; studies share them.
    """
    from mumu_ros.datasets.clips import parse_subjects
    from studies.bench import Bench
    from studies.report import replace_section

    if unknown := [name for name in arguments.names if name not in STUDIES]:
        raise ConfigError(f"no study {', '.join(map(repr, unknown))}; there are {', '.join(STUDIES)}")
    out, page = Path(arguments.out), Path(arguments.write) if arguments.write else None
    if page:
        text = page.read_text(encoding="utf-8")
        for name in arguments.names:
            replace_section(text, name, "")  # refused now, not after hours
    images = (page.parent if page else out) / "images"
    bench = Bench(out, images, parse_subjects(arguments.seeds), arguments.jobs, _report)
    for name in arguments.names:
        section = experiment(name)(bench)
        print(f"\n# {name}\n\n{section}", flush=True)
        if page:
            # Read again: somebody may have edited it meanwhile.
            text = replace_section(page.read_text(encoding="utf-8"), name, section)
            with replacing(page) as temporary:
                temporary.write_text(text, encoding="utf-8")
    return 0


def _report(run: Run, result: FoldResult, done: int, total: int) -> None:
    share = float((result.logits["clean"].argmax(axis=1) == result.truth).mean())
    print(
        f"{run.folder} [{done}/{total}] {result.fold}, seed {result.seed}: {share:.1%}, {result.cpu_s:.0f} CPU s",
        flush=True,
    )


def _affinity(arguments: argparse.Namespace) -> int:
    """Measure whether the group's label, as an additional input, helps to recognise activities, and the reverse.

    Trained on two thirds of the people of data.train_subjects and tested on the others, each third in turn.
    """
    from mumu_ros.datasets.clips import parse_subjects
    from mumu_ros.training.settings import read_settings
    from studies.affinity import measure_affinity

    def report(label: str, result: FoldResult, done: int, total: int) -> None:
        given = f"given the {label}" if label else "no label given"
        print(f"{given} [{done}/{total}] {result.fold}, seed {result.seed}: {result.cpu_s:.0f} CPU s", flush=True)

    settings = read_settings(arguments.config, arguments.overrides)
    seeds = parse_subjects(arguments.seeds)
    print(measure_affinity(settings, seeds, Path(arguments.out), jobs=arguments.jobs, report=report))
    return 0


def _dense(arguments: argparse.Namespace) -> int:
    """Train a student of a teacher that sees depth, draw what it sees in a video, measure its speed on one thread, or
    compare its depth and masks of people with those of the people front end.

    The picture, the classes and the depth are drawn side by side. It is trained on synthetic people and rooms.
    """
    from studies.dense.compare import compare
    from studies.dense.use import SIZE, draw_video, load_student, pictures_per_second, train_student

    folder = Path(arguments.model)
    if arguments.action == "train":
        train_student(folder, arguments.steps)
    elif arguments.action == "speed":
        print(f"{pictures_per_second(load_student(folder)):.1f} pictures a second of 160x120, one thread")
    elif arguments.action == "compare":
        print(compare(load_student(folder), SIZE, arguments.rooms))
    else:
        if not arguments.video:
            raise ConfigError("no video; expected: python research dense video MODEL VIDEO")
        video = Path(arguments.video)
        out = Path(arguments.out) if arguments.out else video.with_suffix(".dense.mp4")
        print(f"{draw_video(load_student(folder), video, out)} pictures in {out}")
    return 0
