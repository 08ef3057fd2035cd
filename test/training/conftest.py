"""A small model and clips of made-up people."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mumu_ros.model.config import Modality, ModelConfig
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.training.clips import Clip, Segment, Stream

S = 1_000_000_000
START = 1_700_000_000 * S


@pytest.fixture
def config() -> ModelConfig:
    modalities = (
        Modality("rgb", "rgb", (32, 32, 3), 5, "small_cnn"),
        Modality("depth", "depth", (32, 32, 1), 5, "small_cnn"),
        Modality("imu_wrist", "vector", (2, 3), 20, "cooccurrence", stride=4),
    )
    taxonomy = Taxonomy("t", {"still": ("stand", "sit"), "moving": ("walk",)})
    return ModelConfig("t", modalities, taxonomy, window_s=1.0, feature_size=8)


@pytest.fixture
def make_clip() -> Callable[..., Clip]:
    """make_clip(seed, subject=0): 6 s of prepared samples, 3 s standing and 3 s walking."""

    def make(seed: int, subject: int = 0) -> Clip:
        generator = np.random.default_rng(seed)

        def stream(rate: int, sample: Callable[[], np.ndarray]) -> Stream:
            times = np.arange(0, 6, 1 / rate) + generator.uniform(0, 0.2 / rate, 6 * rate)
            return Stream(START + (times * S).astype(np.int64), [sample() for _ in times])

        streams = {
            "rgb": stream(15, lambda: generator.integers(0, 256, (32, 32, 3), np.uint8)),
            "depth": stream(15, lambda: generator.uniform(1, 4, (32, 32, 1)).astype(np.float16).astype(np.float32)),
            "imu_wrist": stream(50, lambda: generator.normal(size=(2, 3)).astype(np.float32)),
        }
        segments = (Segment(START, START + 3 * S, "stand"), Segment(START + 3 * S, START + 6 * S, "walk"))
        return Clip(streams, segments, subject)

    return make
