"""The windows of a model's inputs."""

from __future__ import annotations

from mumu_ros.model.config import ModelConfig
from mumu_ros.streams import StreamSpec, WindowAssembler

__all__ = ["window_assembler"]


def window_assembler(config: ModelConfig) -> WindowAssembler:
    """An empty assembler for a model's modalities: the same live, in evaluation and in training."""
    specs = [
        StreamSpec(m.name, "frames" if m.is_image else "vector", m.rate_hz, m.shape, m.max_gap_s, bool(m.layout))
        for m in config.modalities
    ]
    return WindowAssembler(specs, config.window_s)
