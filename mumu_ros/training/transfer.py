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
_UNIMODAL_HEAD = re.compile(r"unimodal_heads\.\d+\.(weight|bias)")
_SHAPES = ("feature_size", "bidirectional", "layer_norm")
"""Keys of a configuration that make other encoders of the same modalities."""
_HEAD = "head."


@dataclass(frozen=True)
class Transfer:
    """A network and what it took over.

    Attributes:
        model: With the new configuration.
        modalities: Those whose encoders were reused.
        activities: That its head knows already.
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

    An encoder means the same when its modality and what `_SHAPES` names are the same. A head does where the fusion is
    the same, and, if it has weights for each modality, the modalities are. Of a weight with a row for each activity (or
    group) the rows of those that both know are taken over, the others are random; one whose shape follows their number
    in another way is taken over where all of them are the same. Each member takes over one of the other network's; they
    are taken in turn.

    Raises:
        ConfigError: No encoder means the same; says what differs.
    """
    sources, alone = known.members(), replace(config, members=1)
    found = [_transfer(sources[i % len(sources)], alone) for i in range(config.members)]
    return replace(found[0], model=Network.of([member.model for member in found]))


def _transfer(known: Network, config: ModelConfig) -> Transfer:
    one, other = known.config.taxonomy, config.taxonomy
    is_same_taxonomy = (one.activities, one.group_names) == (other.activities, other.group_names)
    modalities = tuple(
        m.name
        for m in config.modalities
        if m.name in known.config.names and known.config.modality(m.name) == m and (not m.label or is_same_taxonomy)
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
    followed = _followed(config) if is_same_head else {}
    taken = set(other.activities) if is_same_head and is_same_taxonomy else set()
    with torch.no_grad():
        for key, value in new.items():
            source = _source(key, known.config, config, modalities, is_same_head)
            if source not in old:
                continue
            labels = "activities" if _UNIMODAL_HEAD.fullmatch(key) else followed.get(key)
            if labels is None or is_same_taxonomy:
                if old[source].shape == value.shape:
                    value.copy_(old[source])
            elif labels:
                rows = _take_rows(value, getattr(other, labels), old[source], getattr(one, labels))
                taken |= rows if labels == "activities" and key.startswith(_HEAD) else set()
    return Transfer(model, modalities, tuple(name for name in other.activities if name in taken))


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
    return _head_shapes(config) != _head_shapes(more)


def _followed(config: ModelConfig) -> dict[str, str]:
    """The weights of a head whose shapes follow the taxonomy.

    Returns:
        `activities` or `group_names`, of which each has a row; empty where the shape follows them in another way.
    """
    groups = ({"g": ("a",), "h": ("b",)}, {"g": ("a", "c"), "h": ("b",)}, {"g": ("a",), "h": ("b",), "i": ("c",)})
    modalities = tuple(replace(m, label="") for m in config.modalities)  # which would follow it, too
    with torch.random.fork_rng(devices=[]):
        few, more, most = (
            _head_shapes(replace(config, modalities=modalities, taxonomy=Taxonomy("t", of))) for of in groups
        )
    followed = {}
    for key, shape in most.items():
        if not few.keys() == more.keys() == most.keys():  # such as a part of its own for each activity
            followed[_HEAD + key] = ""
        elif not few[key] == more[key] == shape:
            labels = "group_names" if few[key] == more[key] else "activities"
            followed[_HEAD + key] = labels if few[key][1:] == shape[1:] else ""
    return followed


def _head_shapes(config: ModelConfig) -> dict[str, torch.Size]:
    return {key: weight.shape for key, weight in FUSIONS[config.fusion](config).state_dict().items()}


def _take_rows(value: Tensor, labels: tuple[str, ...], old: Tensor, old_labels: tuple[str, ...]) -> set[str]:
    """Take over the rows of the labels that both have; these."""
    if (len(value), len(old)) != (len(labels), len(old_labels)) or value.shape[1:] != old.shape[1:]:
        return set()
    for row, label in enumerate(labels):
        if label in old_labels:
            value[row] = old[old_labels.index(label)]
    return {*labels} & {*old_labels}


def _shapes(config: ModelConfig) -> str:
    return ", ".join((*config.names, *(f"{key} {getattr(config, key)}" for key in _SHAPES)))
