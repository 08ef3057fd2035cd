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

"""The recognition pipeline without ROS: frames and people in, one decision for each person out.

The inference node, the evaluation of recordings and `mumu recognize` run the same session.
"""

from __future__ import annotations

import math
import shlex
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

from numpy.typing import NDArray

from mumu_ros.fault_codes import FaultCode
from mumu_ros.health import HealthMonitor, load_health
from mumu_ros.model.checkpoint import Checkpoint, load_checkpoint, select_device
from mumu_ros.model.config import ModelConfig
from mumu_ros.model.modality import Modality
from mumu_ros.model.preprocessing import SampleError
from mumu_ros.people.person import Person
from mumu_ros.pipeline.configuration import InferenceConfig
from mumu_ros.pipeline.parameter_values import ParameterError
from mumu_ros.pipeline.stream_watch import ClockWatch
from mumu_ros.recognition.assignment import ImuAssigner
from mumu_ros.recognition.backends import Backend, choose_backend, is_exported, open_backend, takes_long
from mumu_ros.recognition.body_inputs import PersonSamples, check_background
from mumu_ros.recognition.decision import Decision, NoDecision
from mumu_ros.recognition.levelling import CameraTilt
from mumu_ros.recognition.recognizer import SCENE, Recognizer, RecognizerSettings
from mumu_ros.skeletons import LayoutError
from mumu_ros.streams import NS_PER_S, RateSampler, seconds_to_ns
from mumu_ros.streams.stamps import JUMP_NS, StampGuard, StreamClock, Verdict

__all__ = ["SCENE_ONLY", "Answers", "Sample", "Session", "recognizer_settings"]

Sample: TypeAlias = tuple[str, int, NDArray[Any]]
"""Modality, acquisition stamp, and a sample for `Preprocessing.prepare`."""
Answers: TypeAlias = list[tuple[str, Decision | NoDecision]]
"""Body id and the decision about that body."""
OnError: TypeAlias = Callable[[str, ValueError], None]

OUT_OF_VIEW_NS = NS_PER_S
"""Time after a person was last seen at which decisions about that person stop."""
BLIND_NS = 3 * NS_PER_S
"""A camera silent for this long, without empty detections either, counts as gone."""
SCENE_ONLY = "of the whole scene, used only for a person who is alone in view"
"""Said of pictures that are used for nobody, since several people are in view."""
_LEAST_SIDE = 0.75
"""Pictures with a side below this share of the model's are named: enlarged, they lack what it learned from."""
_Guard: TypeAlias = StampGuard[StreamClock, Callable[[], None]]
_HELD = 64
_LONGEST_TEXT = 300


