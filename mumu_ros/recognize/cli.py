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

"""`mumu recognize SOURCE`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mumu_ros.files import check_file, expanded
from mumu_ros.people import LAYOUT, PeopleFinder, Person, fetch_weights, find_weights, weights_folder
from mumu_ros.people.drawing import Activity
from mumu_ros.people.inputs import (
    FROZEN_S,
    NO_DEPTH,
    Frozen,
    darkness,
    is_upside_down,
    is_without_depth,
    why_nobody,
)
from mumu_ros.recognize.film import Film
from mumu_ros.recognize.segments import Labelled, Segment, Stretch, segments
from mumu_ros.recognize.sources import SourceError, open_source
from mumu_ros.recordings.pictures import Shot
from mumu_ros.text import UNKNOWN

if TYPE_CHECKING:
    from mumu_ros.model.modality import Modality
    from mumu_ros.recognition import Decision, NoDecision, Session
    from mumu_ros.recognition.session import Sample

__all__ = ["register"]

_MODEL = "people"
_SEED = 0
_OUT_OF_VIEW_S = 1.0
"""A person who was out of view for longer than this comes into view anew."""


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the `mumu` parser."""
    parser = commands.add_parser(
        "recognize",
        description=(
            "Detects and tracks people in the pictures, and prints their activities with times. Needs no ROS. A "
            "camera is watched until Ctrl-C."
        ),
    )
    parser.add_argument("source", metavar="SOURCE", help="video file, folder of pictures, rosbag2, or camera (0, 1, …)")
    parser.add_argument("--out", type=Path, metavar="FILE.mp4", help="write the pictures with everything drawn on them")
    parser.add_argument("--model", default=_MODEL, help=f"model folder, or a shipped model's name (default {_MODEL})")
    parser.add_argument(
        "--weights",
        type=Path,
        help=f"folder of the pose network (default {weights_folder()}, where it is downloaded to if it is not there)",
    )
    parser.add_argument(
        "--rate", type=float, metavar="HZ", help="pictures a second of a folder or a raw stream (default 30)"
    )
    parser.add_argument("--max-people", type=int, default=6, metavar="N", help="people followed at most (default 6)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="CPU threads of each network (default 1)")
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")
    parser.set_defaults(run=_run)


@dataclass
class _Report:
    """What has been seen so far.

    Its times are seconds from the first picture. After time has jumped back, they go on from the last one.

    Attributes:
        ids: In how many pictures each person was.
        left_out: Most people at once who were not followed.
        upside_down: In how many pictures everybody was upside down.
        without_depth: In how many pictures there was depth, but none at the people.
        dark: How many pictures without anybody were almost black.
        brightest: Of 255, in those.
        reason: Why there was no decision about somebody in view, the last time.
        unseen: Why nobody was seen, the last time.
        notes: What is wrong with the source, a sentence each.
        frozen: Whether the picture repeats.
        frozen_s: For how long it was the same, at most, where it was frozen.
    """

    start_ns: int = 0
    last_ns: int = 0
    people_per_frame: list[int] = field(default_factory=list)
    ms: list[float] = field(default_factory=list)
    ids: dict[str, int] = field(default_factory=dict)
    stretches: dict[str, list[Stretch]] = field(default_factory=dict)
    now: dict[str, Activity] = field(default_factory=dict)
    left_out: int = 0
    upside_down: int = 0
    without_depth: int = 0
    dark: int = 0
    brightest: int = 0
    reason: str = ""
    unseen: str = ""
    notes: list[str] = field(default_factory=list)
    frozen: Frozen = field(default_factory=Frozen)
    frozen_s: float = 0.0

    def seconds(self, stamp_ns: int) -> float:
        return (stamp_ns - self.start_ns) * 1e-9

    def is_frozen(self, shot: Shot) -> bool:
        """Note a picture; whether it has been the same for too long to say anything of it."""
        is_frozen = self.frozen.look(shot.stamp_ns, shot.rgb.tobytes())
        if is_frozen:
            self.frozen_s = max(self.frozen_s, self.frozen.seconds)
        return is_frozen

    def see(self, stamp_ns: int, people: Sequence[Person]) -> None:
        """Note whom a picture shows."""
        if not self.people_per_frame:
            self.start_ns = stamp_ns
        elif stamp_ns <= self.last_ns:
            self.start_ns -= self.last_ns - stamp_ns
        self.last_ns = stamp_ns
        self.people_per_frame.append(len(people))
        here, at_s = {person.body_id for person in people}, self.seconds(stamp_ns)
        self.now = {body_id: activity for body_id, activity in self.now.items() if body_id in here}
        for person in people:
            self.ids[person.body_id] = self.ids.get(person.body_id, 0) + 1
            its = self.stretches.setdefault(person.body_id, [])
            if its and at_s - its[-1].to_s <= _OUT_OF_VIEW_S:
                its[-1].to_s = at_s
            else:
                its.append(Stretch(at_s, at_s))

    def decide(self, body_id: str, labelled: Labelled, activity: Activity) -> None:
        """Note a decision."""
        self.stretches[body_id][-1].decisions.append(labelled)
        self.now[body_id] = activity

    def notice(self, finder: PeopleFinder, people: Sequence[Person], shot: Shot) -> None:
        """Note what else is known of a picture."""
        self.left_out = max(self.left_out, finder.left_out)
        self.upside_down += is_upside_down(people, LAYOUT)
        self.without_depth += shot.depth is not None and is_without_depth(people)
        if people:
            return
        self.unseen = why_nobody(finder) or self.unseen
        if darkness(brightest := int(shot.rgb.max())):
            self.dark, self.brightest = self.dark + 1, max(self.brightest, brightest)

    def miss(self, body_id: str, reason: str) -> None:
        """Note that there is no decision about somebody: the decisions before and after it are not joined."""
        its, at_s = self.stretches[body_id], self.seconds(self.last_ns)
        if its[-1].to_s == at_s:  # of those who have left there are fewer and fewer samples
            self.reason = reason
        if its[-1].decisions:
            its.append(Stretch(at_s, at_s))
        self.now.pop(body_id, None)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.out:
        _check_out(arguments.out, expanded(arguments.source))
    from mumu_ros.pipeline.configuration import InferenceConfig
    from mumu_ros.recognition import Session

    config = InferenceConfig.of(
        model=arguments.model, threads=arguments.threads, max_people=arguments.max_people, device="auto"
    )
    session = Session.open(config, note=lambda text: print(text, file=sys.stderr))
    weights = find_weights(arguments.weights) if arguments.weights else fetch_weights()
    finder = PeopleFinder(weights, arguments.threads, arguments.max_people, _SEED)
    modalities = session.checkpoint.config.modalities
    imus = tuple(m.name for m in modalities if m.is_worn_imu)
    if missing := _never_given(modalities, imus):
        print(f"not used: {', '.join(missing)}; a source has one camera and worn IMUs", file=sys.stderr)
    report = _Report()
    started = time.monotonic()
    with Film(arguments.out) if arguments.out else nullcontext() as film:
        try:
            with closing(open_source(arguments.source, imus, report.notes.append, arguments.rate)) as shots:
                for shot in shots:
                    _look(shot, finder, session, report, film)
                    _progress(report, started)
        except KeyboardInterrupt:
            _end_line()
        found = segments(report.stretches)  # printed also where the film turns out not to be whole
        problems = _problems(found, report, session)
        _print_table(found, problems, report, session.checkpoint.calibration.unknown_threshold)
        if arguments.json:
            print(json.dumps(_summary(found, problems, report), ensure_ascii=False))
    return 0


def _check_out(out: Path, source: Path) -> None:
    """See that the film can be written and is not its own source, before anything is loaded."""
    check_file("--out", out, ".mp4")
    if out.exists() and source.exists() and out.samefile(source):
        raise SourceError(f"--out is {str(out)!r}, which is the source; name another file")


def _end_line() -> None:
    """End the line of progress; if its terminal is closed, say nothing more there."""
    try:
        print(file=sys.stderr)
    except OSError:  # Python would try again at its exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def _look(shot: Shot, finder: PeopleFinder, session: Session, report: _Report, film: Film | None) -> None:
    start = time.perf_counter()
    people = [] if report.is_frozen(shot) else finder.update(shot.stamp_ns, shot.rgb, shot.depth, shot.camera)
    report.see(shot.stamp_ns, people)
    report.notice(finder, people, shot)
    if samples := _samples(shot, session.checkpoint.config.modalities):
        session.receive(shot.stamp_ns, samples)
    for stamp_ns in session.see(shot.stamp_ns, LAYOUT, people):
        for body_id, answer in session.decide(stamp_ns):
            _note(body_id, answer, session, report)
    report.ms.append((time.perf_counter() - start) * 1e3)
    if film:
        film.write(report.seconds(shot.stamp_ns), shot.rgb, people, report.now)


def _samples(shot: Shot, modalities: Sequence[Modality]) -> list[Sample]:
    """Samples of the whole scene and of worn sensors."""
    samples: list[Sample] = [(worn.modality, worn.stamp_ns, worn.sample) for worn in shot.worn]
    pictures = {"rgb": shot.rgb, "depth": shot.depth}
    scene = [(name, pictures[kind]) for kind, name in _of_scene(modalities).items()]
    return samples + [(name, shot.stamp_ns, picture) for name, picture in scene if picture is not None]


def _of_scene(modalities: Sequence[Modality]) -> dict[str, str]:
    """By kind, `rgb` and `depth`, the modality of pictures of the whole scene; none where there are several."""
    names = {k: [m.name for m in modalities if m.kind == k and not m.sees_poses] for k in ("rgb", "depth")}
    return {kind: its[0] for kind, its in names.items() if len(its) == 1}


def _never_given(modalities: Sequence[Modality], imus: Sequence[str]) -> list[str]:
    """The modalities that no source has: sensors that are neither the camera nor a worn IMU, and a second camera."""
    given = [*imus, *_of_scene(modalities).values()]
    return [m.name for m in modalities if m.name not in given and not m.is_personal]


def _note(body_id: str, answer: Decision | NoDecision, session: Session, report: _Report) -> None:
    from mumu_ros.recognition import Decision

    if not isinstance(answer, Decision):
        report.miss(body_id, answer.reason)
        return
    activity, confidence = answer.activity, answer.activity_confidence
    labelled = Labelled(report.seconds(answer.start_ns), report.seconds(answer.stamp_ns), activity, confidence)
    weights = zip(session.checkpoint.config.names, answer.gm_weights, answer.present, strict=True)
    attention = {name: float(weight) if there else None for name, weight, there in weights}
    report.decide(body_id, labelled, Activity(activity, confidence, attention))


def _progress(report: _Report, started: float) -> None:
    count = len(report.ms)
    if sys.stderr.isatty() and count % 10 == 0:
        rate = count / (time.monotonic() - started)
        print(
            f"\r{count} pictures, {report.people_per_frame[-1]} people, {rate:.0f} a second ", end="", file=sys.stderr
        )


def _problems(found: dict[str, list[Segment]], report: _Report, session: Session) -> list[str]:
    """Why nothing was found, and what else the answers lack, a sentence each."""
    from mumu_ros.recognition.session import SCENE_ONLY

    problems = [*report.notes]
    if report.frozen_s:
        problems.append(
            f"the picture was the same for {report.frozen_s:.1f} s: nobody was looked for after {FROZEN_S:g} s of it"
        )
    if not found:
        if report.reason:
            problems.append(f"no activity was recognised: {report.reason}")
        elif report.ids:
            problems.append("nobody was in view for long enough to recognise activities")
        scene = [name for name in _of_scene(session.checkpoint.config.modalities).values() if name in session.seen]
        if scene and max(report.people_per_frame, default=0) > 1:
            problems.append(f"{', '.join(scene)}: {SCENE_ONLY}")
    if 2 * report.dark > len(report.people_per_frame):
        problems.append(darkness(report.brightest))
    elif not found and (report.unseen or not report.ids):
        problems.append(report.unseen or "nobody was in view")
    if report.left_out:
        problems.append(f"{report.left_out} more in view, left out: --max-people is {session.config.max_people}")
    most = sum(n > 0 for n in report.people_per_frame) / 2
    if report.upside_down > most:
        problems.append("everybody was upside down in most pictures: was the camera? Turn them")
    if report.without_depth > most:
        problems.append(NO_DEPTH)
    problems += [
        f"{count} samples of {name} were not used, the last: {why}" for name, (count, why) in session.refused.items()
    ]
    problems += [_without_ros(text) for _, text in session.new_problems()]
    return list(dict.fromkeys(problems))


def _without_ros(problem: str) -> str:
    """What a session says, without the remedies that are for the nodes."""
    return problem.partition("; set its wearer in imu_bodies")[0].partition("; sensor_sync sends")[0]


def _print_table(
    found: dict[str, list[Segment]], problems: Sequence[str], report: _Report, unknown_threshold: float
) -> None:
    count = len(report.people_per_frame)
    share = sum(n > 0 for n in report.people_per_frame) / count if count else 0.0
    ms = float(np.median(report.ms)) if report.ms else 0.0
    print(f"{count} pictures, somebody in {share:.0%} of them; {ms:.0f} ms a picture")
    if found:
        print(f"{'id':<8}{'from':>8}{'to':>8}   {'activity':<24}{'confidence':>11}")
    for body_id, rows in found.items():
        for row in rows:
            print(f"{body_id:<8}{row.from_s:>7.1f}s{row.to_s:>7.1f}s   {row.activity:<24}{row.confidence:>11.2f}")
    if any(row.activity == UNKNOWN for rows in found.values() for row in rows):
        print(f"unknown: decisions of a confidence below {unknown_threshold:.4g}, the model's threshold")
    for problem in problems:
        print(problem)


def _summary(found: dict[str, list[Segment]], problems: Sequence[str], report: _Report) -> dict[str, Any]:
    return {
        "frames": len(report.people_per_frame),
        "people_per_frame": report.people_per_frame,
        "ids": list(report.ids),
        "tracks": len(report.ids),
        "ms_per_frame": round(float(np.median(report.ms)), 2) if report.ms else None,
        "people": {body_id: [asdict(row) for row in found.get(body_id, [])] for body_id in report.ids},
        "problems": problems,
    }
