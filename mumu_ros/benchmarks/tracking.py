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

"""Following people: id switches, losses and inventions, against simulated people who cross each other.

Without --pictures the tracker alone is measured: it gets the true poses with noise, people who are mostly hidden are
missing, and so is anybody now and then. With --pictures the whole front end looks at the rendered pictures and depth.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from mumu_ros.people import PeopleFinder, Person
from mumu_ros.people.landmarks import TORSO, Pose
from mumu_ros.people.lifting import Lifted
from mumu_ros.people.regions import Region
from mumu_ros.people.track import Observation, Track
from mumu_ros.people.tracks import Tracker
from mumu_ros.simulation import MAX_PEOPLE, Sample, Simulator

__all__ = ["TrackScore", "measure", "picture_pairs", "register", "table"]

_HZ = 15
_SIZE = (480, 640)
_BATCH = 64
_VISIBLE = 0.5
"""Whoever is seen to this share has to be found."""
_HIDDEN = 0.3
"""Whoever is seen to less is out of sight, …"""
_MEMORY_S = 1.0
"""… and may have another id after so long."""
_LOST_S = 0.5
"""Somebody in view who is not found for so long is lost: a fragment."""
_GATE = 0.75
"""How far from the true middle of the torso somebody is found, at most, in lengths of the torso."""

# What the detections of the tracker's measurement lack.
_KEYPOINT_NOISE = 0.03
_DEPTH_NOISE_M = 0.05
_DROPOUT = 0.05
_DETECT_EVERY = 5
"""As the front end does, unless somebody is missing: then it looks at every picture."""
_BINS = 40
_SAME_PX = 20
"""A detection nearer to somebody who is followed is that person."""


def register(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--pictures", action="store_true", help="the whole front end, which takes its time")
    parser.add_argument("--people", type=int, default=3, metavar="N", help=f"at most {MAX_PEOPLE} (default 3)")
    parser.add_argument("--seconds", type=float, default=600.0, metavar="S", help="of simulated time (default 600)")
    parser.add_argument("--seed", type=int, default=0, help="who walks where (default 0)")


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Follow simulated people."""
    simulator = Simulator(
        seed=arguments.seed, seconds=arguments.seconds, people=arguments.people, room=True, image_size=_SIZE
    )
    pictures: Callable[[Simulator], Iterator[_Instant]] = _front_end if arguments.pictures else _tracker
    score, began_s = TrackScore(), time.process_time()
    for now in pictures(simulator):
        score.see(now.at_s, now.truth, now.found)
    elapsed_s = time.process_time() - began_s
    return {
        "what": "front end" if arguments.pictures else "tracker",
        "people": arguments.people,
        "seconds": arguments.seconds,
        "seed": arguments.seed,
        **score.result(),
        "cpu_s": round(elapsed_s, 1),
    }


