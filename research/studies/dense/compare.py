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

"""What a student's depth and classes are worth to the people front end, beside what it has without them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from mumu_ros.benchmarks.tracking import TrackScore
from mumu_ros.model.config import ConfigError
from mumu_ros.people import Camera, PeopleFinder, Person
from mumu_ros.people.isolation import FOCAL
from mumu_ros.people.isolation import SIZE as VIEW
from mumu_ros.people.landmarks import TORSO
from mumu_ros.simulation import MAX_PEOPLE, Sample, Simulator
from mumu_ros.simulation.renderer import Renderer
from studies.dense.model import DenseModel
from studies.dense.pictures import CLASSES
from studies.report import table

__all__ = ["compare"]

_SIZE = (480, 640)
_FIRST_ROOM = 10_000
"""Neither the training nor the test pictures are of these rooms and people."""
_SECONDS = 10.0
_ROOM_S = 2 * _SECONDS
"""From one room to the next, so that nobody has to keep an id."""
_EVERY = 2
"""Every second picture: 15 a second."""
_PEOPLE = CLASSES.index("trunk")
"""The classes from here on are parts of people."""
_COLOUR, _STUDENT, _SENSOR = "colour only: size of the body", "depth of the student", "depth camera"
_BONES, _CLASSES, _BOTH = "depth camera: near the bones", "classes of the student", "both"
_VISIBLE = 0.5
"""Of people who are seen to this share, masks are compared."""


@dataclass(frozen=True, eq=False)
class _Instant:
    """One picture: what is seen, what is true, and what the student estimates."""

    stamp_ns: int
    rgb: NDArray[np.uint8]
    depth: NDArray[np.uint16]
    truth: Sequence[Person]
    owners: NDArray[np.uint8]
    estimated_m: NDArray[np.float32]
    estimated_person: NDArray[np.bool_]


def compare(model: DenseModel, size: tuple[int, int], rooms: int) -> str:
    """Markdown of where the front end finds people, and of their masks, in simulated pictures that nobody learned from.

    Args:
        model: The student.
        size: Height and width of the pictures that it sees.
        rooms: Furnished rooms with three people, 10 s each.

    Raises:
        ConfigError: There are no rooms.
    """
    if rooms < 1:
        raise ConfigError(f"--rooms is {rooms!r}; expected 1 or more")
    found = {name: TrackScore() for name in (_COLOUR, _STUDENT, _SENSOR)}
    overlaps: dict[str, list[float]] = {name: [] for name in (_BONES, _CLASSES, _BOTH)}
    for room in range(_FIRST_ROOM, _FIRST_ROOM + rooms):
        simulator = Simulator(seed=room, seconds=_SECONDS, people=3, room=True, image_size=_SIZE)
        camera = simulator.camera.intrinsics
        finders = {name: PeopleFinder(max_people=MAX_PEOPLE, seed=room) for name in found}
        for now in _instants(simulator, model, size):
            depths = {_COLOUR: None, _STUDENT: now.estimated_m, _SENSOR: now.depth}
            people = {
                name: finder.update(now.stamp_ns, now.rgb, depths[name], camera) for name, finder in finders.items()
            }
            at_s = _ROOM_S * room + (now.stamp_ns - simulator.start_ns) / 1e9
            for name, score in found.items():
                score.see(at_s, now.truth, people[name])
            _add_overlaps(overlaps, now, people[_SENSOR], camera)
    return f"{_found_table(found)}\n\n{_mask_table(overlaps)}"


def _instants(simulator: Simulator, model: DenseModel, size: tuple[int, int]) -> Iterator[_Instant]:
    renderer = Renderer(simulator.camera, simulator.room, np.random.default_rng(0))
    rgb: Sample | None = None
    for number, sample in enumerate(s for s in simulator.samples() if s.stream in ("rgb", "depth")):
        if sample.stream == "rgb":
            rgb = sample
        elif rgb is not None and number // 2 % _EVERY == 0:
            at_s = np.array([(rgb.stamp_ns - simulator.start_ns) / 1e9])
            owners, _ = renderer.owners([actor.shapes(at_s) for actor in simulator.people])
            truth = next(simulator.people_at(at_s))
            yield _Instant(rgb.stamp_ns, rgb.data, sample.data, truth, owners, *_estimated(model, rgb.data, size))


@torch.inference_mode()
def _estimated(
    model: DenseModel, rgb: NDArray[np.uint8], size: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """A student's depth in metres, and where it sees people, in its own size and in that of the picture."""
    small = cv2.resize(rgb, size[::-1], interpolation=cv2.INTER_AREA)
    final = model(torch.from_numpy(small).permute(2, 0, 1)[None]).final
    shares = torch.softmax(final["classes"][0], dim=0)[_PEOPLE:].sum(dim=0).numpy()
    return final["depth"][0, 0].numpy(), cv2.resize(shares, rgb.shape[1::-1]) > 0.5


