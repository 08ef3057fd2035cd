"""The pose network's weights and a real video, where they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from mumu_ros.people import WeightsError, find_weights

VIDEO = Path(__file__).resolve().parents[3] / "shared" / "data" / "video" / "two_people_indoor.mp4"


@pytest.fixture(scope="session")
def weights() -> Path:
    """Folder of the weights."""
    try:
        return find_weights()
    except WeightsError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def video() -> Path:
    """Two people who stand face to face and push each other, indoors."""
    if not VIDEO.is_file():
        pytest.skip(f"no {VIDEO.name} in shared/data/video beside the repository")
    return VIDEO
