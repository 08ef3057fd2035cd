"""The simulator: samples of all sensors in time order."""

import heapq
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mumu_ros.failures import Fault, FaultInjector
from mumu_ros.simulation.body import Array, Pose
from mumu_ros.simulation.imu import DIFFERENCE_S, inertial_samples
from mumu_ros.simulation.performance import Performance, Segment, draw_schedule
from mumu_ros.simulation.renderer import Renderer
from mumu_ros.simulation.scene import Camera, Room
from mumu_ros.simulation.sensors import SENSORS, STREAMS, StreamInfo
from mumu_ros.simulation.subject import Subject
from mumu_ros.simulation.taxonomy import GROUP_OF

__all__ = ["Sample", "Simulator"]

_DELAY_S = {"rgb": 0.0, "depth": 0.005, "imu_wrist": 0.0, "imu_belt": 0.0007}
_JITTER_S = {"rgb": 0.002, "depth": 0.002, "imu_wrist": 0.0004, "imu_belt": 0.0004}
_START_NS = 1_700_000_000_000_000_000


@dataclass(frozen=True, eq=False)
class Sample:
    """One reading of one stream; STREAMS says what `data` is.

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
    """A synthetic person performing activities before a camera, with inertial sensors at wrist and belt.

    Equal arguments give equal bytes.
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
    ) -> None:
        """Draw the person, the place and the performance.

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

        Raises:
            ValueError: naming the argument that makes no sense.
        """
        _validate(seed, subject, seconds, image_size, activities, segment_s)
        self.subject = seed if subject is None else subject
        self.seconds = seconds
        self._seed = seed
        self._start_ns = start_ns
        self._faults = tuple(faults)
        self._person = Subject.draw(np.random.default_rng((self.subject, 0)))
        self.segments: tuple[Segment, ...] = draw_schedule(
            self._rng(0),
            seconds=seconds,
            start_ns=start_ns,
            activities=activities,
            segment_s=segment_s,
        )
        self._performance = Performance(self._person, self.segments, self._rng(1))
        place = np.random.default_rng((self.subject, 1))
        self.camera = Camera.draw(place, image_size)
        skeleton = self._person.skeleton
        self.room = Room.draw(place, seat_height=skeleton.shin + skeleton.ankle_height - 0.06)
        self._renderer = Renderer(self.camera, self.room, self._person.looks, place)

    def samples(self) -> Iterator[Sample]:
        """All samples in time order; every call starts anew."""
        injector = FaultInjector(self._faults, SENSORS, self._start_ns, self._seed)
        for second in range(math.ceil(self.seconds)):
            parts = [self._stream_samples(index, stream, second, injector) for index, stream in enumerate(STREAMS)]
            yield from heapq.merge(*parts, key=lambda sample: sample.stamp_ns)

    def pose(self, time_s: Array) -> Pose:
        """The body at times in seconds since the start: the truth behind the samples."""
        return self._person.skeleton.pose(self._performance.angles(np.asarray(time_s, dtype=np.float64)))

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
        stamps_ns += self._start_ns
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
        yield from render(self.pose(time_s), self._performance.held_objects(time_s), noise.tolist())

    def _inertial(self, stream: str, time_s: Array, rng: np.random.Generator) -> Array:
        """(T, 2, 3) readings of one inertial sensor."""
        shifts = np.array((-DIFFERENCE_S, 0.0, DIFFERENCE_S))[:, None]
        pose = self.pose((time_s + shifts).ravel())
        count = len(time_s)
        before, now, after = (
            Pose(pose.positions[i : i + count], pose.rotations[i : i + count]) for i in range(0, 3 * count, count)
        )
        shaken, rate, belt = np.moveaxis(self._performance.vibration(time_s), 1, 0)
        if stream == "imu_wrist":
            site = ("dominant_wrist", "dominant_forearm", self._person.wrist, (shaken, rate))
        else:
            site = ("pelvis", "pelvis", self._person.belt, (belt, np.zeros_like(belt)))
        return inertial_samples((before, now, after), *site, rng)


def _validate(
    seed: int,
    subject: int | None,
    seconds: float,
    image_size: tuple[int, int],
    activities: Sequence[str] | None,
    segment_s: tuple[float, float],
) -> None:
    for name, number in (("seed", seed), ("subject", subject or 0)):
        if number < 0:
            raise ValueError(f"{name} is {number}; expected 0 or more")
    if not (math.isfinite(seconds) and seconds > 0):
        raise ValueError(f"seconds is {seconds}; expected a positive duration")
    if min(image_size) < 16:
        raise ValueError(f"image_size is {image_size}; expected (height, width) of at least 16 pixels each")
    if not 0 < segment_s[0] <= segment_s[1]:
        raise ValueError(f"segment_s is {segment_s}; expected 0 < shortest <= longest in seconds")
    if activities is not None and not activities:
        raise ValueError("activities is empty; expected at least one, or None for all in random order")
    for activity in activities or ():
        if activity not in GROUP_OF:
            raise ValueError(f"activity {activity!r} is unknown; expected one of {', '.join(GROUP_OF)}")
