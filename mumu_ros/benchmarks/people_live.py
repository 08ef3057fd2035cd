"""The people front end live: simulator, people and inference as processes, from a picture to the activity."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from mumu_ros.benchmarks.rounds import percentiles
from mumu_ros.nodes.monitor import Monitor
from mumu_ros.nodes.processes import Processes, own_domain

__all__ = ["measure_live"]

_START_TIMEOUT_S = 120.0
_WARM_UP_S = 4.0
_NODES = ("simulator", "people", "inference")


def measure_live(people: int, seconds: float) -> dict[str, Any]:
    """Run the nodes over DDS before 640×480 pictures with depth of a simulated room.

    Args:
        people: How many walk about in the room.
        seconds: How long the latency is measured.

    Returns:
        latency_ms: p50 and p99 from the stamp of the picture to the arrival of the activity in this process.
        decisions: How many arrived.
        cpu: Cores that each process used.

    Raises:
        ChildProcessError: A node ended, or no activity came within two minutes.
    """
    os.environ.update(own_domain())
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    executor, monitor = SingleThreadedExecutor(), Monitor()
    executor.add_node(monitor)
    try:
        with tempfile.TemporaryDirectory(prefix="mumu-bench-") as folder, Processes() as nodes:
            log = Path(folder) / "log"

            def wait(limit_s: float, done: Callable[[], bool] = lambda: False) -> None:
                deadline = time.monotonic() + limit_s
                while not done() and time.monotonic() < deadline:
                    if ended := nodes.ended():
                        raise ChildProcessError(f"{ended} ended; the nodes' output:\n{log.read_text()}")
                    executor.spin_once(timeout_sec=0.02)

            depth = {"depth.topic": "camera/depth/image_raw", "camera_info.topic": "camera/color/camera_info"}
            nodes.start("people", depth, log=log)
            nodes.start("inference", {"model": "people"}, log=log)
            nodes.start("simulator", {"people": people, "room": True, "width": 640, "height": 480}, log=log)
            wait(_START_TIMEOUT_S, lambda: bool(monitor.recognitions))
            if not monitor.recognitions:
                raise ChildProcessError(
                    f"no activity for {_START_TIMEOUT_S:g} s; the nodes' output:\n{log.read_text()}"
                )
            wait(_WARM_UP_S)
            monitor.latencies_s.clear()
            start, before = time.monotonic(), {name: nodes.cpu_s(name) for name in _NODES}
            wait(seconds)
            elapsed = time.monotonic() - start
            return {
                "latency_ms": percentiles([1e3 * s for s in monitor.latencies_s]),
                "decisions": len(monitor.latencies_s),
                "cpu": {name: (nodes.cpu_s(name) - before[name]) / elapsed for name in _NODES},
            }
    finally:
        executor.shutdown()
        monitor.destroy_node()
        rclpy.try_shutdown()
