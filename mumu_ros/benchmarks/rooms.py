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

"""Real people in composed rooms: what recognition from depth loses to a room and to a second person.

Clips of UTD-MHAD are put into furnished rooms and drawn as pictures. The people front end finds everybody in those,
and what it cuts out of the depth is given to a depth model; beside it, the clip as it was recorded, without a room.
"""

from __future__ import annotations

import argparse
import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mumu_ros.datasets.utd_mhad import UtdMhad, UtdMhadClip
from mumu_ros.model.checkpoint import Checkpoint, load_checkpoint
from mumu_ros.people import Camera, PeopleFinder, Person
from mumu_ros.people.landmarks import TORSO
from mumu_ros.recognition import Decision, Recognizer
from mumu_ros.simulation.rooms import RecordedPerson, compose
from mumu_ros.simulation.shading import KINECT_FOCAL, shade

__all__ = ["measure", "register", "table"]

_HZ = 30
_STEP = 3
_SCALE = 3
_FIRST_NS = 1_000_000_000
_OTHER = 7
"""The second person is that of so many clips later."""
_CONDITIONS = ("recorded", "room", "room, second person beside", "room, second person behind")


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("root", metavar="ROOT", help="folder of UTD-MHAD")
    parser.add_argument("--model", default="utd-mhad-dp", help="a model with a modality depth (default utd-mhad-dp)")
    parser.add_argument("--clips", type=int, default=12, metavar="N", help="first trials, drawn by seed (default 12)")
    parser.add_argument("--seed", type=int, default=0, help="which clips, and their rooms (default 0)")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Recognise each clip as it was recorded, and through the front end in three rooms."""
    dataset = UtdMhad(Path(arguments.root))
    checkpoint = load_checkpoint(arguments.model)
    order = np.random.default_rng(arguments.seed).permutation([k for k, key in enumerate(dataset.clips) if key[2] == 1])
    readable = (clip for k in order if (clip := dataset.read(*dataset.clips[k])) is not None and clip.depth is not None)
    clips = list(itertools.islice(readable, arguments.clips + _OTHER))
    if len(clips) < 2:
        raise ValueError(f"{arguments.root} has {len(clips)} first trials with depth; expected 2 or more: two people")
    right: dict[str, list[bool]] = defaultdict(list)
    found: dict[str, list[float]] = defaultdict(list)
    for k, clip in enumerate(clips[: arguments.clips]):
        other = clips[(k + min(_OTHER, len(clips) - 1)) % len(clips)]
        for condition, (depth, mask) in _scenes(clip, other, arguments.seed + k).items():
            views = list(depth) if condition == "recorded" else _through_front_end(depth, mask)
            found[condition].append(float(np.mean([view is not None for view in views])))
            right[condition].append(_recognised(checkpoint, views) == clip.activity)
    return {
        "model": checkpoint.id,
        "clips": len(right["recorded"]),
        "right": {condition: float(np.mean(right[condition])) for condition in _CONDITIONS},
        "found": {condition: float(np.mean(found[condition])) for condition in _CONDITIONS},
    }


def table(result: Mapping[str, Any]) -> list[list[str]]:
    """What was measured, for people."""
    rows = [[f"{result['model']}, {result['clips']} clips", "right", "frames in which the person is found"]]
    for condition, right in result["right"].items():
        rows.append([condition, f"{right:.1%}", f"{result['found'][condition]:.1%}"])
    return rows


def _scenes(
    clip: UtdMhadClip, other: UtdMhadClip, seed: int
) -> dict[str, tuple[NDArray[np.uint16], NDArray[np.bool_]]]:
    """Condition to (depth, where the person is), every third frame."""
    one, two = (np.asarray(c.depth)[::_STEP] for c in (clip, other))
    people: dict[str, Sequence[RecordedPerson]] = {
        _CONDITIONS[1]: [RecordedPerson(one)],
        _CONDITIONS[2]: [RecordedPerson(one, right=-0.5), RecordedPerson(two, right=0.5)],
        _CONDITIONS[3]: [RecordedPerson(one), RecordedPerson(two, right=0.5, away=0.8)],
    }
    composed = {condition: compose(who, seed) for condition, who in people.items()}
    return {_CONDITIONS[0]: (one, one > 0), **{name: (c.depth, c.masks[0]) for name, c in composed.items()}}


def _through_front_end(depth: NDArray[np.uint16], mask: NDArray[np.bool_]) -> list[NDArray[np.uint16] | None]:
    """What the front end cuts out as the person of the mask; None where it does not find that person."""
    height, width = (_SCALE * side for side in depth.shape[1:])
    camera = Camera(width, height, KINECT_FOCAL * width, KINECT_FOCAL * width, width / 2, height / 2)
    finder = PeopleFinder(seed=0)
    views = []
    for k, frame in enumerate(depth):
        people = finder.update(_stamp_ns(k), shade(frame, scale=_SCALE), frame, camera)
        mine = [person for person in people if _share_on(mask[k], person) >= 0.5]
        views.append(max(mine, key=lambda person: _share_on(mask[k], person)).depth if mine else None)
    return views


def _share_on(mask: NDArray[np.bool_], person: Person) -> float:
    """Share of a person's shoulders and hips that are on a mask."""
    points = person.keypoints[TORSO] / _SCALE
    points = points[np.isfinite(points).all(axis=1)].clip(0, (mask.shape[1] - 1, mask.shape[0] - 1)).astype(int)
    return float(mask[points[:, 1], points[:, 0]].mean()) if len(points) else 0.0


def _recognised(checkpoint: Checkpoint, views: Sequence[NDArray[np.uint16] | None]) -> str:
    """The most probable activity at the end of a clip."""
    recognizer = Recognizer(checkpoint)
    for k, view in enumerate(views):
        if view is not None:
            recognizer.push("depth", _stamp_ns(k), view)
    decision = recognizer.recognize(_stamp_ns(len(views) - 1))
    if not isinstance(decision, Decision):
        return ""
    return checkpoint.config.taxonomy.activities[int(decision.activity_probabilities.argmax())]


def _stamp_ns(frame: int) -> int:
    return _FIRST_NS + round(frame * _STEP * 1e9 / _HZ)
