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

"""`mumu label` as somebody uses it: in a browser, with mouse and keys."""

from __future__ import annotations

import errno
import json
import os
import stat
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from mumu_ros import cli
from mumu_ros.labelling import cli as label_cli
from mumu_ros.labelling import server as label_server
from mumu_ros.labelling.cli import opener
from mumu_ros.labelling.footage import Footage, Trace
from mumu_ros.labelling.server import LabelServer, Session
from mumu_ros.model.taxonomy import find_taxonomy
from mumu_ros.recordings import Recording
from mumu_ros.recordings.label_files import Label, labels_path, read_labels, write_labels

S = 1_000_000_000
START_NS = 1_700_000_000 * S
GROUPS = {"gesture": ["wave", "point"], "gait": ["walk"]}


def labels_of(version: int, *rows: tuple[float, float, str]) -> bytes:
    """What the page sends: labels without a group, from, to and activity, made from those of a version."""
    labels = [{"start": start, "end": end, "group": "", "activity": activity} for start, end, activity in rows]
    return json.dumps({"version": version, "labels": labels}).encode()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "kitchen.labels.csv"


@pytest.fixture
def labelled() -> bool:
    """Whether somebody has annotated the recording, and says which activities there are."""
    return True


@pytest.fixture
def session(footage: Footage, target: Path, labelled: bool) -> Session:
    labels, groups = (footage.annotations, GROUPS) if labelled else ([], {})
    return Session("kitchen", footage, labels, target, groups, ["the bag is <not> whole"])


@contextmanager
def serving(session: Session, port: int = 0) -> Iterator[str]:
    """`mumu label` while it runs; the address that it prints."""
    with LabelServer(session, port) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server.address
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def address(session: Session) -> Iterator[str]:
    """Where the page is."""
    with serving(session) as where:
        yield where


