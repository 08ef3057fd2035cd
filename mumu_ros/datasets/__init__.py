"""Datasets: each a module; `open_dataset` knows them by name."""

from __future__ import annotations

from collections.abc import Collection

from mumu_ros.datasets.clips import Dataset, DatasetError
from mumu_ros.datasets.skeleton_sets import SKELETON_SETS, SkeletonSetDataset

__all__ = ["DATASETS", "open_dataset"]

DATASETS = ("simulator", "utd_mhad", "mmact", "folder", "people", "utd_mhad_front", *SKELETON_SETS)
"""The names that `open_dataset` knows; docs/datasets.md describes them."""


def open_dataset(name: str, root: str, *, subjects: Collection[int] | None = None, seconds: float = 60.0) -> Dataset:
    """List the clips of a dataset.

    Args:
        name: One of `DATASETS`.
        root: Its folder; not used by the simulator. utd_mhad is looked for where this is empty.
        subjects: Whose clips to list; None: everybody's. Subjects that the dataset does not have are left out.
        seconds: Length of a simulated clip.

    Raises:
        DatasetError: There is no such dataset, it is not at `root`, or no clip of these subjects is there.
    """
    # A dataset's module is imported when it is asked for: scipy and its like are needed by one of them only.
    if name == "simulator":
        from mumu_ros.datasets.simulator import SimulatorDataset

        return SimulatorDataset(subjects, seconds)
    if name == "utd_mhad":
        from mumu_ros.datasets.utd_mhad_clips import UtdMhadDataset

        return UtdMhadDataset(root, subjects)
    if name == "utd_mhad_front":
        from mumu_ros.datasets.front_end import FrontEndDataset

        return FrontEndDataset(root, subjects)
    if name in SKELETON_SETS:
        return SkeletonSetDataset(name, root, subjects)
    if name == "people":
        raise DatasetError(
            f"people is several datasets in the folders of {root!r}, for training only; name one of them"
        )
    if name == "mmact":
        from mumu_ros.datasets.mmact import MmactDataset

        return MmactDataset(root, subjects)
    if name == "folder":
        from mumu_ros.datasets.folder import FolderDataset

        return FolderDataset(root, subjects)
    raise DatasetError(f"no dataset {name!r}; there are {', '.join(DATASETS)}")
