"""The studies of the paper, and ours: each trains what is missing and writes one section of docs/results.md."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from mumu_ros.training.studies import ablation, attention, embedding, fusion, guidance, modalities, noise
from mumu_ros.training.studies.bench import Bench

__all__ = ["STUDIES", "Experiment"]


class Experiment(Protocol):
    """A table or figure that can be made again."""

    def __call__(self, bench: Bench) -> str:
        """Train what is missing on a bench, and say in Markdown what came out."""


STUDIES: Mapping[str, Experiment] = MappingProxyType(
    {
        "fusion": fusion.section,
        "modalities": modalities.section,
        "noise": noise.section,
        "ablation": ablation.section,
        "guidance": guidance.section,
        "attention": attention.section,
        "embedding": embedding.section,
    }
)
"""By the name that `mumu study` takes: tables 3, 5, 6 and 7, whether guided fusion pays, figures 1 and 4, figure 3."""
