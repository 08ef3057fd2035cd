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

"""What a model is made of: its modalities, its window, its sizes: what a checkpoint remembers."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from mumu_ros.model.parts import ENCODERS, FUSIONS
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.skeletons import LAYOUTS
from mumu_ros.text import check_name

__all__ = ["FORMAT", "ConfigError", "Modality", "ModelConfig", "build", "check_choice"]

FORMAT = 1
"""Version of the dictionary form of `ModelConfig`; raised when an old reader would misread it."""

_AXES = {"rgb": "(height, width, 3)", "depth": "(height, width, 1)", "vector": "(joints or sensors, axes)"}
_MIN_IMAGE = 32
_MERGES = ("concat", "sum")
_LABELS = ("", "group", "activity")
# A configuration that comes with a foreign model must not ask for more memory than there is.
_MAX_MODALITIES = 64
_MAX_MEMBERS = 16
_MAX_SIZE = 4096
_MAX_NUMBER = 1e9
_MAX_RATE_HZ = 10_000.0
_MAX_WINDOW_S = 3600.0
_MAX_WINDOW_VALUES = 2**28
# Of what a network holds besides its weights, which are compared with the file before memory is taken.
_MAX_STEPS = 2**22
_MAX_MEMBERSHIP = 2**22

T = TypeVar("T")


class ConfigError(ValueError):
    """Invalid configuration. The message contains the offending value and the accepted ones."""


def build(cls: type[T], data: Any, where: str) -> T:
    """Make a dataclass from a mapping, refusing keys that it does not have.

    Raises:
        ConfigError: The data are no mapping, a key is unknown (near misses are named) or a needed one is
            missing.
    """
    if not isinstance(data, Mapping):
        raise ConfigError(f"{where}: expected keys and values, got {data!r}")
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in data:
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=2)
            hint = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(fields)}"
            raise ConfigError(f"{where}: no key {key!r}; {hint}")
    required = [
        name
        for name, field in fields.items()
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    missing = [name for name in required if name not in data]
    if missing:
        raise ConfigError(f"{where}: missing {', '.join(missing)}")
    return cls(**data)


def _number(where: str, value: Any, low: float, high: float = _MAX_NUMBER, *, exclusive: bool = True) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not low <= value <= high or (exclusive and value == low):
        sign = ">" if exclusive else "≥"
        raise ConfigError(f"{where} is {value!r}; expected a number {sign} {low:g} and ≤ {high:g}")


def _count(where: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MAX_SIZE:
        raise ConfigError(f"{where} is {value!r}; expected an integer ≥ 1 and ≤ {_MAX_SIZE}")


def _name(where: str, value: Any) -> None:
    try:
        check_name(value)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error


def _boolean(where: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise ConfigError(f"{where} is {value!r}; expected true or false")


def check_choice(where: str, value: Any, choices: Collection[str]) -> None:
    """Refuse any other value.

    Raises:
        ConfigError: The value is none of these.
    """
    if value not in choices:
        raise ConfigError(f"{where} is {value!r}; expected one of {', '.join(name or 'empty' for name in choices)}")


def _check_unscaled(where: str, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
    if mean != (0.0,) or std != (1.0,):
        raise ConfigError(f"{where}: mean is {mean!r}, std {std!r}; a body is scaled to itself, leave them out")


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


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
            object.__setattr__(self, field, _tuple(getattr(self, field)))
        _name("modality", self.name)
        where = f"modality {self.name!r}"
        check_choice(f"{where}: kind", self.kind, tuple(ENCODERS))
        if self.encoder not in ENCODERS[self.kind]:
            expected = " or ".join(ENCODERS[self.kind])
            raise ConfigError(f"{where}: encoder is {self.encoder!r}; {self.kind} is encoded by {expected}")
        self._check_shape(where)
        _number(f"{where}: rate_hz", self.rate_hz, 0, _MAX_RATE_HZ)
        _number(f"{where}: max_gap_s", self.max_gap_s, 0)
        _count(f"{where}: stride", self.stride)
        size = self.shape[-1] if self.is_image else math.prod(self.shape)
        for field, low in (("mean", -_MAX_NUMBER), ("std", 0.0)):
            values = getattr(self, field)
            if not isinstance(values, tuple) or len(values) not in (1, size):
                raise ConfigError(f"{where}: {field} is {values!r}; expected 1 or {size} numbers")
            for value in values:
                _number(f"{where}: {field}", value, low)
        if not isinstance(self.range_m, tuple) or len(self.range_m) != 2:
            raise ConfigError(f"{where}: range_m is {self.range_m!r}; expected (nearest, farthest)")
        _number(f"{where}: range_m nearest", self.range_m[0], 0)
        _number(f"{where}: range_m farthest", self.range_m[1], self.range_m[0])
        self._check_coordinates(where)
        check_choice(f"{where}: label", self.label, _LABELS)
        _boolean(f"{where}: worn", self.worn)
        if not self.worn and (self.kind, self.shape) != ("vector", (2, 3)):
            raise ConfigError(f"{where}: worn is False; that is for vectors of shape (2, 3), leave it out")

    def _check_coordinates(self, where: str) -> None:
        _boolean(f"{where}: centered", self.centered)
        self._check_layout(where)
        if not isinstance(self.body, tuple):
            raise ConfigError(f"{where}: body is {self.body!r}; expected four joints, or none")
        _number(f"{where}: focal", self.focal, 0)
        if self.sees_poses:
            _count(f"{where}: joints", self.joints)
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
            _count(f"{where}: every size in shape {shape!r}", size)
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


@dataclass(frozen=True)
class ModelConfig:
    """A whole model.

    Attributes:
        name: What the model is called; the first part of its identity.
        modalities: In the order of every attention vector.
        taxonomy: The recognised activities and groups.
        window_s: Seconds of data that one decision sees.
        feature_size: Numbers in every unimodal and fused feature (D; 128 in MuMu).
        dropout: Probability, on segment features and inside the two heads.
        deep_supervision: Also an activity classifier on every unimodal feature (ours).
        fusion: `mumu` is that of Islam and Iqbal (2022), `trusted_mumu` ours; `non_attention`, `keyless` and `hamlet`
            are what it is compared with (their tables 3 and 7), and so are the others of `model/parts.py`.
        merge: How `non_attention`, `keyless` and `hamlet` join the modalities: `concat` or `sum`.
        bidirectional: The LSTM over segments runs both ways.
        layer_norm: Unimodal features are normalised (ours).
        members: Networks of this shape that are trained apart, and whose probabilities are averaged; more than one
            only where no modality is an image.

    Raises:
        ConfigError: A value is impossible by itself or together with another.
    """

    name: str
    modalities: tuple[Modality, ...]
    taxonomy: Taxonomy
    window_s: float
    feature_size: int = 128
    dropout: float = 0.0
    deep_supervision: bool = False
    fusion: str = "mumu"
    merge: Literal["concat", "sum"] = "concat"
    bidirectional: bool = False
    layer_norm: bool = False
    members: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "modalities", _tuple(self.modalities))
        _name("model", self.name)
        if not isinstance(self.modalities, tuple) or not all(isinstance(m, Modality) for m in self.modalities):
            raise ConfigError(f"modalities is {self.modalities!r}; expected a list of modalities")
        if not 1 <= len(self.modalities) <= _MAX_MODALITIES:
            raise ConfigError(
                f"modalities has {len(self.modalities)}; a model needs at least one, at most {_MAX_MODALITIES}"
            )
        twice = sorted({name for name in self.names if self.names.count(name) > 1})
        if twice:
            raise ConfigError(f"modalities {twice!r} occur more than once; names must be unique")
        _number("window_s", self.window_s, 0, _MAX_WINDOW_S)
        _count("feature_size", self.feature_size)
        _number("dropout", self.dropout, 0, exclusive=False)
        if self.dropout >= 1:
            raise ConfigError(f"dropout is {self.dropout!r}; expected less than 1")
        for field in ("deep_supervision", "bidirectional", "layer_norm"):
            _boolean(field, getattr(self, field))
        check_choice("fusion", self.fusion, FUSIONS)
        check_choice("merge", self.merge, _MERGES)
        if self.fusion == "trusted_mumu" and not self.deep_supervision:
            raise ConfigError("fusion trusted_mumu asks each modality's own classifier; set deep_supervision: true")
        if self.bidirectional and self.feature_size % 2:
            raise ConfigError(
                f"feature_size is {self.feature_size}; a bidirectional LSTM halves it: expected an even one"
            )
        self._check_members()
        for modality in self.modalities:
            self._check_label(modality)
            steps = self.steps(modality.name)
            if steps < modality.stride:
                raise ConfigError(
                    f"modality {modality.name!r}: window_s {self.window_s:g} at rate_hz {modality.rate_hz:g} "
                    f"has {steps} steps, fewer than stride {modality.stride}; lengthen the window"
                )
        self._check_memory()

    def _check_memory(self) -> None:
        steps = {modality.name: self.steps(modality.name) for modality in self.modalities}
        values = {modality.name: steps[modality.name] * math.prod(modality.shape) for modality in self.modalities}
        if (total := sum(values.values())) > _MAX_WINDOW_VALUES:
            most = max(values, key=lambda name: values[name])
            raise ConfigError(
                f"a window of {self.window_s:g} s has {total} values, of modality {most!r} {values[most]}; at most "
                f"{_MAX_WINDOW_VALUES}: lower rate_hz, shape or window_s"
            )
        if (total := self.members * sum(steps.values())) > _MAX_STEPS:
            most = max(steps, key=lambda name: steps[name])
            raise ConfigError(
                f"a window of {self.window_s:g} s has {total} steps in all members, of modality {most!r} "
                f"{steps[most]} in each; at most {_MAX_STEPS}: lower rate_hz, window_s or members"
            )
        activities, groups = len(self.taxonomy.activities), len(self.taxonomy.groups)
        if activities * groups * self.members > _MAX_MEMBERSHIP:
            raise ConfigError(
                f"taxonomy {self.taxonomy.name!r} has {activities} activities in {groups} groups, for {self.members} "
                f"members; their product is at most {_MAX_MEMBERSHIP}: use fewer groups"
            )

    def _check_members(self) -> None:
        _count("members", self.members)
        images = [modality.name for modality in self.modalities if modality.is_image]
        if self.members > _MAX_MEMBERS or (self.members > 1 and images):
            reason = f"; frames of {', '.join(images)} are encoded once, by one network" if images else ""
            raise ConfigError(
                f"members is {self.members}; expected {'1' if images else f'1 to {_MAX_MEMBERS}'}{reason}"
            )

    def _check_label(self, modality: Modality) -> None:
        classes = {"": (), "group": self.taxonomy.group_names, "activity": self.taxonomy.activities}[modality.label]
        if modality.label and (modality.kind, modality.shape) != ("vector", (len(classes), 1)):
            raise ConfigError(
                f"modality {modality.name!r}: kind {modality.kind}, shape {modality.shape!r}; its label is one of "
                f"{len(classes)}: expected vector, ({len(classes)}, 1)"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the M modalities, in order."""
        return tuple(modality.name for modality in self.modalities)

    @property
    def sensors(self) -> dict[str, str]:
        """Kind of each modality, by name: what `mumu_ros.failures` asks for."""
        return {modality.name: modality.kind for modality in self.modalities}

    @property
    def measured(self) -> tuple[Modality, ...]:
        """The modalities that are no labels."""
        return tuple(modality for modality in self.modalities if not modality.label)

    def modality(self, name: str) -> Modality:
        """The modality of that name.

        Raises:
            ConfigError: There is none.
        """
        for modality in self.modalities:
            if modality.name == name:
                return modality
        raise ConfigError(f"no modality {name!r}; the model has {', '.join(self.names)}")

    def steps(self, name: str) -> int:
        """Time steps T of a modality in one window."""
        return round(self.window_s * self.modality(name).rate_hz)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form with the version of this format."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        modalities = [
            {key: list(value) if isinstance(value, tuple) else value for key, value in vars(modality).items()}
            for modality in self.modalities
        ]
        return {"format": FORMAT, **fields, "modalities": modalities, "taxonomy": self.taxonomy.to_dict()}

    @classmethod
    def from_dict(cls, data: Any) -> ModelConfig:
        """The reverse of `to_dict`.

        Raises:
            ConfigError: Another format version, an unknown or missing key, or an impossible value.
        """
        if not isinstance(data, Mapping):
            raise ConfigError(f"model configuration: expected keys and values, got {data!r}")
        if data.get("format") != FORMAT:
            raise ConfigError(f"model configuration has format {data.get('format')!r}; this version reads {FORMAT}")
        values = {key: value for key, value in data.items() if key != "format"}
        if isinstance(values.get("modalities"), list):
            values["modalities"] = [build(Modality, m, f"modality {i}") for i, m in enumerate(values["modalities"])]
        if "taxonomy" in values:
            try:
                values["taxonomy"] = Taxonomy.from_dict(values["taxonomy"])
            except ValueError as error:
                raise ConfigError(str(error)) from error
        return build(cls, values, "model configuration")
