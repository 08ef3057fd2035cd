"""Clips from the simulator: as many people as one asks for."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from mumu_ros.model.preprocessing import Preprocessing
from mumu_ros.simulation import Simulator
from mumu_ros.training.clips import Clip, Segment, Stream

__all__ = ["load_subject"]


def load_subject(root: str, subject: int, seconds: float, preprocessing: Preprocessing) -> list[Clip]:
    """Simulate one performance of one person.

    Args:
        root: Not used: nothing is read.
        subject: The person; also the seed of the performance.
        seconds: Length of the clip.
        preprocessing: Of the model; streams that it does not have are left out.
    """
    del root
    simulator = Simulator(seed=subject, subject=subject, seconds=seconds)
    stamps: dict[str, list[int]] = defaultdict(list)
    samples: dict[str, list[np.ndarray]] = defaultdict(list)
    for sample in simulator.samples():
        if sample.stream in preprocessing.config.names:
            stamps[sample.stream].append(sample.stamp_ns)
            samples[sample.stream].append(preprocessing.prepare(sample.stream, sample.data))
    streams = {name: Stream(np.array(stamps[name], np.int64), samples[name]) for name in stamps}
    segments = tuple(Segment(s.start_ns, s.end_ns, s.activity) for s in simulator.segments)
    return [Clip(streams, segments, subject)]
