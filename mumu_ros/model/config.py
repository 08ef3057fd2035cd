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
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mumu_ros.model.checks import (
    ConfigError,
    as_tuple,
    build,
    check_boolean,
    check_choice,
    check_count,
    check_identifier,
    check_number,
)
from mumu_ros.model.modality import Modality
from mumu_ros.model.parts import FUSIONS
from mumu_ros.model.taxonomy import Taxonomy

__all__ = ["FORMAT", "ConfigError", "ModelConfig"]

FORMAT = 1
"""Version of the dictionary form of `ModelConfig`; raised when an old reader would misread it."""

_MERGES = ("concat", "sum")
# A configuration that comes with a foreign model must not ask for more memory than there is.
_MAX_MODALITIES = 64
_MAX_MEMBERS = 16
_MAX_WINDOW_S = 3600.0
_MAX_WINDOW_VALUES = 2**28
# Of what a network holds besides its weights, which are compared with the file before memory is taken.
_MAX_STEPS = 2**22
_MAX_MEMBERSHIP = 2**22


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
        object.__setattr__(self, "modalities", as_tuple(self.modalities))
        check_identifier("model", self.name)
        if not isinstance(self.modalities, tuple) or not all(isinstance(m, Modality) for m in self.modalities):
            raise ConfigError(f"modalities is {self.modalities!r}; expected a list of modalities")
        if not 1 <= len(self.modalities) <= _MAX_MODALITIES:
            raise ConfigError(
                f"modalities has {len(self.modalities)}; a model needs at least one, at most {_MAX_MODALITIES}"
            )
        twice = sorted({name for name in self.names if self.names.count(name) > 1})
        if twice:
            raise ConfigError(f"modalities {twice!r} occur more than once; names must be unique")
        check_number("window_s", self.window_s, 0, _MAX_WINDOW_S)
        check_count("feature_size", self.feature_size)
        check_number("dropout", self.dropout, 0, exclusive=False)
        if self.dropout >= 1:
            raise ConfigError(f"dropout is {self.dropout!r}; expected less than 1")
        for field in ("deep_supervision", "bidirectional", "layer_norm"):
            check_boolean(field, getattr(self, field))
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
        check_count("members", self.members)
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
