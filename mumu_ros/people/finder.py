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

"""Pictures in, people out: detection, landmarks, tracking, lifting and smoothing, one picture after the other."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mumu_ros.people.appearance import appearance
from mumu_ros.people.body_filter import BodyFilter
from mumu_ros.people.camera import Camera
from mumu_ros.people.detection import detect
from mumu_ros.people.inputs import picture_problem
from mumu_ros.people.isolation import FOCAL, isolate
from mumu_ros.people.landmarks import MIN_VISIBILITY, TORSO, Pose, find_pose
from mumu_ros.people.lifting import head_depth, is_flat, lift, surfaces_under, tiny_size
from mumu_ros.people.matching import same_person
from mumu_ros.people.networks import PoseNetworks
from mumu_ros.people.person import Person
from mumu_ros.people.regions import Region
from mumu_ros.people.search import Search
from mumu_ros.people.silhouettes import of_others, other_surfaces, silhouettes
from mumu_ros.people.track import Observation, Track
from mumu_ros.people.tracks import Tracker
from mumu_ros.people.weights import find_weights

__all__ = ["PeopleFinder"]

_MIN_SCORE, _MIN_KNOWN_SCORE = 0.5, 0.3
"""Of somebody new, and of somebody who was there a moment ago."""
_MIN_MOVED_SCORE = 0.9
"""Of somebody new where something moves and the detector sees nobody."""
_MIN_TINY_SCORE = 0.9
"""Of a body that is reported to be smaller than anybody: hands and tools that look like one have less."""
_MAX_NEW_IN_PART = 2
"""Detections that are looked at more closely in one part of a picture, at most."""
_MIN_TORSO_JOINTS = 2
"""So many of shoulders and hips have to be seen beside the people who are painted over."""
_MIN_NEW_TORSO_JOINTS = 3
"""So many of them have to be seen of somebody new."""
_MAX_HEAD_TO_TORSO_M = 0.7
"""A pose of somebody new, or out of sight until now, whose head is farther from the torso in depth is no person."""
_REPORTED_NS = 4_000_000_000
"""For so long somebody counts as seen partly, flat or left out: each part of a picture has its turn in this time."""
_MAX_TILT = 0.85
"""Radians from upright within which somebody new is expected to be."""
_UPSIDE_DOWN_PICTURES = 4
"""People are upside down, and so the camera, from this many pictures of some on."""
_UPSIDE_DOWN_NS = 10_000_000_000
"""Maximum time between two of these pictures."""
_CHECKED_NS = 500_000_000
"""A pose that was confirmed by a second look is not checked again for this long."""
_RECENTLY_SEEN_NS = 500_000_000
"""Whoever was seen since then may be before or behind another person."""
_SAME_PERSON_TORSOS = 0.5
"""A detection whose hips are within this many torso lengths of a known person's is that person."""


@dataclass(frozen=True, eq=False)
class _Picture:
    """What the camera shows at one instant; depth in metres, 0 for no reading."""

    stamp_ns: int
    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32] | None
    camera: Camera