def table(result: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Rows for people."""
    title = f"{result['what']}, {result['people']} people, {result['seconds']:g} s, seed {result['seed']}"
    names = ("id_switches", "fragments", "found_share", "extra_share", "ids", "pixels_p50", "position_m_p50", "cpu_s")
    return [(title,), *((name, "-" if result[name] is None else f"{result[name]:g}") for name in names)]


@dataclass(frozen=True, eq=False)
class _Instant:
    at_s: float
    truth: Sequence[Person]
    found: Sequence[Person]


@dataclass(eq=False)
class _Known:
    """What is remembered of a true person."""

    body_id: str | None = None
    seen_s: float = -np.inf
    found_s: float = -np.inf
    may_change: bool = True


@dataclass(eq=False)
class TrackScore:
    """Compares who is found with who is there, as CLEAR MOT does (Bernardin and Stiefelhagen 2008).

    Whoever was followed goes on being compared with the same track as long as that is near enough; then the nearest
    ones are paired. It is no switch when somebody has another id after having been out of sight for a second, unless
    that id was somebody else's.
    """

    _known: dict[str, _Known] = field(default_factory=dict)
    _owners: dict[str, str] = field(default_factory=dict)
    _counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("switches", "fragments", "due", "found", "extra", "instants"), 0)
    )
    _pixels: list[float] = field(default_factory=list)
    _metres: list[float] = field(default_factory=list)

    def see(self, at_s: float, truth: Sequence[Person], found: Sequence[Person]) -> None:
        """Take in one instant: the true people, with the share that is seen as confidence, and those who are found."""
        pairs = self._paired(truth, found)
        self._counts["instants"] += 1
        self._counts["extra"] += len(found) - len(pairs)
        for person in truth:
            known = self._known.setdefault(person.body_id, _Known())
            if person.confidence >= _HIDDEN:
                known.may_change |= at_s - known.seen_s > _MEMORY_S
                known.seen_s = at_s
            match = pairs.get(person.body_id)
            if person.confidence >= _VISIBLE:
                self._counts["due"] += 1
                self._counts["found"] += match is not None
            else:
                known.found_s = at_s  # nobody has to find it
            if match is not None:
                self._counts["fragments"] += known.body_id is not None and at_s - known.found_s > _LOST_S
                known.found_s = at_s
                self._followed(person, known, match)

    def result(self) -> dict[str, float | None]:
        """The numbers: fragments are how often somebody in view was lost for a while, extra people are per picture."""
        counts = self._counts
        return {
            "id_switches": counts["switches"],
            "fragments": counts["fragments"],
            "found_share": round(counts["found"] / max(counts["due"], 1), 4),
            "extra_share": round(counts["extra"] / max(counts["instants"], 1), 4),
            "ids": len(self._owners),
            "pixels_p50": round(float(np.median(self._pixels)), 2) if self._pixels else None,
            "position_m_p50": round(float(np.median(self._metres)), 3) if self._metres else None,
        }

    def _followed(self, person: Person, known: _Known, match: Person) -> None:
        owner = self._owners.setdefault(match.body_id, person.body_id)
        is_other = known.body_id not in (None, match.body_id)
        if owner != person.body_id or (is_other and not known.may_change):
            self._counts["switches"] += is_other or known.body_id is None
            self._owners[match.body_id] = person.body_id
        known.body_id, known.may_change = match.body_id, False
        seen = (person.visibility > 0) & np.isfinite(match.keypoints).all(axis=1)
        self._pixels += np.linalg.norm(match.keypoints - person.keypoints, axis=1)[seen].tolist()
        torso = match.joints[TORSO]
        if np.isfinite(torso).all():
            self._metres.append(float(np.linalg.norm((torso - person.joints[TORSO]).mean(axis=0))))

    def _paired(self, truth: Sequence[Person], found: Sequence[Person]) -> dict[str, Person]:
        """True body → who it is found as."""
        there = [person for person in truth if person.confidence > 0]
        apart = np.array([[_apart(person, other) for other in found] for person in there]).reshape(
            len(there), len(found)
        )
        for row, person in enumerate(there):
            for column, other in enumerate(found):
                known = self._known.get(person.body_id)
                if known and known.body_id == other.body_id and apart[row, column] < _GATE:
                    apart[row, column] -= 10 * _GATE
        rows, columns = linear_sum_assignment(np.minimum(apart, 10 * _GATE))
        return {
            there[row].body_id: found[column]
            for row, column in zip(rows, columns, strict=True)
            if apart[row, column] < _GATE
        }


def _apart(person: Person, other: Person) -> float:
    """Distance of the middles of two torsos in the picture, in lengths of the first one."""
    middle, torso = _torso(person.keypoints)
    theirs = other.keypoints[TORSO]
    seen = np.isfinite(theirs).all(axis=1)
    return float(np.linalg.norm(theirs[seen].mean(axis=0) - middle)) / torso if seen.any() else np.inf


def _torso(keypoints: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    left, right, left_hip, right_hip = keypoints[TORSO]
    length = float(np.linalg.norm((left + right - left_hip - right_hip) / 2))
    return keypoints[TORSO].mean(axis=0), max(length, 0.5 * float(np.linalg.norm(left - right)), 1.0)


def _front_end(simulator: Simulator) -> Iterator[_Instant]:
    """The whole front end on pictures."""
    finder = PeopleFinder(max_people=MAX_PEOPLE, seed=0)
    camera = simulator.camera.intrinsics
    step_ns, due_ns = 1_000_000_000 // _HZ, simulator.start_ns
    for rgb, depth in picture_pairs(simulator.samples()):
        if rgb.stamp_ns < due_ns:
            continue
        due_ns += step_ns
        at_s = (rgb.stamp_ns - simulator.start_ns) / 1e9
        found = finder.update(rgb.stamp_ns, rgb.data, depth.data, camera)
        yield _Instant(at_s, next(simulator.people_at(np.array((at_s,)))), found)


def picture_pairs(samples: Iterator[Sample]) -> Iterator[tuple[Sample, Sample]]:
    """Each depth picture with the colour picture before it."""
    rgb: Sample | None = None
    for sample in samples:
        if sample.stream == "rgb":
            rgb = sample
        elif sample.stream == "depth" and rgb is not None:
            yield rgb, sample


def _tracker(simulator: Simulator) -> Iterator[_Instant]:
    """The tracker on true poses with noise and dropouts."""
    follower = _NoisyFollower([person.body_id for person in simulator.people])
    times_s = np.arange(0, simulator.seconds, 1 / _HZ)
    for part in np.split(times_s, range(_BATCH, len(times_s), _BATCH)):
        for at_s, truth in zip(part.tolist(), simulator.people_at(part), strict=True):
            yield _Instant(at_s, truth, follower.update(1 + round(at_s * 1e9), truth))


class _NoisyFollower:
    """The front end with the true people instead of networks: follows each near where it was, detects the others."""

    def __init__(self, body_ids: Sequence[str]) -> None:
        self._rng = np.random.default_rng(0)
        self._tracker = Tracker(MAX_PEOPLE, seed=0)
        self._clothes = {body_id: self._rng.dirichlet(np.full(_BINS, 0.3), 2) for body_id in body_ids}
        self._pictures = 0

    def update(self, stamp_ns: int, truth: Sequence[Person]) -> list[Person]:
        """Who is found at an instant."""
        tracker = self._tracker
        tracker.expire(stamp_ns, (_SIZE[1], _SIZE[0]))
        seen = [p for p in truth if p.confidence >= _HIDDEN and self._rng.random() > _DROPOUT]
        observed: list[Observation] = []
        for track in tracker.tracks:
            region = track.region(stamp_ns)
            inside = [p for p in seen if _off(p, region) < region.size / 4]
            if inside:  # the network looks at the most conspicuous one
                person = min(inside, key=lambda p: _off(p, region) / p.confidence)
                observed.append(self._observed(person, track))
        observed = tracker.merge(stamp_ns, observed)
        if self._pictures % _DETECT_EVERY == 0 or len(observed) < len(tracker.tracks):
            middles = [o.pose.middle for o in observed]
            new = [p for p in seen if all(np.linalg.norm(_torso(p.keypoints)[0] - m) > _SAME_PX for m in middles)]
            observed += [self._observed(person, None) for person in new]
        self._pictures += 1
        return [_person(track.body_id, track.pose) for track in tracker.update(stamp_ns, observed)]

    def _observed(self, person: Person, origin: Track | None) -> Observation:
        _, torso = _torso(person.keypoints)
        noise = self._rng.normal(0, _KEYPOINT_NOISE * torso, person.keypoints.shape)
        keypoints = (person.keypoints + noise).astype(np.float32)
        hips, shoulders = keypoints[TORSO[2:]].mean(axis=0), keypoints[TORSO[:2]].mean(axis=0)
        radius = float(np.linalg.norm(keypoints - hips, axis=1).max())
        region = Region.around(hips, hips + (shoulders - hips) * radius / max(torso, 1.0))
        pose = Pose(0.99, keypoints, person.visibility, np.zeros_like(person.joints), region)
        look = self._clothes[person.body_id] * self._rng.uniform(0.8, 1.2, (2, _BINS))
        off = np.array([0, 0, self._rng.normal(0, _DEPTH_NOISE_M)], np.float32)
        clothes = (look / look.sum(axis=1, keepdims=True)).astype(np.float32)
        return Observation(pose, origin, clothes, Lifted(person.joints + off, "depth"))


def _off(person: Person, region: Region) -> float:
    hips = person.keypoints[TORSO[2:]].mean(axis=0)
    return float(np.hypot(region.x - hips[0], region.y - hips[1]))


def _person(body_id: str, pose: Pose) -> Person:
    unknown = np.full_like(pose.world, np.nan)
    return Person(body_id, pose.score, (0.0, 0.0, 0.0, 0.0), pose.keypoints, unknown, pose.visibility, "nominal")
