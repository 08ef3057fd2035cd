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

"""Where the joints of a person are, seen in a depth image."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample

from mumu_ros.model.layers import conv_block
from mumu_ros.model.modality import Modality

__all__ = ["PoseCNN"]


class PoseCNN(nn.Module):
    """Depth images without background to the joints of the person in them, in metres in the camera's optical frame.

    The network sees a window of 2.2 m by 1.6 m around the middle of all readings, at the same scale wherever the person
    stands; what it finds there is added to where that is. About 5 MFLOP a frame and 10⁵ parameters. While it learns,
    the window is moved a little: hands of an unseen person are then a quarter less off (research/results.md).
    """

    _WINDOW = (64, 48)
    _HEIGHT_M = 2.16
    _WIDTHS = (16, 32, 48, 64)
    _SQUEEZED = 32
    _HIDDEN = 128
    _JITTER = 2 / 32
    _RELIEF_M = 0.5

    def __init__(self, modality: Modality) -> None:
        super().__init__()
        self.joints = modality.joints
        self.focal = modality.focal
        height, width = (size // 2 ** len(self._WIDTHS) for size in self._WINDOW)
        self.convolutions = nn.Sequential(
            *[conv_block(a, b, (3, 3), stride=2) for a, b in pairwise((2, *self._WIDTHS))],
            conv_block(self._WIDTHS[-1], self._SQUEEZED, (1, 1)),
        )
        self.project = nn.Linear(self._SQUEEZED * height * width, self._HIDDEN)
        self.joint = nn.Linear(self._HIDDEN, 3 * self.joints)

    def forward(self, frames: Tensor) -> Tensor:
        """(N, H, W, 1) metres, 0 for no reading, to (N, 3 · joints): x, y, z of each joint, as `poses` are laid out."""
        images = frames.permute(0, 3, 1, 2)
        middle, place = self._middle(images)
        windows = self._window(images, middle, place[:, 2])
        reading = (windows > 0).to(windows.dtype)
        relief = ((windows - place[:, 2].reshape(-1, 1, 1, 1)) / self._RELIEF_M).clamp(-4, 4) * reading
        features = self.convolutions(torch.cat([relief, reading], dim=1)).flatten(1)
        joints = self.joint(torch.relu(self.project(features))).reshape(-1, self.joints, 3)
        found: Tensor = (joints + place.unsqueeze(1)).flatten(1)
        return found

    def _middle(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean of the readings, as (x, y) from −1 to 1 (N, 2) and in metres (N, 3); an empty image's is nowhere."""
        height, width = images.shape[2:]
        reading = (images[:, 0] > 0).to(images.dtype)
        count = reading.sum(dim=(1, 2)).clamp(min=1)
        x, y = reading.sum(dim=1) @ _centers(width, images), reading.sum(dim=2) @ _centers(height, images)
        middle = torch.stack([x / count, y / count], dim=1)
        z = images[:, 0].sum(dim=(1, 2)) / count
        half_m = z / (2 * self.focal)  # Half of the picture's width at that distance.
        place = torch.stack([middle[:, 0] * half_m, middle[:, 1] * half_m * height / width, z], dim=1)
        return middle, place

    def _window(self, images: Tensor, middle: Tensor, z: Tensor) -> Tensor:
        """The pixels around the middle, (N, 1, *_WINDOW), 0 beyond the picture."""
        height, width = images.shape[2:]
        tall = self._HEIGHT_M * self.focal * width / (z.clamp(min=0.1) * height)  # In heights of the picture.
        wide = tall * height / width * self._WINDOW[1] / self._WINDOW[0]
        size = torch.stack([wide, tall], dim=1)
        if self.training:
            middle = middle + size * self._JITTER * (2 * torch.rand_like(middle) - 1)
        x = middle[:, :1] + wide.unsqueeze(1) * _centers(self._WINDOW[1], z)
        y = middle[:, 1:] + tall.unsqueeze(1) * _centers(self._WINDOW[0], z)
        places = [x.unsqueeze(1).expand(-1, *self._WINDOW), y.unsqueeze(2).expand(-1, *self._WINDOW)]
        grid = torch.stack(places, dim=-1)
        # A mean of foreground and background would be a distance that nothing has.
        return grid_sample(images, grid, mode="nearest", align_corners=False)


def _centers(count: int, like: Tensor) -> Tensor:
    """Where the middles of so many pixels are between −1 and 1."""
    return (torch.arange(count, dtype=like.dtype, device=like.device) + 0.5) * 2 / count - 1
