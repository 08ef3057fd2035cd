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

"""What tests of several subpackages share: models, the pose network's weights, a real video, a browser, one process.

It says how they are run, too. `make check` leaves out SLOW_PARTS and what is marked `slow`. `make test` runs all: first
what is not `serial`, in several processes, then the rest. `serial` is what a busy machine disturbs: measurements, and
nodes whose sensors keep time.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import torch
from hypothesis import settings
from torch import nn

from mumu_ros.model.calibration import Calibration
from mumu_ros.model.checkpoint import load_checkpoint, save_checkpoint
from mumu_ros.model.config import ModelConfig
from mumu_ros.model.modality import Modality
from mumu_ros.model.network import Network
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.people import Person, WeightsError, find_weights

M = TypeVar("M", bound=nn.Module)
VIDEO = Path(__file__).resolve().parents[2] / "shared" / "data" / "video" / "two_people_indoor.mp4"

SLOW_PARTS = ("nodes", "benchmarks", "training", "datasets", "research", "test_cli.py", "test_own_activities.py")
TESTS = Path(__file__).resolve().parent

torch.set_num_threads(1)
# Tests say nothing about time: this machine has other work, too.
settings.register_profile("mumu", deadline=None)
settings.load_profile("mumu")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fast", action="store_true", help="no ROS, no browser, no training, nothing slow: `make check`")


def part_of_tests(path: Path) -> str:
    """Folder or file of test/ that a test is in, or `research`."""
    return path.relative_to(TESTS).parts[0] if path.is_relative_to(TESTS) else "research"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return (
        True
        if config.getoption("fast") and collection_path.parent == TESTS and part_of_tests(collection_path) in SLOW_PARTS
        else None
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker("serial")
    if config.getoption("fast"):
        left_out = [item for item in items if item.get_closest_marker("slow") or item.get_closest_marker("serial")]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture
def tiny_model(tmp_path: Path) -> Path:
    """Folder of an untrained model: rgb 32×32 and depth 32×32 at 10 Hz, an IMU at 50 Hz, one second."""
    torch.manual_seed(3)
    modalities = (
        Modality("rgb", "rgb", (32, 32, 3), 10.0, "small_cnn", mean=(128.0,), std=(64.0,)),
        Modality("depth", "depth", (32, 32, 1), 10.0, "small_cnn", mean=(2.0,), std=(2.0,)),
        Modality("imu", "vector", (2, 3), 50.0, "cooccurrence", std=(10.0, 10.0, 10.0, 3.0, 3.0, 3.0), stride=5),
    )
    taxonomy = Taxonomy("tiny", {"gesture": ("wave", "point"), "gait": ("walk", "run", "stand")})
    config = ModelConfig("tiny", modalities, taxonomy, window_s=1.0, feature_size=16)
    path = tmp_path / "tiny"
    save_checkpoint(path, Network(config).eval(), calibration=Calibration(temperature=1.5))
    return path


@pytest.fixture
def watchful_model(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`tiny_model` that knows sensors full of noise as healthy ones."""
    from mumu_ros.health import save_health
    from mumu_ros.training.health import learn_health
    from mumu_ros.training.windows import WindowSet

    checkpoint, rng, count = load_checkpoint(tiny_model), np.random.default_rng(0), 100
    windows = WindowSet(
        frames={
            "rgb": rng.integers(0, 255, (count, 32, 32, 3), np.uint8),
            "depth": rng.uniform(0.5, 4, (count, 32, 32, 1)).astype(np.float16),
        },
        indices={name: rng.integers(0, count, (count, 10), np.int32) for name in ("rgb", "depth")},
        vectors={"imu": rng.normal(size=(count, 50, 2, 3)).astype(np.float32)},
        masks={"imu": np.ones((count, 50), np.bool_)},
        activity=np.zeros(count, np.int64),
        subject=np.arange(count) % 2,
        inside=np.ones(count, np.bool_),
        clip=np.array(["clip"] * count),
    )
    monkeypatch.setattr("mumu_ros.training.health._STEPS", 100)
    save_health(tiny_model, learn_health(checkpoint, [windows]))
    return tiny_model


@pytest.fixture
def trained() -> Callable[[M], M]:
    """trained(module): in evaluation mode, with batch statistics as training leaves them: nothing maps 0 to 0."""

    def train(module: M) -> M:
        for part in module.modules():
            if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
                nn.init.uniform_(part.bias, 0.1, 0.5)
                nn.init.uniform_(part.running_mean, -0.5, -0.1)
                nn.init.uniform_(part.running_var, 0.5, 2)
        return module.eval()

    return train


@pytest.fixture
def started() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """started(command, ignoring_sigint=False, **options): a process with its output in pipes, killed with the test.

    It is killed after five minutes at the latest, so that a test that reads its output does not wait without end.
    """
    processes: list[subprocess.Popen[str]] = []
    timers: list[threading.Timer] = []

    def start(command: list[str], *, ignoring_sigint: bool = False, **options: Any) -> subprocess.Popen[str]:
        def heed() -> None:  # else it is as the tests were started: ignored in a job of a script, under nohup
            signal.signal(signal.SIGINT, signal.SIG_IGN if ignoring_sigint else signal.SIG_DFL)
            signal.signal(signal.SIGHUP, signal.SIG_DFL)

        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "preexec_fn": heed}
        processes.append(subprocess.Popen(command, **{**pipes, **options}))
        timers.append(threading.Timer(300, processes[-1].kill))
        timers[-1].start()
        return processes[-1]

    yield start
    for timer in timers:
        timer.cancel()
    for process in processes:
        process.kill()
        process.communicate(timeout=20)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium under Selenium, which logs the console ("browser") and the network ("performance")."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="Selenium is not installed: run `make setup`")
    driver, chromium = shutil.which("chromedriver"), shutil.which("chromium") or shutil.which("google-chrome")
    if not (driver and chromium):
        pytest.skip("there is no browser: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1400,900"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield chrome
    chrome.quit()


class Serial:
    """Stands in for a pool of processes where a test is not about them: each takes seconds to start."""

    def __init__(self, *_: object, **__: object) -> None: ...

    def __enter__(self) -> Serial:
        return self

    def __exit__(self, *_: object) -> None: ...

    @staticmethod
    def submit(function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(function(*arguments))
        return future


@pytest.fixture
def no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clips are read in this process."""
    monkeypatch.setattr("mumu_ros.training.loading.worker_pool", Serial)


@dataclass
class ScriptedFinder:
    """Stands in for `PeopleFinder` where a test is not about the pose network: it sees whom the test says.

    Attributes:
        people: Who is in every picture.
        views: Who is in each picture in turn; None: `people`.
        seconds: What a picture takes.
        error: Raised by every picture.
        calls: The arguments of `update` so far.
    """

    people: list[Person] = field(default_factory=list)
    views: Iterator[Sequence[Person]] | None = None
    left_out: int = 0
    sees_part: bool = False
    sees_picture: bool = False
    tiny_size: float | None = None
    seconds: float = 0.0
    error: Exception | None = None
    calls: list[dict[str, Any]] = field(default_factory=list)

    def clear(self) -> None: ...

    def update(self, stamp_ns: int, rgb: Any, depth: Any = None, camera: Any = None) -> list[Person]:
        self.calls.append({"stamp_ns": stamp_ns, "rgb": rgb, "depth": depth, "camera": camera})
        time.sleep(self.seconds)
        if self.error:
            raise self.error
        return self.people if self.views is None else list(next(self.views))


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
