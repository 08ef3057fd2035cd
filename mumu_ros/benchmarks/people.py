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

"""The people front end: what a picture costs with one person in view, and what each further one adds.

The pictures are of a simulated room that people walk in and out of, or of a video. Costs are CPU time, beside that of
one run of the landmark network after each picture. With --live the nodes run, too, before two simulated people.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
from numpy.typing import NDArray

from mumu_ros.benchmarks.people_live import measure_live
from mumu_ros.benchmarks.rounds import seconds_of
from mumu_ros.benchmarks.tracking import picture_pairs
from mumu_ros.people import PeopleFinder, find_weights
from mumu_ros.people.networks import DETECTOR_SIZE, LANDMARK_SIZE, PoseNetworks
from mumu_ros.recognize.sources import open_source
from mumu_ros.recordings.pictures import Shot
from mumu_ros.simulation import Simulator

__all__ = ["measure", "register", "table"]

_SIZE = (640, 480)
_SEED = 3
_PEOPLE = 3
_ENOUGH = 5
_LIVE_PEOPLE = 2


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--video", type=Path, help="pictures of this video, folder, bag or camera instead of simulated ones"
    )
    parser.add_argument(
        "--seconds", type=float, default=6.0, metavar="S", help="length of what is looked at (default 6)"
    )
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")
    parser.add_argument(
        "--live",
        type=float,
        metavar="S",
        help="also run the nodes for S seconds: latency from picture to activity, and memory",
    )


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run the front end over the pictures of one person and of several, alternately."""
    scenes = [list(_video(arguments))] if arguments.video else [list(_simulated(n, arguments)) for n in (1, _PEOPLE)]
    if (fewest := min(map(len, scenes))) < 2:
        raise ValueError(
            f"{arguments.video or 'the simulation'} has {fewest} pictures in {arguments.seconds:g} s; expected 2 or "
            "more: raise --seconds"
        )
    networks = _network_runs(arguments.threads)
    finders = [PeopleFinder(threads=arguments.threads, seed=_SEED) for _ in scenes]
    for finder, shots in zip(finders, scenes, strict=True):
        finder.update(shots[0].stamp_ns, shots[0].rgb, shots[0].depth, shots[0].camera)  # looks everywhere
    for run in networks.values():
        run()  # what a first run allocates is no growth
    memory = psutil.Process().memory_info().rss
    costs: dict[int, list[float]] = defaultdict(list)
    walls: dict[int, list[float]] = defaultdict(list)
    alone: dict[str, list[float]] = {name: [] for name in networks}
    for instant in zip(*(shots[1:] for shots in scenes), strict=False):
        for finder, shot in zip(finders, instant, strict=True):
            wall, cpu = time.perf_counter(), time.process_time()
            people = finder.update(shot.stamp_ns, shot.rgb, shot.depth, shot.camera)
            costs[len(people)].append((time.process_time() - cpu) * 1e3)
            walls[len(people)].append((time.perf_counter() - wall) * 1e3)
        for name, run in networks.items():
            alone[name].append(seconds_of(run, clock=time.process_time) * 1e3)
    ms = {count: float(np.mean(given)) for count, given in sorted(costs.items()) if len(given) >= _ENOUGH}
    most = max(ms, default=0)
    live = {"live": measure_live(_LIVE_PEOPLE, arguments.live)} if arguments.live else {}
    return {
        "pictures": sum(map(len, scenes)),
        "has_depth": scenes[0][0].depth is not None,
        "cpu_ms_by_people": ms,
        "cpu_ms_further": (ms[most] - ms[1]) / (most - 1) if most > 1 and 1 in ms else None,
        "pictures_per_second_by_people": {count: 1e3 / float(np.median(walls[count])) for count in ms},
        "networks_cpu_ms": {name: float(np.median(given)) for name, given in alone.items()},
        "memory_growth_mb": (psutil.Process().memory_info().rss - memory) / 2**20,
        **live,
    }


def table(result: dict[str, Any]) -> list[list[str]]:
    """What was measured, for people."""
    networks = result["networks_cpu_ms"]
    rows = [["", "CPU ms", "to the landmark network", "pictures a second"]]
    for name in ("landmarks", "detector"):
        rows.append([f"{name} alone", f"{networks[name]:.1f}", f"{networks[name] / networks['landmarks']:.2f}", ""])
    for count, ms in result["cpu_ms_by_people"].items():
        rate = result["pictures_per_second_by_people"][count]
        rows.append([f"{count} in view", f"{ms:.1f}", f"{ms / networks['landmarks']:.2f}", f"{rate:.0f}"])
    further = result["cpu_ms_further"]
    shares = ("–", "–") if further is None else (f"{further:.1f}", f"{further / networks['landmarks']:.2f}")
    rows.append(["each further person", *shares, ""])
    if live := result.get("live"):
        latency, cpu = live["latency_ms"], live["cpu"]
        rows.append(
            [
                f"{_LIVE_PEOPLE} people live: picture to activity",
                *("–" if ms is None else f"{ms:.0f} ms {quantile}" for quantile, ms in latency.items()),
                "",
            ]
        )
        rows.append(["cores: " + ", ".join(f"{name} {cores:.2f}" for name, cores in cpu.items())])
        memory = (f"{name} {m[0]:.0f}, {max(m):.0f}, {m[-1]:.0f}" for name, m in live["memory_mib"].items())
        rows.append(["MiB first, highest, last: " + ", ".join(memory)])
    depth = "with depth" if result["has_depth"] else "without depth"
    rows.append([f"{result['pictures']} pictures of 640×480 {depth}; memory {result['memory_growth_mb']:+.1f} MiB"])
    return rows


def _video(arguments: argparse.Namespace) -> Iterator[Shot]:
    end_ns: float | None = None
    with closing(open_source(str(arguments.video))) as shots:
        for shot in shots:
            end_ns = end_ns or shot.stamp_ns + arguments.seconds * 1e9
            if shot.stamp_ns >= end_ns:  # a camera would go on without end
                return
            yield Shot(shot.stamp_ns, _cropped(shot.rgb))


def _simulated(people: int, arguments: argparse.Namespace) -> Iterator[Shot]:
    size = (_SIZE[1], _SIZE[0])
    simulator = Simulator(seed=_SEED, seconds=arguments.seconds, people=people, room=True, image_size=size)
    for rgb, depth in picture_pairs(simulator.samples()):
        yield Shot(rgb.stamp_ns, rgb.data, depth.data, simulator.camera.intrinsics)


def _cropped(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The middle of a picture in 640×480."""
    height, width = rgb.shape[:2]
    wide, high = min(width, height * 4 // 3), min(height, width * 3 // 4)
    x, y = (width - wide) // 2, (height - high) // 2
    return np.asarray(cv2.resize(rgb[y : y + high, x : x + wide], _SIZE, interpolation=cv2.INTER_AREA), np.uint8)


def _network_runs(threads: int) -> dict[str, Callable[[], object]]:
    """Each network alone, on noise."""
    networks = PoseNetworks(find_weights(), threads)
    rng = np.random.default_rng(0)
    small, large = (rng.integers(0, 255, (side, side, 3), np.uint8) for side in (DETECTOR_SIZE, LANDMARK_SIZE))
    return {"landmarks": lambda: networks.landmarks(large), "detector": lambda: networks.detect(small)}
