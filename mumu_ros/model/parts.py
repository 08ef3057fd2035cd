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

"""The parts that configurations and parameters name: encoders, by the kind of modality, fusions and back ends.

docs/extending.md says how to add one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mumu_ros.registry import Registry

if TYPE_CHECKING:
    from pathlib import Path

    from mumu_ros.model.config import ModelConfig

__all__ = ["BACKENDS", "ENCODERS", "FUSIONS", "foreign_files"]

_IMAGES = {"small_cnn": "mumu_ros.model.encoders:SmallCNN", "resnet50": "mumu_ros.model.encoders:ResNet50"}

# Classes of torch modules, without importing torch: sensor_sync reads configurations, too.
ENCODERS: Mapping[str, Registry[Any]] = {
    "rgb": Registry("mumu_ros.encoders.rgb", _IMAGES),
    "depth": Registry("mumu_ros.encoders.depth", _IMAGES | {"pose_cnn": "mumu_ros.model.pose:PoseCNN"}),
    "vector": Registry(
        "mumu_ros.encoders.vector",
        {
            "cooccurrence": "mumu_ros.model.encoders:CoOccurrence",
            "cooccurrence1d": "mumu_ros.model.encoders:CoOccurrence1d",
        },
    ),
}
"""By `Modality.kind`, then by `Modality.encoder`: called with the modality and the size of its output.

Images: (N, H, W, C) to (N, size), each frame by itself. Vectors: (B, T, J, C) and mask bool (B, T) to features
(B, S, size) and mask bool (B, S), S = T // stride.
"""

FUSIONS: Registry[Any] = Registry(
    "mumu_ros.fusions",
    {
        "mumu": "mumu_ros.model.heads:MuMuHead",
        "trusted_mumu": "mumu_ros.model.heads:TrustedMuMuHead",
        "non_attention": "mumu_ros.model.heads:NonAttentionHead",
        "keyless": "mumu_ros.model.heads:ConcatHead",
        "hamlet": "mumu_ros.model.heads:HamletHead",
        "concept": "mumu_ros.model.heads:ConceptHead",
        "concept_published": "mumu_ros.model.heads:PublishedConceptHead",
        "dual_branch": "mumu_ros.model.heads:DualBranchHead",
        "actionmae": "mumu_ros.model.robust:ActionMAEHead",
        "xfi": "mumu_ros.model.robust:XFiHead",
        "centaur": "mumu_ros.model.robust:CentaurHead",
    },
)
"""By `ModelConfig.fusion`: called with the configuration; features (B, M, D), mask bool (B, M) and unimodal logits to
`HeadOutput`."""

BACKENDS: Registry[Any] = Registry(
    "mumu_ros.backends",
    {
        "eager": "mumu_ros.recognition.backends.eager:Eager",
        "compile": "mumu_ros.recognition.backends.compiled:Compiled",
        "openvino": "mumu_ros.recognition.backends.openvino:OpenVino",
        "openvino_int8": "mumu_ros.recognition.backends.openvino:OpenVino",
        "onnxruntime": "mumu_ros.recognition.backends.onnx:OnnxRuntime",
        "cuda_graphs": "mumu_ros.recognition.backends.cuda_graphs:CudaGraphs",
    },
)
"""Implementations of `recognition.backends.Backend`. Those of other packages are called with the network."""


def foreign_files(config: ModelConfig) -> list[Path]:
    """The source files of the other packages that a model's encoders and its fusion come from, each once."""
    files = [path for modality in config.modalities for path in ENCODERS[modality.kind].foreign_files(modality.encoder)]
    return sorted({*files, *FUSIONS.foreign_files(config.fusion)})
