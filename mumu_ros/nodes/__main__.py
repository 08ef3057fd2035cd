"""`python -m mumu_ros.nodes NODE --ros-args …`: handles signals already while the node is being imported.

Imports nothing slow, because signals are handled only afterwards.
"""

from __future__ import annotations

import importlib.util
import os
import runpy
import signal
import sys
from collections.abc import Callable
from types import FrameType

__all__ = ["main", "on_signals"]


def on_signals(handler: Callable[[int, FrameType | None], object] | signal.Handlers) -> None:
    """Handle SIGINT and SIGTERM, also where the process was started with SIGINT ignored, as nohup and scripts do."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


def main() -> None:
    """Run the node named by the first argument."""
    on_signals(lambda *_: os._exit(0))  # nothing to clean up yet
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    module = f"mumu_ros.nodes.{name}"
    if not name.isidentifier() or importlib.util.find_spec(module) is None:
        sys.exit(f"there is no node {name!r}; expected one such as sensor_sync")
    sys.argv = [name, *sys.argv[2:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
