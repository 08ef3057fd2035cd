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

"""What a dataset yields: recordings of one person with their labels."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mumu_ros.model.config import ConfigError
from mumu_ros.model.preprocessing import Preprocessing
from mumu_ros.model.taxonomy import IDLE
from mumu_ros.streams import NS_PER_S

__all__ = [
    "FEWEST_FRAMES",
    "Clip",
    "ClipInfo",
    "Dataset",
    "DatasetError",
    "Segment",
    "Stream",
    "fills_window",
    "lonely_activity",
    "parse_subjects",
    "unlike_names",
]

FEWEST_FRAMES = 5
"""That show a person, of a clip of skeletons."""
_MAX_SUBJECTS = 100_000
_LEAST_FILLED = 0.9
"""Share of a window that a clip of only one has to fill."""


class DatasetError(ValueError):
    """A dataset, or a file of it, is not there or not as it should be; the text names it and the remedy."""


@dataclass(frozen=True, order=True)
class ClipInfo:
    """What is known of a clip before it is read; protocols choose by it.

    Attributes:
        id: Its name, unique in the dataset and the same on every machine.
        subject: The person.
        activity: What is done in it, or a group's name if only that is known; empty: several things, the clip's
            segments say.
        session: Which of the subject's recordings it is; 0 where the dataset has none.
        scene: Where it was recorded; 0 where the dataset has no scenes.
        camera: Whose images it holds; 0 where the dataset does not tell cameras apart.
    """

    id: str
    subject: int
    activity: str = ""
    session: int = 0
    scene: int = 0
    camera: int = 0


@dataclass(frozen=True, eq=False)
class Stream:
    """One modality's samples.

    Attributes:
        stamps_ns: int64 (T,), acquisition times, ascending.
        samples: T samples, as `Preprocessing.prepare` gives them.
    """

    stamps_ns: np.ndarray
    samples: Sequence[np.ndarray] | np.ndarray


@dataclass(frozen=True)
class Segment:
    """What a person does in [start_ns, end_ns)."""

    start_ns: int
    end_ns: int
    activity: str


@dataclass(frozen=True, eq=False)
class Clip:
    """One recording of one person.

    Attributes:
        streams: By modality.
        segments: What is done when, in time order, without overlap.
        subject: The person; protocols split by this.
        id: As in its `ClipInfo`.
        beyond_s: Seconds of its labels before the first or after the last sample, which are not in the segments.
    """

    streams: Mapping[str, Stream]
    segments: tuple[Segment, ...]
    subject: int
    id: str = ""
    beyond_s: float = 0.0


class Dataset(Protocol):
    """Clips by name. Making one lists them; reading one opens its files.

    Attributes:
        clips: What there is, sorted by id.
        streams: Modality names that its clips can have.
    """

    @property
    def clips(self) -> tuple[ClipInfo, ...]:  # noqa: D102 - see Attributes
        ...
    @property
    def streams(self) -> tuple[str, ...]:  # noqa: D102 - see Attributes
        ...

    def read(self, clip: ClipInfo, preprocessing: Preprocessing) -> Clip:
        """Read a clip's streams that the model of `preprocessing` has, every sample prepared.

        Raises:
            DatasetError: A file is missing, damaged or senseless: the clip is to be skipped.
        """
        ...


def fills_window(start_ns: int, end_ns: int, window_s: float) -> bool:
    """Whether training takes a window from a clip with samples in [start_ns, end_ns).

    A tenth of the window may be missing: the samples of a label of a window's length span less than it.
    """
    return end_ns - start_ns >= _LEAST_FILLED * window_s * NS_PER_S


def lonely_activity(activities: Collection[str]) -> str:
    """A sentence on what a model learns of one activity only; empty: there are several, or none."""
    if len(activities) != 1:
        return ""
    return f"{next(iter(activities))} is the only activity: the model always answers with it; label rest, too ({IDLE})"


def unlike_names(streams: Collection[str], modalities: Collection[str]) -> str:
    """A sentence on the streams of a dataset that no modality takes, and the modalities without one; empty: none.

    Args:
        streams: Those of which there are samples.
        modalities: Those of the model.
    """
    missing = ", ".join(name for name in modalities if name not in streams)
    unused = ", ".join(name for name in streams if name not in modalities)
    if not unused:
        return f"no clip has {missing}, of which the model learns nothing" if missing else ""
    names = f"no clip has {missing} and " * bool(missing) + f"the model does not take {unused}"
    return f"{names}; a modality (model.modalities) has the name of the stream that it takes"


def parse_subjects(text: str, name: str = "subjects") -> tuple[int, ...]:
    """Subjects, or what else `name` says for errors, written as `1,3,10-12`, both ends included; each once.

    Raises:
        ConfigError: The text is something else, or empty.
    """
    subjects: list[int] = []
    for part in str(text).split(","):
        first, _, last = part.strip().partition("-")
        if not first.isdecimal() or (last and (not last.isdecimal() or int(last) < int(first))):
            raise ConfigError(f"{name} are {text!r}; expected numbers and ranges such as 1,3,10-12")
        if len(subjects) + int(last or first) - int(first) >= _MAX_SUBJECTS:
            raise ConfigError(f"{name} are {text!r}; expected at most {_MAX_SUBJECTS} of them")
        subjects.extend(range(int(first), int(last or first) + 1))
    return tuple(dict.fromkeys(subjects))
