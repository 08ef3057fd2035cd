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

"""`mumu bench`: one subcommand for each module of this subpackage, see the package's docstring."""

from __future__ import annotations

import argparse
import importlib
import json
import math
from collections.abc import Sequence
from typing import Any

from mumu_ros.benchmarks.machine import describe_machine, installed_versions

__all__ = ["BENCHMARKS", "register"]

# Benchmark: (module, one line of help).
BENCHMARKS = {
    "encoder": ("mumu_ros.benchmarks.encoder", "one camera frame on each back end"),
    "decision": ("mumu_ros.benchmarks.decision", "one decision, with kept features and without"),
    "synchronizer": ("mumu_ros.benchmarks.synchronizer", "pairing messages by stamp"),
    "transport": ("mumu_ros.benchmarks.transport", "images and IMU samples between processes, and their conversion"),
    "tracking": ("mumu_ros.benchmarks.tracking", "simulated people who cross: id switches, lost and false people"),
    "rooms": ("mumu_ros.benchmarks.rooms", "real people in composed rooms, recognised by depth"),
    "people": ("mumu_ros.benchmarks.people", "finding and following people in pictures"),
    "wearer": ("mumu_ros.benchmarks.wearer", "which of two people in view wears an IMU"),
    "composed": ("mumu_ros.benchmarks.composed", "one process for sensor_sync and inference, against two"),
    "end-to-end": ("mumu_ros.benchmarks.end_to_end", "the running system: latency, losses, processor time"),
}


class _Benchmark(argparse.ArgumentParser):
    """Asks its module for the options when it is used: `mumu bench synchronizer` needs neither torch nor ROS."""

    def __init__(self, *, module: str, **options: Any) -> None:
        super().__init__(**options)
        self._module = module

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, knowing the module's options."""
        benchmark = importlib.import_module(self._module)
        self.description = (benchmark.__doc__ or "").partition("\n")[0]
        self.add_argument("--json", action="store_true", help="print one JSON object on the last line")
        self.set_defaults(benchmark=benchmark)
        benchmark.register(self)
        return super().parse_known_args(args, namespace)


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the `mumu` parser."""
    parser = commands.add_parser(
        "bench",
        description="Measures on this machine, against a baseline in the same run. docs/benchmarks.md has the method.",
    )
    benchmarks = parser.add_subparsers(metavar="BENCHMARK", required=True, parser_class=_Benchmark)
    for name, (module, text) in BENCHMARKS.items():
        benchmarks.add_parser(name, module=module, help=text)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    for option in ("rounds", "seconds", "threads", "live", "clips"):
        value = getattr(arguments, option, None)
        if value is not None and not 0 < value < math.inf:
            raise ValueError(f"--{option} is {value:g}; expected a number above 0")
    result = arguments.benchmark.measure(arguments)
    machine, versions = describe_machine(), installed_versions()
    print(_format(arguments.benchmark.table(result)))
    print(", ".join([str(machine["cpu"]), f"{machine['cores']} cores", *machine["flags"], machine["gpu"] or "no GPU"]))
    print(", ".join(f"{name} {version}" for name, version in versions.items()))
    if arguments.json:
        print(json.dumps({**result, "machine": machine, "versions": versions}, allow_nan=False))
    return 0


def _format(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as what is in them, the first to the left, others to the right; a row of one cell is a remark."""
    columns = zip(*(row for row in rows if len(row) > 1), strict=True)
    widths = [max(map(len, column)) for column in columns]
    return "\n".join(
        "  ".join(
            f"{cell:{'<' if i == 0 else '>'}{width}}" for i, (cell, width) in enumerate(zip(row, widths, strict=False))
        ).rstrip()
        for row in rows
    )
