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

"""The report in a real browser: it renders, complains about nothing and asks nobody for anything."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mumu_ros.files import write_json

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
TIMEOUT_S = 60


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.attributes: list[tuple[str, str, str]] = []
        self.headings: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self._inside = tag

    def handle_data(self, data: str) -> None:
        if self._inside in ("h1", "h2") and data.strip():
            self.headings.append(data.strip())


def test_the_report_needs_no_other_file_and_no_script(evaluated: Path) -> None:
    text = (evaluated / "report.html").read_text()
    page = _Page(text)
    assert "script" not in {tag for tag, _, _ in page.attributes}
    assert "<script" not in text
    for _, name, value in page.attributes:
        if name in ("src", "href", "srcset", "data"):
            assert value.startswith("data:")
    assert not re.search(r"url\((?!#)|@import|https?://", text)


def test_the_report_has_what_it_is_for(evaluated: Path) -> None:
    text = (evaluated / "report.html").read_text()
    headings = _Page(text).headings
    assert headings[0].endswith("on person")
    for heading in ("Timeline", "Confusion", "Calibration", "Sensors", "Features"):
        assert heading in headings
    accuracy = json.loads((evaluated / "metrics.json").read_text())["pooled"]["accuracy"]
    assert f"{100 * accuracy:.1f} %" in text
    assert "imu_wrist: silent for 3.0 s" in text, "faults are marked"
    assert "imu_wrist: not used" in text


def complaints(page: Path, folder: Path) -> list[str]:
    """What a browser logs while it draws a page."""
    assert BROWSER is not None
    picture = folder / "report.png"
    result = subprocess.run(
        [
            BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}",
            "--enable-logging=stderr", f"--screenshot={picture}", "--window-size=1100,1400", f"file://{page}",
        ],
        capture_output=True, text=True, timeout=TIMEOUT_S, check=True,
    )  # fmt: skip
    assert picture.stat().st_size > 20_000, "a blank page is smaller"
    return [line for line in result.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no chromium: apt-get install chromium")
def test_a_browser_shows_the_report_without_complaint(evaluated: Path, tmp_path: Path) -> None:
    """The page's own policy forbids every request, so that one would be a complaint, too."""
    page = evaluated / "report.html"
    assert complaints(page, tmp_path) == []
    asking = tmp_path / "asking.html"
    asking.write_text(page.read_text().replace("</body>", '<img src="http://example.org/a.png"></body>'))
    assert len(complaints(asking, tmp_path)) == 1


def test_a_full_disk_leaves_no_file_that_looks_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, text: str, encoding: str) -> int:
        with self.open("w") as file:
            file.write(text[: len(text) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match=r"metrics\.json"):
        write_json(tmp_path / "metrics.json", {"a": 1})
    assert list(tmp_path.iterdir()) == []
