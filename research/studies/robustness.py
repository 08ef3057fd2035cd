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

"""Where the shipped model `people` stops being right: cameras, trackers and people other than those it learned from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mumu_ros.datasets.utd_mhad_clips import find_utd_mhad
from mumu_ros.recognition import Recognizer
from mumu_ros.recognition.decision import UNKNOWN
from mumu_ros.recognition.levelling import CameraTilt
from mumu_ros.simulation import Simulator
from mumu_ros.simulation.true_people import TRUTH_LAYOUT
from mumu_ros.skeletons import convert, layout
from mumu_ros.training.composition import Take
from mumu_ros.training.several_datasets import load_takes
from studies.bench import Bench
from studies.report import table

__all__ = ["section"]

_LAYOUT = "florence15"
_HELD_OUT = 6
"""The subject of UTD-MHAD whom the shipped model was not trained on."""
_HZ = 15.0
_FIRST_NS = 1_000_000_000
_WARM_UP = 20
"""Clips that a camera sees before the measured ones: a minute."""
_TILTS = (
    ("level", "x", 0),
    *((f"down {angle}°", "x", angle) for angle in (20, 30, 45)),
    *((f"up {angle}°", "x", -angle) for angle in (30, 45)),
    *((f"rolled {angle}°", "z", angle) for angle in (30, 45)),
)
"""Name, axis and degrees of a turn of what the camera sees."""
_SEEN = layout(_LAYOUT)
_PARTS = {
    "legs not seen": _SEEN.index("left_knee", "right_knee", "left_ankle", "right_ankle"),
    "legs and hips not seen": _SEEN.index(*(f"{s}_{j}" for s in ("left", "right") for j in ("hip", "knee", "ankle"))),
    "head not seen": _SEEN.index("head"),
    "left arm not seen": _SEEN.index("left_elbow", "left_wrist"),
    "right arm not seen, which acts": _SEEN.index("right_elbow", "right_wrist"),
}

Motion = NDArray[np.float64]
"""(T, J, 3) joints in metres in an optical frame, at `_HZ`."""


def section(bench: Bench) -> str:
    """Change what one person's clips look like; nothing is trained, and seeds have no effect."""
    recognizer = Recognizer.from_pretrained("people", device="cpu")
    takes = load_takes(recognizer.checkpoint.config, {"utd_mhad": str(find_utd_mhad(""))}).takes
    takes = tuple(take for take in takes if take.subject == _HELD_OUT)
    return "\n\n".join(
        (
            f"    python research study robustness --out {bench.out}",
            f"The shipped model, skeleton alone, {len(takes)} clips of UTD-MHAD's subject {_HELD_OUT}, Kinect's joints "
            f"at {_HZ:g} Hz, one decision at the end of each. Right, % (named, %): the most probable activity is "
            "right, whatever its probability; some activity is named.",
            "A tilted camera, without and with the tilt that inference learns from the people in view "
            "(`recognition/levelling.py`), after a minute of other clips:",
            _tilts(recognizer, takes),
            "Other trackers and people, on a level camera:",
            _changes(recognizer, takes),
            "A robot that moves before simulated people who hold a pose (60 poses, joints 1 cm noisy), with joints in "
            "the camera's frame; decisions:",
            _robots(recognizer),
        )
    )


def _tilts(recognizer: Recognizer, takes: Sequence[Take]) -> str:
    order = np.random.default_rng(0).permutation(len(takes))
    warm_up = order[:_WARM_UP]
    rows: dict[str, list[str]] = {"without": [], "with": []}
    for _, axis, angle in _TILTS:
        camera = Rotation.from_euler(axis, angle, degrees=True)
        for name, cells in rows.items():
            tilt, stamp_ns = CameraTilt(), _FIRST_NS
            scores = []
            for k in (*warm_up, *order):
                motion = _turned(camera, _motion(takes[k])).astype(np.float32)
                stamps_ns = stamp_ns + _stamps(len(motion))
                stamp_ns = int(stamps_ns[-1] + 1e9 / _HZ)
                seen = _levelled(tilt, stamps_ns, motion) if name == "with" else motion
                scores.append(_score(recognizer, takes[k], seen))
            cells.append(_cell(scores[len(warm_up) :]))
    header = ("", *(name for name, _, _ in _TILTS))
    return table(header, [(name, *cells) for name, cells in rows.items()])


def _levelled(tilt: CameraTilt, stamps_ns: NDArray[np.int64], motion: NDArray[np.float32]) -> NDArray[np.float32]:
    """A clip as inference gives it to the model while it learns the tilt."""
    level = []
    for stamp_ns, joints in zip(stamps_ns, motion, strict=True):
        tilt.see(int(stamp_ns), _LAYOUT, [joints])
        level.append(tilt.level(joints))
    return np.stack(level)


