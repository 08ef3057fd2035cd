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

"""The simulator: samples of all sensors in time order, and the truth about the people."""

import heapq
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mumu_ros.failures import Fault, FaultInjector
from mumu_ros.people.person import Person
from mumu_ros.simulation.actor import Actor
from mumu_ros.simulation.body import Array, Pose
from mumu_ros.simulation.crowd import MAX_PEOPLE, draw_crowd
from mumu_ros.simulation.figure import Shapes
from mumu_ros.simulation.furniture import furnished_room
from mumu_ros.simulation.imu import DIFFERENCE_S, inertial_samples
from mumu_ros.simulation.performance import BODY_BLEND_S, Performance, Segment, draw_schedule
from mumu_ros.simulation.renderer import Renderer
from mumu_ros.simulation.scene import Camera, Room
from mumu_ros.simulation.sensors import SENSORS, STREAMS, StreamInfo
from mumu_ros.simulation.simulated_activities import GROUP_OF
from mumu_ros.simulation.subject import Subject
from mumu_ros.simulation.true_people import true_person
from mumu_ros.simulation.way import Stage

__all__ = ["Sample", "Simulator"]

_DELAY_S = {"rgb": 0.0, "depth": 0.005, "imu_wrist": 0.0, "imu_belt": 0.0007}
_JITTER_S = {"rgb": 0.002, "depth": 0.002, "imu_wrist": 0.0004, "imu_belt": 0.0004}
_WIDEST = 8
"""Width of a picture by its height: the edges of a wider one do not lie before the camera."""
_START_NS = 1_700_000_000_000_000_000


@dataclass(frozen=True, eq=False)
class Sample:
    """One reading of one stream; STREAMS describes `data`.

    Attributes:
        stream: Name of the stream.
        stamp_ns: Time of acquisition.
        data: rgb uint8 H×W×3, depth uint16 H×W in millimetres (0: no reading), IMU float64 (2, 3): specific
            force in m/s² and angular rate in rad/s.
    """

    stream: str
    stamp_ns: int
    data: npt.NDArray[Any]


