"""What is remembered of one person from decision to decision, and what its window shows at one instant."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from mumu_ros.fault_codes import FaultCode
from mumu_ros.health import HealthMonitor
from mumu_ros.recognition.backends import Outputs
from mumu_ros.recognition.features import FeatureCache
from mumu_ros.recognition.smoothing import Smoother
from mumu_ros.streams import Window, WindowAssembler

__all__ = ["Body", "Look"]


@dataclass(eq=False)
class Body:
    """What is remembered of one person from decision to decision.

    Attributes:
        windows: Its samples.
        caches: Its encoded frames, by image modality.
        smoothers: Of groups and of activities.
        health: Looks at its sensors, or None.
        recording: How often its samples were forgotten.
    """

    windows: WindowAssembler
    caches: dict[str, FeatureCache]
    smoothers: tuple[Smoother, Smoother]
    health: HealthMonitor | None
    recording: int = 0
    _timeline: tuple[int, int] = (0, 0)

    def follow(self, timeline: tuple[int, int]) -> None:
        """Another recording, or a jump back in time, makes everything begin anew."""
        if timeline == self._timeline:
            return
        self._timeline = timeline
        for part in (*self.smoothers, *self.caches.values(), self.health):
            if part is not None:
                part.clear()


@dataclass(eq=False)
class Look:
    """One body at one instant.

    Attributes:
        name: Of the body.
        body: What is remembered of it.
        window: What it has shown.
        caches: Where the encoded frames of that are, by image modality.
        coverage: Of the modalities, (M,).
        others: Modalities whose samples come and are not of this body.
        names: The modalities with enough samples.
        inputs: What the network is given of those.
        masks: Which steps are there.
        said: What the network made of some of the modalities.
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
    said: dict[tuple[str, ...], Outputs] = field(default_factory=dict)
    is_due: bool = field(init=False)

    def __post_init__(self) -> None:
        self.is_due = self.body.health is not None and self.body.health.is_due(self.window.end_ns)

    def faults(self, present: np.ndarray) -> tuple[FaultCode, ...]:
        """What is wrong with each modality; `present` are those that took part."""
        verdict = self.body.health.verdict if self.body.health else ()
        found = [v.fault for v in verdict] or [FaultCode.NONE] * len(present)
        for index, (name, coverage) in enumerate(zip(self.window.series, self.coverage, strict=True)):
            if not found[index] and not present[index]:
                absent = FaultCode.UNASSIGNED if name in self.others else FaultCode.SILENT
                found[index] = FaultCode.SPARSE if coverage else absent
        return tuple(found)

    def candidates(self) -> list[tuple[str, ...]]:
        """The modalities to decide by: what is stuck is left out; what only looks odd, where that is surer."""
        health = self.body.health
        if health is None:
            return [tuple(self.inputs)]
        without = [tuple(n for n in self.inputs if n not in left_out) for left_out in (health.stuck, health.accused)]
        return [names or tuple(self.inputs) for names in without]
