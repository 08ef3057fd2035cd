"""`python -m mumu_ros.nodes NODE --ros-args …`: a node that ends without a word while it is still being imported, too.

Imports nothing that takes long, because the signals are heeded after that.
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
    """Run the node that the first argument names."""
    on_signals(lambda *_: os._exit(0))  # there is nothing to put in order yet
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    module = f"mumu_ros.nodes.{name}"
    if not name.isidentifier() or importlib.util.find_spec(module) is None:
        sys.exit(f"there is no node {name!r}; expected one such as sensor_sync")
    sys.argv = [name, *sys.argv[2:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
