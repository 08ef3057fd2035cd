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

"""`mumu fuzz`: coverage-guided fuzzing of every input (atheris) for unexpected errors, hangs and excessive memory."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import importlib.util
import io
import logging
import os
import re
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from mumu_ros.install_hints import install

__all__ = ["register"]

HANG_S = 100
"""By the clock on the wall: a busy machine takes seconds for what needs a millisecond."""
MOST_MIB = 2048
_EXECUTED = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
_SLOWEST = re.compile(r"stat::slowest_unit_time_sec:\s*(\d+)")
_COVERED = re.compile(r"cov: (\d+)")


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the `mumu` parser."""
    parser = commands.add_parser(
        "fuzz",
        description=(
            "Feeds messages, services, recordings, models, labels and parameter files with bytes guided by coverage, "
            "and reports unexpected exceptions, hangs and use of more than 2 GiB. Needs the extra fuzz (atheris). An "
            "input that ends a run is kept in --out."
        ),
    )
    listed = parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help="(default: all; an unknown one lists them)"
    )
    parser.set_defaults(listed=listed)
    parser.add_argument("--seconds", type=int, default=60, metavar="N", help="for each target (default: 60)")
    parser.add_argument("--runs", type=int, default=-1, metavar="N", help="for each target; -1: as many as it can")
    parser.add_argument("--out", type=Path, default=Path("fuzz"), help="folder for inputs and logs (default: fuzz)")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.seconds < 1:  # libFuzzer takes 0 as without end
        raise ValueError(f"--seconds is {arguments.seconds}; expected 1 or more")
    if importlib.util.find_spec("atheris") is None:
        raise ValueError(f"atheris is not installed; {install('fuzz')}")
    import atheris

    # It writes a line for each module.
    with contextlib.redirect_stderr(io.StringIO()), atheris.instrument_imports(include=["mumu_ros"]):
        from mumu_ros.trials.targets import TARGETS
    if unknown := [name for name in arguments.targets if name not in TARGETS]:
        raise ValueError(f"{unknown[0]!r} is no target; expected one of {', '.join(TARGETS)}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    status = 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the child ends and its folder is removed
    for name in arguments.targets or TARGETS:
        options = [f"-max_total_time={arguments.seconds}", f"-runs={arguments.runs}", f"-timeout={HANG_S}"]
        options += [f"-rss_limit_mb={MOST_MIB}", "-print_final_stats=1", f"-artifact_prefix={arguments.out}/{name}-"]
        log = arguments.out / f"{name}.log"
        start_s = time.monotonic()
        ended = _in_a_child(name, options, log)
        output = log.read_text(encoding="utf-8", errors="replace")
        executed, covered, slowest_s = (
            max(map(int, number.findall(output)), default=0) for number in (_EXECUTED, _COVERED, _SLOWEST)
        )
        words = f"{executed} executions in {time.monotonic() - start_s:.0f} s, coverage {covered}"
        print(f"{name}: {words}, the slowest {slowest_s} s", flush=True)
        if ended:
            status = 1
            print(f"{name} ended with status {ended}; see {log}", flush=True)
    return status


def _in_a_child(name: str, options: Sequence[str], log: Path) -> int:
    """Fuzz one target in a child of this process, which has its modules instrumented; its exit status."""
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # a disk takes most of the time
    with tempfile.TemporaryDirectory(prefix="mumu-fuzz-", dir=memory) as folder, log.open("wb") as output:
        child = os.fork()
        if child == 0:
            for stream in (1, 2):
                os.dup2(output.fileno(), stream)
            try:
                _fuzz(name, Path(folder), options)  # libFuzzer ends the process
            except BaseException:
                os.write(2, traceback.format_exc().encode(errors="backslashreplace"))
            finally:
                os._exit(1)
        try:
            os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        finally:  # where this is interrupted, it would go on in a folder that is removed
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
        return os.waitstatus_to_exitcode(status)


def _fuzz(name: str, folder: Path, options: Sequence[str]) -> None:
    import atheris

    from mumu_ros.nodes.processes import PR_SET_PDEATHSIG, own_domain  # instrumented as the targets are
    from mumu_ros.trials.targets import TARGETS

    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ.update(own_domain())
    logging.disable()
    tempfile.tempdir = str(folder)
    for part in ("work", "corpus"):
        (folder / part).mkdir()
    seeds, feed = TARGETS[name](folder / "work", contextlib.ExitStack())
    for number, seed in enumerate(seeds):
        (folder / "corpus" / str(number)).write_bytes(seed)
    atheris.Setup(["fuzz", str(folder / "corpus"), *options], feed)
    atheris.Fuzz()
