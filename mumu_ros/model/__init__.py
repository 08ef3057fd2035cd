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

"""The network: encoders, fusion, MuMu, loss, checkpoints, and the preprocessing that belongs to them.

Names are loaded when they are asked for: importing this package, `taxonomy`, `config`, `preprocessing` or `checkpoint`
does not import torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mumu_ros.model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
    from mumu_ros.model.config import ModelConfig
    from mumu_ros.model.fusion import GMFusion, SMFusion
    from mumu_ros.model.loss import MuMuLoss
    from mumu_ros.model.modality import Modality
    from mumu_ros.model.network import Network, NetworkOutput
    from mumu_ros.model.preprocessing import Preprocessing
    from mumu_ros.model.taxonomy import Taxonomy
    from mumu_ros.model.unimodal import UnimodalEncoder

__all__ = [
    "Checkpoint",
    "GMFusion",
    "Modality",
    "ModelConfig",
    "MuMuLoss",
    "Network",
    "NetworkOutput",
    "Preprocessing",
    "SMFusion",
    "Taxonomy",
    "UnimodalEncoder",
    "load_checkpoint",
    "save_checkpoint",
]

_MODULES = {
    "checkpoint": ("Checkpoint", "load_checkpoint", "save_checkpoint"),
    "config": ("ModelConfig",),
    "fusion": ("GMFusion", "SMFusion"),
    "loss": ("MuMuLoss",),
    "modality": ("Modality",),
    "network": ("Network", "NetworkOutput"),
    "preprocessing": ("Preprocessing",),
    "taxonomy": ("Taxonomy",),
    "unimodal": ("UnimodalEncoder",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
