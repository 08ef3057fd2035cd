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

"""The members of a network, each fitted by itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mumu_ros.model.network import Network
from mumu_ros.training.fit import discard, fit, reserve_training
from mumu_ros.training.settings import Settings
from mumu_ros.training.windows import WindowSet

__all__ = ["discard_members", "fit_members", "member_seeds"]

_MEMBER = "member_"
"""Begin of the names of the members' folders."""


def fit_members(
    settings: Settings,
    windows: Callable[[int], WindowSet],
    work: Path | None,
    *,
    init: Network | None = None,
    progress: bool = True,
    whole: Path | None = None,
) -> Network:
    """Train every member, each with a seed of its own, and put them together.

    Args:
        settings: What to train and how.
        windows: Given a seed, what to train on.
        work: See `fit`; several members have a folder each in it.
        init: Network of the same configuration, each member of which one begins with; None: random weights.
        progress: Show progress bars.
        whole: Folder that `work` is a part of, as that of a cross-validation is; None: it is none.

    Raises:
        ConfigError, OSError: See `fit`.
    """
    whole = whole or work
    seeds = member_seeds(settings)
    begin = init.members() if init else [None] * len(seeds)
    members: list[Network] = []
    for index, (seed, first) in enumerate(zip(seeds, begin, strict=True)):
        taught, folder = windows(seed), work
        if work and len(seeds) > 1:
            if not members:
                # Of all members, before the first is trained: a folder of another training is found out now.
                reserve_training(work, settings, taught, init, whole)
            folder = work / f"{_MEMBER}{index + 1}"
        one = replace(settings, model=replace(settings.model, members=1)).with_seed(seed)
        members.append(fit(one, taught, folder, init=first, progress=progress, whole=whole))
    return Network.of(members)


def member_seeds(settings: Settings) -> list[int]:
    """The members' seeds; trainings of other seeds have others."""
    count = settings.model.members
    return [settings.optimization.seed * count + index for index in range(count)]


def discard_members(work: Path) -> None:
    """Remove what the trainings of a network, or of its members, need to go on: see `discard`."""
    for folder in (work, *work.glob(f"{_MEMBER}*")):
        discard(folder)
