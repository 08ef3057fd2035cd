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

"""What `mumu recognize` says of pictures with scripted people: times, and why there is no activity."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from mumu_ros.cli import main
from mumu_ros.model.calibration import Calibration
from mumu_ros.model.checkpoint import load_checkpoint, save_checkpoint
from mumu_ros.model.config import ModelConfig
from mumu_ros.model.modality import Modality
from mumu_ros.model.network import Network
from mumu_ros.people import LAYOUT, Person, PositionSource
from mumu_ros.people.drawing import Activity
from mumu_ros.recordings.pictures import Shot
from mumu_ros.skeletons import layout

from ..conftest import ScriptedFinder

START_NS = 10**18
HZ = 20
Recognize = Callable[..., dict[str, Any]]


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    """A skeleton; one second."""
    torch.manual_seed(5)
    skeleton = Modality("skeleton", "vector", (20, 3), 20.0, "cooccurrence1d", stride=2, layout="kinect20")
    config = ModelConfig("people", (skeleton,), load_checkpoint(tiny_model).config.taxonomy, 1.0, 16)
    save_checkpoint(tmp_path / "people", Network(config).eval())
    return tmp_path / "people"


@pytest.fixture
def recognize(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], model: Path) -> Recognize:
    """recognize(times_s, views, *options, **more): the JSON, and `lines` and `errors` as printed.

    The source, where none is given, says `says`; its pictures have what is in `shot`, and are all the same from the one
    of number `still` on.
    """

    def run(
        times_s: Sequence[float],
        views: Sequence[Sequence[Person]],
        *options: str,
        source: Path | None = None,
        shot: Any = None,
        says: str = "",
        still: int = 255,
        **noticed: Any,
    ) -> dict[str, Any]:
        def pictures(source: str, imus: tuple[str, ...], note: Callable[[str], None], _: None) -> Iterator[Shot]:
            for k, time_s in enumerate(times_s):
                stamp_ns = START_NS + round(time_s * 1e9)
                others = {name: pixels + k for name, pixels in (shot or {}).items()}
                yield Shot(stamp_ns, np.full((48, 64, 3), min(k, still), np.uint8), **others)
            if says:
                note(says)

        if source is None:
            monkeypatch.setattr("mumu_ros.recognize.cli.open_source", pictures)
        monkeypatch.setattr("mumu_ros.recognize.cli.fetch_weights", lambda: Path())
        finder = ScriptedFinder(views=iter(views), **noticed)
        monkeypatch.setattr("mumu_ros.recognize.cli.PeopleFinder", lambda *_: finder)
        assert main(["recognize", str(source or "video.mp4"), "--model", str(model), "--json", *options]) == 0
        printed = capsys.readouterr()
        *lines, last = printed.out.splitlines()
        return {**json.loads(last), "lines": lines, "errors": printed.err}

    return run


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Activity]]:
    """The activities that are drawn on each picture of the film."""
    kept: list[dict[str, Activity]] = []

    def draw(rgb: Any, people: Sequence[Person], activities: dict[str, Activity]) -> Any:
        kept.append(activities)
        return rgb

    monkeypatch.setattr("mumu_ros.recognize.film.draw", draw)
    return kept


def person(body_id: str, number: int = 0, *, is_seen: bool = True, hips_y: float = 50.0) -> Person:
    rng = np.random.default_rng([number, *body_id.encode()])
    joints = (np.random.default_rng(7).normal(size=(33, 3)) + rng.normal(scale=0.05, size=(33, 3))).astype(np.float32)
    joints[:] = joints if is_seen else np.nan
    keypoints, visibility = np.zeros((33, 2), np.float32), np.ones(33, np.float32)
    keypoints[layout(LAYOUT).index("left_hip", "right_hip"), 1] = hips_y
    return Person(body_id, 0.9, (10, 10, 50, 90), keypoints, joints, visibility, "perspective")


def times(seconds: float, from_s: float = 0.0) -> list[float]:
    return [from_s + k / HZ for k in range(round(seconds * HZ))]


def test_times_begin_when_somebody_comes_and_end_when_they_leave(recognize: Recognize) -> None:
    all_s = times(8.0)
    views = [[person("abcde", k)] if 3.0 <= time_s <= 5.0 else [] for k, time_s in enumerate(all_s)]
    rows = recognize(all_s, views)["people"]["abcde"]
    assert (rows[0]["from_s"], rows[-1]["to_s"]) == pytest.approx((3.0, 5.0))


def test_somebody_who_was_hidden_did_nothing_meanwhile(recognize: Recognize) -> None:
    all_s = times(12.0)
    views = [[person("abcde", k)] if not 3.0 < time_s < 8.0 else [] for k, time_s in enumerate(all_s)]
    rows = recognize(all_s, views)["people"]["abcde"]
    assert not any(row["from_s"] < 7.9 and row["to_s"] > 3.1 for row in rows)


def test_after_time_has_jumped_back_it_goes_on(recognize: Recognize) -> None:
    """Those who are found then have other ids."""
    all_s = times(4.0) + times(4.0, -2.0)
    views = [[person("abcde" if k < len(all_s) / 2 else "fghij", k)] for k in range(len(all_s))]
    found = recognize(all_s, views)
    first, second = found["people"].values()
    assert all(row["from_s"] < row["to_s"] for row in (*first, *second))
    assert all(one["to_s"] <= other["from_s"] for one, other in pairwise(chain(first, second)))
    assert second[0]["from_s"] == pytest.approx(4.0, abs=0.1)
    assert second[-1]["to_s"] == pytest.approx(8.0, abs=0.3)


def test_while_nothing_is_known_of_somebody_nothing_is_claimed_or_drawn(
    recognize: Recognize, drawn: list[dict[str, Activity]], tmp_path: Path
) -> None:
    """The person is in view all the time, from 3 s to 8 s without joints."""
    all_s = times(12.0)
    views = [[person("abcde", k, is_seen=not 3.0 < time_s < 8.0)] for k, time_s in enumerate(all_s)]
    rows = recognize(all_s, views, "--out", str(tmp_path / "film.mp4"))["people"]["abcde"]
    assert not any(row["from_s"] < 7.0 and row["to_s"] > 5.0 for row in rows)
    assert not any(activities for activities, time_s in zip(drawn, all_s, strict=True) if 5.0 < time_s < 7.0)
    assert drawn[-1]


NEEDS = "no activity was recognised: no modality has enough samples in the window (has, needs): skeleton"
PARTLY = (
    "somebody is partly in view, with less than three of shoulders and hips: too near, half outside, or behind a table"
)


@pytest.mark.parametrize(
    ("period_s", "people", "noticed", "problems"),
    [
        (0.05, [], {}, ["nobody was in view"]),
        (0.05, [], {"sees_part": True}, [PARTLY]),
        (0.05, [person("abcde", is_seen=False)], {"sees_part": True}, [f"{NEEDS} 0% of 25%"]),
        (0.5, [person("abcde")], {}, [f"{NEEDS} 10% of 25%"]),
        (0.05, [person("abcde")], {"left_out": 2}, ["2 more in view, left out: --max-people is 1"]),
        (
            0.05,
            [person("abcde", hips_y=-50.0)],
            {},
            ["everybody was upside down in most pictures: was the camera? Turn them"],
        ),
        (0.05, [person("abcde")], {"sees_part": True}, []),
    ],
)
def test_why_there_is_no_activity_or_not_everybodys_is_said(
    recognize: Recognize, period_s: float, people: list[Person], noticed: dict[str, Any], problems: list[str]
) -> None:
    times_s = [k * period_s for k in range(40)]
    found = recognize(times_s, [people] * 40, "--max-people", "1", **noticed)
    assert found["problems"] == problems
    assert found["lines"][len(found["lines"]) - len(problems) :] == problems


def test_what_is_wrong_with_the_source_is_said(recognize: Recognize) -> None:
    found = recognize(times(3.0), [[person("abcde")]] * 60, says="5 of 65 pictures could not be decoded")
    assert found["people"]["abcde"]
    assert found["problems"] == ["5 of 65 pictures could not be decoded"] == found["lines"][-1:]


def test_pictures_of_a_folder_that_are_damaged_or_of_another_size_are_left_out_and_counted(
    recognize: Recognize, tmp_path: Path
) -> None:
    folder = tmp_path / "shots"
    folder.mkdir()
    for k in range(100):
        size = (48, 64) if k not in (80, 85, 90) else (10, 12)
        cv2.imwrite(str(folder / f"{k}.png"), np.full((*size, 3), k, np.uint8))
    (folder / "70.png").write_bytes(b"no picture")
    (folder / "75.png").write_bytes(b"")
    found = recognize([], [[person("abcde")]] * 95, source=folder)
    assert found["people"]["abcde"][-1]["to_s"] == pytest.approx(99 / 30, abs=0.2)
    assert found["people_per_frame"] == [1] * 95
    assert found["problems"] == [
        f"30 pictures a second are assumed of '{folder}'; mumu recognize --rate sets others",
        f"2 of 100 pictures could not be decoded: '{folder}/70.png' is the first of them",
        f"3 of 100 pictures are not 64×48 like the first: '{folder}/80.png' is 12×10",
    ]


def test_a_folder_has_the_rate_that_is_given(recognize: Recognize, tmp_path: Path) -> None:
    for k in range(60):
        cv2.imwrite(str(tmp_path / f"{k}.png"), np.full((48, 64, 3), k, np.uint8))
    found = recognize([], [[person("abcde", k)] for k in range(60)], "--rate", "10", source=tmp_path)
    assert found["people"]["abcde"][-1]["to_s"] == pytest.approx(5.9, abs=0.2)
    assert found["problems"] == []


def test_the_threshold_of_unknown_is_said_where_something_is(recognize: Recognize, model: Path, tmp_path: Path) -> None:
    """It may be so strict that a confidence below it is printed as 1.00."""
    save_checkpoint(
        tmp_path / "strict", load_checkpoint(model).model, calibration=Calibration(unknown_threshold=0.9997)
    )
    views = [[person("abcde", k)] for k in range(60)]
    sure, strict = (recognize(times(3.0), views, *its) for its in ((), ("--model", str(tmp_path / "strict"))))
    said = "unknown: decisions of a confidence below 0.9997, the model's threshold"
    assert {row["activity"] for row in strict["people"]["abcde"]} == {"unknown"}
    assert said in strict["lines"]
    assert not any(line.startswith("unknown:") for line in sure["lines"])


def test_in_a_frozen_picture_nobody_is_seen(recognize: Recognize) -> None:
    """The last new one is at 3 s."""
    found = recognize(times(7.0), [[person("abcde", k)] for k in range(140)], still=60)
    assert found["people"]["abcde"][-1]["to_s"] == pytest.approx(4.0, abs=0.1)
    assert found["people_per_frame"] == [1] * 82 + [0] * 58
    assert found["problems"] == ["the picture was the same for 3.9 s: nobody was looked for after 1 s of it"]


@pytest.mark.parametrize("still", [12, 3])
def test_a_dark_video_is_said_to_be_that(recognize: Recognize, still: int) -> None:
    problems = recognize(times(2.0), [[]] * 40, still=still)["problems"]
    assert problems[-1].startswith(f"the picture is almost black, nothing in it is brighter than {still} of 255")
    assert "nobody was in view" not in problems


def test_of_a_video_that_begins_in_the_dark_it_is_not_said(recognize: Recognize) -> None:
    assert recognize(times(2.0), [[]] * 40)["problems"] == ["nobody was in view"]
    assert recognize(times(2.0), [[]] * 10 + [[person("abcde", k)] for k in range(30)])["problems"] == []


@pytest.mark.parametrize(
    ("sources", "problems"),
    [
        (["perspective", "perspective"], ["no depth reading at the people in the picture: is depth registered to it?"]),
        (["perspective", "depth"], []),
    ],
)
def test_depth_without_a_reading_at_the_people_is_said(
    recognize: Recognize, sources: list[PositionSource], problems: list[str]
) -> None:
    seen = [replace(person(name), position_source=its) for name, its in zip(("abcde", "fghij"), sources, strict=True)]
    shot = {"depth": np.full((24, 32), 2000, np.uint16)}
    assert recognize(times(3.0), [seen] * 60, shot=shot)["problems"] == problems


ENDLESS = """
import sys, time
import numpy as np
from pathlib import Path
from unittest.mock import create_autospec
from mumu_ros.cli import main
from mumu_ros.people import PeopleFinder
from mumu_ros.recognize import cli
from mumu_ros.recordings.pictures import Shot

