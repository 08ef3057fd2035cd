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

"""Recordings and labels become a training set that training reads, and what was dropped is said."""

from __future__ import annotations

import errno
import json
import os
import shlex
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mumu_ros import cli
from mumu_ros.conversions import array_to_image, array_to_imu, segment_to_annotation
from mumu_ros.datasets import open_dataset
from mumu_ros.datasets.build import BagReport
from mumu_ros.datasets.found_people import FoundPeople
from mumu_ros.model.preprocessing import Preprocessing
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.recordings import RecordingError, RecordingWriter
from mumu_ros.recordings.label_files import Label, labels_path, write_labels
from mumu_ros.share import share_path
from mumu_ros.text import UNKNOWN
from mumu_ros.training.loading import load_windows
from mumu_ros.training.settings import read_settings

S = 1_000_000_000
START_NS = 1_700_000_000 * S
PARAMS = """
/**/sensor_sync:
  ros__parameters:
    streams: [rgb, depth, imu]
    rate_hz: 5.0
    rgb: {topic: camera, type: sensor_msgs/msg/Image, kind: rgb, width: 40, height: 32, crop: [8, 0, 48, 48]}
    depth: {topic: depth, type: sensor_msgs/msg/Image, kind: depth, width: 40, height: 32}
    imu: {topic: imu, type: sensor_msgs/msg/Imu, kind: vector}
"""
WriteBag = Callable[..., Path]


@pytest.fixture
def write_bag(tmp_path: Path) -> WriteBag:
    """write_bag(name, labels=…, annotations=…): 10 s of a camera at 15 Hz and an IMU at 20 Hz, no depth.

    Times of labels and annotations are seconds from the start, (start, end, group, activity).
    """

    def write(
        name: str,
        labels: Sequence[tuple[float, float, str, str]] = (),
        annotations: Sequence[tuple[float, float, str, str]] = (),
        stamp_ns: Callable[[int], int] = lambda logged_ns: logged_ns,
        seconds: int = 10,
        imu_behind_s: float = 0.0,
        acceleration: Callable[[int], float] = float,
    ) -> Path:
        with RecordingWriter(tmp_path / name) as writer:
            for start, end, group, activity in annotations:
                span = (START_NS + round(t * S) for t in (start, end))
                note = segment_to_annotation(*span, group, activity, writer.types)
                writer.write("/annotation", "mumu_ros/msg/ActivityAnnotation", note, START_NS)
            for index in range(seconds * 60):
                at_ns = START_NS + index * S // 60
                if index % 4 == 0:
                    image = array_to_image(
                        np.full((48, 64, 3), index % 256, np.uint8), stamp_ns(at_ns), "c", writer.types
                    )
                    writer.write("/camera", "sensor_msgs/msg/Image", image, at_ns)
                if index % 3 == 0:
                    # No sensor turns as fast as the index, nor does one that is worn never turn.
                    sample = np.array([[acceleration(index)] * 3, [0.1 * (index % 7)] * 3])
                    imu = array_to_imu(sample, stamp_ns(at_ns) - round(imu_behind_s * S), "i", writer.types)
                    writer.write("/imu", "sensor_msgs/msg/Imu", imu, at_ns)
        if labels:
            rows = [Label(START_NS + round(a * S), START_NS + round(b * S), g, x) for a, b, g, x in labels]
            write_labels(labels_path(tmp_path / name), rows)
        return tmp_path / name

    return write


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., int]:
    """build(*arguments): `mumu dataset build … --out tmp_path/set` with `PARAMS`; the exit status."""
    (tmp_path / "params.yaml").write_text(PARAMS)

    def run(*arguments: object) -> int:
        words = ["dataset", "build", *arguments, "--out", tmp_path / "set", "--params", tmp_path / "params.yaml"]
        return cli.main([str(word) for word in words])

    return run


@pytest.fixture
def report(tmp_path: Path) -> Callable[[], list[BagReport]]:
    return lambda: json.loads((tmp_path / "set" / "report.json").read_text())["bags"]


