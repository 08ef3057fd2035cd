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

"""One sensor stream as the network sees it: what a model's configuration says of each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from mumu_ros.model.checks import (
    MAX_NUMBER,
    ConfigError,
    as_tuple,
    check_boolean,
    check_choice,
    check_count,
    check_identifier,
    check_number,
)
from mumu_ros.model.parts import ENCODERS
from mumu_ros.skeletons import LAYOUTS

__all__ = ["Modality"]

_AXES = {"rgb": "(height, width, 3)", "depth": "(height, width, 1)", "vector": "(joints or sensors, axes)"}
_MIN_IMAGE = 32
_LABELS = ("", "group", "activity")
_MAX_RATE_HZ = 10_000.0


@dataclass(frozen=True)
class Modality:
    """One sensor stream as the network sees it.

    Attributes:
        name: The stream's name, the same everywhere.
        kind: `rgb` images, `depth` images, or `vector` samples (IMU, joint angles, skeleton).
        shape: Of one prepared sample: (H, W, 3), (H, W, 1), or (J, C), which is (2, 3) for an IMU
            (acceleration in m/s², angular rate in rad/s) and (20, 3) for a skeleton in metres.
        rate_hz: Samples a second in the network's input, whatever the sensor's rate.
        encoder: `small_cnn` or `resnet50` for images, `pose_cnn` for depth images of a person without background,
            `cooccurrence` or `cooccurrence1d` for vectors.
        mean: Subtracted from a prepared sample: one number, or one a channel (images) or element (vectors).
        std: What the difference is divided by; as many numbers as `mean` may have.
        stride: Steps from one segment to the next (in MuMu 3 for images, 5 for others): an image segment is one frame,
            every `stride`-th counted from the newest; a segment of vectors or poses pools `stride` steps.
        max_gap_s: Vectors: a step farther than this from any sample counts as missing.
        range_m: Depth: readings are clipped to this (nearest, farthest).
        centered: `cooccurrence1d` and `pose_cnn`: take the mean over the window away. What a person does is then
            told from who it is and where they stand.
        layout: Skeletons in `cooccurrence1d`: the joint layout of `mumu_ros.skeletons`, such as `kinect20`. Joints may
            be NaN, which means not seen; each is masked by itself. The skeleton is moved, turned and scaled as `body`
            says, by the joints of the layout. Empty: samples are complete.
        body: Skeletons in `cooccurrence1d`, and what `pose_cnn` sees: the joints (hip centre, neck, left shoulder,
            right shoulder) by which it is moved to the origin, turned to the camera and scaled to its torso; empty:
            left as it is.
        joints: `pose_cnn`: how many it looks for.
        focal: `pose_cnn`: the camera's focal length in widths of its picture (fx / width of CameraInfo).
        label: Not a sensor but a label of the window, one-hot: `group` or `activity`. Teachers have one
            (`training/given_labels.py`); a robot does not.
        worn: A (2, 3) vector is an IMU that somebody wears. False: of that shape, but of everybody in view, such as the
            robot's own IMU or a force/torque sensor.

    Raises:
        ConfigError: A value is impossible by itself or together with another.
    """

    name: str
    kind: Literal["rgb", "depth", "vector"]
    shape: tuple[int, ...]
    rate_hz: float
    encoder: Literal["small_cnn", "resnet50", "pose_cnn", "cooccurrence", "cooccurrence1d"]
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    stride: int = 1
    max_gap_s: float = 0.1
    range_m: tuple[float, float] = (0.3, 8.0)
    centered: bool = False
    body: tuple[int, ...] = ()
    joints: int = 0
    focal: float = 0.9
    label: Literal["", "group", "activity"] = ""
    layout: str = ""
    worn: bool = True

    def __post_init__(self) -> None:
        for field in ("shape", "mean", "std", "range_m", "body"):
            object.__setattr__(self, field, as_tuple(getattr(self, field)))
        check_identifier("modality", self.name)
        where = f"modality {self.name!r}"
        check_choice(f"{where}: kind", self.kind, tuple(ENCODERS))
        if self.encoder not in ENCODERS[self.kind]:
            expected = " or ".join(ENCODERS[self.kind])
            raise ConfigError(f"{where}: encoder is {self.encoder!r}; {self.kind} is encoded by {expected}")
        self._check_shape(where)
        check_number(f"{where}: rate_hz", self.rate_hz, 0, _MAX_RATE_HZ)
        check_number(f"{where}: max_gap_s", self.max_gap_s, 0)
        check_count(f"{where}: stride", self.stride)
        size = self.shape[-1] if self.is_image else math.prod(self.shape)
        for field, low in (("mean", -MAX_NUMBER), ("std", 0.0)):
            values = getattr(self, field)
            if not isinstance(values, tuple) or len(values) not in (1, size):
                raise ConfigError(f"{where}: {field} is {values!r}; expected 1 or {size} numbers")
            for value in values:
                check_number(f"{where}: {field}", value, low)
        if not isinstance(self.range_m, tuple) or len(self.range_m) != 2:
            raise ConfigError(f"{where}: range_m is {self.range_m!r}; expected (nearest, farthest)")
        check_number(f"{where}: range_m nearest", self.range_m[0], 0)
        check_number(f"{where}: range_m farthest", self.range_m[1], self.range_m[0])
        self._check_coordinates(where)
        check_choice(f"{where}: label", self.label, _LABELS)
        check_boolean(f"{where}: worn", self.worn)
        if not self.worn and (self.kind, self.shape) != ("vector", (2, 3)):
            raise ConfigError(f"{where}: worn is False; that is for vectors of shape (2, 3), leave it out")

    def _check_coordinates(self, where: str) -> None:
        check_boolean(f"{where}: centered", self.centered)
        self._check_layout(where)
        if not isinstance(self.body, tuple):
            raise ConfigError(f"{where}: body is {self.body!r}; expected four joints, or none")
        check_number(f"{where}: focal", self.focal, 0)
        if self.sees_poses:
            check_count(f"{where}: joints", self.joints)
        elif self.joints:
            raise ConfigError(f"{where}: joints is {self.joints!r}; that is for encoder pose_cnn, not {self.encoder}")
        if self.encoder not in ("cooccurrence1d", "pose_cnn") and (self.centered or self.body):
            value = "centered is True" if self.centered else f"body is {self.body!r}"
            raise ConfigError(f"{where}: {value}; that is for cooccurrence1d and pose_cnn, not {self.encoder}")
        if not self.body:
            return
        joints, axes = (self.joints, 3) if self.sees_poses else self.shape
        if axes != 3:
            raise ConfigError(f"{where}: body is {self.body!r}; only joints in three dimensions have one")
        _check_unscaled(where, self.mean, self.std)
        known = all(isinstance(j, int) and not isinstance(j, bool) and 0 <= j < joints for j in self.body)
        if not known or len(self.body) != 4 or len(set(self.body)) != 4:
            raise ConfigError(f"{where}: body is {self.body!r}; expected four different joints from 0 to {joints - 1}")

    def _check_layout(self, where: str) -> None:
        if self.layout == "":
            return
        check_choice(f"{where}: layout", self.layout, tuple(LAYOUTS))
        if self.encoder != "cooccurrence1d":
            raise ConfigError(f"{where}: layout is {self.layout!r}; that is for cooccurrence1d, not {self.encoder}")
        if self.body:
            raise ConfigError(f"{where}: body is {self.body!r}; layout {self.layout} names these joints, leave it out")
        expected = (len(LAYOUTS[self.layout]), 3)
        if self.shape != expected:
            raise ConfigError(f"{where}: shape is {self.shape!r}; layout {self.layout} has {expected}")
        _check_unscaled(where, self.mean, self.std)

    def _check_shape(self, where: str) -> None:
        shape, axes = self.shape, _AXES[self.kind]
        if not isinstance(shape, tuple) or len(shape) != axes.count(",") + 1:
            raise ConfigError(f"{where}: shape is {shape!r}; expected {axes}")
        for size in shape:
            check_count(f"{where}: every size in shape {shape!r}", size)
        channels = {"rgb": 3, "depth": 1}.get(self.kind)
        if channels and (shape[-1] != channels or min(shape[:2]) < _MIN_IMAGE):
            raise ConfigError(f"{where}: shape is {shape!r}; expected {axes} of at least {_MIN_IMAGE} pixels")

    @property
    def is_image(self) -> bool:
        """Whether samples are images (frames), not vectors."""
        return self.kind != "vector"

    @property
    def is_worn_imu(self) -> bool:
        """Whether its samples are of one person, the wearer."""
        return self.kind == "vector" and self.shape == (2, 3) and self.worn

    @property
    def joint_layout(self) -> str:
        """The joint layout of its skeletons; empty if it has none. (20, 3) without a name is the Kinect's."""
        return self.layout or ("kinect20" if self.shape == (20, 3) else "")

    @property
    def sees_poses(self) -> bool:
        """Whether its frames are encoded as the joints of a person."""
        return self.encoder == "pose_cnn"

    @property
    def is_personal(self) -> bool:
        """Whether a camera gives its samples of each person in view: a skeleton, or the person's own depth."""
        return bool(self.joint_layout) or self.sees_poses


def _check_unscaled(where: str, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    if mean != (0.0,) or std != (1.0,):
        raise ConfigError(f"{where}: mean is {mean!r}, std {std!r}; a body is scaled to itself, leave them out")