class Session:
    """One run of a model: its inputs and decisions.

    Without people (`see` is never called) there is one anonymous body, and everything is of it. With people each has
    its own windows of that person's samples (skeleton, depth of one person). Of the samples of `receive`, a
    worn IMU belongs to the body given by `ImuAssigner` or the parameter `imu_bodies`; pictures of the whole scene
    belong to the person who is alone in view, else to nobody; anything else to everybody. The skeletons of `see` are
    levelled by the camera's tilt, which is learned from all people in view (`CameraTilt`).

    `receive` and `see` may be called from one thread while `decide` runs in another.

    Args:
        recognizer: A new one.
        config: Of the inference node.
        live: Encode frames on arrival, and drop those that cannot be encoded in time.
        backend: Name of the back end.
        on_error: Called with the modality and the error of a rejected sample.

    Attributes:
        refused: Rejected samples by modality: how many, and the last reason.
        seen: Names of all streams that arrived.
        present: The bodies that `decide` has decided about, or would have if it had been due.
    """

    def __init__(
        self,
        recognizer: Recognizer,
        config: InferenceConfig,
        *,
        live: bool = False,
        backend: str = "",
        on_error: OnError | None = None,
    ) -> None:
        model = recognizer.checkpoint.config
        self.recognizer = recognizer
        self.config = config
        self.backend = backend
        self._live = live
        self._on_error = on_error
        self._modalities = {modality.name: modality for modality in model.modalities}
        self._imus = [m.name for m in model.modalities if m.is_worn_imu]
        self._personal = [m.name for m in model.modalities if m.is_personal]
        self._scene = [m.name for m in model.modalities if m.is_image and m.name not in self._personal]
        self._window_ns = seconds_to_ns(model.window_s)
        self._lock = threading.Lock()
        self._assigner = ImuAssigner(self._imus, _named_bodies(config, self._imus))
        self._tilt = CameraTilt()
        self._clocks = ClockWatch()
        self._bodies: dict[str, PersonSamples] = {}
        # Also of people who are not followed, for max_people.
        self._last_seen_ns: dict[str, int] = {}
        self._in_view: list[str] = []
        self._near: list[str] = []
        self.present: tuple[str, ...] = ()
        self._restarts = self._sampled = 0
        self._sampler = RateSampler(round(NS_PER_S / config.rate_hz))
        self._expects_people = False
        self._unseen_since_ns: int | None = None  # on the frames' timeline: a camera's clock may be ahead
        self.restart()

    @classmethod
    def open(
        cls,
        config: InferenceConfig,
        *,
        live: bool = False,
        note: Callable[[str], None] | None = None,
        on_error: OnError | None = None,
    ) -> Session:
        """Load the model and its back end, and run it once.

        Args:
            config: Model and settings: `InferenceConfig.of(model=…)` without a parameter file.
            live: See the class.
            note: Called with a message before anything slow.
            on_error: See the class.

        Raises:
            ValueError: The model, its device, its back end or its health model cannot be used.
            OSError: A file cannot be read.
        """
        checkpoint = load_checkpoint(config.model, select_device(config.device))
        name, backend = _open_backend(config, checkpoint, note)
        health = load_health(config.model, checkpoint) if config.health else None
        monitor = partial(HealthMonitor, health) if health else None
        settings = recognizer_settings(config, checkpoint.config, live=live)
        recognizer = Recognizer(checkpoint, settings, backend, monitor)
        recognizer.warm_up()
        return cls(recognizer, config, live=live, backend=name, on_error=on_error)

    def restart(self) -> None:
        """Drop all samples and bodies."""
        with self._lock:
            self._frames, self._views = StreamClock(_HELD), StreamClock(_HELD)
            # One each: frames may have another clock than people, and jump without them.
            self._guards: dict[StreamClock, _Guard] = {c: StampGuard([c]) for c in (self._frames, self._views)}
            self._drop_frames()
            self._drop_people()
            self._epoch: int | None = None
            self._expects_people = False
            self._framed: set[str] = set()
            self._turned_away: dict[str, int] = {}
            self._small: dict[str, str] = {}
            self.refused: dict[str, tuple[int, str]] = {}
            self.seen: set[str] = set()

    @property
    def checkpoint(self) -> Checkpoint:
        """The model."""
        return self.recognizer.checkpoint

    @property
    def bodies(self) -> tuple[str, ...]:
        """The known bodies: in view, or gone for less than a window."""
        with self._lock:
            return tuple(self._bodies)

    @property
    def has_people(self) -> bool:
        """Whether people arrive by `see`, so that there is no anonymous body."""
        return self._expects_people

    def expect_people(self) -> None:
        """A people node exists: make no decisions about an anonymous body until people arrive for the first time."""
        with self._lock:
            if not self._views.newest_ns and not self._is_blind:
                self._expect(people=True)

    def _expect(self, *, people: bool) -> None:
        if people != self._expects_people:
            self._expects_people = people
            self._restarts += 1  # decisions now follow the stamps of the other source, which may be earlier

    @property
    def _is_blind(self) -> bool:
        since_ns = self._unseen_since_ns
        return since_ns is not None and self._frames.newest_ns - since_ns > BLIND_NS

    def receive(self, stamp_ns: int, samples: Iterable[Sample], epoch: int = 0) -> list[int]:
        """Take the samples of one instant that are not of a known person.

        Args:
            stamp_ns: Acquisition time of the reference sample.
            samples: Modalities that the model does not have are ignored; an invalid sample is rejected
                individually, see `refused`. Pictures are kept, not copied: do not write into them again.
            epoch: An increase means that the time of frames jumped back. Another process counts from 0: a
                decrease has no meaning, the stamps decide.

        Returns:
            Stamps to `decide` at, oldest first; none if people are tracked, unless no people arrived in the
            last three seconds of frames: decisions then continue with the worn sensors.
        """
        arrived = list(samples)
        with self._lock:
            names = {name for name, _, _ in arrived}
            self.seen |= names
            self._framed.update(filter(self._is_used, names))
            self._clocks.note_frame(stamp_ns)
            if self._is_newer(epoch):
                self._drop_frames()
            stamps = self._take(self._frames, stamp_ns, partial(self._push_all, arrived))
            if stamps and self._unseen_since_ns is None:
                self._unseen_since_ns = stamps[0]
            if self._is_blind:
                self._expect(people=False)
                self._drop_bodies()
            return [] if self._expects_people else stamps

    def see(self, stamp_ns: int, layout: str, people: Sequence[Person]) -> list[int]:
        """Take the people in view of the camera; may be empty.

        Of more than `max_people` the known ones take precedence.

        Returns:
            Stamps to `decide` at, oldest first.
        """
        act = partial(self._see, stamp_ns, layout, tuple(people))
        with self._lock:
            self._clocks.note_people(stamp_ns)
            return self._take(self._views, stamp_ns, act)

    def decide(self, stamp_ns: int) -> Answers:
        """Decide about everybody, if a decision is due.

        Stamps are those that `receive` and `see` returned, in order; older ones may be skipped.

        Returns:
            An answer for each body that is in view or was until recently; none if no decision is due.
        """
        with self._lock:
            if stamp_ns > (self._views if self._expects_people else self._frames).newest_ns:
                return []  # accepted before time jumped back, or of the source that decisions no longer follow
            if self._sampled != self._restarts:
                self._sampled = self._restarts
                self._sampler.reset()
            bodies = self._owners(stamp_ns) if self._expects_people else {SCENE: frozenset()}
            others_ns = max((seen for body, seen in self._last_seen_ns.items() if body not in bodies), default=0)
            self.present = tuple(body or self.config.body_id for body in bodies)
        if not self._sampler.accept(stamp_ns):
            if self._live:
                self.recognizer.encode(stamp_ns, bodies)
            return []
        # A picture of the scene that shows somebody else, too, is of nobody.
        answers = self.recognizer.recognize_all(stamp_ns, bodies, scene_after_ns=others_ns)
        return [(body or self.config.body_id, answer) for body, answer in answers.items()]

    def new_problems(self) -> list[tuple[FaultCode, str]]:
        """Problems with the inputs since the last call, a code and a sentence each: ask once a report."""
        with self._lock:
            problems = []
            for name, clock in (("frames", self._frames), ("people", self._views)):
                turned_away = sum(clock.rejected)
                new = turned_away - self._turned_away.get(name, 0)
                if new > 0:
                    text = (
                        f"{new} {name} rejected: their stamps are not on the timeline of the others; "
                        f"is there a second publisher, or was a clock set?"
                    )
                    problems.append((FaultCode.CLOCK, text))
                self._turned_away[name] = turned_away
            if offset := self._clocks.problem(sorted(self._framed)):
                problems.append((FaultCode.CLOCK, offset))
            if len(self._in_view) > self.config.max_people:
                text = f"{len(self._in_view)} people are in view, {self.config.max_people} recognised: see max_people"
                problems.append((FaultCode.CROWDED, text))
            scene = [name for name in self._scene if name in self._framed]
            if scene and max(len(self._near), len(self._in_view)) > 1:
                problems.append((FaultCode.UNASSIGNED, f"{', '.join(scene)}: {SCENE_ONLY}"))
            problems += [(FaultCode.SMALL, text) for text in self._small.values()]
            self._small.clear()
            return problems + [(FaultCode.UNASSIGNED, text) for text in self._assigner.problems(self._near)]

    def _take(self, clock: StreamClock, stamp_ns: int, act: Callable[[], None]) -> list[int]:
        """Accept an arrival with a valid stamp, and the ones held back before it. Called with the lock held."""
        guard = self._guards[clock]
        verdict = guard.judge(clock, stamp_ns, act)
        if verdict is Verdict.TURNED_AWAY:
            return []
        released = [(clock, stamp_ns, act)] if verdict is Verdict.GOOD else guard.release()
        if verdict is Verdict.FORWARD and clock is self._frames:
            self._unseen_since_ns = None
        if verdict is Verdict.BACKWARD and clock is self._views:
            self._drop_people()
        # In a bag that loops, either may jump first: frames that are later than people now are of the old round.
        if verdict is Verdict.BACKWARD and (clock is self._frames or self._frames.newest_ns > stamp_ns + JUMP_NS):
            self._drop_frames()
        due = []
        for _, its_ns, its_act in released:
            # A late one, within the guard's tolerance, adds samples, but there is no decision in the past.
            if its_ns > clock.newest_ns:
                due.append(its_ns)
            clock.newest_ns = max(clock.newest_ns, its_ns)
            its_act()
        return due

    def _is_newer(self, epoch: int) -> bool:
        newer = self._epoch is not None and 0 < (epoch - self._epoch) % 2**32 < 2**31
        if newer or self._epoch is None:
            self._epoch = epoch
        return newer

    def _drop_frames(self) -> None:
        """Drop what is of no known person; the timeline of frames begins anew."""
        self._guards[self._frames].begin_epoch()
        self.recognizer.drop(SCENE)
        self._assigner.drop_samples()
        self._clocks.clear()
        self._unseen_since_ns = None
        if not self._expects_people:
            self._restarts += 1

    def _drop_people(self) -> None:
        self._drop_bodies()
        self._assigner.clear()
        self._tilt.clear()
        self._clocks.clear()
        self._restarts += 1

    def _drop_bodies(self) -> None:
        self._drop(list(self._bodies))
        self._last_seen_ns.clear()
        self._in_view, self._near = [], []

    def _is_used(self, name: str) -> bool:
        return name in self._modalities and not (self._expects_people and name in self._personal)

    def _push_all(self, samples: Sequence[Sample]) -> None:
        for name, stamp_ns, sample in samples:
            if not self._is_used(name):
                continue
            try:
                check_background(self._modalities[name], sample)
                if self.recognizer.push(name, stamp_ns, sample) and name in self._imus:
                    self._assigner.push(name, stamp_ns, sample)
                if text := _enlarged(self._modalities[name], sample):
                    self._small[name] = text
            except SampleError as error:
                self._refuse(name, error)

    def _refuse(self, name: str, error: ValueError) -> None:
        count = self.refused.get(name, (0, ""))[0]
        self.refused[name] = (count + 1, str(error)[:_LONGEST_TEXT])
        if self._on_error:
            self._on_error(name, error)

    def _see(self, stamp_ns: int, layout: str, people: Sequence[Person]) -> None:
        self._unseen_since_ns = None
        self._expect(people=True)
        known = sorted(people, key=lambda person: person.body_id not in self._bodies)
        followed = known[: self.config.max_people]
        self._in_view = [person.body_id for person in people]
        self._last_seen_ns |= dict.fromkeys(self._in_view, stamp_ns)
        self._tilt.see(stamp_ns, layout, [person.joints for person in followed])
        for person in followed:
            samples = self._bodies.setdefault(person.body_id, PersonSamples(self._modalities.values()))
            self.recognizer.add(person.body_id)
            try:
                level = replace(person, joints=self._tilt.level(person.joints))
                for name, sample in samples.of(stamp_ns, layout, level):
                    self.seen.add(name)
                    self.recognizer.push(name, stamp_ns, sample, person.body_id, is_accepted=True)
                self._assigner.see(person.body_id, stamp_ns, layout, person.joints)
            except (SampleError, LayoutError) as error:
                self._refuse("people", error)
        self._drop(self._gone(stamp_ns))
        begin_ns = stamp_ns - self._window_ns
        self._last_seen_ns = {body: seen_ns for body, seen_ns in self._last_seen_ns.items() if seen_ns > begin_ns}

    def _gone(self, now_ns: int) -> list[str]:
        """The bodies that have been out of view for a window, and the longest gone if there are too many."""
        longest_gone = sorted(self._bodies, key=lambda body: self._last_seen_ns[body])
        spare = len(self._bodies) - self.config.max_people
        return [
            body
            for place, body in enumerate(longest_gone)
            if place < spare or self._last_seen_ns[body] <= now_ns - self._window_ns
        ]

    def _drop(self, bodies: Iterable[str]) -> None:
        for body in bodies:
            del self._bodies[body]
            self.recognizer.drop(body)
            self._assigner.drop(body)

    def _owners(self, now_ns: int) -> dict[str, frozenset[str]]:
        """The bodies to decide about, and which modalities of the scene belong to each."""
        bodies = [body for body in self._bodies if self._last_seen_ns[body] > now_ns - OUT_OF_VIEW_NS]
        self._near = bodies
        worn = self._assigner.assign(now_ns, bodies, are_all=set(self._in_view) <= set(bodies))
        shared = {
            name
            for name in self._modalities
            if name not in self._personal
            and name not in self._imus
            and (name not in self._scene or len(self._in_view) == len(bodies) == 1)
        }
        return {body: frozenset(shared | {name for name in self._imus if worn.get(name) == body}) for body in bodies}


