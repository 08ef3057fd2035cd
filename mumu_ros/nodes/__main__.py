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

"""`python -m mumu_ros.nodes NODE --ros-args …`: handles signals already while the node is being imported.

Imports nothing that Python has not loaded, because signals are handled only afterwards.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # of `signal`, which itself takes a while to import
import os
import sys

TYPE_CHECKING = False  # that of `typing`, which takes a while, too
if TYPE_CHECKING:
    from collections.abc import Callable
    from signal import Handlers
    from types import FrameType

__all__ = ["SIGNALS", "heeded", "main", "on_first_signal", "on_signals"]

SIGNALS = (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP)
"""Those that end a node in order."""


def heeded() -> list[int]:
    """Those of the signals that are handled: also SIGINT that a script had ignored, but not SIGHUP that nohup had."""
    return [n for n in SIGNALS if n != _signal.SIGHUP or _signal.getsignal(n) != _signal.SIG_IGN]


def on_signals(handler: Callable[[int, FrameType | None], object] | Handlers) -> None:
    """Handle the signals that are heeded."""
    for number in heeded():
        _signal.signal(number, int(handler) if isinstance(handler, int) else handler)  # it does not know the enum


def on_first_signal(handler: Callable[[], object]) -> None:
    """Handle the first signal that is heeded; those after it would interrupt the handler, and nest, and do nothing."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        on_signals(lambda *_: None)  # SIG_IGN would raise for one that has just come
        handler()

    on_signals(handle)


def main() -> None:
    """Run the node named by the first argument."""
    on_signals(lambda *_: os._exit(0))  # nothing to clean up yet
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, SIGNALS)  # `Processes` starts nodes with all blocked
    import importlib.util
    import runpy

    from mumu_ros.install_hints import remedy

    name = sys.argv[1] if len(sys.argv) > 1 else ""
    module = f"mumu_ros.nodes.{name}"
    if not name.isidentifier() or importlib.util.find_spec(module) is None:
        sys.exit(f"there is no node {name!r}; expected one such as sensor_sync")
    sys.argv = [name, *sys.argv[2:]]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except ModuleNotFoundError as error:
        sys.exit(f"{name}: {error}; {remedy(error.name or '')}")


if __name__ == "__main__":
    main()
