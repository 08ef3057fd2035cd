"""Datasets: each a module with a function that loads the clips of one subject."""

from __future__ import annotations

from collections.abc import Callable

from mumu_ros.model.preprocessing import Preprocessing
from mumu_ros.training.clips import Clip
from mumu_ros.training.datasets import simulator

__all__ = ["DATASETS", "LoadSubject", "load_subject"]

LoadSubject = Callable[[str, int, float, Preprocessing], list[Clip]]
"""(root folder, subject, seconds wanted or 0 for all, preprocessing) → clips of prepared samples."""

DATASETS: dict[str, LoadSubject] = {"simulator": simulator.load_subject}


def load_subject(dataset: str, root: str, subject: int, seconds: float, preprocessing: Preprocessing) -> list[Clip]:
    """Load the clips of one subject, every sample prepared.

    Raises:
        ValueError: There is no such dataset.
    """
    if dataset not in DATASETS:
        raise ValueError(f"no dataset {dataset!r}; there are {', '.join(DATASETS)}")
    return DATASETS[dataset](root, subject, seconds, preprocessing)
