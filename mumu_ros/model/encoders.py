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

"""Spatial encoders: an image, or a stretch of vectors, to the numbers that the LSTM reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mumu_ros.install_hints import install
from mumu_ros.model.layers import Normalize, conv_block, masked_mean, zero_masked
from mumu_ros.model.modality import Modality
from mumu_ros.skeletons import layout

__all__ = ["BodyFrame", "CoOccurrence", "CoOccurrence1d", "ResNet50", "SmallCNN"]

_SAFE_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_ARCHITECTURE = ("layer_type", "hidden_act", "downsample_in_first_stage", "downsample_in_bottleneck")
"""What of a ResNet's configuration changes what its weights mean, but not their shapes."""


class SmallCNN(nn.Module):
    """Images on a robot without a GPU: four strided convolutions, then one layer over the places they leave.

    At 64×64 about 6 MFLOP a frame and 10⁵ parameters. Halving the size step by step keeps arms of two or three pixels
    visible. The last layer sees places, not their average: where a hand is matters as much as that there is one.
    """

    _WIDTHS = (16, 32, 48, 64)
    _PLACES = 4
    _SQUEEZED = 32

    def __init__(self, modality: Modality, size: int) -> None:
        super().__init__()
        channels = modality.shape[-1]
        self.normalize = Normalize(modality.mean, modality.std, (channels,))
        self.convolutions = nn.Sequential(
            *[conv_block(a, b, (3, 3), stride=2) for a, b in pairwise((channels, *self._WIDTHS))],
            conv_block(self._WIDTHS[-1], self._SQUEEZED, (1, 1)),
            nn.AdaptiveAvgPool2d(self._PLACES),
        )
        self.project = nn.Linear(self._SQUEEZED * self._PLACES**2, size)

    def forward(self, frames: Tensor) -> Tensor:
        """(N, H, W, C) prepared images to (N, size)."""
        images = self.normalize(frames).permute(0, 3, 1, 2)
        return torch.relu(self.project(self.convolutions(images).flatten(1)))