def recognizer_settings(config: InferenceConfig, model: ModelConfig, *, live: bool) -> RecognizerSettings:
    """Settings of the recogniser. Live, it drops frames that it cannot encode in time."""
    fastest_hz = max((m.rate_hz for m in model.modalities if m.is_image), default=config.rate_hz)
    # The frames since the last decision, and one more: a slower encoder drops frames instead of falling behind.
    backlog = math.ceil(fastest_hz / config.rate_hz) + 1 if live else None
    return RecognizerSettings(
        config.min_coverage, config.unknown_threshold, config.smoothing_s, config.hysteresis, backlog
    )


def _open_backend(
    config: InferenceConfig, checkpoint: Checkpoint, note: Callable[[str], None] | None
) -> tuple[str, Backend]:
    name = choose_backend(checkpoint, config.model) if config.backend == "auto" else config.backend
    if note and takes_long(name) and not is_exported(name, checkpoint, config.model):
        folder = shlex.quote(str(config.model))
        note(f"preparing {checkpoint.id} for {name}; in advance: mumu export {folder} --backend {name}")
    return name, open_backend(name, checkpoint, config.model, config.threads)


def _enlarged(modality: Modality, sample: NDArray[Any]) -> str:
    """What to say of a picture that is clearly smaller than the model's; empty: it is none."""
    if not modality.is_image:
        return ""
    height, width = modality.shape[:2]
    if sample.shape[0] >= _LEAST_SIDE * height and sample.shape[1] >= _LEAST_SIDE * width:
        return ""
    size = f"{sample.shape[1]}×{sample.shape[0]}"
    return (
        f"{modality.name}: pictures of {size} are enlarged to the model's {width}×{height}; "
        "sensor_sync sends the size of its parameter model: restart it with this one"
    )


def _named_bodies(config: InferenceConfig, imus: Sequence[str]) -> dict[str, str]:
    """The parameter `imu_bodies`: modality to body.

    Raises:
        ParameterError: It names a modality that is not an IMU of the model.
    """
    for imu in config.imu_bodies:
        if imu not in imus:
            raise ParameterError(
                f"parameter imu_bodies names {imu!r}; the model's IMUs are {', '.join(imus) or 'none'}"
            )
    return dict(config.imu_bodies)
