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

"""Snapshots of bodies in, network outputs out: each frame is encoded once, and all bodies share a pass."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch

from mumu_ros.model.preprocessing import Preprocessing
from mumu_ros.recognition.backends import Backend, Outputs
from mumu_ros.recognition.feature_cache import FeatureCache, encode_new
from mumu_ros.recognition.snapshots import Snapshot
from mumu_ros.streams import Series, Window

__all__ = ["Runner"]


class Runner:
    """Runs the network on snapshots.

    Attributes:
        backend: See above.
    """

    def __init__(self, backend: Backend, preprocessing: Preprocessing, images: Sequence[str]) -> None:
        self.backend = backend
        self._preprocessing = preprocessing
        self._images = images

    def warm_up(self) -> None:
        """Run once on an empty window."""
        inputs, masks = self._preprocessing.batch([Window(0, 0, 0, {})])
        tensors = {name: torch.from_numpy(x) for name, x in inputs.items() if name not in self._images}
        for name in self._images:
            features = self.backend.encode(name, inputs[name][0, :1])
            tensors[name] = features.repeat(inputs[name].shape[1], 1).unsqueeze(0)
        self.backend.decide(tensors, {name: np.ones_like(mask) for name, mask in masks.items()})

    def encode(self, names: Sequence[str], snapshots: Sequence[Snapshot]) -> None:
        """Encode the new frames of these image modalities."""
        for name in names:
            # Bodies that share frames share their cache, too.
            shown: dict[int, tuple[FeatureCache, Series]] = {
                id(snapshot.caches[name]): (snapshot.caches[name], snapshot.window.series[name])
                for snapshot in snapshots
                if not snapshot.names or name in snapshot.names
            }
            if shown:
                encode_new(partial(self.backend.encode, name), list(shown.values()), snapshots[0].window.start_ns)

    def run(self, snapshots: Sequence[Snapshot]) -> list[Outputs]:
        """Network outputs for each snapshot, without the flagged modalities."""
        self.encode(self._images, snapshots)
        for snapshot in snapshots:
            self._fill(snapshot)
        self._ask([(snapshot, tuple(snapshot.inputs)) for snapshot in snapshots if snapshot.is_due])
        for snapshot in snapshots:
            if snapshot.is_due:
                assert snapshot.body.health is not None
                samples = {name: x.cpu().numpy() for name, x in snapshot.inputs.items()}
                features = snapshot.outputs[tuple(snapshot.inputs)].features
                snapshot.body.health.update(snapshot.window.end_ns, samples, snapshot.masks, features)
        self._ask([(snapshot, chosen) for snapshot in snapshots for chosen in snapshot.candidates()])
        return [
            max((snapshot.outputs[chosen] for chosen in snapshot.candidates()), key=_top1) for snapshot in snapshots
        ]

    def _fill(self, snapshot: Snapshot) -> None:
        """Set the network inputs and masks of a snapshot."""
        vectors = [name for name in snapshot.names if name not in self._images]
        arrays, snapshot.masks = self._preprocessing.batch([snapshot.window], vectors)
        snapshot.inputs = {name: torch.from_numpy(array) for name, array in arrays.items()}
        for name in snapshot.names:
            if name in self._images:
                snapshot.inputs[name], snapshot.masks[name] = snapshot.caches[name].window(snapshot.window.series[name])

    def _ask(self, questions: Sequence[tuple[Snapshot, tuple[str, ...]]]) -> None:
        """Compute the missing network outputs of several sets of modalities in one pass."""
        open_ = list(dict.fromkeys(question for question in questions if question[1] not in question[0].outputs))
        if not open_:
            return
        inputs: dict[str, torch.Tensor] = {}
        masks: dict[str, np.ndarray] = {}
        for name in dict.fromkeys(name for _, chosen in open_ for name in chosen):
            like, like_mask = next(
                (snapshot.inputs[name], snapshot.masks[name]) for snapshot, chosen in open_ if name in chosen
            )
            inputs[name] = torch.cat(
                [snapshot.inputs[name] if name in chosen else torch.zeros_like(like) for snapshot, chosen in open_]
            )
            masks[name] = np.concatenate(
                [snapshot.masks[name] if name in chosen else np.zeros_like(like_mask) for snapshot, chosen in open_]
            )
        for (snapshot, chosen), output in zip(open_, self.backend.decide(inputs, masks), strict=True):
            snapshot.outputs[chosen] = output


def _top1(output: Outputs) -> float:
    """The top-1 activity probability; −1 if it is not finite."""
    logits = output.activity_logits
    return 1 / float(np.exp(logits - logits.max()).sum()) if np.isfinite(logits).all() else -1.0