class Simulator:
    """Synthetic people performing activities before a camera, the first with inertial sensors at wrist and belt.

    Equal arguments give equal bytes.

    Attributes:
        subject: The people.
        seconds: Duration.
        start_ns: Stamp of the beginning.
        camera: The camera; the depth camera is registered to it.
        room: What is around them.
        people: Everybody, the first one with the inertial sensors.
    """

    def __init__(
        self,
        *,
        seed: int,
        subject: int | None = None,
        seconds: float,
        start_ns: int = _START_NS,
        faults: Sequence[Fault] = (),
        image_size: tuple[int, int] = (240, 320),
        activities: Sequence[str] | None = None,
        segment_s: tuple[float, float] = (4.0, 6.5),
        people: int = 1,
        room: bool = False,
    ) -> None:
        """Draw the people, the place and the performance.

        Args:
            seed: Decides the performance: the order of activities, their manner, the noise.
            subject: Decides the person, their sensors, the room and the camera's place; by default the seed.
            seconds: Duration.
            start_ns: Stamp of the beginning.
            faults: What fails when.
            image_size: Height and width in pixels.
            activities: A script of `GROUP_OF`'s keys, played over and over as long as the time lasts; by default a
                random order in which every one of `ACTIVITIES` occurs before any occurs again.
            segment_s: Shortest and longest duration of an activity, stretched a little to fill `seconds`.
            people: How many; more than one are always in a furnished room.
            room: A furnished room, in which people walk from place to place, out of view and back. Without it one
                person performs in its place before a wall.

        Raises:
            ValueError: naming the argument that makes no sense.
        """
        _validate(seed, subject, seconds, image_size, activities, segment_s, people)
        self.subject = seed if subject is None else subject
        self.seconds = seconds
        self._seed = seed
        self.start_ns = start_ns
        self._faults = tuple(faults)
        place = np.random.default_rng((self.subject, 1))
        if room or people > 1:
            self.camera = Camera.overlooking(place, image_size)
            stage = Stage.before(self.camera)
            self.people = draw_crowd(
                people,
                stage,
                subject=self.subject,
                rng=self._rng,
                seconds=seconds,
                start_ns=start_ns,
                activities=activities,
                segment_s=segment_s,
            )
            self.room = furnished_room(place, stage.floor)
        else:
            self.camera = Camera.draw(place, image_size)
            self.people = (self._soloist(activities, segment_s),)
            skeleton = self.people[0].subject.skeleton
            self.room = Room.draw(place, seat_height=skeleton.shin + skeleton.ankle_height - 0.06)
        self._renderer = Renderer(self.camera, self.room, place)

    @property
    def segments(self) -> tuple[Segment, ...]:
        """What the first person does when."""
        return self.people[0].segments

    def samples(self) -> Iterator[Sample]:
        """All samples in time order; every call starts again."""
        injector = FaultInjector(self._faults, SENSORS, self.start_ns, self._seed)
        for second in range(math.ceil(self.seconds)):
            parts = [self._stream_samples(index, stream, second, injector) for index, stream in enumerate(STREAMS)]
            yield from heapq.merge(*parts, key=lambda sample: sample.stamp_ns)

    def pose(self, time_s: Array) -> Pose:
        """The first person's body at times in seconds since the start: the truth behind the samples."""
        return self.people[0].pose(np.asarray(time_s, dtype=np.float64))

    def people_at(self, time_s: Array) -> Iterator[list[Person]]:
        """Everybody at each of some times in seconds since the start, in the layout `TRUTH_LAYOUT`, seen or not.

        A person's confidence is the share of it that is seen, 0 where it is hidden or out of view; a joint's visibility
        is 1 where the camera sees it, else 0.
        """
        poses = [actor.pose(time_s) for actor in self.people]
        shapes = [actor.shapes(time_s) for actor in self.people]
        for t in range(len(time_s)):
            owners, shares = self._renderer.owners([person.at(t) for person in shapes])
            yield [
                true_person(a.body_id, pose.at(t), a.subject.skeleton.side, self.camera, owners, number, float(share))
                for number, (a, pose, share) in enumerate(zip(self.people, poses, shares, strict=True), start=1)
            ]

    def _soloist(self, activities: Sequence[str] | None, segment_s: tuple[float, float]) -> Actor:
        person = Subject.draw(np.random.default_rng((self.subject, 0)))
        segments = draw_schedule(
            self._rng(0),
            seconds=self.seconds,
            start_ns=self.start_ns,
            activities=activities,
            segment_s=segment_s,
        )
        return Actor("", person, Performance(person, segments, self._rng(1)), segments)

    def _rng(self, *purpose: int) -> np.random.Generator:
        return np.random.default_rng((self._seed, self.subject, *purpose))

    def _stream_samples(self, index: int, stream: StreamInfo, second: int, injector: FaultInjector) -> Iterator[Sample]:
        """The samples of one stream stamped within one second."""
        rng = self._rng(2, index, second)
        rate = round(stream.rate_hz)
        jitter_s = rng.uniform(0, _JITTER_S[stream.name], rate)
        time_s = second + np.arange(rate) / rate + _DELAY_S[stream.name] + jitter_s
        stamps_ns = np.round(time_s * 1e9).astype(np.int64)
        time_s = stamps_ns / 1e9
        noise = rng.integers(0, 2**31, rate)
        stamps_ns += self.start_ns
        kept = np.isin(stamps_ns, injector.arrive(stream.name, stamps_ns[time_s < self.seconds]))
        if not kept.any():
            return
        chunks: Iterable[tuple[npt.NDArray[np.int64], npt.NDArray[Any]]]
        if stream.kind == "imu":
            # The whole second, so that a fault leaves the noise of the other samples as it is.
            chunks = [(stamps_ns[kept], self._inertial(stream.name, time_s, rng)[kept])]
        else:
            images = self._images(stream.kind, time_s[kept], noise[kept])
            chunks = ((stamp[None], image[None]) for stamp, image in zip(stamps_ns[kept], images, strict=True))
        for chunk in chunks:
            for stamp_ns, data in zip(*injector.show(stream.name, *chunk), strict=True):
                yield Sample(stream.name, int(stamp_ns), data)

    def _images(self, kind: str, time_s: Array, noise: npt.NDArray[np.int64]) -> Iterator[npt.NDArray[Any]]:
        render = self._renderer.rgb_images if kind == "rgb" else self._renderer.depth_images
        yield from render(Shapes.together([actor.shapes(time_s) for actor in self.people]), noise.tolist())

    def _inertial(self, stream: str, time_s: Array, rng: np.random.Generator) -> Array:
        """(T, 2, 3) readings of one inertial sensor."""
        shifts = np.array((-DIFFERENCE_S, 0.0, DIFFERENCE_S))[:, None]
        pose = self.pose((time_s + shifts).ravel())
        count = len(time_s)
        before, now, after = (
            Pose(pose.positions[i : i + count], pose.rotations[i : i + count]) for i in range(0, 3 * count, count)
        )
        wearer = self.people[0]
        shaken, rate, belt = np.moveaxis(wearer.performance.vibration(time_s), 1, 0)
        if stream == "imu_wrist":
            site = ("dominant_wrist", "dominant_forearm", wearer.subject.wrist, (shaken, rate))
        else:
            site = ("pelvis", "pelvis", wearer.subject.belt, (belt, np.zeros_like(belt)))
        return inertial_samples((before, now, after), *site, rng)


def _validate(
    seed: int,
    subject: int | None,
    seconds: float,
    image_size: tuple[int, int],
    activities: Sequence[str] | None,
    segment_s: tuple[float, float],
    people: int,
) -> None:
    if not 1 <= people <= MAX_PEOPLE:
        raise ValueError(f"people is {people}; expected 1 to {MAX_PEOPLE}")
    for name, number in (("seed", seed), ("subject", subject or 0)):
        if number < 0:
            raise ValueError(f"{name} is {number}; expected 0 or more")
    if not (math.isfinite(seconds) and seconds > 0):
        raise ValueError(f"seconds is {seconds}; expected a positive duration")
    if min(image_size) < 16 or image_size[1] > _WIDEST * image_size[0]:
        raise ValueError(
            f"image_size is {image_size}; expected (height, width) of at least 16 pixels each, the width at most "
            f"{_WIDEST} times the height"
        )
    if not BODY_BLEND_S <= segment_s[0] <= segment_s[1] < math.inf:
        raise ValueError(
            f"segment_s is {segment_s}; expected {BODY_BLEND_S} <= shortest <= longest in seconds, "
            "as long as the body takes from one activity to the next"
        )
    if activities is not None and not activities:
        raise ValueError("activities is empty; expected at least one, or None for all in random order")
    for activity in activities or ():
        if activity not in GROUP_OF:
            raise ValueError(f"activity {activity!r} is unknown; expected one of {', '.join(GROUP_OF)}")