def _add_overlaps(overlaps: dict[str, list[float]], now: _Instant, people: Sequence[Person], camera: Camera) -> None:
    """Intersection over union of each mask with the truth, of everybody in view who was found."""
    for number, true in enumerate(now.truth, start=1):
        own = now.owners == number
        mine = [person for person in people if person.depth is not None and _share_on(own, person) > 0.5]
        if true.confidence < _VISIBLE or len(mine) != 1:
            continue
        inside = np.zeros_like(own)
        x, y, width, height = (max(0, round(side)) for side in mine[0].roi)
        inside[y : y + height, x : x + width] = True
        truth, estimated = (_panned(mask, mine[0], camera) for mask in (own, now.estimated_person & inside))
        near = np.asarray(mine[0].depth) > 0
        for name, mask in ((_BONES, near), (_CLASSES, estimated), (_BOTH, near & estimated)):
            overlaps[name].append(float((mask & truth).sum() / (mask | truth).sum()))


def _share_on(mask: NDArray[np.bool_], person: Person) -> float:
    """Share of a person's shoulders and hips that are on a mask."""
    x, y = person.keypoints[TORSO].T
    inside = (x >= 0) & (y >= 0) & (x < mask.shape[1]) & (y < mask.shape[0])
    return float(mask[y[inside].astype(int), x[inside].astype(int)].sum() / len(x))


def _panned(mask: NDArray[np.bool_], person: Person, camera: Camera) -> NDArray[np.bool_]:
    """A mask of the picture as the camera of the person's own depth picture sees it (`people/isolation.py`)."""
    middle = np.nanmean(person.joints[TORSO], axis=0)
    pan = np.arctan2(middle[0], middle[2])
    height, width = VIEW
    rows, columns = np.mgrid[:height, :width]
    focal = FOCAL * width
    across, down = (columns + 0.5 - width / 2) / focal, (rows + 0.5 - height / 2) / focal
    rays = np.stack([across * np.cos(pan) + np.sin(pan), down, np.cos(pan) - across * np.sin(pan)], axis=-1)
    x, y = np.rint(camera.project(rays.reshape(-1, 3).astype(np.float32))).T.reshape(2, height, width)
    inside = (x >= 0) & (y >= 0) & (x < mask.shape[1]) & (y < mask.shape[0])
    seen: NDArray[np.bool_] = inside & mask[np.where(inside, y, 0).astype(int), np.where(inside, x, 0).astype(int)]
    return seen


def _found_table(found: dict[str, TrackScore]) -> str:
    rows = []
    for name, score in found.items():
        result = score.result()
        rows.append(
            (
                name,
                _cell(result["found_share"], ".1%").removesuffix("%"),
                _cell(result["position_m_p50"], ".2f"),
                _cell(result["id_switches"], "g"),
                _cell(result["extra_share"], ".3f"),
            )
        )
    return table(("distance from", "found %", "median error m", "id switches", "people too many a picture"), rows)


def _mask_table(overlaps: dict[str, list[float]]) -> str:
    rows = [
        (name, f"{100 * np.mean(values):.1f}" if values else "–", str(len(values))) for name, values in overlaps.items()
    ]
    return table(("mask of a person", "IoU %", "masks"), rows)


def _cell(value: float | None, form: str) -> str:
    """A number; a dash for one that nobody gave rise to."""
    return "–" if value is None else format(value, form)
