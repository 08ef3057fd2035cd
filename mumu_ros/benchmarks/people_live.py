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

"""The people front end live: simulator, people and inference as processes, from a picture to the activity."""

from __future__ import annotations

import time
from typing import Any

from mumu_ros.benchmarks.live import live
from mumu_ros.benchmarks.rounds import percentiles

__all__ = ["measure_live"]

_START_TIMEOUT_S = 120.0
_WARM_UP_S = 4.0
_MEMORY_EVERY_S = 60.0
_NODES = ("simulator", "people", "inference")


def measure_live(people: int, seconds: float) -> dict[str, Any]:
    """Run the nodes over DDS for `seconds` before 640×480 pictures with depth of `people` walking in a simulated room.

    Returns:
        latency_ms: p50 and p99 from the stamp of the picture to the arrival of the activity in this process.
        decisions: How many arrived.
        cpu: Cores that each process used.
        memory_mib: Resident memory of each process at the beginning, once a minute, and at the end.

    Raises:
        ChildProcessError: A node ended, or no activity came within two minutes.
    """
    depth = {"depth.topic": "camera/depth/image_raw", "camera_info.topic": "camera/color/camera_info"}
    room = {"people": people, "room": True, "width": 640, "height": 480}
    with live() as run:
        run.processes.start("people", depth, log=run.log)
        run.processes.start("inference", {"model": "people"}, log=run.log)
        run.processes.start("simulator", room, log=run.log)
        run.wait(_START_TIMEOUT_S, lambda: bool(run.monitor.recognitions))
        run.wait(_WARM_UP_S)
        run.monitor.latencies_s.clear()
        start, before = time.monotonic(), {name: run.processes.cpu_s(name) for name in _NODES}
        resources = [run.processes.resources()]
        while (left_s := start + seconds - time.monotonic()) > 0:
            run.wait(min(left_s, _MEMORY_EVERY_S))
            resources.append(run.processes.resources())
        elapsed = time.monotonic() - start
        return {
            "latency_ms": percentiles([1e3 * s for s in run.monitor.latencies_s]),
            "decisions": len(run.monitor.latencies_s),
            "cpu": {name: (run.processes.cpu_s(name) - before[name]) / elapsed for name in _NODES},
            "memory_mib": {name: [sample[name].memory_mib for sample in resources] for name in _NODES},
        }
