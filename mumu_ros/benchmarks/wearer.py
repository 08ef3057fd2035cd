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

"""Assignment of IMUs: two people of UTD-MHAD side by side, each in turn with the IMU of one of them.

Each person performs actions one after the other, and the assignment is asked five times a second, as when it runs. The
sensor is mounted at random. `--noise` is added to the joints, drawn anew for each joint and frame.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mumu_ros.datasets.utd_mhad import UtdMhad, UtdMhadClip
from mumu_ros.recognition.assignment import ImuAssigner
from mumu_ros.streams import NS_PER_S

__all__ = ["measure", "register", "table"]

_START_NS = 1_700_000_000 * NS_PER_S
_PAUSE_S = 0.5
_CLIPS = 4
_ASKED_HZ = 5
_WARM_UP_S = 2.0
_BODIES = ("first", "second")
_Events = list[tuple[int, str, NDArray[np.float64]]]


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("root", type=Path, metavar="UTD-MHAD", help="the data set, as it is distributed")
    parser.add_argument("--rounds", type=int, default=200, metavar="N", help="pairs of people (default: 200)")
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.02, 0.04], metavar="M", help="metres")
    parser.add_argument("--seed", type=int, default=0, help="(default: 0)")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run the benchmark.

    Returns:
        noise: by noise in metres shares of the time: right, wrong, nobody; and pairs: right at the end, wrong, nobody.
    """
    clips = list(UtdMhad(arguments.root, modalities=("skeleton", "inertial")))
    by_subject: dict[int, list[UtdMhadClip]] = {}
    for clip in clips:
        by_subject.setdefault(clip.subject, []).append(clip)
    result: dict[str, Any] = {}
    for noise in arguments.noise:
        rng = np.random.default_rng(arguments.seed)
        times, ends = [], []
        for _ in range(arguments.rounds):
            subjects = rng.choice(sorted(by_subject), 2, replace=False)
            chosen = [[by_subject[s][i] for i in rng.integers(len(by_subject[s]), size=_CLIPS)] for s in subjects]
            assigned = _play(chosen, noise, rng)
            times += assigned
            ends.append(assigned[-1])
        result[f"{noise:g}"] = {"time": _shares(times), "end": _shares(ends)}
    return {"rounds": arguments.rounds, "noise": result}


def table(result: dict[str, Any]) -> list[list[str]]:
    """Rows of text, the header first."""
    rows = [["noise m", "time right", "wrong", "nobody", "end right", "wrong", "nobody"]]
    for noise, found in result["noise"].items():
        rows.append([noise, *(f"{share:.1%}" for part in ("time", "end") for share in found[part].values())])
    return rows


def _play(chosen: list[list[UtdMhadClip]], noise: float, rng: np.random.Generator) -> list[str]:
    """The assigned wearer of the first person's IMU, five times a second."""
    events = sorted(
        (event for body, clips in zip(_BODIES, chosen, strict=True) for event in _events(body, clips, noise, rng)),
        key=lambda event: event[0],
    )
    last_ns = min(max(ns for ns, name, _ in events if name == body) for body in _BODIES)
    assigner = ImuAssigner(["imu"], {})
    asked_ns, assigned = _START_NS + round(_WARM_UP_S * NS_PER_S), []
    for stamp_ns, name, sample in events:
        while asked_ns <= min(stamp_ns, last_ns):
            assigned.append(assigner.assign(asked_ns, _BODIES).get("imu", ""))
            asked_ns += NS_PER_S // _ASKED_HZ
        if name == "imu":
            assigner.push("imu", stamp_ns, sample)
        else:
            assigner.see(name, stamp_ns, "kinect20", sample.astype(np.float32))
    return assigned


def _events(body: str, clips: list[UtdMhadClip], noise: float, rng: np.random.Generator) -> _Events:
    """Joints of a person, and what the IMU measures if it is the first one's, by time."""
    mounting, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    mounting *= np.sign(np.linalg.det(mounting))
    events: _Events = []
    start_ns = _START_NS
    for clip in clips:
        duration_ns = clip.duration_ns
        given = [(body, clip.samples("skeleton") + rng.normal(scale=noise, size=clip.samples("skeleton").shape))]
        if body == _BODIES[0]:
            given.append(("imu", clip.samples("inertial") @ mounting.T))
        for name, samples in given:
            stamps = start_ns + np.linspace(0, duration_ns, len(samples)).astype(np.int64)
            events += [(int(ns), name, sample) for ns, sample in zip(stamps, samples, strict=True)]
        start_ns += duration_ns + round(_PAUSE_S * NS_PER_S)
    return events


def _shares(assigned: list[str]) -> dict[str, float]:
    names = {"right": _BODIES[0], "wrong": _BODIES[1], "nobody": ""}
    return {what: assigned.count(name) / max(len(assigned), 1) for what, name in names.items()}