class PeopleFinder:
    """Finds people in the pictures of one camera and follows each.

    Everybody who was seen before is looked for near where they were; the detector looks for others in one part of the
    picture after the other, and in the whole first picture. Weights are where `mumu weights` puts them unless a folder
    is given; ids differ at every start unless they have a seed.

    Raises:
        WeightsError: The weights are missing or damaged, or OpenVINO is not installed.
    """

    def __init__(
        self, weights: str | Path | None = None, threads: int = 1, max_people: int = 6, seed: int | None = None
    ) -> None:
        self._networks = PoseNetworks(find_weights(weights), threads)
        self._tracker = Tracker(max_people, seed)
        self._filters: dict[str, BodyFilter] = {}
        self._upside_down = 0  # pictures in which somebody new was, since the last one with somebody upright
        self._upside_down_ns = 0
        self._checked_until_ns: dict[str, int] = {}  # until when the pose of a body needs no second look
        self._detector_parts = Search()
        self._seen_partly_ns = self._seen_flat_ns = self._seen_tiny_ns = -_REPORTED_NS
        self._size_of_tiny = 0.0
        self._left_out: deque[tuple[int, int]] = deque()  # when, and how many
        self._stamp_ns = 0
        self._size = (0, 0)

    @property
    def left_out(self) -> int:
        """Most people at once who were seen lately and are not followed, because there are `max_people`."""
        return max((count for _, count in self._left_out), default=0)

    @property
    def sees_part(self) -> bool:
        """Whether a person is seen with less than three of shoulders and hips, as too near or behind a table."""
        return self._stamp_ns - self._seen_partly_ns < _REPORTED_NS

    @property
    def sees_picture(self) -> bool:
        """Whether a person is seen who is as flat as a poster or a screen, by depth, and is not followed."""
        return self._stamp_ns - self._seen_flat_ns < _REPORTED_NS

    @property
    def tiny_size(self) -> float | None:
        """Size of a person who is seen and not followed, because it is smaller than anybody by depth, in heights of an
        average body; None: there is none. Where nobody is followed, the unit of depth or the focal length may be wrong.
        """
        return self._size_of_tiny if self._stamp_ns - self._seen_tiny_ns < _REPORTED_NS else None

    def clear(self) -> None:
        """Forget everybody: what comes next is another recording."""
        self._seen_partly_ns = self._seen_flat_ns = self._seen_tiny_ns = -_REPORTED_NS
        self._left_out.clear()
        self._tracker.clear()
        self._filters = {}
        self._upside_down = 0
        self._checked_until_ns = {}
        self._detector_parts.clear()

    def update(
        self,
        stamp_ns: int,
        rgb: NDArray[np.uint8],
        depth: NDArray[np.uint16] | NDArray[np.float32] | None = None,
        camera: Camera | None = None,
    ) -> list[Person]:
        """Take in a picture.

        Args:
            stamp_ns: Acquisition time. One that is not newer than the last makes everything begin anew.
            rgb: uint8 (H, W, 3).
            depth: Registered to it: uint16 millimetres or float32 metres, (H, W) or smaller in the same aspect.
            camera: Of the picture; None: a nominal one.

        Returns:
            Everybody who is seen in it.

        Raises:
            CameraError: `camera` does not fit the picture.
            ValueError: An array is not what it should be.
        """
        if problem := picture_problem(rgb, depth):
            raise ValueError(problem)
        height, width = rgb.shape[:2]
        camera = camera.resized(width, height) if camera else Camera.nominal(width, height)
        picture = _Picture(stamp_ns, rgb, None if depth is None else _metres(depth), camera)
        if stamp_ns <= self._stamp_ns or (width, height) != self._size:
            self.clear()
        self._stamp_ns, self._size = stamp_ns, (width, height)
        self._tracker.expire(stamp_ns, self._size)
        observations = self._follow(picture)
        observations += self._search(picture, observations)
        seen = self._tracker.update(stamp_ns, observations)
        while self._left_out and stamp_ns - self._left_out[0][0] >= _REPORTED_NS:
            self._left_out.popleft()
        if self._tracker.left_out:
            self._left_out.append((stamp_ns, self._tracker.left_out))
        return self._people(picture, seen)

    def _follow(self, picture: _Picture) -> list[Observation]:
        """Look for everybody who is known near where they were."""
        found: list[Observation] = []
        others = {track.body_id: self._pixels_of_others(picture, track) for track in self._tracker.tracks}
        for track in self._tracker.tracks:
            painted = others[track.body_id]
            pose = self._pose(picture, track.region(picture.stamp_ns), painted, track)
            if pose.score >= (_MIN_KNOWN_SCORE if track.is_confirmed else _MIN_SCORE):
                found += self._observed(pose, track, picture, is_among_others=painted is not None)
        found = self._tracker.merge(picture.stamp_ns, found)
        # Whoever is not found, or found where another one is, may be behind somebody.
        origins = [o.origin for o in found]
        for track in [t for t in self._tracker.tracks if t not in origins and t.is_confirmed]:
            region = track.region_behind()
            beside = [o for o in found if _may_hide(o.pose, region)]
            if beside:
                painted = silhouettes(beside, self._size, picture.depth)
                if (theirs := others[track.body_id]) is not None and painted is not None:
                    painted |= theirs
                pose = find_pose(self._networks, picture.rgb, region, painted)
                if pose.score >= _MIN_SCORE and not any(same_person(pose, o.pose) for o in beside):
                    found += self._observed(pose, track, picture, is_among_others=True)
        return found

    def _observed(self, pose: Pose, track: Track, picture: _Picture, *, is_among_others: bool) -> list[Observation]:
        """The pose as one of a person; nothing where too little is left of somebody among others, or out of sight."""
        observation = _observation(pose, track, picture)
        is_recent = self._tracker.is_recent(track, picture.stamp_ns)
        if is_recent and not is_among_others:
            return [observation]
        shows_torso = int((pose.visibility[TORSO] >= MIN_VISIBILITY).sum()) >= _MIN_TORSO_JOINTS
        step_m = track.step_m(picture.stamp_ns, observation.depth_m)
        if step_m is None:  # whoever was out of sight is taken back only where their distance is read
            is_placed = is_recent or track.depth_m is None or picture.depth is None
        else:
            is_placed = step_m <= track.reach_m(picture.stamp_ns)
        is_body = is_recent or (_may_be_body(observation, picture) and not _is_flat(pose, picture))
        return [observation] if shows_torso and is_placed and is_body else []

    def _pose(
        self, picture: _Picture, region: Region, painted: NDArray[np.uint8] | None, track: Track | None = None
    ) -> Pose:
        """The pose in a region; where it is of two bodies, as depth tells, of the nearer or of the one there before."""
        pose = find_pose(self._networks, picture.rgb, region, painted)
        name = track.body_id if track else ""
        if (
            picture.depth is None
            or pose.score < _MIN_KNOWN_SCORE
            or self._checked_until_ns.get(name, 0) > picture.stamp_ns
        ):
            return pose
        found = surfaces_under(pose, picture.camera, picture.depth)
        if found is None:
            return pose
        own_m, other_m = found
        before_m = track.depth_m if track else None
        if before_m and abs(before_m - other_m) < abs(before_m - own_m):
            own_m, other_m = other_m, own_m
        others = other_surfaces(own_m, other_m, self._size, picture.depth)
        others = others if painted is None else others | painted
        nearby = detect(self._networks, picture.rgb, replace(region, angle=0.0), others)
        again = find_pose(self._networks, picture.rgb, nearby[0].region if nearby else region, others)
        if track and same_person(pose, again):
            self._checked_until_ns[name] = picture.stamp_ns + _CHECKED_NS
        return again if again.score >= _MIN_SCORE else pose

    def _pixels_of_others(self, picture: _Picture, track: Track) -> NDArray[np.uint8] | None:
        """The pixels of whoever was just seen before or behind somebody, as far as depth tells."""
        there = [t for t in self._tracker.tracks if t is not track and picture.stamp_ns - t.seen_ns < _RECENTLY_SEEN_NS]
        near = [t for t in there if _may_hide(t.pose, track.pose.region)]
        return of_others(track, near, picture.stamp_ns, self._size, picture.depth)

    def _search(self, picture: _Picture, followed: list[Observation]) -> list[Observation]:
        """Look for others in the part of the picture whose turn it is."""
        if not self._detector_parts.is_due(is_complete=self._is_complete(followed)):
            return []
        found: list[Observation] = []
        for tile in self._detector_parts.parts(picture.rgb, silhouettes(followed, self._size, picture.depth)):
            new = 0
            painted = silhouettes([*followed, *found], self._size, picture.depth)
            for detection in detect(self._networks, picture.rgb, tile, painted):
                if new == _MAX_NEW_IN_PART or any(_is_at(detection.region, o.pose) for o in (*followed, *found)):
                    continue
                new += 1
                found += self._look_closer(picture, detection.region, painted, _MIN_SCORE)
            # Of people far away the landmark network is certain where the detector sees nothing.
            if not new and self._detector_parts.moved:
                found += self._look_closer(picture, self._detector_parts.moved, painted, _MIN_MOVED_SCORE)
        return found

    def _look_closer(
        self, picture: _Picture, region: Region, painted: NDArray[np.uint8] | None, least: float
    ) -> list[Observation]:
        """Somebody new in a region, or nobody."""
        # The region is rough: the second look is from where the first has found the person.
        pose = find_pose(self._networks, picture.rgb, region, painted)
        if pose.score >= least:
            pose = self._pose(picture, pose.region, painted)
        if pose.score < least or not _is_upright(pose):
            return []
        if int((pose.visibility[TORSO] >= 0.5).sum()) < _MIN_NEW_TORSO_JOINTS:
            self._seen_partly_ns = picture.stamp_ns
            return []
        if _is_flat(pose, picture):
            self._seen_flat_ns = picture.stamp_ns
            return []
        observation = _observation(pose, None, picture)
        size = _tiny_size(observation, picture)
        if size is not None and pose.score >= _MIN_TINY_SCORE:
            self._seen_tiny_ns, self._size_of_tiny = picture.stamp_ns, size
        if not _may_be_body(observation, picture) or not self._is_this_way_up(pose, picture.stamp_ns):
            return []
        return [observation]

    def _is_this_way_up(self, pose: Pose, stamp_ns: int) -> bool:
        """Whether somebody may be this way up: upside down only after some were in several pictures.

        Of a person who is upright the detector says now and then the opposite, and the landmark network follows it.
        """
        if abs(pose.region.angle) < np.pi / 2:
            self._upside_down = 0
            return True
        if stamp_ns != self._upside_down_ns:  # several in one picture count once
            is_recent = stamp_ns - self._upside_down_ns <= _UPSIDE_DOWN_NS
            self._upside_down = self._upside_down + 1 if is_recent else 1
            self._upside_down_ns = stamp_ns
        return self._upside_down >= _UPSIDE_DOWN_PICTURES

    def _is_complete(self, followed: list[Observation]) -> bool:
        confirmed = [track for track in self._tracker.tracks if track.is_confirmed]
        found = [o.origin for o in followed]
        return bool(confirmed) and all(track in found for track in confirmed)

    def _people(self, picture: _Picture, seen: list[Track]) -> list[Person]:
        alive = {track.body_id for track in self._tracker.tracks}
        self._checked_until_ns = {name: until_ns for name, until_ns in self._checked_until_ns.items() if name in alive}
        self._filters = {name: kept for name, kept in self._filters.items() if name in alive}
        people = [_person(picture, track, self._filters.setdefault(track.body_id, BodyFilter())) for track in seen]
        if picture.depth is not None:
            # From the joints of this picture: smoothed ones are late by a part of a hand's way.
            lifted = [track.lifted.joints for track in seen if track.lifted]
            views = iter(isolate(picture.depth, picture.camera, lifted))
            people = [
                replace(person, depth=next(views), depth_focal=FOCAL) if track.lifted else person
                for person, track in zip(people, seen, strict=True)
            ]
        return people


