"""`mumu study`: repeat a table or figure of the paper."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mumu_ros.files import replacing
from mumu_ros.model.config import ConfigError
from mumu_ros.training.studies import STUDIES, experiment

if TYPE_CHECKING:
    from mumu_ros.training.cross_validation import FoldResult
    from mumu_ros.training.studies.bench import Run

__all__ = ["register"]


def register(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the command; it sets `run`, a function of the parsed arguments that returns the exit status."""
    study = commands.add_parser("study", help="repeat a table or figure of the paper", description=_study.__doc__)
    study.add_argument("names", nargs="+", metavar="NAME", help=", ".join(STUDIES))
    study.add_argument("--seeds", default="0-5", help="such as 0,1,2 (default: 0-5; six are needed for p < 0.05)")
    study.add_argument("--out", required=True, help="folder for the trainings' results, the same for all studies")
    study.add_argument("--jobs", type=int, help="trainings at a time (default: one for each processor)")
    study.add_argument(
        "--write",
        metavar="PAGE",
        help="replace the sections in this page, docs/results.md; pictures go to its images/",
    )
    study.set_defaults(run=_study)


def _study(arguments: argparse.Namespace) -> int:
    """Repeat tables and figures of the paper.

    Trainings that are in OUT are not done again; studies share them.
    """
    from mumu_ros.training.settings import parse_subjects
    from mumu_ros.training.studies.bench import Bench
    from mumu_ros.training.studies.report import replace_section

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
