from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from mumu_ros.conversions import array_to_image, array_to_imu
from mumu_ros.recordings import RecordingWriter
from mumu_ros.recordings.convert import register as register_convert
from mumu_ros.recordings.simulate import register as register_simulate

IMU_PERIOD_NS = 10_000_000
START_NS = 1_700_000_000_000_000_000


@pytest.fixture
def mumu() -> Callable[[Sequence[object]], int]:
    """Run a command of recordings; its exit status."""

    def run(arguments: Sequence[object]) -> int:
        parser = argparse.ArgumentParser(prog="mumu")
        commands = parser.add_subparsers(required=True)
        register_simulate(commands)
        register_convert(commands)
        parsed = parser.parse_args([str(argument) for argument in arguments])
        return parsed.run(parsed)

    return run


@pytest.fixture
def write_recording() -> Callable[..., list[tuple[str, int]]]:
    """Write IMU samples at 100 Hz and images at 20 Hz; the (topic, stamp) of every message in order."""

    def write(path: Path, storage: str = "mcap", samples: int = 100) -> list[tuple[str, int]]:
        rng = np.random.default_rng(0)
        rows = []
        with RecordingWriter(path, storage) as writer:
            for index in range(samples):
                stamp_ns = START_NS + index * IMU_PERIOD_NS
                imu = array_to_imu(np.full((2, 3), float(index)), stamp_ns, "wrist", writer.types)
                writer.write("/imu/wrist", "sensor_msgs/msg/Imu", imu, stamp_ns)
                rows.append(("/imu/wrist", stamp_ns))
                if index % 5 == 0:
                    pixels = rng.integers(0, 255, (60, 80, 3), np.uint8)
                    image = array_to_image(pixels, stamp_ns, "camera", writer.types)
                    writer.write("/camera", "sensor_msgs/msg/Image", image, stamp_ns + 1)
                    rows.append(("/camera", stamp_ns + 1))
        return rows

    return write


@pytest.fixture
def write_utd_mhad() -> Callable[..., Path]:
    """Write tiny clips in the format of UTD-MHAD; the root."""
    savemat = pytest.importorskip("scipy.io", reason="UTD-MHAD needs scipy (extra train)").savemat

    def write(root: Path, names: Sequence[str], frames: int = 6, samples: int = 16) -> Path:
        rng = np.random.default_rng(0)
        for name in names:
            for modality, variable, array in (
                ("depth", "d_depth", rng.integers(0, 4000, (240, 320, frames)).astype(np.uint16)),
                ("skeleton", "d_skel", rng.normal(size=(20, 3, frames))),
                ("inertial", "d_iner", rng.normal(size=(samples, 6))),
            ):
                folder = root / modality.capitalize()
                folder.mkdir(parents=True, exist_ok=True)
                savemat(folder / f"{name}_{modality}.mat", {variable: array}, do_compression=True)
        return root

    return write