def test_each_label_becomes_a_clip_of_what_was_recorded(
    write_bag: WriteBag, build: Callable[..., int], tmp_path: Path, preprocessing: Callable[..., Preprocessing]
) -> None:
    anna = write_bag("anna", labels=[(0.5, 3.5, "gait", "walk"), (4, 7, "gesture", "wave")])
    ben = write_bag("ben", annotations=[(1, 4, "gesture", "wave")])
    assert build(anna, ben, "--subjects", "7,9") == 0
    dataset = open_dataset("folder", str(tmp_path / "set"))
    assert [(c.subject, c.activity, c.session) for c in dataset.clips] == [
        (7, "walk", 1),
        (7, "wave", 1),
        (9, "wave", 2),
    ]
    assert dataset.streams == ("imu", "rgb")
    taxonomy = Taxonomy.read(tmp_path / "set" / "taxonomy.yaml")
    assert taxonomy.groups == {"gait": ("walk",), "gesture": ("wave",)}

    walk = dataset.read(dataset.clips[0], preprocessing(rgb=(32, 40, 3), imu=(2, 3)))
    (segment,) = walk.segments
    imu = walk.streams["imu"]
    assert [float(sample[0, 0]) for sample in imu.samples] == list(range(30, 210, 3)), "[0.5 s, 3.5 s)"
    assert segment.end_ns - segment.start_ns == pytest.approx(3 * S, abs=S // 15)
    rgb = walk.streams["rgb"]
    assert rgb.samples[0].shape == (32, 40, 3), "cropped and resized as the nodes do it"
    np.testing.assert_allclose(np.diff(rgb.stamps_ns), S // 5, atol=10), "15 Hz thinned out to the nodes' 5 Hz"
    stamps_ns = START_NS + (rgb.stamps_ns - imu.stamps_ns[0]) + S // 2
    assert [int(sample[0, 0, 0]) for sample in rgb.samples] == [round((t - START_NS) * 60 / S) for t in stamps_ns]


@pytest.mark.parametrize("behind_s", [0.25, -0.25, 3600.0])
def test_clips_have_the_stamps_that_the_nodes_give_a_sensor_with_a_clock_of_its_own(
    write_bag: WriteBag, build: Callable[..., int], tmp_path: Path, behind_s: float
) -> None:
    clips = []
    for name, imu_behind_s in (("right", 0.0), ("wrong", behind_s)):
        (tmp_path / "params.yaml").write_text(
            PARAMS.replace("kind: vector}", f"kind: vector, offset_s: {imu_behind_s}}}")
        )
        bag = write_bag(name, labels=[(0.5, 3.5, "gait", "walk")], imu_behind_s=imu_behind_s)
        assert build(bag) == 0
        clip = next((tmp_path / "set").rename(tmp_path / f"set of {name}").rglob("imu.npz"))
        pictures = sorted(file.name for file in clip.parent.glob("rgb/*.png"))
        with np.load(clip) as imu:
            clips.append((imu["stamps_ns"].tolist(), imu["samples"].tolist(), pictures))
    assert clips[0] == clips[1]
    assert len(clips[0][0]) == 60


def test_messages_that_come_too_late_for_their_clip_are_counted(
    write_bag: WriteBag, build: Callable[..., int], report: Callable[[], list]
) -> None:
    """The IMU's stamps are 5 s older than those of the camera that are logged with them; a clip lasts 2 s."""
    assert build(write_bag("anna", [(i, i + 2, "g", "wave") for i in range(0, 10, 2)], imu_behind_s=5.0)) == 0
    (anna,) = report()
    assert anna["problems"] == ["100 messages of /imu come two clips after their own; not used"]


def test_an_imu_that_the_nodes_would_leave_out_is_left_out(
    write_bag: WriteBag, build: Callable[..., int], report: Callable[[], list]
) -> None:
    """Else a model is taught what a robot refuses."""
    assert build(write_bag("anna", labels=[(0, 9, "g", "wave")], acceleration=lambda index: 0.5 + index % 2 / 10)) == 0
    (anna,) = report()
    (problem,) = anna["problems"]
    assert "messages of /imu are not used; the last one: linear_acceleration is" in problem
    assert "is it in g, or without gravity?" in problem


def test_two_streams_of_one_topic_have_one_clock(
    write_bag: WriteBag, build: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crop = "    part: {topic: camera, type: sensor_msgs/msg/Image, kind: rgb, offset_s: 0.5}\n"
    (tmp_path / "params.yaml").write_text(PARAMS.replace("[rgb, ", "[rgb, part, ") + crop)
    build(write_bag("anna", labels=[(0.5, 3.5, "gait", "walk")]))
    assert "/camera: rgb.offset_s is 0.0 and part.offset_s 0.5" in "".join(capsys.readouterr())


def test_what_is_dropped_is_reported_with_its_reason(
    write_bag: WriteBag, build: Callable[..., int], report: Callable[[], list], capsys: pytest.CaptureFixture[str]
) -> None:
    labels = [(0, 3, "g", "wave"), (3.1, 4.6, "g", "wave"), (5, 8, "", "hop"), (30, 34, "g", "wave")]
    assert build(write_bag("anna", labels), write_bag("ben"), write_bag("carl", [(0, 3, "", "wave")])) == 0
    anna, ben, carl = report()
    assert [(x["activity"], round(x["start_s"], 6), x["reason"]) for x in anna["dropped"]] == [
        ("wave", 3.1, "too short for a window of 2 s"),
        ("hop", 5, "hop has no group; write one into the label file, or give a --taxonomy"),
        ("wave", 30, "none of its streams has a sample then"),
    ]
    assert anna["incomplete"] == {"depth": 1}
    assert "it is unlabelled" in ben["problems"][0]
    assert list(carl["clips"].values()) == ["wave"], "its group is said by another label"
    said = capsys.readouterr()
    assert "clips: 1, 3 s; labels dropped: 3" in said.out
    assert "dropped: 3.10 to 4.60 s, wave: too short" in said.out
    assert "1 of 1 clips lack depth: it is masked there" in said.out
    assert "it is unlabelled" in said.err


@pytest.mark.parametrize(
    ("lengths_s", "clips_s"),
    [
        ([1.5, 1.5, 1.5], [4.5]),
        ([2.0, 2.5, 3.0], [2.0, 2.5, 3.0]),
        ([2.5, 1.5, 3.0], [4.0, 3.0]),
        ([0.5, 2.5, 2.0], [3.0, 2.0]),
        ([0.5] * 3, []),
    ],
    ids=["all short", "all long", "one short", "the first short", "short together"],
)
def test_repetitions_that_are_too_short_are_joined_to_those_that_they_touch(
    write_bag: WriteBag,
    build: Callable[..., int],
    report: Callable[[], list],
    lengths_s: list[float],
    clips_s: list[float],
) -> None:
    ends = [sum(lengths_s[: i + 1]) for i in range(len(lengths_s))]
    waves = [(end - length, end, "g", "wave") for end, length in zip(ends, lengths_s, strict=True)]
    hops = [(ends[-1], ends[-1] + 2, "g", "hop")]
    assert build(write_bag("anna", waves + hops)) == 0
    (anna,) = report()
    assert list(anna["clips"].values()) == ["wave"] * len(clips_s) + ["hop"]
    assert anna["seconds"] == sum(clips_s) + 2
    assert [x["end_s"] - x["start_s"] for x in anna["dropped"]] == ([] if clips_s else [sum(lengths_s)])


def test_annotations_that_overlap_are_cut_and_said(
    write_bag: WriteBag, build: Callable[..., int], report: Callable[[], list], capsys: pytest.CaptureFixture[str]
) -> None:
    bag = write_bag(
        "anna", annotations=[(0, 4, "g", "wave"), (3, 6, "g", "hop"), (6, 7, "g", "hop"), (7, 5, "g", "hop")]
    )
    assert build(bag) == 0
    (anna,) = report()
    assert list(anna["clips"].values()) == ["wave", "hop"]
    assert anna["seconds"] == 7
    assert anna["problems"] == [
        f"1 annotations overlap the next one and were cut where that begins, first wave at {START_NS} ns",
        f"1 annotations last no time and were left out, first hop at {START_NS + 7 * S} ns",
    ]
    assert anna["problems"][0] in capsys.readouterr().err


def test_a_taxonomy_says_which_activities_to_take(
    write_bag: WriteBag, build: Callable[..., int], report: Callable[[], list], tmp_path: Path
) -> None:
    bag = write_bag("anna", [(0, 3, "g", "wave"), (3, 6, "", "sit"), (6, 9, "g", "hop")])
    assert build(bag, "--taxonomy", "sim") == 0
    (anna,) = report()
    assert list(anna["clips"].values()) == ["wave", "sit"]
    assert [x["reason"] for x in anna["dropped"]] == ["hop is not in the taxonomy"]
    groups = Taxonomy.read(tmp_path / "set" / "taxonomy.yaml").groups
    assert groups == {"communicate": ("wave",), "rest": ("sit",)}, "what nobody did cannot be learned"


@pytest.mark.parametrize("name", ["\u0645\u06cc\u200c\u0631\u0648\u062f", "\U0001f3c3\u200d\u2642\ufe0f", "a\xa0b"])
def test_an_activity_has_any_name_that_a_label_can_have(
    write_bag: WriteBag, build: Callable[..., int], tmp_path: Path, name: str
) -> None:
    """Letters that are not joined, a picture of several, a space that does not break: unprintable."""
    assert build(write_bag("anna", [(0, 3, "g", name), (3, 6, "g", "hop")])) == 0
    assert Taxonomy.read(tmp_path / "set" / "taxonomy.yaml").activities == (name, "hop")
    assert {clip.activity for clip in open_dataset("folder", str(tmp_path / "set")).clips} == {name, "hop"}


@pytest.mark.parametrize("name", ["wave\nsit", "=wave", UNKNOWN, "x" * 101])
@pytest.mark.parametrize("place", ["group", "activity"])
def test_an_annotation_that_no_label_file_could_hold_is_no_clip(
    write_bag: WriteBag, build: Callable[..., int], report: Callable[[], list], name: str, place: str
) -> None:
    bad = {"group": (0, 3, name, "wave"), "activity": (0, 3, "g", name)}[place]
    assert build(write_bag("anna", annotations=[bad, (3, 6, "g", "sit")])) == 0
    (anna,) = report()
    assert list(anna["clips"].values()) == ["sit"]
    (problem,) = anna["problems"]
    assert problem.startswith(
        f"1 annotations are no labels and were left out, first the one at {START_NS} ns: {ascii(name)[:4]}"
    )


def test_annotations_are_read_as_label_files_are(
    write_bag: WriteBag, build: Callable[..., int], tmp_path: Path
) -> None:
    """Spaces around a name would be gone in clips.csv, but not in the taxonomy."""
    assert build(write_bag("anna", annotations=[(0, 3, "g ", " wave"), (3, 6, " g", "wave ")])) == 0
    assert Taxonomy.read(tmp_path / "set" / "taxonomy.yaml").groups == {"g": ("wave",)}
    assert {clip.activity for clip in open_dataset("folder", str(tmp_path / "set")).clips} == {"wave"}


def test_an_activity_is_one_however_its_accents_are_typed(
    write_bag: WriteBag, build: Callable[..., int], report: Callable[[], list], tmp_path: Path
) -> None:
    typed, composed = "pa\u0302te", "p\u00e2te"
    anna = write_bag("anna", [(0, 3, "g", typed), (3, 6, "g", composed)])
    ben = write_bag("ben", annotations=[(0, 3, "g", typed), (3, 6, "g", composed)])
    assert build(anna, ben) == 0
    assert [x for bag in report() for x in bag["clips"].values()] == [composed] * 4
    taxonomy = (tmp_path / "set" / "taxonomy.yaml").read_text(encoding="utf-8")
    (tmp_path / "own.yaml").write_text(taxonomy.replace(composed, typed), encoding="utf-8")
    assert Taxonomy.read(tmp_path / "own.yaml").activities == (composed,)
    clips = tmp_path / "set" / "clips.csv"
    clips.write_text(clips.read_text(encoding="utf-8").replace(composed, typed), encoding="utf-8")
    assert {clip.activity for clip in open_dataset("folder", str(tmp_path / "set")).clips} == {composed}


def test_long_labels_become_several_clips(
    write_bag: WriteBag, build: Callable[..., int], report: Callable[[], list]
) -> None:
    assert build(write_bag("anna", [(0, 90, "g", "wave")], seconds=2)) == 0
    (anna,) = report()
    assert len(anna["clips"]) == 1, "a label counts until the recording's end"
    assert anna["dropped"] == []
    assert anna["seconds"] == pytest.approx(2, abs=0.1)
    assert anna["unlabelled_s"] == 0


def test_a_broken_recording_gives_what_is_whole_and_a_lost_one_is_left_out(
    write_bag: WriteBag, build: Callable[..., int], report: Callable[[], list], tmp_path: Path
) -> None:
    bags = [write_bag(name, [(0, 3, "g", "wave"), (3, 9, "g", "hop")]) for name in ("whole", "cut", "lost")]
    for bag, share in zip(bags[1:], (0.6, 0.0), strict=True):
        file = next(bag.glob("*.mcap"))
        file.write_bytes(file.read_bytes()[: round(file.stat().st_size * share)])
    assert build(*bags) == 0
    whole, cut, lost = report()
    assert len(whole["clips"]) == 2
    assert "truncated" in " ".join(cut["problems"])
    assert lost["clips"] == {}
    assert "lost" in lost["problems"][-1]
    assert open_dataset("folder", str(tmp_path / "set")).clips


def test_two_recordings_in_one_bag_give_the_clips_of_the_first(
    write_bag: WriteBag, build: Callable[..., int], report: Callable[[], list]
) -> None:
    restarted = write_bag("two", [(0, 3, "g", "wave")], stamp_ns=lambda t: t if t < START_NS + 6 * S else t - 6 * S)
    assert build(restarted) == 0
    (two,) = report()
    assert "two recordings" in " ".join(two["problems"])


def test_other_streams_are_taken_where_nobody_can_be_found(
    write_bag: WriteBag,
    build: Callable[..., int],
    report: Callable[[], list],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_camera(bag: Path) -> None:
        raise RecordingError(f"{bag} has no colour picture")

    monkeypatch.setattr("mumu_ros.datasets.build.find_people", no_camera)
    bag = write_bag("anna", [(0, 3, "g", "wave")])
    (tmp_path / "params.yaml").write_text(PARAMS + "\n/**/people:\n  ros__parameters: {image.topic: /camera}\n")
    assert build(bag) == 0
    assert report()[0]["incomplete"] == {"depth": 1, "skeleton": 1}
    assert report()[0]["problems"] == [f"{bag} has no colour picture"]


@pytest.mark.parametrize("ahead_s", [-1_699_999_995, 0, 5], ids=["simulated time", "one clock", "a pause"])
def test_what_a_label_says_beyond_the_samples_is_no_clip(
    write_bag: WriteBag, build: Callable[..., int], report: Callable[[], list], tmp_path: Path, ahead_s: int
) -> None:
    """The last annotation has no end, and header stamps need not be on the log's clock; nor need time be continuous."""
    years_ns = 2 * 365 * 86400 * S

    def stamp_ns(logged_ns: int) -> int:
        return logged_ns + ahead_s * S + (years_ns if ahead_s > 0 and logged_ns >= START_NS + 5 * S else 0)

    bag = write_bag("anna", annotations=[(ahead_s, -START_NS // S, "g", "wave")], stamp_ns=stamp_ns)
    assert build(bag) == 0
    (anna,) = report()
    assert len(anna["clips"]) == (2 if ahead_s > 0 else 1)
    assert anna["seconds"] == pytest.approx(10, abs=0.1)
    assert (anna["dropped"], anna["unlabelled_s"]) == ([], 0)


@pytest.fixture
def build_people(build: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """`build` with parameters for people alone; of each recording somebody is found, 15 times a second from 5 s on."""
    joints = np.random.default_rng(0).normal(size=(15, 3)).astype(np.float32)
    seen = {START_NS + i * S // 15: joints for i in range(75, 450)}
    monkeypatch.setattr("mumu_ros.datasets.build.find_people", lambda bag: FoundPeople([START_NS, *seen], {"a": seen}))
    (tmp_path / "params.yaml").write_text("/**/people:\n  ros__parameters: {image.topic: /camera}\n")
    return build


def test_training_uses_every_clip_that_is_kept(
    write_bag: WriteBag,
    build_people: Callable[..., int],
    report: Callable[[], list],
    tmp_path: Path,
    no_processes: None,
) -> None:
    """Skeletons are for a model with a longer window than that of `sim`; in the first label hardly anybody is seen."""
    spans = [(2.5, 6), (6, 8.3), (8.3, 11), (11, 14), (14, 16.8), (16.8, 19.2)]
    labels = [(a, b, "g", ("wave", "hop")[i % 2]) for i, (a, b) in enumerate(spans)]
    assert build_people(write_bag("anna", labels, seconds=1)) == 0
    (anna,) = report()
    short = "too short for a window of 3 s"
    own = read_settings(share_path("config", "training", "own_people.yaml"), [f"data.root={tmp_path / 'set'}"])
    loaded = load_windows(own.model, own.data)
    assert loaded.skipped == {}
    assert [info.id for info in loaded.clips] == list(anna["clips"]) == ["01_anna_002", "01_anna_003"]
    assert sorted((x["end_s"], x["reason"]) for x in anna["dropped"]) == [
        (6, f"{short}: its samples span 0.9 s"),
        (8.3, short),
        (11, f"{short}: its samples span 2.6 s"),
        (19.2, short),
    ]
    assert sorted(x.name for x in (tmp_path / "set").iterdir() if x.is_dir()) == list(anna["clips"])


def test_a_window_of_another_length_may_be_given(
    write_bag: WriteBag, build_people: Callable[..., int], report: Callable[[], list]
) -> None:
    assert (
        build_people(write_bag("anna", [(6, 8.3, "g", "wave"), (9, 10, "g", "hop")], seconds=1), "--shortest", 2) == 0
    )
    assert list(report()[0]["clips"].values()) == ["wave"]


@pytest.mark.parametrize(("shortest", "override"), [("1", " model.window_s=1.0"), ("2", ""), (None, "")])
def test_the_next_command_trains_on_what_was_built(
    write_bag: WriteBag,
    build: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    shortest: str | None,
    override: str,
) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    long_s = 1.2 if override else 3.0
    bag = write_bag("anna", [(0, long_s, "g", "wave"), (4, 4 + long_s, "g", "hop")])
    assert build(bag, *(["--shortest", shortest] if shortest else [])) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("Next: mumu train "))
    assert f"{override} --init sim" in line
    config, *overrides = shlex.split(line.partition(" --init ")[0])[3:]
    settings = read_settings(config, overrides)
    imu = replace(settings.model.modalities[2], name="imu")
    loaded = load_windows(replace(settings.model, modalities=(imu,)), settings.data)
    assert {clip.activity for clip in loaded.clips} == {"wave", "hop"}


@pytest.mark.parametrize("other", ["hop", "wave"])
def test_a_training_set_of_one_activity_only_is_named(
    write_bag: WriteBag, build: Callable[..., int], capsys: pytest.CaptureFixture[str], other: str
) -> None:
    assert build(write_bag("anna", [(0, 3, "g", "wave"), (4, 7, "g", other)])) == 0
    text = "wave is the only activity: the model always answers with it; label rest, too (idle)"
    assert (text in capsys.readouterr().err.splitlines()) == (other == "wave")


def test_streams_that_the_configuration_of_the_training_does_not_take_are_named(
    write_bag: WriteBag, build: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = write_bag("anna", [(0, 3, "g", "wave"), (4, 7, "g", "hop")])
    assert build(bag) == 0
    text = "own.yaml: no clip has depth, imu_wrist, imu_belt and the model does not take imu; a modality (model.mod"
    assert text in capsys.readouterr().err
    shutil.rmtree(tmp_path / "set")
    params = PARAMS.replace("imu]", "imu_wrist, imu_belt]").replace("    imu:", "    imu_wrist:")
    params += "    imu_belt: {topic: imu, type: sensor_msgs/msg/Imu, kind: vector}\n"
    params = params.replace("depth: {topic: depth,", "depth: {topic: camera,").replace("kind: depth", "kind: rgb")
    (tmp_path / "params.yaml").write_text(params)
    assert build(bag) == 0
    assert "own.yaml" not in capsys.readouterr().err


def test_a_recording_that_is_not_there_is_no_damaged_one(
    write_bag: WriteBag, build: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert build(write_bag("anna", [(0, 3, "g", "wave")]), tmp_path / "nosuch") == 2
    assert f"{tmp_path / 'nosuch'} does not exist" in capsys.readouterr().err
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize(
    ("labels", "options", "text"),
    [
        ([(0, 1, "g", "wave")], [], "no clip remains: too short for a window of 2 s (1)"),
        ([(0, 3, "", "wave")], [], "no clip remains: wave has no group"),
        ([(0, 3, "g", "wave"), (3, 6, "h", "wave")], [], "wave is labelled in group 'g' and in 'h'"),
        ([(0, 3, "g", "Wave"), (3, 6, "g", "wave")], [], "the labels have both 'Wave' and 'wave'"),
        ([(0, 3, "g", "Wave"), (3, 6, "g", "wave")], ["--taxonomy", "sim"], "the labels have both 'Wave' and 'wave'"),
        ([(0, 3, "g", "wave"), (3, 6, "G", "hop")], [], "the labels have both 'g' and 'G'"),
        ([(0, 3, "g", "up, down")], [], "activity 'up, down' has a comma"),
        ([(0, 3, "g", "up, down")], ["--taxonomy", "sim"], "activity 'up, down' has a comma"),
        ([(0, 3, "g", "wave")], ["--subjects", "anna"], "'anna' is not a whole number"),
        ([(0, 3, "g", "wave")], ["--subjects", "-1"], "--subjects: '-1' is not a whole number below 2147483648"),
        ([(0, 3, "g", "wave")], ["--subjects", "2147483648"], "--subjects: '2147483648' is not a whole number below"),
        ([(0, 3, "g", "wave")], ["--subjects", "9" * 5000], "--subjects: '9999"),
        ([(0, 3, "g", "wave")], ["--subjects", "1,2"], "2 values of --subjects for 1 bags"),
        ([(0, 3, "g", "wave")], ["--shortest", "0"], "--shortest is 0; expected the length of a window in seconds"),
        ([(0, 3, "g", "wave")], ["--shortest", "nan"], "--shortest is nan; expected"),
        ([(0, 3, "g", "wave")], ["--labels", "nowhere.csv"], "nowhere.csv"),
        ([(0, 3, "g", "wave")], ["--taxonomy", "nowhere"], "taxonomy 'nowhere' is no file, and none of the shipped"),
    ],
)
def test_what_gives_no_training_set_is_one_line_and_leaves_nothing(
    write_bag: WriteBag,
    build: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    labels: list[tuple[float, float, str, str]],
    options: list[str],
    text: str,
) -> None:
    assert build(write_bag("anna", labels), *options) == 2
    assert text in capsys.readouterr().err.splitlines()[-1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["anna", "anna.labels.csv", "params.yaml"]


@pytest.mark.parametrize("source", ["labels", "annotations"])
def test_labels_that_reach_beyond_the_recording_are_counted(
    write_bag: WriteBag, build: Callable[..., int], report: Callable[[], list], source: str
) -> None:
    """Nobody knows what else is wrong with labels for more than was recorded."""
    rows = [(-0.5, 2, "g", "sit"), (2, 4, "g", "wave"), (5, 30, "g", "hop"), (40, 50, "g", "hop")]
    assert build(write_bag("anna", **{source: rows})) == 0
    (anna,) = report()
    start_s = START_NS // S
    assert anna["problems"] == [
        f"{anna['labels']}: 2 labels reach beyond the recording, with stamps from {start_s}.000 to {start_s + 9}.950 "
        f"s, by up to 40.0 s, first hop from {start_s + 5}.000 to {start_s + 30}.000 s"
    ]


def test_labels_in_seconds_from_the_start_are_explained(
    write_bag: WriteBag, build: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    start_s = START_NS // S
    assert build(write_bag("anna", [(-start_s, 4 - start_s, "g", "wave")])) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "anna.labels.csv: the labels, from 0.000 to 4.000 s, all lie outside the recording, with stamps from" in said
    assert "mumu label --import takes a file with seconds from the start" in said


def test_a_recording_counts_once_whatever_it_is_called(
    write_bag: WriteBag, build: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = write_bag("anna", [(0, 3, "g", "wave")])
    (tmp_path / "link").symlink_to(bag)
    for again in (bag, bag / "anna.mcap", tmp_path / "link"):
        assert build(bag, again) == 2
        assert f"{again} is given twice: {bag} has its anna.mcap, too" in capsys.readouterr().err
    (tmp_path / "copy").mkdir()
    shutil.copy(bag / "anna.mcap", tmp_path / "copy")
    write_labels(labels_path(tmp_path / "copy"), [Label(START_NS, START_NS + 3 * S, "g", "wave")])
    assert build(bag, tmp_path / "copy") == 0, "which nobody can tell from another recording"


def test_a_full_disk_leaves_nothing_that_looks_whole(
    write_bag: WriteBag,
    build: Callable[..., int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write = Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        if self.suffix == ".png":
            write(self, data[:10])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(self, data)

    bag = write_bag("anna", [(0, 3, "g", "wave")])
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        assert build(bag) == 2
    error = capsys.readouterr().err
    assert "No space left on device" in error
    assert str(tmp_path / "set") in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["anna", "anna.labels.csv", "params.yaml"]
    assert build(bag) == 0
    assert build(bag) == 2, "what is there is not replaced"
    assert "exists already" in capsys.readouterr().err
