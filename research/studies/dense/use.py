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

"""`python research dense`: train a student, and draw what it sees in a video."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from mumu_ros.files import check_folder, replacing
from mumu_ros.model.checks import build
from mumu_ros.model.config import ConfigError
from mumu_ros.reading import read_json
from studies.dense.model import DenseConfig, DenseModel
from studies.dense.pictures import CLASSES, split
from studies.dense.study import BOTH
from studies.dense.training import Recipe, fill_in, fit, stack

__all__ = ["draw_video", "load_student", "pictures_per_second", "save_student", "train_student"]

SIZE = (120, 160)
_WEIGHTS, _CONFIG = "student.safetensors", "student.json"
_FARTHEST_M = 8.0
_RATE_HZ = 15.0
_COLOURS = np.array(
    [
        (120, 100, 80),
        (200, 200, 210),
        (150, 90, 40),
        (250, 220, 40),
        (60, 160, 60),
        (240, 120, 120),
        (50, 80, 200),
        (180, 60, 200),
    ],
    np.uint8,
)


def train_student(out: Path, steps: int, seed: int = 0) -> None:
    """Train a teacher that sees depth on 250 labelled pictures, and its student on 500, which sees colour only.

    Raises:
        ConfigError: There are no steps.
        OSError: `out` cannot be written.
    """
    recipe = Recipe(steps, seed=seed)
    check_folder(out)  # before an hour is spent
    train = stack(split("train", SIZE))
    few = len(train) // 2
    teacher = fit(DenseConfig(len(CLASSES), BOTH, extra="depth"), train.take(few), recipe)
    filled = fill_in(teacher, train.hide("classes", few), "classes")
    save_student(fit(DenseConfig(len(CLASSES), BOTH), filled, recipe), out)


def save_student(student: DenseModel, folder: Path) -> None:
    """Write a student for `load_student`."""
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / _WEIGHTS) as temporary:
        save_file(student.state_dict(), temporary)
    with replacing(folder / _CONFIG) as temporary:
        temporary.write_text(json.dumps(asdict(student.config)) + "\n")


def load_student(folder: Path) -> DenseModel:
    """The student that `train_student` has left.

    Raises:
        ConfigError: There is none, or one that is damaged or of another program.
    """
    remedy = f"make one with: python research dense train {folder}"
    if not (folder / _CONFIG).is_file():
        raise ConfigError(f"no student in {str(folder)!r}; {remedy}")
    try:
        facts = read_json(folder / _CONFIG)
        if isinstance(facts, dict) and isinstance(facts.get("tasks"), list):
            facts = {**facts, "tasks": tuple(facts["tasks"])}
        config = build(DenseConfig, facts, _CONFIG)
        if (config.classes, set(config.tasks), config.extra) != (len(CLASSES), set(BOTH), ""):
            raise ValueError(f"{_CONFIG} is {facts!r}; expected {len(CLASSES)} classes, tasks {BOTH!r}, no extra")
        model = DenseModel(config)
        model.load_state_dict(load_file(folder / _WEIGHTS))
    except (OSError, ValueError, SafetensorError, RuntimeError) as error:  # the last is torch's: they do not fit
        raise ConfigError(f"student in {str(folder)!r} cannot be used: {error}; {remedy}") from error
    return model.eval()


@torch.inference_mode()
def draw_video(model: DenseModel, video: Path, out: Path) -> int:
    """Draw each picture of a video, its classes and its depth side by side; returns how many there are.

    Raises:
        ConfigError: The video cannot be read, or `out` cannot be written.
    """
    reason = (
        f"cannot write a video to {str(out)!r}; expected a folder that is there and can be written, and a name such as "
        "out.mp4"
    )
    if not out.parent.is_dir():
        raise ConfigError(reason)
    count = 0
    with replacing(out) as temporary:
        writer = cv2.VideoWriter(str(temporary), cv2.VideoWriter.fourcc(*"mp4v"), _RATE_HZ, (3 * SIZE[1], SIZE[0]))
        if not writer.isOpened():  # OpenCV raises nothing
            raise ConfigError(reason)
        for colour in _frames(video):
            writer.write(_row(model, colour)[..., ::-1])
            count += 1
        writer.release()
        if not count:
            raise ConfigError(f"{str(video)!r} has no picture that can be read")
    return count


def _row(model: DenseModel, colour: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture, its classes in colours, and its depth: the nearer the brighter."""
    said = model(torch.from_numpy(colour).permute(2, 0, 1)[None]).final
    classes = _COLOURS[said["classes"][0].argmax(dim=0).numpy()]
    nearness = 255 * np.clip(1 - said["depth"][0, 0].numpy() / _FARTHEST_M, 0, 1)
    depth = np.repeat(nearness.astype(np.uint8)[..., None], 3, axis=2)
    return np.hstack([colour, classes, depth])


@torch.inference_mode()
def pictures_per_second(model: DenseModel, size: tuple[int, int] = SIZE, seconds: float = 5.0) -> float:
    """How many pictures one thread sees, one at a time, in a second of its processor."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    picture = torch.randint(0, 256, (1, 3, *size), dtype=torch.uint8)
    model(picture)
    start, count = time.thread_time(), 0
    while time.thread_time() - start < seconds:
        model(picture)
        count += 1
    elapsed = time.thread_time() - start
    torch.set_num_threads(threads)
    return count / elapsed


def _frames(video: Path) -> Iterator[NDArray[np.uint8]]:
    """Pictures in RGB, as large as the student's own."""
    capture = cv2.VideoCapture(str(video))
    while True:
        is_there, frame = capture.read()
        if not is_there:
            return
        small = cv2.resize(frame, SIZE[::-1], interpolation=cv2.INTER_AREA)
        yield cv2.cvtColor(small, cv2.COLOR_BGR2RGB).astype(np.uint8)
