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

"""Starts nodes as processes, like `ros2 launch`, if that is not installed."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mumu_ros.nodes.__main__ import SIGNALS, heeded
from mumu_ros.nodes.launch_plans import enclave, parameter_texts
from mumu_ros.share import share_path

__all__ = [
    "PROFILE_VARIABLES",
    "PR_SET_PDEATHSIG",
    "Processes",
    "Resources",
    "dds_variables",
    "own_domain",
    "stop_timeout_s",
    "unused_domain",
]

PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
"""Variables with the path of Fast DDS's profile: up to version 2, and from version 3 on."""
_DOMAINS = range(1, 101)
"""Their ports are below the ephemeral ones."""
PR_SET_PDEATHSIG = 1
_NODES = "mumu_ros.nodes"
_RUN = (  # `python -m` would find the source folder in the working directory; its -P is of Python 3.11
    "import runpy, sys; sys.path.count('') and sys.path.remove(''); "
    "runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)
"""Runs the module that is the first argument; the working directory hides no package that is installed."""
STOP_TIMEOUT_S = 30.0
"""Time to end after an interrupt, on a busy machine; then it is killed."""
REPORT_TIMEOUT_S = 600.0
"""The same for `evaluation`, which then writes its report, perhaps of a day."""


def stop_timeout_s(node: str) -> float:
    """How long a node may take to end after an interrupt; then it is killed."""
    return REPORT_TIMEOUT_S if node == "evaluation" else STOP_TIMEOUT_S


def dds_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Variables for Fast DDS: the profile that an environment chooses, or the shipped one, with its memory policy."""
    shipped = share_path("config", "fastdds.xml")
    variables = {name: environment.get(name, str(shipped)) for name in PROFILE_VARIABLES}
    if all(path and Path(path).resolve() == shipped.resolve() for path in variables.values()):
        # Without it rmw_fastrtps ignores the profile's historyMemoryPolicy.
        variables["RMW_FASTRTPS_USE_QOS_FROM_XML"] = "1"
    return variables


def own_domain() -> dict[str, str]:
    """Environment of processes that are isolated on this machine, in their own domain."""
    return {"ROS_DOMAIN_ID": str(unused_domain()), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}


def unused_domain() -> int:
    """A random domain that nobody on this machine is in now; it is not reserved.

    Raises:
        OSError: There is none.
    """
    for number in random.SystemRandom().sample(_DOMAINS, len(_DOMAINS)):
        if not any(map(_is_bound, _ports(number))):
            return number
    raise OSError(f"all of the domains {_DOMAINS.start} to {_DOMAINS.stop - 1} are in use; end some ROS processes")


def _ports(domain: int) -> range:
    """The ports of a domain, by the default mapping of RTPS."""
    first = 7400 + 250 * domain
    return range(first, first + 250)


def _is_bound(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as attempt:
        try:
            attempt.bind(("", port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return True
    return False


@dataclass(frozen=True)
class Resources:
    """Resources of a process: resident memory in MiB, threads, open files."""

    memory_mib: float
    threads: int
    files: int

    @classmethod
    def of(cls, pid: int) -> Resources:
        """Of a running process."""
        process = Path(f"/proc/{pid}")
        pages = int((process / "statm").read_text().split()[1])
        memory_mib = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
        return cls(memory_mib, len(list((process / "task").iterdir())), len(list((process / "fd").iterdir())))


class Processes:
    """Node processes that end with the `with` block, and with this process in any case."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        chosen = {**os.environ, **(environment or {})}
        self._environment = {**chosen, **dds_variables(chosen)}
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(
        self,
        node: str,
        parameters: Mapping[str, object],
        params_file: Path | None = None,
        namespace: str = "",
        log: Path | None = None,
        remappings: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
    ) -> None:
        """Start a node. Parameters override the file's; output is appended to `log`, if any."""
        of_ros = ["--ros-args", "--enclave", enclave(node)]
        for old, new in (remappings or {}).items():
            of_ros += ["-r", f"{old}:={new}"]
        if namespace:
            of_ros += ["-r", f"__ns:=/{namespace.strip('/')}"]
        if params_file:
            of_ros += ["--params-file", str(params_file)]
        self.run(node, _NODES, [node, *arguments, *parameter_texts(parameters), *of_ros], log)

    def run(self, name: str, module: str, arguments: Sequence[str], log: Path | None = None) -> None:
        """Start any module as a process that is called `name` here; `log` as for `start`."""
        with contextlib.ExitStack() as stack:
            output = stack.enter_context(log.open("ab")) if log else None
            stack.enter_context(_signals_blocked())
            # Its own session: Ctrl-C in the terminal reaches this process, which then stops the nodes in order.
            self._running[name] = subprocess.Popen(
                [sys.executable, "-c", _RUN, module, *arguments],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=partial(_before, module),
            )

    def ended(self) -> dict[str, int]:
        """Processes that have ended, and their exit status."""
        return {node: p.returncode for node, p in self._running.items() if p.poll() is not None}

    def cpu_s(self, name: str) -> float:
        """Seconds of processor time that a running process has used (Linux)."""
        stat = Path(f"/proc/{self._running[name].pid}/stat").read_text()
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def resources(self) -> dict[str, Resources]:
        """Resources of each running process (Linux)."""
        return {name: Resources.of(p.pid) for name, p in self._running.items() if p.poll() is None}

    def kill(self, name: str) -> None:
        """End a process as a crash would."""
        process = self._running[name]
        process.kill()
        process.wait()
        del self._running[name]

    def stop(self, *names: str) -> dict[str, int]:
        """Interrupt these processes, by default all, and wait for their end; kill those that take too long.

        An exception meanwhile, such as that of a second Ctrl-C, kills them at once.

        Returns:
            Their exit status.
        """
        stopped = {name: self._running[name] for name in names or list(self._running)}
        began_s = time.monotonic()
        try:
            for process in stopped.values():
                if process.poll() is None:
                    process.send_signal(signal.SIGINT)
            for name in sorted(stopped, key=stop_timeout_s):
                try:
                    stopped[name].wait(max(0.0, began_s + stop_timeout_s(name) - time.monotonic()))
                except subprocess.TimeoutExpired:
                    stopped[name].kill()
        finally:
            for name in stopped:
                self.kill(name)  # does nothing to one that has ended
        return {name: process.returncode for name, process in stopped.items()}


@contextlib.contextmanager
def _signals_blocked() -> Iterator[None]:
    """Signals wait: here for the end of the block, in a process that starts in it until it unblocks them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # raises KeyboardInterrupt for what came just before
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _before(module: str) -> None:
    """Prepare a new process for a module."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if module != _NODES:  # which unblocks them when it handles them
        for number in heeded():
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
