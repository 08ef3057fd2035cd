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

"""Datasets: each a module; `open_dataset` knows them by name."""

from __future__ import annotations

from collections.abc import Callable, Collection

from mumu_ros.datasets.clips import Dataset, DatasetError
from mumu_ros.datasets.file_reading import select_clips
from mumu_ros.registry import Registry

__all__ = ["ANIMATED", "DATASETS", "SEVERAL", "open_dataset"]

ANIMATED = "animated"
"""Name of the generated dataset, which has no folder."""

_SKELETONS = ("msr_action3d", "florence3d", "utkinect", "kard")

DATASETS: Registry[Callable[[str, Collection[int] | None], Dataset]] = Registry(
    "mumu_ros.datasets",
    {
        "simulator": "mumu_ros.datasets.simulated:SimulatorDataset",
        "utd_mhad": "mumu_ros.datasets.utd_mhad_clips:UtdMhadDataset",
        "mmact": "mumu_ros.datasets.mmact:MmactDataset",
        "folder": "mumu_ros.datasets.folder:FolderDataset",
        ANIMATED: "mumu_ros.datasets.animated:AnimatedDataset",
        "utd_mhad_front": "mumu_ros.datasets.front_end:FrontEndDataset",
        **{name: f"mumu_ros.datasets.skeleton_sets:{name}" for name in _SKELETONS},
    },
)
"""What `open_dataset` calls with a root and subjects; docs/datasets.md describes them, docs/extending.md adds one."""

SEVERAL = "people"
"""Stands for several datasets in a training configuration."""


def open_dataset(name: str, root: str, *, subjects: Collection[int] | None = None, seconds: float = 60.0) -> Dataset:
    """List the clips of a dataset.

    Args:
        name: One of `DATASETS`.
        root: Its folder; empty for the simulator and for animated people. utd_mhad is looked for where this is empty.
        subjects: Whose clips to list; None: everybody's. Subjects that the dataset does not have are left out.
        seconds: Length of a simulated clip.

    Raises:
        DatasetError: There is no such dataset, it is not at `root`, or no clip of these subjects is there.
    """
    dataset = _open(name, root, subjects, seconds)
    select_clips(name, dataset.clips, subjects)
    return dataset


def _open(name: str, root: str, subjects: Collection[int] | None, seconds: float) -> Dataset:
    if name == "simulator":
        from mumu_ros.datasets.simulated import SimulatorDataset

        return SimulatorDataset(root, subjects, seconds)
    if name == SEVERAL:
        raise DatasetError(
            f"{SEVERAL} is several datasets in the folders of {root!r}, for training only; name one of them"
        )
    if name not in DATASETS:
        raise DatasetError(f"no dataset {name!r}; there are {', '.join(DATASETS)}")
    dataset: Dataset = DATASETS[name](root, subjects)
    return dataset