def _observation(pose: Pose, track: Track | None, picture: _Picture) -> Observation:
    before_m = track.depth_m if track else None
    reach = (before_m, track.reach_m(picture.stamp_ns)) if track and before_m else None
    lifted = lift(pose, picture.camera, picture.depth, reach, track.body(picture.stamp_ns) if track else None)
    clothes = appearance(picture.rgb, pose, picture.depth, lifted.depth_m if lifted else None)
    return Observation(pose, track, clothes, lifted)


def _is_upright(pose: Pose) -> bool:
    """Whether a pose that nobody expected may be a person.

    Things on a table are taken for people who lie. Somebody who falls while being followed goes on being followed.
    Everybody is upside down before a camera that is.
    """
    tilt = abs(pose.region.angle)
    return min(tilt, np.pi - tilt) < _MAX_TILT


def _may_be_body(observation: Observation, picture: _Picture) -> bool:
    """Whether head and torso of a pose may be of one body, and of a large enough one, as far as depth tells.

    Of somebody who is mostly hidden, the network may see a small torso beside the head, on the wall behind it; in a
    tool that somebody holds, a small body.
    """
    torso_m = observation.depth_m
    if picture.depth is None or torso_m is None:
        return True
    head_m = head_depth(observation.pose.keypoints, observation.pose.torso, picture.camera, picture.depth)
    has_head = head_m is None or abs(head_m - torso_m) <= _MAX_HEAD_TO_TORSO_M
    return has_head and _tiny_size(observation, picture) is None