class ResNet50(nn.Module):
    """ResNet-50 (He et al. 2016) of `transformers`, with its 2048 numbers projected to the feature size.

    Starts from random weights; `load_backbone` reads a local folder. Nothing is ever downloaded. One channel (depth) is
    shown to the network three times.

    Raises:
        ImportError: `transformers` is not installed; says how to.
    """

    def __init__(self, modality: Modality, size: int) -> None:
        super().__init__()
        try:
            from transformers import ResNetConfig, ResNetModel
        except ImportError as error:
            raise ImportError(
                f"modality {modality.name!r}: resnet50 needs transformers; {install('vision')}"
            ) from error
        self.normalize = Normalize(modality.mean, modality.std, (modality.shape[-1],))
        self.backbone = _without_loss(ResNetModel(ResNetConfig()))  # Its defaults are ResNet-50.
        self.project = nn.Linear(self.backbone.config.hidden_sizes[-1], size)

    def forward(self, frames: Tensor) -> Tensor:
        """(N, H, W, C) prepared images to (N, size)."""
        images = self.normalize(frames).permute(0, 3, 1, 2)
        pooled = self.backbone(images.expand(-1, 3, -1, -1)).pooler_output.flatten(1)
        return torch.relu(self.project(pooled))

    def load_backbone(self, folder: str | Path) -> None:
        """Start from a ResNet-50 in the format of `transformers` that is already on this disk.

        Raises:
            ValueError: It is none, not whole, of another architecture or a pickle; names the folder.
        """
        from transformers import ResNetConfig, ResNetModel

        try:
            theirs = ResNetConfig.from_pretrained(str(folder), local_files_only=True)
        except Exception as error:  # of many libraries
            raise ValueError(f"{str(folder)!r} is no ResNet-50 that can be read: {error}") from error
        _check_backbone(Path(folder), theirs, self.backbone.config)
        try:
            backbone, info = ResNetModel.from_pretrained(
                str(folder),
                config=ResNetConfig(),  # the folder's might take any amount of memory
                local_files_only=True,
                use_safetensors=True,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
        except Exception as error:  # of many libraries
            raise ValueError(f"{str(folder)!r} is no ResNet-50 that can be read: {error}") from error
        more = (key for key in info["unexpected_keys"] if not key.startswith("classifier."))
        wrong = sorted({*info["missing_keys"], *more, *(key for key, *_ in info["mismatched_keys"])})
        if wrong:
            raise ValueError(
                f"{str(folder)!r} is no ResNet-50: {wrong[0]} and {len(wrong) - 1} other weights are missing or of "
                "another shape"
            )
        self.backbone.load_state_dict(backbone.state_dict())


def _check_backbone(folder: Path, theirs: Any, ours: Any) -> None:
    """A stored model is loaded with the configuration of ResNet-50, whatever the one was that it began with."""
    for key in _ARCHITECTURE:
        found, expected = getattr(theirs, key, None), getattr(ours, key, None)
        if found != expected:
            raise ValueError(
                f"{str(folder)!r} is no ResNet-50: its config.json has {key} {found!r}, expected {expected!r}; take "
                "one of that architecture, such as microsoft/resnet-50"
            )
    if not any((folder / name).is_file() for name in _SAFE_WEIGHTS):
        raise ValueError(
            f"{str(folder)!r} has no {_SAFE_WEIGHTS[0]}, and no pickle is loaded; if you trust it, convert it: "
            "ResNetModel.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER)"
        )


def _without_loss(backbone: Any) -> Any:
    # It has none; asked for it, as PyTorch does while tracing, transformers warns that it takes a language model's.
    backbone.loss_function = None
    return backbone


class CoOccurrence(nn.Module):
    """Co-occurrence network (Li et al. 2018) over a stretch of vectors, giving one feature every `stride`
    steps.

    First each joint by itself: a point-wise convolution over its coordinates and a temporal one. Then the
    joints become channels, so that every later filter sees them all together. The samples and their
    differences in time (motion) take the same path with weights of their own and are joined. Ours: half
    of their channels, without their last convolution, and, so that a (2, 3) IMU and a (20, 3) skeleton both fit,
    time is pooled by the stride, and the pooled sequence goes on to the LSTM.
    """

    _POINT, _TEMPORAL, _FIRST, _SECOND = 32, 16, 16, 32

    def __init__(self, modality: Modality, size: int) -> None:
        super().__init__()
        joints, channels = modality.shape
        self.stride = modality.stride
        self.normalize = Normalize(modality.mean, modality.std, modality.shape)
        early = math.gcd(self.stride, 4)  # What time pooling there can be before the costly second level.
        # groups=2: samples and motion side by side, each with its own filters, in one convolution.
        self.joint_level = nn.Sequential(
            conv_block(2 * channels, 2 * self._POINT, (1, 1), groups=2),
            conv_block(2 * self._POINT, 2 * self._TEMPORAL, (3, 1), nn.MaxPool2d((early, 1)), groups=2),
        )
        self.body_level = nn.Sequential(
            conv_block(2 * joints, 2 * self._FIRST, (3, 3), nn.MaxPool2d((self.stride // early, 2)), groups=2),
            conv_block(2 * self._FIRST, 2 * self._SECOND, (3, 3), nn.MaxPool2d((1, 2)), groups=2),
            conv_block(2 * self._SECOND, 2 * self._SECOND, (3, 3), nn.MaxPool2d((1, 2))),
        )
        self.project = nn.Linear(2 * self._SECOND * (self._TEMPORAL // 8), size)

    def forward(self, steps: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Encode whole sequences.

        Args:
            steps: (B, N, J, C) prepared vectors.
            mask: bool (B, N).

        Returns:
            Features (B, S, size), S = N // stride, the oldest N % stride steps left out; and bool (B, S):
            segments with any step.
        """
        first = steps.shape[1] % self.stride
        steps, mask = steps[:, first:], mask[:, first:]
        raw = zero_masked(self.normalize(steps), mask)
        # A difference is there where both of its ends are.
        both = mask[:, 1:] & mask[:, :-1]
        motion = nn.functional.pad(zero_masked(raw[:, 1:] - raw[:, :-1], both), (0, 0, 0, 0, 1, 0))
        streams = torch.cat([raw, motion], dim=-1).permute(0, 3, 1, 2)
        points = self.joint_level(streams)
        points = points.reshape(points.shape[0], 2, self._TEMPORAL, *points.shape[2:])
        # Joints become channels; what was learned of each becomes the second spatial axis.
        bodies = points.permute(0, 1, 4, 3, 2).flatten(1, 2)
        segments = self.body_level(bodies).permute(0, 2, 1, 3)
        features = torch.relu(self.project(segments.flatten(2)))
        return features, mask.reshape(mask.shape[0], -1, self.stride).any(dim=2)


class CoOccurrence1d(nn.Module):
    """After the co-occurrence network (Li et al. 2018): the whole sequence, in one dimension after the joint level.

    The first level sees each joint by itself, as in `CoOccurrence`. From then on every filter sees all joints and all
    that was learned of each, so the later convolutions run over time alone: cheaper, and on UTD-MHAD better
    (research/results.md). Samples and their differences in time (motion) are joined before the first level.
    """

    _POINT, _TEMPORAL, _BODY = 32, 16, 64

    def __init__(self, modality: Modality, size: int) -> None:
        super().__init__()
        joints = modality.shape[0]
        self.stride = modality.stride
        self.frame = BodyFrame(modality)
        early = math.gcd(self.stride, 2)
        self.point = nn.Sequential(
            nn.Conv2d(self.frame.channels, self._POINT, 1, bias=False), nn.BatchNorm2d(self._POINT)
        )
        self.temporal = nn.Sequential(
            nn.Conv2d(self._POINT, self._TEMPORAL, (3, 1), padding=(1, 0), bias=False), nn.BatchNorm2d(self._TEMPORAL)
        )
        self.body = nn.Sequential(
            nn.Conv1d(joints * self._TEMPORAL, self._BODY, 3, padding=1, bias=False), nn.BatchNorm1d(self._BODY)
        )
        self.segment = nn.Sequential(nn.Conv1d(self._BODY, size, 3, padding=1, bias=False), nn.BatchNorm1d(size))
        self.pool = nn.ModuleList(nn.MaxPool1d(n) for n in (early, self.stride // early))

    def forward(self, steps: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Encode whole sequences, as `CoOccurrence.forward` does."""
        first = steps.shape[1] % self.stride
        steps, mask = steps[:, first:], mask[:, first:]
        there = mask.unsqueeze(1)
        # What a block makes of nothing is not nothing: masked steps are zeroed again before the next one.
        points = torch.relu(self.point(self.frame(steps, mask).permute(0, 3, 1, 2))).permute(0, 2, 3, 1)
        points = zero_masked(points, self.frame.seen(steps, mask)).permute(0, 3, 1, 2)
        joints = torch.relu(self.temporal(points)).permute(0, 1, 3, 2).flatten(1, 2)
        bodies = self.pool[0](torch.relu(self.body(joints * there)) * there)
        there = self.pool[0](there.to(bodies.dtype))
        segments = self.pool[1](torch.relu(self.segment(bodies)) * there)
        return segments.transpose(1, 2), self.pool[1](there).squeeze(1).bool()


class BodyFrame(nn.Module):
    """A window of vectors in coordinates of their own, with their motion.

    Numbers are normalised by the modality's mean and standard deviation. Where it has a `body` or a `layout`, positions
    are taken from the window's mean hip, turned about the vertical until the mean shoulders are parallel to the image,
    and divided by the mean length of the torso, so that it does not matter where a person stands, who it is or which
    way they face. Where it is `centered`, every element's mean over the window is subtracted afterwards: how something
    moves, not where it is.

    With a `layout`, a joint of which a coordinate is NaN is masked: means are taken over the steps in which a joint is
    seen. Where the hips are never seen, the mean of all joints is the origin; where the torso is not, it is taken to be
    half a metre long; where the shoulders are not, the skeleton is not turned.

    Attributes:
        channels: Numbers for each joint and step: coordinates, motion and, with a layout, whether it is seen.
    """

    _SHORTEST_M = 0.1
    _TORSO_M = 0.5

    def __init__(self, modality: Modality) -> None:
        super().__init__()
        self.normalize = Normalize(modality.mean, modality.std, modality.shape)
        self.body = _body(modality)
        self.has_gaps = bool(modality.layout)
        self.channels = 2 * modality.shape[-1] + self.has_gaps
        self.centered = modality.centered
        # Positions change slowly: in a third of a second by about as much as they vary in a window. Accelerations do
        # so from sample to sample.
        self.motion_gain = modality.rate_hz / 3 if modality.centered else 1.0

    def seen(self, steps: Tensor, mask: Tensor) -> Tensor:
        """Which joints are there, bool (B, N, J), of (B, N, J, C) with mask (B, N)."""
        joints = mask.unsqueeze(-1).expand(steps.shape[:-1])
        return joints & ~steps.isnan().any(dim=-1) if self.has_gaps else joints

    def forward(self, steps: Tensor, mask: Tensor) -> Tensor:
        """(B, N, J, C) with mask (B, N) to (B, N, J, `channels`): what is there and how it changes; 0 where masked."""
        seen = self.seen(steps, mask)
        x = zero_masked(self.normalize(steps), seen)
        if self.body:
            x = zero_masked(self._in_body_frame(x, seen), seen)
        # A difference is there where both of its ends are.
        motion = zero_masked(x[:, 1:] - x[:, :-1], seen[:, 1:] & seen[:, :-1]) * self.motion_gain
        if self.centered:
            x = zero_masked(x - masked_mean(x, seen).unsqueeze(1), seen)
        parts = [x, nn.functional.pad(motion, (0, 0, 0, 0, 1, 0))]
        return torch.cat([*parts, seen.unsqueeze(-1).to(x.dtype)] if self.has_gaps else parts, dim=-1)

    def _in_body_frame(self, x: Tensor, seen: Tensor) -> Tensor:
        hips, neck, (left,), (right,) = self.body
        hip, hip_seen = _pick(x, hips).mean(dim=2), _pick(seen, hips).all(dim=2)
        everything = zero_masked(x, seen).sum(dim=(1, 2)) / seen.sum(dim=(1, 2)).clamp(min=1).unsqueeze(-1)
        origin = torch.where(hip_seen.any(dim=1, keepdim=True), masked_mean(hip, hip_seen), everything)
        torso_seen = hip_seen & _pick(seen, neck).all(dim=2)
        torso = masked_mean((_pick(x, neck).mean(dim=2) - hip).norm(dim=-1), torso_seen).clamp(min=self._SHORTEST_M)
        torso = torch.where(torso_seen.any(dim=1), torso, torch.full_like(torso, self._TORSO_M))
        across = masked_mean(x[:, :, left] - x[:, :, right], seen[:, :, left] & seen[:, :, right])
        yaw = torch.atan2(across[:, 2], across[:, 0])
        cos, sin, zero = yaw.cos(), yaw.sin(), torch.zeros_like(yaw)
        # About y, which points down in an optical frame (REP 103).
        turn = torch.stack([cos, zero, sin, zero, zero + 1, zero, -sin, zero, cos], dim=-1).reshape(-1, 3, 3)
        return torch.einsum("btjc,bdc->btjd", x - origin[:, None, None], turn) / torso[:, None, None, None]


def _pick(x: Tensor, joints: Sequence[int]) -> Tensor:
    """These joints of (B, N, J, …). A list as an index would be copied to the device, which a CUDA graph cannot do."""
    return torch.stack([x[:, :, joint] for joint in joints], dim=2)


def _body(modality: Modality) -> tuple[tuple[int, ...], ...]:
    """Joints whose mean is the hip, the neck, the left and the right shoulder; empty: there is no body."""
    if not modality.layout:
        return tuple((joint,) for joint in modality.body)
    known = layout(modality.layout)
    hips = ("hip_center",) if "hip_center" in known.joints else ("left_hip", "right_hip")
    necks = ("neck",) if "neck" in known.joints else ("left_shoulder", "right_shoulder")
    return tuple(tuple(known.index(*names)) for names in (hips, necks, ("left_shoulder",), ("right_shoulder",)))
