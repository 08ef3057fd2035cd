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

"""The state of one person between decisions, and its window at one instant."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from mumu_ros.fault_codes import FaultCode
from mumu_ros.health import HealthMonitor, ModalityHealth, find_fault
from mumu_ros.model.modality import Modality
from mumu_ros.recognition.backends import Outputs
from mumu_ros.recognition.feature_cache import FeatureCache
from mumu_ros.recognition.smoothing import Smoother
from mumu_ros.streams import Window, WindowAssembler

__all__ = ["Body", "Snapshot"]


@dataclass(eq=False)
class Body:
    """State of one person between decisions.

    Attributes:
        windows: The samples.
        caches: Encoded frames, by image modality.
        smoothers: Of groups, of activities and of the novelty.
        health: Evaluates the sensors, or None.
        faults: Faults that the samples show by themselves, by modality, and the end of the first window that did.
        recording: Number of times the samples were dropped.
    """

    windows: WindowAssembler
    caches: dict[str, FeatureCache]
    smoothers: tuple[Smoother, Smoother, Smoother]
    health: HealthMonitor | None
    faults: dict[str, tuple[FaultCode, int]] = field(default_factory=dict)
    recording: int = 0
    _timeline: tuple[int, int] = (0, 0)

    @property
    def skipped_frames(self) -> int:
        """Number of frames that its caches dropped."""
        return sum(cache.skipped for cache in self.caches.values())

    def follow(self, timeline: tuple[int, int]) -> None:
        """Reset when the recording changes or time jumps back."""
        if timeline == self._timeline:
            return
        self._timeline = timeline
        for part in (*self.smoothers, *self.caches.values(), self.health, self.faults):
            if part is not None:
                part.clear()


@dataclass(eq=False)
class Snapshot:
    """One body at one instant.

    Attributes:
        name: Of the body.
        body: Its state.
        window: Its window.
        caches: The encoded frames of the window, by image modality.
        coverage: Of the modalities, (M,).
        others: Modalities whose samples arrive but are not of this body.
        names: The modalities with enough samples, without the stuck ones.
        inputs: Network inputs of those.
        masks: Which steps are present.
        outputs: Network outputs by the modalities used.
    """

    name: str
    body: Body
    window: Window
    caches: dict[str, FeatureCache]
    coverage: np.ndarray
    others: frozenset[str]
    names: list[str] = field(default_factory=list)
    inputs: dict[str, torch.Tensor] = field(default_factory=dict)
    masks: dict[str, np.ndarray] = field(default_factory=dict)
    outputs: dict[tuple[str, ...], Outputs] = field(default_factory=dict)
    is_due: bool = field(init=False)

    def __post_init__(self) -> None:
        self.is_due = self.body.health is not None and self.body.health.is_due(self.window.end_ns)

    def choose(self, modalities: Iterable[Modality]) -> None:
        """Set `names`: of these modalities all that are not stuck, if there is one."""
        found = {m.name: find_fault(m, self.window.series[m.name]) for m in modalities}
        known, now = self.body.faults, (FaultCode.NONE, self.window.end_ns)
        self.body.faults = {name: (fault, known.get(name, now)[1]) for name, fault in found.items() if fault}
        self.names = [n for n, fault in found.items() if fault is not FaultCode.STUCK] or list(found)

    @property
    def health(self) -> tuple[ModalityHealth, ...]:
        """Health of each modality; empty without a health model if no fault shows by itself."""
        state, faults = self.body.health.state if self.body.health else (), self.body.faults
        if not state and not faults:
            return ()
        unknown = ModalityHealth(np.nan)
        state = state or (unknown,) * len(self.coverage)
        # Of a modality with too few samples the health model cannot tell, whatever it flagged before.
        return tuple(
            replace(health, fault=faults[name][0], since_ns=faults[name][1])
            if name in faults
            else (health if name in self.names else unknown)
            for name, health in zip(self.window.series, state, strict=True)
        )

    def faults(self, present: np.ndarray) -> tuple[FaultCode, ...]:
        """Fault of each modality; `present` are those that took part."""
        found = [v.fault for v in self.health] or [FaultCode.NONE] * len(present)
        for index, (name, coverage) in enumerate(zip(self.window.series, self.coverage, strict=True)):
            if not found[index] and not present[index]:
                absent = FaultCode.UNASSIGNED if name in self.others else FaultCode.SILENT
                found[index] = FaultCode.SPARSE if coverage else absent
        return tuple(found)

    def candidates(self) -> list[tuple[str, ...]]:
        """Sets of modalities to decide by: all; without those that the health model flags."""
        flagged = self.body.health.flagged if self.body.health else ()
        unflagged = tuple(n for n in self.inputs if n not in flagged)
        return [tuple(self.inputs), unflagged or tuple(self.inputs)]