class Page:
    """The page in a browser."""

    def __init__(self, browser: Any, address: str) -> None:
        from selenium.webdriver.common.by import By
        from selenium.webdriver.support.wait import WebDriverWait

        self._by = By
        self._browser = browser
        self._wait = WebDriverWait(browser, 20)
        self.address = address
        browser.get_log("browser"), browser.get_log("performance")  # forget what was before
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(address))  # another test may have had the port
        browser.execute_cdp_cmd("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "local_storage"})
        self.open(address)

    def open(self, address: str) -> None:
        """Go to an address, or load it again, whatever is not saved."""
        self._browser.get(address)
        self.until(lambda: self.all("figure") and self.one("figure img").get_property("naturalWidth"))

    def one(self, selector: str) -> Any:
        return self._browser.find_element(self._by.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[Any]:
        return self._browser.find_elements(self._by.CSS_SELECTOR, selector)

    def until(self, condition: Callable[[], Any]) -> None:
        self._wait.until(lambda _: condition())

    def segments(self) -> list[str]:
        return [row.text.replace("\n", " ") for row in self.all("#segments li")]

    def press(self, *keys: str) -> None:
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self._browser).send_keys(*keys).perform()

    def chord(self, modifier: str, key: str) -> None:
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self._browser).key_down(modifier).send_keys(key).key_up(modifier).perform()

    def typed(self, key: str, code: str, control: bool) -> bool:
        """Press a key of some keyboard; whether the page did something."""
        event = {"key": key, "code": code, "ctrlKey": control, "bubbles": True, "cancelable": True}
        script = "return !document.body.dispatchEvent(new KeyboardEvent('keydown', arguments[0]))"
        return bool(self._browser.execute_script(script, event))

    def drag(self, from_s: float, to_s: float, duration_s: float, meanwhile: str = "") -> None:
        """Drag in the row of segments, and press a key before the end."""
        from selenium.webdriver.common.action_chains import ActionChains

        canvas = self.one("#timeline")
        width, height = canvas.size["width"], canvas.size["height"]
        x, to_x = (round((at / duration_s - 0.5) * width) for at in (from_s, to_s))
        y = 16 + 22 + 20 - height // 2
        chain = ActionChains(self._browser, duration=50).move_to_element_with_offset(canvas, x, y).click_and_hold()
        chain.move_to_element_with_offset(canvas, (x + to_x) // 2, y).move_to_element_with_offset(canvas, to_x, y)
        if meanwhile:
            chain.send_keys(meanwhile).move_to_element_with_offset(canvas, to_x + 20, y)
        chain.release().perform()

    def errors(self) -> list[Any]:
        """What the browser complained about, but for late complaints about the page of another test."""
        here, *_ = self._browser.current_url.rsplit("/", 1)
        rows = self._browser.get_log("browser")
        return [row for row in rows if row["message"].startswith(here) or not row["message"].startswith("http")]

    def requested(self) -> set[str]:
        """Addresses of everything that the page asked for."""
        events = (json.loads(row["message"])["message"] for row in self._browser.get_log("performance"))
        return {e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"}


@pytest.fixture
def page(browser: Any, address: str) -> Page:
    return Page(browser, address)


def test_labels_of_another_clock_are_named(
    bag: Path, session: Session, target: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "the labels, from 1.000 to 4.000 s, all lie outside the recording, with stamps from 1700000000.000 to"
    rows = [Label(S, 2 * S, "g", "wave"), Label(3 * S, 4 * S, "g", "hop")]
    write_labels(target, rows)
    assert session.describe()["problems"][-1].startswith(text)
    monkeypatch.setattr("mumu_ros.labelling.cli._serve", lambda *_: 0)
    assert cli.main(["label", str(bag), "--out", str(target)]) == 0
    assert f"{target}: {text}" in capsys.readouterr().err
    write_labels(target, [rows[0], Label(session.footage.start_ns, session.footage.start_ns + S, "g", "hop")])
    text = "1 labels reach beyond the recording, with stamps from 1700000000.000 to"
    assert session.describe()["problems"][-1].startswith(text)
    assert cli.main(["label", str(bag), "--out", str(target)]) == 0
    assert f"{target}: {text}" in capsys.readouterr().err
    write_labels(target, [Label(session.footage.start_ns, session.footage.start_ns + S, "g", "hop")])
    assert session.describe()["problems"] == list(session.problems)


def test_segments_are_set_by_mouse_and_by_keys_and_saved(
    page: Page, target: Path, footage: Footage, address: str
) -> None:
    from selenium.webdriver.common.keys import Keys

    assert page.segments() == ["wave 1.00 – 3.00"], "what the recording's annotations say"
    assert page.one("#problems summary").text == "1 things to know about this recording"
    seconds = (footage.end_ns - footage.start_ns) / S

    page.press("3")  # the segments that follow are of walk
    page.drag(5, 7, seconds)
    page.until(lambda: len(page.segments()) == 2)
    page.press(Keys.ESCAPE, Keys.END)
    page.chord(Keys.SHIFT, Keys.ARROW_LEFT)
    page.press("o")
    assert "I first" in page.one("#status").text
    page.press("i", Keys.END, "o")
    page.until(lambda: len(page.segments()) == 3)
    page.press("2")  # and the last one is pointing after all
    page.until(lambda: page.segments()[2].startswith("point"))
    page.chord(Keys.CONTROL, "s")
    page.until(lambda: page.one("#status").text == "Saved 3 segments in kitchen.labels.csv")

    first, second, third = read_labels(target)
    assert first == footage.annotations[0], "to the nanosecond"
    assert (second.group, second.activity) == ("gait", "walk")
    pixel_ns = seconds / page.one("#timeline").size["width"] * S
    assert second.start_ns == pytest.approx(footage.start_ns + 5 * S, abs=2 * pixel_ns)
    assert second.end_ns == pytest.approx(footage.start_ns + 7 * S, abs=2 * pixel_ns)
    assert third == Label(footage.end_ns - S, footage.end_ns, "gesture", "point")
    assert page.errors() == []
    assert all(url.startswith((address, "blob:", "data:")) for url in page.requested())


def test_the_annotations_of_a_recording_can_be_saved_as_they_are(page: Page, target: Path, address: str) -> None:
    assert page.one("#status").text == "Not saved in kitchen.labels.csv yet"
    count = len(page.segments())
    assert count
    page.one("#save").click()
    page.until(lambda: page.one("#status").text == f"Saved {count} segments in kitchen.labels.csv")
    assert len(read_labels(target)) == count
    assert not page.one("#save").is_enabled()
    page.open(address)
    assert not page.one("#save").is_enabled(), "nor where nothing has changed since"


def test_edges_are_dragged_and_stop_at_the_neighbour_and_undo_takes_back(page: Page, footage: Footage) -> None:
    from selenium.webdriver.common.keys import Keys

    seconds = (footage.end_ns - footage.start_ns) / S
    page.drag(5, 7, seconds)
    page.until(lambda: len(page.segments()) == 2)
    before = page.segments()
    page.drag(5, 2, seconds)
    page.until(lambda: page.segments()[1].startswith("wave 3.00"))
    page.chord(Keys.CONTROL, "z")
    page.until(lambda: page.segments() == before)
    page.press("n", Keys.DELETE)
    page.until(lambda: len(page.segments()) == 1)
    assert page.segments() == before[:1]
    assert page.errors() == []


@pytest.mark.parametrize("labelled", [False])
def test_a_first_activity_is_typed(page: Page, target: Path) -> None:
    """Nothing is known yet: what is done is named after it has been marked."""
    from selenium.webdriver.common.keys import Keys

    page.drag(2, 4, 11.98)
    page.until(lambda: page.segments() and page.segments()[0].startswith("choose an activity"))
    page.chord(Keys.CONTROL, "s")
    page.until(lambda: "has no activity yet" in page.one("#status").text)
    assert not target.exists()
    page._browser.execute_script("seek(9)")  # it plays on meanwhile
    page.one("#new-activity").send_keys("juggle")
    page.one("#new-group").send_keys("circus", Keys.ENTER)
    page.until(lambda: page.segments()[0].startswith("juggle 2.0"))
    page.chord(Keys.CONTROL, "s")
    page.until(target.exists)
    assert [(label.group, label.activity) for label in read_labels(target)] == [("circus", "juggle")]


def rows(*labels: tuple[float, float, str, str]) -> list[Label]:
    """Labels, in seconds from the start."""
    return [Label(START_NS + round(a * S), START_NS + round(b * S), group, name) for a, b, group, name in labels]


@pytest.mark.parametrize("known", [{}, {"communicate": ["bow"]}], ids=["imported", "taxonomy"])
def test_a_known_activity_moves_to_the_group_that_is_typed(
    browser: Any, session: Session, target: Path, known: dict[str, list[str]]
) -> None:
    from selenium.webdriver.common.keys import Keys

    session.groups = known
    write_labels(target, rows((1, 2, "", "bow"), (3, 4, "work", "drill"), (5, 6, "", "bow")))
    with serving(session) as address:
        page = Page(browser, address)
        page.press("n")
        page.one("#new-activity").send_keys("bow")
        page.one("#new-group").send_keys("communicate", Keys.ENTER)
        page.until(lambda: page.one("#status").text == "Not saved yet")
        assert [heading.text for heading in page.all("#activities h3")] == ["communicate", "work"]
        page.one("#undo").click()
        page.until(lambda: page.one("#status").text == "" and not page.one("#save").is_enabled())
        assert [heading.text for heading in page.all("#activities h3")][-1] == "no group"
        page.one("#new-activity").send_keys("bow")
        page.one("#new-group").send_keys("communicate", Keys.ENTER)
        page.chord(Keys.CONTROL, "s")
        page.until(lambda: page.one("#status").text == "Saved 3 segments in kitchen.labels.csv")
        assert page.errors() == []
    assert [label.group for label in read_labels(target)] == ["communicate", "work", "communicate"]


def test_a_segment_that_is_shorter_than_one_is_drawn_does_not_grow_into_its_neighbour(
    page: Page, target: Path, address: str
) -> None:
    from selenium.webdriver.common.keys import Keys

    labels = rows((1, 2, "", "sit"), (2, 2.02, "", "nod"), (2.02, 3, "", "sit"))
    write_labels(target, labels)
    page.open(address)
    page.press("n", "n", "[")  # at its beginning
    page.press(Keys.ARROW_LEFT, "[", Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, "[", "]")
    page.press("n", Keys.DELETE)
    page.until(lambda: len(page.segments()) == 2)
    page.chord(Keys.CONTROL, "s")
    page.until(lambda: page.one("#status").text == "Saved 2 segments in kitchen.labels.csv")
    assert read_labels(target)[0] == labels[0]
    assert read_labels(target)[1].start_ns == labels[1].start_ns


def test_a_click_near_an_edge_moves_nothing_and_a_drag_moves_it_as_far_as_the_mouse(
    page: Page, target: Path, footage: Footage
) -> None:
    seconds = (footage.end_ns - footage.start_ns) / S
    pixel_s = seconds / page.one("#timeline").size["width"]
    for edge_s in (1, 3):
        for pixels in (-6, -3, 0, 3, 6):
            at_s = edge_s + pixels * pixel_s
            page.drag(at_s, at_s, seconds)
            page.drag(at_s, at_s + 2 * pixel_s, seconds)
    assert page.segments() == ["wave 1.00 – 3.00"]
    assert not page.one("#undo").is_enabled()
    page.drag(3 + 6 * pixel_s, 5 + 6 * pixel_s, seconds)
    page.one("#save").click()
    page.until(target.exists)
    (label,) = read_labels(target)
    assert label.end_ns == pytest.approx(footage.start_ns + 5 * S, abs=1.5 * pixel_s * S)


def test_segments_that_are_set_by_frames_begin_and_end_with_them(
    browser: Any, write_bag: Callable[..., Path], tmp_path: Path, target: Path
) -> None:
    """Whatever the nanoseconds of their stamps are."""
    from selenium.webdriver.common.keys import Keys

    path = write_bag(tmp_path / "unsteady", stamp_ns=lambda t: t + t // 10_000_000 * 7919 % 999_983)
    with Recording(path) as recording:
        footage = Footage(recording)
        with serving(Session("unsteady", footage, [], target, GROUPS, [])) as address:
            page = Page(browser, address)
            page.press(*[Keys.ARROW_RIGHT, "i", Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, "o"] * 20)
            page.chord(Keys.CONTROL, "s")
            page.until(target.exists)
    stamps_ns = footage.cameras[0].stamps_ns[1:61].reshape(20, 3)[:, ::2]
    assert [[label.start_ns, label.end_ns] for label in read_labels(target)] == stamps_ns.tolist()


def test_an_activity_is_that_of_the_selected_segment_until_the_time_has_left_it(page: Page, footage: Footage) -> None:
    from selenium.webdriver.common.keys import Keys

    seconds = (footage.end_ns - footage.start_ns) / S
    page.press("n", Keys.END, "2")
    assert page.one("#status").text == "The next segments are of point"
    page.drag(5, 6, seconds)
    page.until(lambda: len(page.segments()) == 2)
    assert [text.split()[0] for text in page.segments()] == ["wave", "point"]
    page.press("i", "3", Keys.END, "o")  # within the segment before, as far as time goes
    assert [text.split()[0] for text in page.segments()] == ["wave", "point", "walk"]
    page.press(Keys.ARROW_LEFT, "1")
    assert [text.split()[0] for text in page.segments()] == ["wave", "point", "wave"], "the time is in it"
    page.drag(2, 2, seconds)
    page.press("2")
    assert [text.split()[0] for text in page.segments()] == ["point", "point", "wave"], "wherever the time is"
    assert page.errors() == []


def test_keys_that_would_make_no_sense_are_refused_and_lead_no_other_way(page: Page, footage: Footage) -> None:
    from selenium.webdriver.common.keys import Keys

    page.press("n", Keys.END, "[")
    assert page.one("#status").text == "The segment ends at 3.00 s and cannot begin here"
    page.press(Keys.HOME, "]")
    assert page.one("#status").text == "The segment begins at 1.00 s and cannot end here"
    assert page.segments() == ["wave 1.00 – 3.00"]
    assert not page.one("#undo").is_enabled()
    for begin in (5, 8):
        page.press(Keys.ESCAPE)
        page.drag(begin, begin + 1, (footage.end_ns - footage.start_ns) / S)
    page.until(lambda: len(page.segments()) == 3)
    for at_s, next_one, previous in ((0, 0, 0), (4, 1, 0), (7, 2, 1), (11, 2, 2)):
        for key, expected in (("n", next_one), ("p", previous)):
            page.press(Keys.ESCAPE)
            page._browser.execute_script(f"seek({at_s})")
            page.press(key)
            chosen = [row.get_attribute("aria-current") for row in page.all("#segments li")]
            assert chosen.index("true") == expected, (at_s, key)
    assert page.errors() == []


def test_of_segments_beyond_the_recording_what_is_inside_counts(page: Page, target: Path, address: str) -> None:
    write_labels(target, rows((-30, 1, "", "sit"), (6, 900, "", "nod"), (950, 960, "", "nod")))
    page.open(address)
    assert page.segments() == ["sit -30.00 – 1.00", "nod 6.00 – 900.00", "nod 950.00 – 960.00"]
    assert page.one("#summary").text == f"12.0 s, {round(100 * 6.98 / 11.98)} % labelled"
    page.press("n", "p", "2")
    assert page.segments()[0] == "point -30.00 – 1.00"


def test_the_ruler_has_few_ticks_however_long_the_recording_is(page: Page) -> None:
    count = "let n = 0; context.fillText = () => n++; drawRuler(1000, 100); delete context.fillText; return n"
    for seconds in (1, 60, 3600, 86_400, 10**6, 1_700_000_000):
        page._browser.execute_script(f"view = {{ start: 0, end: {seconds} }}")
        assert 2 <= page._browser.execute_script(count) <= 15, seconds
    assert page.errors() == []


def test_where_the_last_segment_is_removed_the_page_says_what_to_do(page: Page, target: Path, address: str) -> None:
    from selenium.webdriver.common.keys import Keys

    write_labels(target, rows((1, 2, "", "sit")))
    page.open(address)
    page.press("n", Keys.DELETE)
    page.until(
        lambda: page.one("#status").text.endswith("at least one segment; to have none, remove kitchen.labels.csv")
    )
    assert not page.one("#save").is_enabled()


def test_zooming_in_sets_segments_to_the_hundredth_of_a_second(page: Page, target: Path, footage: Footage) -> None:
    from selenium.webdriver.common.keys import Keys

    page.press(Keys.END, "+", "+", "+", "+", "3")  # the last sixteenth
    seconds = (footage.end_ns - footage.start_ns) / S
    page.drag(seconds / 4, seconds / 2, seconds)
    page.until(lambda: len(page.segments()) == 2)
    page.chord(Keys.CONTROL, "s")
    page.until(target.exists)
    last = read_labels(target)[-1]
    pixel_ns = seconds / 16 / page.one("#timeline").size["width"] * S
    assert last.start_ns == pytest.approx(footage.end_ns - round(seconds / 16 * 3 / 4 * S), abs=3 * pixel_ns)
    assert last.end_ns == pytest.approx(footage.end_ns - round(seconds / 16 / 2 * S), abs=3 * pixel_ns)


def test_the_keys_work_after_a_speed_was_chosen_with_caps_lock_and_on_other_keyboards(page: Page, target: Path) -> None:
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.select import Select

    Select(page.one("#speed")).select_by_visible_text("2")
    assert page.one("#speed").get_property("value") == "2"
    page.press("i")
    page.until(lambda: page.one("#status").text.startswith("A segment begins at 0.00 s"))
    assert page.one("#speed").get_property("value") == "2"
    assert page.typed("S", "KeyS", control=True), "Caps Lock"
    page.until(lambda: page.one("#status").text == "Saved 1 segments in kitchen.labels.csv")
    page.one("#speed").click()  # and leave it as it is
    page.press(Keys.ENTER, "n", "2")
    page.until(lambda: page.segments() == ["point 1.00 – 3.00"])
    assert page.typed("ы", "KeyS", control=True), "Cyrillic"
    page.until(lambda: [label.activity for label in read_labels(target)] == ["point"])
    assert page.typed("я", "KeyZ", control=True)
    page.until(lambda: page.segments() == ["wave 1.00 – 3.00"])
    assert not page.typed("o", "KeyS", control=True), "Dvorak"
    assert page.errors() == []


def test_a_key_ends_the_dragging_of_an_edge(page: Page, footage: Footage) -> None:
    from selenium.webdriver.common.keys import Keys

    seconds = (footage.end_ns - footage.start_ns) / S
    page.drag(3, 4, seconds, meanwhile=Keys.DELETE)
    page.until(lambda: page.segments() == [])
    page.chord(Keys.CONTROL, "z")
    page.until(lambda: page.segments() != [])
    dragged = page.segments()
    assert dragged != ["wave 1.00 – 3.00"]
    page.drag(4, 5, seconds, meanwhile=Keys.ESCAPE)
    page.until(lambda: page.segments() != dragged)
    page.chord(Keys.CONTROL, "z")
    page.until(lambda: page.segments() == dragged)
    page.chord(Keys.CONTROL, "z")
    page.until(lambda: page.segments() == ["wave 1.00 – 3.00"])
    assert page.errors() == []


def test_the_frame_follows_the_time(page: Page) -> None:
    from selenium.webdriver.common.keys import Keys

    def grey() -> float:
        return page._browser.execute_script(
            "const image = document.querySelector('figure img'), c = document.createElement('canvas').getContext('2d');"
            "c.drawImage(image, 0, 0); return c.getImageData(5, 5, 1, 1).data[0];"
        )

    page.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    page.until(lambda: abs(grey() - 4) <= 1)
    page.press(Keys.END)
    page.until(lambda: abs(grey() - 238) <= 1)
    assert page.errors() == []


def test_arrows_move_where_the_camera_has_no_picture(page: Page) -> None:
    """It has begun late and ended early; never does one lead against its direction, however far the pictures are."""
    from selenium.webdriver.common.keys import Keys

    left, right = Keys.ARROW_LEFT, Keys.ARROW_RIGHT
    page._browser.execute_script("recording.cameras[0].stamps = recording.cameras[0].stamps.slice(30, 90)")
    for begin, *keys in (
        ("0", (right, 1 / 30), (right, 2 / 30), (left, 1 / 30), (left, 0), (left, 0)),
        ("2.99", (right, 2.99 + 1 / 30), (right, 3.1), (left, 3), (left, 3 - 1 / 30)),
        ("8.85", (right, 8.9), (right, 8.9 + 1 / 30), (left, 8.9), (left, 8.8)),
        (
            "11.98",
            (left, 11.98 - 1 / 30),
            (left, 11.98 - 2 / 30),
            (right, 11.98 - 1 / 30),
            (right, 11.98),
            (right, 11.98),
        ),
    ):
        page._browser.execute_script(f"seek({begin})")
        for key, expected_s in keys:
            page.press(key)
            assert float(page.one("#clock").text.split()[0]) == pytest.approx(expected_s, abs=0.002), begin
    assert page.errors() == []


def test_what_a_page_makes_of_less_than_was_asked_for_is_said(page: Page, target: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    page.press(Keys.HOME, "i", Keys.END, "o")
    page.until(lambda: page.segments()[0] == "wave 0.00 – 1.00")
    assert page.one("#status").text == "0.00 to 1.00 s only: there is a segment beyond"
    page.one("#new-activity").send_keys("up, down", Keys.ENTER)
    assert "has no comma" in page.one("#status").text
    assert [chip.text for chip in page.all(".chip")] == ["wave1", "point2", "walk3"]
    page.one("#new-activity").send_keys(Keys.CONTROL, "a")
    page.one("#new-activity").send_keys("up and down", Keys.ENTER)
    page.until(lambda: page.segments()[0] == "up and down 0.00 – 1.00")
    assert page.errors() == []


def test_a_full_disk_is_reported_on_the_page_and_nothing_is_lost(
    page: Page, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from selenium.webdriver.common.keys import Keys

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))

    page.press("n", "2")
    with monkeypatch.context() as patch:
        patch.setattr(label_server, "write_labels", full)
        page.chord(Keys.CONTROL, "s")
        page.until(lambda: "No space left on device" in page.one("#status").text)
    assert not target.exists()
    page.chord(Keys.CONTROL, "s")
    page.until(target.exists)
    assert [label.activity for label in read_labels(target)] == ["point"]


def test_a_page_that_is_loaded_again_shows_what_was_saved(
    page: Page, target: Path, footage: Footage, address: str
) -> None:
    from selenium.webdriver.common.keys import Keys

    seconds = (footage.end_ns - footage.start_ns) / S
    page.drag(5, 7, seconds)
    page.one("#new-activity").send_keys("juggle", Keys.ENTER)
    page.until(lambda: page.segments()[1].startswith("juggle"))
    page.chord(Keys.CONTROL, "s")
    page.until(lambda: page.one("#status").text == "Saved 2 segments in kitchen.labels.csv")
    before = page.segments()

    page.open(address)
    assert page.segments() == before
    assert [chip.text for chip in page.all(".chip")] == ["wave1", "point2", "walk3", "juggle4"], (
        "and which keys they have"
    )
    page.drag(8, 10, seconds)
    page.until(lambda: len(page.segments()) == 3)
    page.chord(Keys.CONTROL, "s")
    page.until(lambda: page.one("#status").text == "Saved 3 segments in kitchen.labels.csv")
    assert [label.activity for label in read_labels(target)] == ["wave", "juggle", "wave"]
    assert page.errors() == []


def test_a_page_does_not_overwrite_what_another_one_saved(page: Page, target: Path, address: str) -> None:
    from selenium.webdriver.common.keys import Keys

    page.press("n", "2")  # pointing it was, here
    assert asked(address, "labels", JSON, labels_of(0, (1, 2, "sit"), (4, 5, "stand"))) == 200
    page.chord(Keys.CONTROL, "s")
    page.until(lambda: "kitchen.labels.csv has been changed elsewhere" in page.one("#status").text)
    assert [label.activity for label in read_labels(target)] == ["sit", "stand"]

    page.open(address)
    assert page.one("#status").text == (
        "kitchen.labels.csv has changed since: Undo shows the 1 segments that were not saved, to save them instead of "
        "these"
    )
    assert page.segments() == ["sit 1.00 – 2.00", "stand 4.00 – 5.00"]
    page.chord(Keys.CONTROL, "s")
    page.chord(Keys.CONTROL, "z")
    page.until(lambda: page.segments() == ["point 1.00 – 3.00"])
    assert [label.activity for label in read_labels(target)] == ["sit", "stand"], "what is shown is saved"


def test_what_another_program_has_written_is_shown_and_not_overwritten(address: str, target: Path) -> None:
    assert asked(address, "labels", JSON, labels_of(0, (1, 2, "sit"))) == 200
    write_labels(target, [Label(START_NS + S, START_NS + 2 * S, "pose", "sit")])
    written = target.read_text(encoding="utf-8")
    changed = labels_of(1, (1, 3, "sit"))
    assert refusal(address, changed) == (
        409,
        "kitchen.labels.csv has been changed elsewhere since this page was loaded; reload this page to go on from "
        "what is there",
    )
    assert target.read_text(encoding="utf-8") == written
    shown = json_of(address + "recording")
    assert shown["labels"] == [{"start": 1, "end": 2, "group": "pose", "activity": "sit"}]
    assert asked(address, "labels", JSON, labels_of(shown["version"], (1, 3, "sit"))) == 200
    (label,) = read_labels(target)
    assert label.end_ns == START_NS + 3 * S


def test_a_label_file_that_another_program_has_broken_is_named_and_stays(address: str, target: Path) -> None:
    broken = "start,end,group,activity\n1,3,,wave\n2,4,,walk\n"
    target.write_text(broken, encoding="utf-8")
    for body in (None, LABELS):
        status, error = refusal(address, body)
        assert status == (422 if body is None else 409)
        assert error == (
            f"the label file has been changed elsewhere: {target}:3: walk from 2 overlaps wave until 3; a person does "
            "one thing at a time; mend or remove it"
        )
    assert target.read_text(encoding="utf-8") == broken


def test_a_label_file_that_is_gone_is_written_again(address: str, target: Path) -> None:
    assert asked(address, "labels", JSON, labels_of(0, (1, 2, "sit"))) == 200
    target.unlink()
    shown = json_of(address + "recording")
    assert [label["activity"] for label in shown["labels"]] == ["sit"], "nothing is lost"
    assert not shown["saved"]
    assert asked(address, "labels", JSON, labels_of(1, (1, 2, "sit"), (4, 5, "stand"))) == 200
    assert [label.activity for label in read_labels(target)] == ["sit", "stand"]


def test_a_name_is_saved_as_it_is_read_back(address: str, target: Path) -> None:
    """Else the page's own file would be another program's."""
    for version in range(2):
        assert asked(address, "labels", JSON, labels_of(version, (1, 2 + version, " gru\u0308\u00dfen"))) == 200
    assert [label.activity for label in read_labels(target)] == ["gr\u00fc\u00dfen"]


def test_what_was_not_saved_is_shown_by_the_next_page_of_the_recording(
    browser: Any, session: Session, target: Path
) -> None:
    from selenium.webdriver.common.keys import Keys

    with serving(session) as address:
        page = Page(browser, address)
        page.press("n", "2")
    port = urlsplit(address).port
    page.chord(Keys.CONTROL, "s")
    page.until(lambda: "this browser keeps the segments" in page.one("#status").text)
    assert f"nobody answers; start mumu label again, with --port {port}" in page.one("#status").text
    with serving(session, port or 0) as address:
        page.chord(Keys.CONTROL, "s")
        page.until(lambda: "mumu label has been started again; open the address" in page.one("#status").text)

        page.open(address)
        assert page.one("#status").text == "These 1 segments were not saved last time; Undo shows the 1 that were"
        assert page.segments() == ["point 1.00 – 3.00"]
        page.chord(Keys.CONTROL, "s")
        page.until(lambda: page.one("#status").text == "Saved 1 segments in kitchen.labels.csv")
        assert [label.activity for label in read_labels(target)] == ["point"]

        page.open(address)
        assert page.one("#status").text == "", "nothing is left over"
        assert page.segments() == ["point 1.00 – 3.00"]


def test_what_was_not_saved_after_a_save_is_shown_by_the_next_page(page: Page, target: Path, footage: Footage) -> None:
    from selenium.webdriver.common.keys import Keys

    page.drag(5, 7, (footage.end_ns - footage.start_ns) / S)
    page.until(lambda: len(page.segments()) == 2)
    page.chord(Keys.CONTROL, "s")
    page.until(target.exists)
    page.press("2")
    page.until(lambda: "point" in page.segments()[1])
    left = page.segments()
    page.open(page.address)
    assert page.one("#status").text == "These 2 segments were not saved last time; Undo shows the 2 that were"
    assert page.segments() == left


@pytest.mark.parametrize("names", [("alice.csv", "bob.csv"), ("alice/labels.csv", "bob/labels.csv")])
def test_what_was_not_saved_in_one_file_is_not_shown_for_another(
    browser: Any, footage: Footage, tmp_path: Path, names: tuple[str, str]
) -> None:
    """Nor where a simulator's clock starts every recording alike."""
    alice, bob = (Session("kitchen", footage, footage.annotations, tmp_path / name, GROUPS, []) for name in names)
    with serving(alice) as address:
        page = Page(browser, address)
        page.press("n", "2")
        page.until(lambda: page.segments() == ["point 1.00 – 3.00"])
        port = urlsplit(address).port or 0
    with serving(bob, port) as address:
        page.open(address)
        assert page.segments() == ["wave 1.00 – 3.00"]


@pytest.fixture
def tabs(browser: Any, page: Page) -> Iterator[tuple[Callable[[], None], Callable[[], None]]]:
    """The page in two tabs; each is called to go there."""
    here = browser.current_window_handle
    browser.switch_to.new_window("tab")
    there = browser.current_window_handle
    page.open(page.address)
    yield lambda: browser.switch_to.window(here), lambda: browser.switch_to.window(there)
    browser.switch_to.window(there)
    browser.close()
    browser.switch_to.window(here)


def kept_by(page: Page) -> list[str]:
    """The first activity of what the browser keeps."""
    rows = page._browser.execute_script("return Object.values(localStorage)")
    return sorted(json.loads(row)["labels"][0]["activity"] for row in rows)


@pytest.mark.parametrize("is_copy", [False, True], ids=["opened", "duplicated"])
def test_each_tab_keeps_what_was_not_saved_in_it(
    browser: Any, page: Page, target: Path, tabs: tuple[Callable[[], None], Callable[[], None]], is_copy: bool
) -> None:
    from selenium.webdriver.common.keys import Keys

    one, other = tabs
    one()
    if is_copy:  # as a browser does it
        name = browser.execute_script("return sessionStorage.tab")
        other()
        browser.execute_script("sessionStorage.tab = arguments[0]", name)
        one()
    page.press("n", "2")
    other()
    page.press("n", "3")
    page.until(lambda: kept_by(page) == ["point", "walk"])
    for go, activity in ((one, "point"), (other, "walk")):
        go()
        page.open(page.address)
        assert page.segments() == [f"{activity} 1.00 – 3.00"]
    page.chord(Keys.CONTROL, "s")
    page.until(target.exists)
    page.until(lambda: kept_by(page) == ["point"])
    one()
    page.open(page.address)
    assert page.one("#status").text.startswith("kitchen.labels.csv has changed since: Undo shows the 1 segments that")
    page.chord(Keys.CONTROL, "z")
    page.until(lambda: page.segments() == ["point 1.00 – 3.00"])


def test_what_another_tab_has_not_saved_is_shown_and_stays_there(
    page: Page, target: Path, tabs: tuple[Callable[[], None], Callable[[], None]]
) -> None:
    """Whether that tab is still there, nobody knows."""
    from selenium.webdriver.common.keys import Keys

    one, other = tabs
    one()
    page.press("n", "2")
    other()
    page.open(page.address)
    assert page.one("#status").text == "These 1 segments were not saved last time; Undo shows the 1 that were"
    assert page.segments() == ["point 1.00 – 3.00"]
    page.until(lambda: kept_by(page) == ["point", "point"])
    page.press("n", "3")
    page.until(lambda: kept_by(page) == ["point", "walk"])
    page.chord(Keys.CONTROL, "s")
    page.until(target.exists)
    page.until(lambda: kept_by(page) == ["point"])
    one()
    assert page.segments() == ["point 1.00 – 3.00"]
    page.open(page.address)
    page.chord(Keys.CONTROL, "z")
    page.until(lambda: page.segments() == ["point 1.00 – 3.00"])


def test_saving_twice_at_once_is_saving(session: Session, target: Path) -> None:
    at_once = threading.Barrier(2, timeout=60)

    def save(_: int) -> set[int]:
        answers = set()
        for _ in range(200):
            at_once.wait()
            answers.add(session.save(json.loads(LABELS))["version"])
        return answers

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(save, range(2))) == [{1}, {1}]
    assert [label.activity for label in read_labels(target)] == ["x"]


@pytest.mark.parametrize(
    ("path", "headers", "body", "status"),
    [
        ("nothing", {}, None, 404),
        ("frame?camera=7&index=0", {}, None, 400),
        ("frame?camera=0&index=x", {}, None, 400),
        ("trace?trace=0&start=0&end=nan&bins=5", {}, None, 400),
        ("labels", {"Content-Type": "text/plain"}, b"[]", 400),
        ("labels", {"Content-Type": "application/json"}, b"[", 400),
        ("labels", {"Content-Type": "application/json"}, b"[]", 400),
        ("labels", {"Content-Type": "application/json"}, b'{"labels": []}', 400),
        ("labels", {"Content-Type": "application/json"}, labels_of(0), 400),
        ("labels", {"Content-Type": "application/json"}, labels_of(0, (2, 1, "x")), 400),
        ("labels", {"Content-Type": "application/json"}, labels_of(0, (1, 2, "=x")), 400),
        ("labels", {"Content-Type": "application/json"}, labels_of(0, (1e300, 1e301, "x")), 400),
        ("labels", {"Content-Type": "application/json"}, labels_of(7, (1, 2, "x")), 409),
        ("labels", {"Content-Type": "application/json"}, b"[" * 100_000, 400),
    ],
)
def test_what_the_page_would_not_ask_is_refused(
    address: str, target: Path, path: str, headers: dict[str, str], body: bytes | None, status: int
) -> None:
    request = urllib.request.Request(address + path, body, headers)
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(request, timeout=10)
    assert raised.value.code == status
    assert json.loads(raised.value.read())["error"]
    assert not target.exists()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("seen", [True, False])
def test_of_joints_that_are_not_seen_the_page_gets_json(session: Session, seen: bool) -> None:
    joints = np.full((40, 2), np.nan, np.float32)
    joints[::2, 0] = 1.5 if seen else np.nan
    session.footage.traces = (Trace("joints", session.footage.start_ns + S // 10 * np.arange(40), joints),)
    with serving(session) as address:
        (trace,) = json_of(address + "recording")["traces"]
        assert trace == {"name": "joints", "low": 1.5 * seen, "high": 1.5 * seen}
        first, second = json_of(address + "trace?trace=0&start=0&end=4&bins=40")
    assert first == [[place, 1.5, 1.5] for place in range(0, 40, 2) if seen]
    assert second == []


def json_of(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=10) as answer:
        return json.loads(answer.read(), parse_constant=pytest.fail)


def refusal(address: str, body: bytes | None) -> tuple[int, str]:
    """Ask for the recording, or send labels: the status and the sentence with which that is refused."""
    request = urllib.request.Request(address + ("recording" if body is None else "labels"), body, JSON)
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(request, timeout=10)
    return raised.value.code, json.loads(raised.value.read())["error"]


LABELS = labels_of(0, (1, 2, "x"))
JSON = {"Content-Type": "application/json"}


def asked(address: str, path: str, headers: dict[str, str], body: bytes | None = None) -> int:
    """Ask for a path below the address (or from the root on, as in /recording), with these headers; the status."""
    parts = urlsplit(address)
    connection = HTTPConnection(parts.netloc, timeout=10)
    connection.request("GET" if body is None else "POST", path if path[:1] == "/" else parts.path + path, body, headers)
    status = connection.getresponse().status
    connection.close()
    return status


ORIGINS = [
    ({}, 200),
    ({"Sec-Fetch-Site": "same-origin"}, 200),
    ({"Sec-Fetch-Site": "none"}, 200),
    ({"Origin": "http://127.0.0.1:{port}"}, 200),
    ({"Host": "localhost:{port}", "Origin": "http://localhost:{port}"}, 200),
    ({"Host": "evil.example"}, 403),
    ({"Host": "127.0.0.1"}, 403),
    ({"Origin": "http://evil.example"}, 403),
    ({"Origin": "https://127.0.0.1:{port}"}, 403),
    ({"Origin": "http://127.0.0.1:1"}, 403),
    ({"Origin": "null"}, 403),
    ({"Sec-Fetch-Site": "cross-site"}, 403),
    ({"Sec-Fetch-Site": "same-site"}, 403),
    ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 403),
]
PATHS = ["/", "/label.js", "/recording", "/frame?camera=0&index=0", "/trace", "/labels", "//", "/x/recording"]
LENGTHS = [
    ([], 411),
    (["-1"], 411),
    (["x"], 411),
    (["+3"], 411),
    (["3", "3"], 411),
    (["600000000"], 413),
    (["9" * 5000], 413),
]


@pytest.mark.parametrize(("path", "body"), [("recording", None), ("frame?camera=0&index=0", None), ("labels", LABELS)])
def test_only_the_page_itself_is_answered(address: str, target: Path, path: str, body: bytes | None) -> None:
    port = str(urlsplit(address).port)
    for headers, status in ORIGINS:
        given = {key: value.replace("{port}", port) for key, value in headers.items()}
        assert asked(address, path, JSON | given, body) == status, given
        assert target.exists() == (status == 200 and body is not None), given
        target.unlink(missing_ok=True)


def test_without_the_token_nothing_is_seen_or_written(address: str, target: Path) -> None:
    for path in PATHS:
        for body in (None, LABELS):
            assert asked(address, path, JSON, body) == 403, path
            assert asked(address, urlsplit(address).path[:-2] + path, JSON, body) == 403, path
    assert not target.exists()


def test_what_does_not_say_how_long_it_is_or_is_too_long_is_not_read(address: str) -> None:
    parts = urlsplit(address)
    for lengths, status in LENGTHS:
        connection = HTTPConnection(parts.netloc, timeout=10)
        connection.putrequest("POST", f"{parts.path}labels")
        connection.putheader("Content-Type", "application/json")
        for length in lengths:
            connection.putheader("Content-Length", length)
        connection.endheaders()
        assert connection.getresponse().status == status, lengths
        connection.close()


def test_new_label_files_are_their_owners_and_old_ones_keep_their_mode(address: str, target: Path) -> None:
    assert asked(address, "labels", JSON, LABELS) == 200
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    target.chmod(0o664)
    assert asked(address, "labels", JSON, LABELS) == 200
    assert stat.S_IMODE(target.stat().st_mode) == 0o664


def test_two_pages_have_different_addresses(footage: Footage, target: Path) -> None:
    session = Session("kitchen", footage, [], target, {}, [])
    with LabelServer(session, 0) as one, LabelServer(session, 0) as other:
        assert len(urlsplit(one.address).path) > 30
        assert urlsplit(one.address).path != urlsplit(other.address).path


def test_the_browser_is_led_to_the_page_by_a_file_that_only_its_user_can_read(
    browser: Any, address: str, target: Path
) -> None:
    with opener(address, target) as file:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        page = Page(browser, file.as_uri())
        assert browser.current_url == address
        assert page.errors() == []
    assert not file.exists()


def test_labels_are_imported_from_the_command_line(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "track.txt").write_text("1\t2\tgesture/wave\n2.5\t4\tgait/walk\n")
    command = ["label", str(bag), "--import", str(tmp_path / "track.txt")]
    assert cli.main(command) == 0
    target = bag.with_name("kitchen.labels.csv")
    assert [label.activity for label in read_labels(target)] == ["wave", "walk"]
    assert f"{target}: 2 labels" in capsys.readouterr().out
    assert cli.main(command) == 2, "labels that are there are not overwritten"
    assert "exists already" in capsys.readouterr().err
    (tmp_path / "long.csv").write_text("start,end,group,activity\n0,20,gait,walk\n")
    command = ["label", str(bag), "--import", str(tmp_path / "long.csv"), "--out", str(tmp_path / "long.labels.csv")]
    assert cli.main(command) == 0
    assert "fit the recording neither from its start nor as stamps; taken as seconds from" in capsys.readouterr().err


def test_activities_of_a_label_file_are_not_offered_once_they_are_not_in_it(
    bag: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sessions: list[Session] = []
    monkeypatch.setattr(label_cli, "_serve", lambda session, _port: sessions.append(session) or 0)
    write_labels(labels_path(bag), rows((1, 2, "", "bow")))
    assert cli.main(["label", str(bag)]) == 0
    assert cli.main(["label", str(bag), "--taxonomy", "sim"]) == 0
    bare, with_taxonomy = (json.loads(json.dumps(session.describe())) for session in sessions)
    assert [label["activity"] for label in bare["labels"]] == ["bow"]
    assert bare["groups"] == {}
    assert with_taxonomy["groups"] == {group: list(names) for group, names in find_taxonomy("sim").groups.items()}


def test_what_cannot_be_labelled_is_one_line_and_status_2(
    bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["label", str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"mumu label: {tmp_path / 'nowhere'} does not exist")
    assert cli.main(["label", str(bag), "--taxonomy", "nowhere"]) == 2
    assert "taxonomy 'nowhere' is no file, and none of the shipped ones: mmact, people, sim" in capsys.readouterr().err
    assert cli.main(["label", str(bag), "--import", "a.txt", "--out", str(tmp_path / "kitchen.jsonl")]) == 2
    assert "kitchen.jsonl: labels are saved as CSV; choose an --out that ends in .csv" in capsys.readouterr().err
    nowhere = tmp_path / "nosuch" / "a.csv"
    for options in (["--out", str(nowhere)], ["--out", str(nowhere), "--import", "a.txt"]):
        assert cli.main(["label", str(bag), *options]) == 2, "before anything is labelled"
        assert f"{nowhere}: No such file or directory; choose another --out" in capsys.readouterr().err
    labels_path(bag).write_text("start,end,group,activity\n1,3,,wave\n2,4,,walk\n")
    assert cli.main(["label", str(bag)]) == 2
    assert f"{labels_path(bag)}:3: walk from 2 overlaps wave until 3" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["99999", "-1", "any"])
def test_a_port_that_is_none_is_refused(bag: Path, capsys: pytest.CaptureFixture[str], port: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["label", str(bag), "--port", port])
    assert f"argument --port: {port!r}; expected a number from 0 to 65535" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--tier", "x"], "--tier 'x' chooses in a file that is imported; add --import FILE"),
        (["--tier", "x", "--export", "a.eaf"], "--tier 'x' chooses in a file that is imported; add --import FILE"),
        (["--camera", "/camera"], "--camera '/camera' says whose frames a file counts; add --import or --export with"),
        (["--camera", "/camera", "--export", "a.txt"], "with a file that does, .json or .xml"),
        (["--camera", "/x", "--export", "a.json"], "--camera '/x' is no camera of BAG, which has /camera"),
        (["--import", "a.txt", "--export", "b.txt"], "--import and --export: one at a time"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(
    bag: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str], complaint: str
) -> None:
    monkeypatch.chdir(bag.parent)
    monkeypatch.setattr(label_cli, "_serve", lambda session, _port: 0)
    assert cli.main(["label", str(bag), *arguments]) == 2
    assert complaint.replace("BAG", str(bag)) in capsys.readouterr().err
    assert list(bag.parent.iterdir()) == [bag]