def _tiny_size(observation: Observation, picture: _Picture) -> float | None:
    torso_m = observation.depth_m
    return None if torso_m is None else tiny_size(observation.pose, picture.camera, torso_m)


def _is_flat(pose: Pose, picture: _Picture) -> bool:
    return picture.depth is not None and is_flat(pose, picture.camera, picture.depth)


def _may_hide(pose: Pose, region: Region) -> bool:
    """Whether somebody is so near to a region that it may show them instead of another person."""
    return float(np.hypot(*(pose.middle - (region.x, region.y)))) < region.size / 2


def _is_at(region: Region, pose: Pose) -> bool:
    """Whether a detection is a person that is known: it has the middle of the hips as its middle."""
    hips = pose.keypoints[TORSO[2:]].mean(axis=0)
    return float(np.hypot(region.x - hips[0], region.y - hips[1])) < _SAME_PERSON_TORSOS * pose.torso


def _person(picture: _Picture, track: Track, body_filter: BodyFilter) -> Person:
    pose, lifted, camera, stamp_ns = track.pose, track.lifted, picture.camera, picture.stamp_ns
    keypoints = body_filter.keypoints(stamp_ns, pose)
    inside = keypoints[np.isfinite(keypoints).all(axis=1)]
    left, top = inside.min(axis=0).clip(0) if len(inside) else (0.0, 0.0)
    right, bottom = inside.max(axis=0) if len(inside) else (0.0, 0.0)
    width, height = min(right, camera.width) - left, min(bottom, camera.height) - top
    return Person(
        body_id=track.body_id,
        confidence=pose.score,
        roi=(float(left), float(top), float(max(width, 0)), float(max(height, 0))),
        keypoints=keypoints,
        joints=body_filter.joints(stamp_ns, pose, lifted),
        visibility=pose.visibility.astype(np.float32),
        position_source=lifted.source if lifted else ("nominal" if camera.is_nominal else "perspective"),
    )


def _metres(depth: NDArray[np.uint16] | NDArray[np.float32]) -> NDArray[np.float32]:
    metres = depth.reshape(depth.shape[:2])
    if metres.dtype.kind in "iu":  # of whatever size and byte order
        return metres.astype(np.float32) * np.float32(1e-3)
    return np.where(np.isfinite(metres) & (metres > 0), metres, 0).astype(np.float32)