def _changes(recognizer: Recognizer, takes: Sequence[Take]) -> str:
    rng = np.random.default_rng(1)

    def unseen(joints: Sequence[int]) -> Callable[[Motion], Motion]:
        return lambda motion: np.where(np.isin(np.arange(len(_SEEN)), joints)[:, None], np.nan, motion)

    def taller(size: float) -> Callable[[Motion], Motion]:
        return lambda motion: size * motion

    def drift(metres: float) -> Callable[[Motion], Motion]:
        return lambda motion: motion + _smooth_noise(rng, len(motion), metres) * (0, 0, 1)

    rows = [(f"{hz} pictures a second", _all(recognizer, takes, hz=hz)) for hz in (30, 15, 8, 5, 4, 3)]
    rows += [(f"{speed:g} times as fast", _all(recognizer, takes, speed=speed)) for speed in (0.5, 0.7, 1.5, 2)]
    rows += [(f"{size:g} times as tall", _all(recognizer, takes, taller(size))) for size in (0.6, 1.3)]
    rows += [(name, _all(recognizer, takes, unseen(joints))) for name, joints in _PARTS.items()]
    rows += [(f"distance drifts by {m * 100:g} cm", _all(recognizer, takes, drift(m))) for m in (0.05, 0.1)]
    return table(("", "right (named)"), rows)


def _robots(recognizer: Recognizer) -> str:
    simulator = Simulator(seed=3, seconds=40.0, people=3, image_size=(48, 64))
    views = simulator.people_at(np.arange(1.0, 40.0, 2.0))
    poses = [convert(person.joints, TRUTH_LAYOUT, _LAYOUT) for people in views for person in people]
    seconds = _stamps(60) / 1e9
    rng = np.random.default_rng(0)
    rows = []
    for name, speed, turn in (
        ("stands", 0.0, 0.0),
        *((f"drives towards them, {v:g} m/s", v, 0.0) for v in (0.2, 0.5, 1.0)),
        *((f"turns, {w:g} rad/s", 0.0, w) for w in (0.2, 0.5, 1.0)),
    ):
        counts: Counter[str] = Counter()
        for pose in poses:
            turned = [Rotation.from_euler("y", turn * (t - 2)).apply(pose) - (0, 0, speed * t) for t in seconds]
            noisy = np.stack(turned) + rng.normal(0, 0.01, (len(seconds), *pose.shape))
            counts[recognizer.classify({"skeleton": (_FIRST_NS + _stamps(60), noisy.astype(np.float32))}).activity] += 1
        rows.append((name, ", ".join(f"{activity} {count}" for activity, count in counts.most_common())))
    return table(("the robot", "decisions"), rows)


def _all(
    recognizer: Recognizer,
    takes: Sequence[Take],
    change: Callable[[Motion], Motion] = lambda motion: motion,
    hz: float = _HZ,
    speed: float = 1.0,
) -> str:
    return _cell([_score(recognizer, take, change(_motion(take, hz, speed)), hz) for take in takes])


def _motion(take: Take, hz: float = _HZ, speed: float = 1.0) -> Motion:
    """A clip, which has 30 frames a second, at another rate and speed."""
    at = np.arange(0, len(take.skeleton) - 1, 30 * speed / hz)
    before, share = at.astype(int), (at % 1)[:, None, None]
    motion: Motion = (1 - share) * take.skeleton[before] + share * take.skeleton[before + 1]
    return motion


def _score(recognizer: Recognizer, take: Take, motion: NDArray[np.floating], hz: float = _HZ) -> tuple[bool, bool]:
    """Whether the most probable activity is right, and whether one is named; neither where there is no decision."""
    try:
        decision = recognizer.classify({"skeleton": (_FIRST_NS + _stamps(len(motion), hz), motion.astype(np.float32))})
    except ValueError:
        return False, False
    best = recognizer.checkpoint.config.taxonomy.activities[int(decision.activity_probabilities.argmax())]
    return best in take.labels, decision.activity != UNKNOWN


def _cell(scores: Sequence[tuple[bool, bool]]) -> str:
    right, named = 100 * np.mean(scores, axis=0)
    return f"{right:.0f} ({named:.0f})"


def _stamps(count: int, hz: float = _HZ) -> NDArray[np.int64]:
    return np.round(np.arange(count) * 1e9 / hz).astype(np.int64)


def _turned(rotation: Rotation, motion: Motion) -> Motion:
    turned: Motion = rotation.apply(motion.reshape(-1, 3)).reshape(motion.shape)
    return turned


def _smooth_noise(rng: np.random.Generator, count: int, size: float) -> Motion:
    """(T, 1, 1), of a standard deviation `size`, over half a second."""
    white = rng.normal(0, size, count + 7)
    smooth = np.convolve(white, np.ones(8) / np.sqrt(8), "valid")
    return smooth[:, None, None]