def pictures(*_):
    for k in range(40):
        yield Shot(10**18 + k * 50_000_000, np.full((48, 64, 3), 100 + k, np.uint8))
    print("ready", flush=True)
    time.sleep(60)

def finder(*_):
    seen = {"left_out": 0, "tiny_size": None, "sees_part": False, "sees_picture": False, "update.return_value": []}
    return create_autospec(PeopleFinder, spec_set=True, instance=True, **seen)

cli.open_source, cli.fetch_weights, cli.PeopleFinder = pictures, Path, finder
sys.exit(main(["recognize", "0", *sys.argv[1:]]))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_film_and_the_table_of_what_was_seen_are_there_after_a_signal_also_of_a_closed_terminal(
    started: Callable[..., Any], tiny_model: Path, tmp_path: Path, number: signal.Signals
) -> None:
    ours, terminal = os.openpty()
    options = ["--model", str(tiny_model), "--out", str(tmp_path / "out" / "film.mp4")]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    process = started([sys.executable, "-c", ENDLESS, *options], stderr=terminal, env=buffered)
    os.close(terminal)
    assert process.stdout.readline() == "ready\n"
    os.close(ours)
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert output.startswith("40 pictures, somebody in 0% of them")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["film.mp4"]
    assert cv2.VideoCapture(str(tmp_path / "out" / "film.mp4")).get(cv2.CAP_PROP_FRAME_COUNT) == 40


