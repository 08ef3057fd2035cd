"""What a dataset yields: recordings of one person with their labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Clip", "Segment", "Stream"]


@dataclass(frozen=True, eq=False)
class Stream:
    """One modality's samples.

    Attributes:
        stamps_ns: int64 (T,), acquisition times, ascending.
        samples: T samples, as `Preprocessing.prepare` takes them.
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
        subject: Who it is; protocols split by this.
        session: Which of the subject's recordings it is.
    """

    streams: Mapping[str, Stream]
    segments: tuple[Segment, ...]
    subject: int
    session: int = 0
