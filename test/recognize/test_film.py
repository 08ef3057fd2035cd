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

"""The film that `mumu recognize --out` writes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mumu_ros.cli import main
from mumu_ros.recognize.film import Film
from mumu_ros.recognize.sources import SourceError, open_source

PICTURE = np.zeros((48, 64, 3), np.uint8)


def film(path: Path, times_s: Sequence[float]) -> tuple[float, int]:
    """Write pictures of these times; the rate of the film, and how many it has."""
    with Film(path) as written:
        for time_s in times_s:
            written.write(time_s, PICTURE, [], {})
    capture = cv2.VideoCapture(str(path.absolute()))
    count = 0
    while capture.read()[0]:
        count += 1
    return capture.get(cv2.CAP_PROP_FPS), count


@pytest.mark.parametrize(
    ("times_s", "rate_hz", "pictures"),
    [
        ([k / 20 for k in range(30)], 20.0, 30),
        ([0.0, *(2.0 + k / 10 for k in range(30))], 10.0, 50),  # a live camera, while the networks warm up
        ([k / 25 + (0.4 if k > 5 else 0.0) for k in range(30)], 25.0, 40),  # a pause among the first pictures
        ([0.0, 0.05, 0.1], 20.0, 3),  # fewer than the rate is taken from
        ([0.0, 0.05], 20.0, 2),
        ([0.0], 10.0, 1),
        ([k / 85.3333 for k in range(30)], 85.0, 30),  # the codec does not take such a fraction
        ([k / 20 for k in (*range(15), 14, *range(15, 30))], 20.0, 30),  # time has jumped back and stands still for one
        ([*(k / 20 for k in range(20)), 1e9], 20.0, 20 + 60 * 20 + 1),  # a clock that is set
    ],
)
def test_a_film_has_the_usual_rate_of_its_pictures(
    tmp_path: Path, times_s: list[float], rate_hz: float, pictures: int
) -> None:
    rate, count = film(tmp_path / "film.mp4", times_s)
    assert rate == pytest.approx(rate_hz, rel=1e-3)
    assert count == pictures


@given(st.lists(st.tuples(st.floats(0.01, 0.3), st.integers(1, 30)), min_size=1, max_size=4), st.floats(0, 0.2))
@example([(0.08, 12), (0.033, 100)], 0.0)  # a camera while the networks warm up
@example([(0.033, 120), (0.1, 60)], 0.0)  # a camera in the evening
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_film_is_as_long_as_what_it_shows(tmp_path: Path, periods: list[tuple[float, int]], jitter: float) -> None:
    rng = np.random.default_rng(0)
    steps_s = np.concatenate([np.full(count, period_s) for period_s, count in periods])
    times_s = np.cumsum(steps_s * rng.uniform(1 - jitter, 1 + jitter, len(steps_s)))
    rate, count = film(tmp_path / "film.mp4", [0.0, *times_s])
    assert count / rate == pytest.approx(times_s[-1] + 1 / rate, rel=1e-3, abs=1 / rate)


def test_a_name_may_have_a_colon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert film(Path("2026-11-29T12:30.mp4"), [k / 10 for k in range(20)]) == (10.0, 20)
    assert len(list(open_source("2026-11-29T12:30.mp4"))) == 20


def test_without_pictures_there_is_no_film(tmp_path: Path) -> None:
    with Film(tmp_path / "film.mp4"):
        pass
    assert not (tmp_path / "film.mp4").exists()


def test_pictures_of_another_size_are_fitted_into_the_film(tmp_path: Path) -> None:
    with Film(tmp_path / "film.mp4") as written:
        for k in range(20):
            written.write(k / 10, PICTURE if k < 15 else PICTURE[:, :32], [], {})
    assert cv2.VideoCapture(str(tmp_path / "film.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == 20


def test_after_an_error_the_film_has_what_was_seen_before(tmp_path: Path) -> None:
    with suppress(SourceError), Film(tmp_path / "film.mp4") as written:
        written.write(0.0, PICTURE, [], {})
        raise SourceError("the next picture cannot be decoded")
    assert cv2.VideoCapture(str(tmp_path / "film.mp4")).read()[0]


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from mumu_ros.recognize.film import Film

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
rng = np.random.default_rng(0)
with Film(Path(sys.argv[1])) as film:
    for k in range(40):
        film.write(k / 10, rng.integers(0, 255, (48, 64, 3), np.uint8), [], {})
"""


def test_a_film_for_which_the_disk_has_no_room_is_an_error_and_leaves_the_one_before(tmp_path: Path) -> None:
    (tmp_path / "film.mp4").write_text("an older film")
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path / "film.mp4")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert "film.mp4' cannot be written as MP4; is there room on the disk?" in done.stderr
    assert done.returncode == 1
    assert [path.read_text() for path in tmp_path.iterdir()] == ["an older film"]


def test_a_film_that_would_replace_its_source_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, link = tmp_path / "seen.mp4", tmp_path / "link.mp4"
    source.write_bytes(b"precious")
    link.symlink_to(source)
    for read, written in ((source, source), (source, link), (link, source)):
        assert main(["recognize", str(read), "--out", str(written)]) == 2
        assert f"--out is '{written}', which is the source; name another file" in capsys.readouterr().err
    assert source.read_bytes() == link.read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("film.avi", "expected a file that ends in .mp4"),
        ("folder.mp4", "expected a file that ends in .mp4"),
        ("file/film.mp4", "file"),
        (os.fsdecode(b"M\xfcller.mp4"), r"M\udcfcller.mp4' is not valid UTF-8; rename it"),
    ],
)
def test_what_no_film_can_be_written_to_is_refused_before_anything_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, out: str, message: str
) -> None:
    (tmp_path / "folder.mp4").mkdir()
    (tmp_path / "file").touch()
    monkeypatch.setattr("mumu_ros.recognition.Session.open", pytest.fail)
    assert main(["recognize", "0", "--out", str(tmp_path / out)]) == 2
    assert message in capsys.readouterr().err