def test_of_somebody_who_has_left_the_last_reason_in_view_is_said(recognize: Recognize) -> None:
    times_s = [k / 2 for k in range(10)]
    views = [[person("abcde")] if time_s < 3 else [] for time_s in times_s]
    assert recognize(times_s, views)["problems"] == [f"{NEEDS} 10% of 25%"]


@pytest.mark.parametrize("has_depth", [False, True])
def test_a_model_that_looks_at_the_scene_sees_it(
    recognize: Recognize, drawn: list[dict[str, Activity]], tiny_model: Path, tmp_path: Path, has_depth: bool
) -> None:
    shot = {"depth": np.full((24, 32), 2000, np.uint16)} if has_depth else {}
    options = ("--model", str(tiny_model), "--out", str(tmp_path / "film.mp4"))
    seen = replace(person("abcde"), position_source="depth" if has_depth else "perspective")
    found = recognize(times(3.0), [[seen]] * 60, *options, shot=shot)
    assert found["problems"] == []
    assert found["people"]["abcde"]
    attention = drawn[-1]["abcde"].attention
    assert {name for name, weight in attention.items() if weight is not None} == {"rgb", *shot}


def test_the_scene_is_nobodys_when_two_are_in_view(recognize: Recognize, tiny_model: Path) -> None:
    found = recognize(times(3.0), [[person("abcde"), person("fghij")]] * 60, "--model", str(tiny_model))
    assert found["people"] == {"abcde": [], "fghij": []}
    assert found["problems"][-1] == "rgb: of the whole scene, used only for a person who is alone in view"
    assert len(found["problems"]) == 2


def test_sensors_that_no_source_has_are_named_at_the_start(
    recognize: Recognize, tiny_model: Path, tmp_path: Path
) -> None:
    config = load_checkpoint(tiny_model).config
    rgb, depth, imu = config.modalities
    arm = Modality("arm", "vector", (7, 1), 50.0, "cooccurrence", stride=5)
    for name, modalities in {"two": (rgb, replace(rgb, name="rgb_2"), arm, imu), "one": (rgb, depth, imu)}.items():
        save_checkpoint(tmp_path / name, Network(replace(config, modalities=modalities)).eval())
    two, one = (recognize([0.0], [[]], "--model", str(tmp_path / name))["errors"] for name in ("two", "one"))
    assert "not used: rgb, rgb_2, arm; a source has one camera and worn IMUs" in two
    assert "not used" not in one
