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

"""Options of the commands that read or write recordings."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mumu_ros.share import located

__all__ = ["add_labelled_recordings", "new_folder", "one_each"]


def add_labelled_recordings(parser: argparse.ArgumentParser, params: str) -> None:
    """Add the bags, their label files and the nodes' parameter file."""
    listed = parser.add_argument("bags", nargs="+", type=Path, metavar="BAG", help="folder or file of a rosbag2")
    parser.set_defaults(listed=listed)
    parser.add_argument("--params", type=located, metavar="FILE", help=f"the nodes' parameter file; {params}")
    parser.add_argument(
        "--labels",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="label file (CSV or .jsonl: start, end, group, activity), one for each bag in order; without it "
        "BAG.labels.csv beside the bag, else its annotations",
    )


def new_folder(text: str) -> Path:
    """The folder of a new recording, as the type of an argument."""
    if not text:
        raise argparse.ArgumentTypeError("''; expected the name of a folder")
    return Path(text)


def one_each(option: str, values: list[Any], bags: Sequence[Path]) -> list[Any]:
    """An option's values, of which there has to be one for each bag.

    Raises:
        ValueError: There are more or fewer.
    """
    if len(values) != len(bags):
        raise ValueError(f"{len(values)} values of {option} for {len(bags)} bags; give one for each, in their order")
    return values
