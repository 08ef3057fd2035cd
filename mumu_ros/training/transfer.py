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

"""Begin a training with what another model knows."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from mumu_ros.model.config import ConfigError, ModelConfig
from mumu_ros.model.encoders import ResNet50
from mumu_ros.model.network import Network
from mumu_ros.model.parts import FUSIONS
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.reading import read_json

__all__ = ["Transfer", "is_backbone", "load_backbones", "transfer"]

_ENCODER = re.compile(r"(encoders|unimodal_heads)\.(\d+)\.(.*)")
_ACTIVITIES = re.compile(r"(.*activity_head(\.3)?|unimodal_heads\.\d+)\.(weight|bias)")
_SHAPES = ("feature_size", "bidirectional", "layer_norm")
"""Keys of a configuration that make other encoders of the same modalities."""
_GROUPS = re.compile(r".*group_head(\.3)?\.(weight|bias)")


@dataclass(frozen=True)
class Transfer:
    """A network and what it took over.

    Attributes:
        model: With the new configuration.
        modalities: Those whose encoders were reused.
        activities: That it knows already.
    """

    model: Network
    modalities: tuple[str, ...]
    activities: tuple[str, ...]

    def __str__(self) -> str:
        config = self.model.config
        known = ", ".join(self.activities) or "none"
        new = ", ".join(name for name in config.taxonomy.activities if name not in self.activities) or "none"
        others = [name for name in config.names if name not in self.modalities]
        learned = f"; {', '.join(others)} from nothing" if others else ""
        return f"encoders of {', '.join(self.modalities)}{learned}; activities it knows: {known}; new: {new}"


def transfer(known: Network, config: ModelConfig) -> Transfer:
    """Make a network of a configuration, with every weight of another network that means the same in it.

    An encoder means the same when its modality and what `_SHAPES` names are the same. Of the last layer of a classifier
    the rows of activities (and groups) that both know are taken over, the others are random. Whatever else has the same
    name and shape is taken over, too, where the fusion is the same, and, if it has weights for each modality, the
    modalities are. Each member takes over one of the other network's; they are taken in turn.

    Raises:
        ConfigError: No encoder means the same; says what differs.
    """
    sources, alone = known.members(), replace(config, members=1)
    found = [_transfer(sources[i % len(sources)], alone) for i in range(config.members)]
    return replace(found[0], model=Network.of([member.model for member in found]))


def _transfer(known: Network, config: ModelConfig) -> Transfer:
    modalities = tuple(
        m.name for m in config.modalities if m.name in known.config.names and known.config.modality(m.name) == m
    )
    if not modalities or any(getattr(known.config, key) != getattr(config, key) for key in _SHAPES):
        raise ConfigError(
            f"nothing of model {known.config.name!r} fits: it has {_shapes(known.config)}, the configuration has "
            f"{_shapes(config)}; copy modalities, {', '.join(_SHAPES)} from the model's config.json"
        )
    model = Network(config)
    old = known.state_dict()
    new = model.state_dict()
    is_same_head = known.config.fusion == config.fusion and (
        known.config.names == config.names or not _is_by_modality(config)
    )
    with torch.no_grad():
        for key, value in new.items():
            source = _source(key, known.config, config, modalities, is_same_head)
            if source not in old:
                continue
            labels = _labels(key, config.taxonomy)
            if labels and old[source].shape[1:] == value.shape[1:]:
                _take_rows(value, labels, old[source], _labels(source, known.config.taxonomy))
            elif old[source].shape == value.shape:
                value.copy_(old[source])
    activities = tuple(name for name in config.taxonomy.activities if name in known.config.taxonomy.activities)
    return Transfer(model, modalities, activities)


def is_backbone(folder: str | Path) -> bool:
    """Whether a folder holds a ResNet in the format of `transformers`, and not a model of ours."""
    try:
        content = read_json(Path(folder) / "config.json")
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("model_type") == "resnet"


def load_backbones(folder: str | Path, config: ModelConfig) -> Network:
    """Make a network of a configuration, each `resnet50` of which begins with the weights in a folder.

    Raises:
        ConfigError: It is no ResNet-50, not whole, or no modality has one.
    """
    model = Network(config)
    resnets = [module for module in model.modules() if isinstance(module, ResNet50)]
    if not resnets:
        known = ", ".join(f"{m.name}: {m.encoder}" for m in config.modalities)
        raise ConfigError(f"{str(folder)!r} is a ResNet-50, but no modality has one ({known}); set encoder: resnet50")
    for resnet in resnets:
        try:
            resnet.load_backbone(folder)
        except ValueError as error:
            raise ConfigError(str(error)) from error
    return model


def _source(key: str, known: ModelConfig, config: ModelConfig, modalities: tuple[str, ...], is_same_head: bool) -> str:
    """What a weight is called in the other network; empty: it has none that means the same."""
    if found := _ENCODER.match(key):
        name = config.names[int(found[2])]
        return f"{found[1]}.{known.names.index(name)}.{found[3]}" if name in modalities else ""
    return key if is_same_head else ""


def _is_by_modality(config: ModelConfig) -> bool:
    """Whether a fusion has weights of its own for each modality, so that one more changes their number."""
    more = replace(config, modalities=(*config.modalities, replace(config.modalities[-1], name="one more")))
    one, other = (
        {key: weight.shape for key, weight in FUSIONS[config.fusion](c).state_dict().items()} for c in (config, more)
    )
    return one != other


def _labels(key: str, taxonomy: Taxonomy) -> tuple[str, ...]:
    if _ACTIVITIES.fullmatch(key):
        return taxonomy.activities
    return taxonomy.group_names if _GROUPS.fullmatch(key) else ()


def _take_rows(value: Tensor, labels: tuple[str, ...], old: Tensor, old_labels: tuple[str, ...]) -> None:
    for row, label in enumerate(labels):
        if label in old_labels:
            value[row] = old[old_labels.index(label)]


def _shapes(config: ModelConfig) -> str:
    return ", ".join((*config.names, *(f"{key} {getattr(config, key)}" for key in _SHAPES)))
