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

"""Windows for training are the windows that the live recogniser sees."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mumu_ros.datasets.clips import Clip, Segment, Stream
from mumu_ros.model.config import ModelConfig
from mumu_ros.model.preprocessing import Preprocessing
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.streams import StreamSpec, WindowAssembler
from mumu_ros.training.windows import WindowSet, clip_end, cut_windows, random_ends

S = 1_000_000_000
MakeClip = Callable[..., Clip]


def same(a: WindowSet, b: WindowSet) -> bool:
    one, other = a.batch(range(len(a))), b.batch(range(len(b)))
    arrays = all(np.array_equal(one[i][name], other[i][name]) for i in (0, 1) for name in one[i])
    columns = all(np.array_equal(getattr(a, c), getattr(b, c)) for c in ("activity", "subject", "inside", "clip"))
    return arrays and columns


def test_each_window_is_what_a_fresh_assembler_gives(config: ModelConfig, make_clip: MakeClip) -> None:
    clip = make_clip(0)
    ends = random_ends(clip, config.window_s, 2.0, np.random.default_rng(1))
    windows = cut_windows(clip, config, ends, min_overlap=0.0)
    assert len(windows) == len(ends) == 10
    for row, end_ns in enumerate(ends.tolist()):
        specs = [
            StreamSpec(m.name, "frames" if m.is_image else "vector", m.rate_hz, m.shape, m.max_gap_s)
            for m in config.modalities
        ]
        assembler = WindowAssembler(specs, config.window_s)
        for name, stream in clip.streams.items():
            for stamp, sample in zip(stream.stamps_ns.tolist(), stream.samples, strict=True):
                if stamp <= end_ns:
                    assembler.push(name, stamp, sample)
        expected_inputs, expected_masks = Preprocessing(config).batch([assembler.window(end_ns)])
        inputs, masks = windows.batch([row])
        for name in config.names:
            np.testing.assert_array_equal(masks[name], expected_masks[name])
            np.testing.assert_array_equal(inputs[name], expected_inputs[name])
            assert inputs[name].dtype == expected_inputs[name].dtype


def test_a_digest_is_of_all_that_windows_show_and_are_told(pose_config: ModelConfig, make_clip: MakeClip) -> None:
    """And of nothing else, such as what other windows show."""
    generator = np.random.default_rng(0)

    def cut(seed: int) -> WindowSet:
        clip = make_clip(seed)
        stream = Stream(clip.streams["rgb"].stamps_ns, list(generator.normal(size=(90, 2, 3))))
        start = clip.segments[0].start_ns
        ends = start + np.array([2 * S, int(2.5 * S), 5 * S])
        return cut_windows(replace(clip, streams={**clip.streams, "s": stream}), pose_config, ends, 0.0, pose="s")

    windows = replace(WindowSet.concatenate([cut(0), cut(1)]), labels=np.eye(6, dtype=np.float32))
    rows = [0, 1, 2]
    known = windows.digest(rows)
    assert known == windows.take(np.array([2, 0, 1, 4])).digest([1, 2, 0])
    assert known not in (windows.digest([1, 0, 2]), windows.digest([3, 4, 5]), windows.digest([0, 1]))

    def changed(array: np.ndarray, row: int) -> np.ndarray:
        other = array.copy()
        other[row] = ~array[row] if array.dtype == np.bool_ else "x" if array.dtype.kind == "U" else array[row] + 1
        return other

    for part in ("frames", "indices", "vectors", "masks", "poses"):
        arrays = getattr(windows, part)
        assert arrays
        for name, array in arrays.items():
            for row, is_shown in ((0, True), (-1, False)):
                other = replace(windows, **{part: {**arrays, name: changed(array, row)}})
                assert (other.digest(rows) != known) == is_shown, (part, name)
    for column in ("activity", "subject", "inside", "clip", "labels"):
        for row, is_shown in ((0, True), (-1, False)):
            other = replace(windows, **{column: changed(getattr(windows, column), row)})
            assert (other.digest(rows) != known) == is_shown, column


def test_labels_come_from_the_activity_that_fills_most(config: ModelConfig, make_clip: MakeClip) -> None:
    clip = make_clip(0)
    start = clip.segments[0].start_ns
    ends = start + np.array([2 * S, 3 * S, int(3.3 * S), int(3.5 * S), int(3.8 * S), 4 * S])
    windows = cut_windows(clip, config, ends, min_overlap=0.6)
    stand, walk = (config.taxonomy.activity_index(name) for name in ("stand", "walk"))
    assert windows.activity.tolist() == [stand, stand, stand, walk, walk]  # half and half is left out
    assert windows.inside.tolist() == [True, True, False, False, True]


def test_an_activity_fills_what_its_segments_fill_together(config: ModelConfig, make_clip: MakeClip) -> None:
    """Repetitions may be labelled one by one."""
    clip = make_clip(0)
    start = clip.segments[0].start_ns
    repeated = [Segment(start + i * S // 2, start + (i + 1) * S // 2, "stand" if i < 6 else "walk") for i in range(12)]
    ends = start + np.arange(2 * S, 6 * S, S // 10)
    for min_overlap in (0.6, 1.0):
        whole, cut = (
            cut_windows(replace(clip, segments=tuple(segments)), config, ends, min_overlap)
            for segments in (clip.segments, repeated)
        )
        assert same(whole, cut)


def test_a_window_in_which_nothing_is_done_is_left_out(config: ModelConfig, make_clip: MakeClip) -> None:
    clip = make_clip(0)
    start = clip.segments[0].start_ns
    segments = (Segment(start, start + S, "stand"), Segment(start + 4 * S, start + 6 * S, "stand"))
    windows = cut_windows(replace(clip, segments=segments), config, start + np.arange(1, 7) * S, min_overlap=0.0)
    assert len(windows) == 3


@given(begin=st.floats(0, 2.5), length=st.floats(0.3, 3), end=st.floats(0.2, 6))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_activity_fills_a_share_of_what_was_recorded_also_where_nothing_is_labelled(
    config: ModelConfig, make_clip: MakeClip, begin: float, length: float, end: float
) -> None:
    """Before the first label, and after the last."""
    clip = make_clip(0)
    start = clip.segments[0].start_ns
    segment = Segment(start + round(begin * S), start + round((begin + length) * S), "stand")
    first_ns, last_ns = min(int(s.stamps_ns[0]) for s in clip.streams.values()), int(clip_end(clip)[0])
    end_ns = start + round(end * S)
    recorded = (max(first_ns, end_ns - S), min(end_ns, last_ns))
    share = (min(segment.end_ns, recorded[1]) - max(segment.start_ns, recorded[0])) / (recorded[1] - recorded[0])
    windows = cut_windows(replace(clip, segments=(segment,)), config, np.array([end_ns]), min_overlap=0.6)
    assert windows.inside.tolist() == ([share == 1] if share >= 0.6 else [])


def test_a_frame_that_windows_share_is_kept_once(config: ModelConfig, make_clip: MakeClip) -> None:
    clip = make_clip(0)
    ends = clip.segments[0].start_ns + np.arange(2 * S, 5 * S, S // 20)
    windows = cut_windows(clip, config, ends, min_overlap=0.0)
    assert len(windows.frames["rgb"]) <= 5 * 5 + 1
    assert windows.frames["depth"].dtype == np.float16


def test_sets_concatenate_and_survive_a_file(config: ModelConfig, make_clip: MakeClip, tmp_path: Path) -> None:
    ends = [random_ends(make_clip(s), 1.0, 1.0, np.random.default_rng(s)) for s in (0, 1)]
    parts = [cut_windows(make_clip(s, subject=s), config, ends[s], 0.6) for s in (0, 1)]
    both = WindowSet.concatenate(parts)
    assert set(both.subject.tolist()) == {0, 1}
    assert both.clip.tolist() == ["c0"] * len(parts[0]) + ["c1"] * len(parts[1])
    assert same(both.take(np.flatnonzero(both.subject == 1)), parts[1])
    both.save(tmp_path / "w.npz")
    assert same(WindowSet.load(tmp_path / "w.npz"), both)
    assert [path.name for path in tmp_path.iterdir()] == ["w.npz"]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    vector_windows: WindowSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "w.npz"
    vector_windows.save(path)
    before = path.read_bytes()

    def full(target: Path, **arrays: np.ndarray) -> None:
        target.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match=rf"No space left on device; make room.*{path}"):
        vector_windows.save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_the_window_of_a_clip_ends_with_its_newest_sample(config: ModelConfig, make_clip: MakeClip) -> None:
    clip = make_clip(0)
    (end_ns,) = clip_end(clip).tolist()
    assert end_ns == max(int(stream.stamps_ns[-1]) for stream in clip.streams.values())
    windows = cut_windows(clip, config, clip_end(clip), 0.6)
    assert len(windows) == 1
    assert all(mask.all() for mask in windows.batch([0])[1].values())


def test_a_clip_shorter_than_the_window_is_one_window(config: ModelConfig, make_clip: MakeClip) -> None:
    """What a window has of it counts, not the empty time before."""
    clip = make_clip(0)
    start = clip.segments[0].start_ns
    streams = {
        name: replace(stream, stamps_ns=stream.stamps_ns[stream.stamps_ns < start + S // 3], samples=stream.samples)
        for name, stream in clip.streams.items()
    }
    streams = {name: replace(s, samples=s.samples[: len(s.stamps_ns)]) for name, s in streams.items()}
    short = Clip(streams, (replace(clip.segments[0], end_ns=start + S // 3),), 0, "short")
    windows = cut_windows(short, config, clip_end(short), 0.6)
    assert windows.activity.tolist() == [config.taxonomy.activity_index("stand")]
    mask = windows.batch([0])[1]["imu_wrist"][0]
    assert mask[-6:].all()
    assert not mask[:10].any()


def test_a_missing_stream_is_masked(config: ModelConfig, make_clip: MakeClip) -> None:
    clip = make_clip(0)
    without = Clip({n: s for n, s in clip.streams.items() if n != "depth"}, clip.segments, 0)
    windows = cut_windows(without, config, np.array([clip.segments[0].start_ns + 2 * S]), 0.6)
    inputs, masks = windows.batch([0])
    assert not masks["depth"].any()
    assert (inputs["depth"] == 0).all()
    assert masks["rgb"].all()


@pytest.mark.parametrize("per_second", [0.5, 1.0, 4.0])
def test_random_ends_lie_within_the_clip(make_clip: MakeClip, per_second: float) -> None:
    clip = make_clip(0)
    ends = random_ends(clip, 1.0, per_second, np.random.default_rng(0))
    assert (np.diff(ends) > 0).all()
    assert ends[0] >= clip.segments[0].start_ns + S
    assert ends[-1] <= clip.segments[-1].end_ns
    assert len(ends) == int(5 * per_second)


@given(
    length_ns=st.integers(1, 8 * S),
    window_s=st.floats(0.1, 4),
    per_second=st.floats(0.1, 10),
    seed=st.integers(0, 99),
)
@settings(max_examples=200, deadline=None)
def test_whatever_a_window_fits_into_has_one(length_ns: int, window_s: float, per_second: float, seed: int) -> None:
    """Or all but a tenth of one. A clip longer by a step has the windows that it always had, whatever came before."""
    start, window_ns = 1_700_000_000 * S, round(window_s * S)
    clip = Clip({}, (Segment(start, start + length_ns, "stand"),), 0)
    ends = random_ends(clip, window_s, per_second, np.random.default_rng(seed))
    assert ends.dtype == np.int64
    if not 0.89 < length_ns / window_ns < 0.91:
        assert (len(ends) > 0) == (length_ns > 0.9 * window_ns)
    assert ((ends >= start + min(window_ns, length_ns)) & (ends <= start + length_ns)).all()
    count = int((length_ns - window_ns) / (S / per_second))
    generator = np.random.default_rng(seed)
    short = Clip({}, (Segment(start, start + window_ns, "stand"),), 0)
    random_ends(short, window_s, per_second, generator)
    if count > 0:
        drawn = np.arange(count) + np.random.default_rng(seed).random(count)
        expected = start + window_ns + (drawn * (S / per_second)).astype(np.int64)
        np.testing.assert_array_equal(ends, expected)
        np.testing.assert_array_equal(random_ends(clip, window_s, per_second, generator), expected)


def test_activities_without_a_window_are_named(vector_windows: WindowSet) -> None:
    taxonomy = Taxonomy("t", {"gesture": ("wave", "point"), "gait": ("walk",)})
    assert vector_windows.untaught(taxonomy) == ()
    assert vector_windows.take(np.flatnonzero(vector_windows.activity == 1)).untaught(taxonomy) == ("wave", "walk")
    groups = replace(vector_windows, activity=np.full(12, -1))
    assert groups.untaught(taxonomy) == ("wave", "point", "walk")
    told = replace(groups, labels=np.tile(np.array([[0.5, 0, 0.5]], np.float32), (12, 1)))
    assert told.untaught(taxonomy) == ("point",)


def test_frames_get_the_pose_of_their_time_whether_the_model_sees_skeletons_or_not(
    pose_config: ModelConfig, make_clip: MakeClip
) -> None:
    """The skeleton moves evenly, so its pose at a frame follows from the frame's stamp."""
    clip = make_clip(0)
    stamps = clip.streams["imu_wrist"].stamps_ns
    joints = np.stack([(stamps - stamps[0]) / S, np.zeros(len(stamps)), np.full(len(stamps), 7.0)], axis=1)
    skeleton = Stream(stamps, joints[:, None, :] + np.array([[0.0, 0, 0], [0, 1, 0]])[None])
    clip = Clip({**clip.streams, "skeleton": skeleton}, clip.segments, 0)
    windows = cut_windows(clip, pose_config, np.array([clip.segments[-1].end_ns]), 0.6, pose="skeleton")
    assert set(windows.poses) == {"depth"}, "no other modality sees poses"
    assert windows.poses["depth"].shape == (len(windows.frames["depth"]), 6)
    x, y, z = windows.poses["depth"].reshape(-1, 2, 3).transpose(2, 0, 1)
    assert np.allclose(z, 7)
    assert np.allclose(y, [0, 1])
    # Five frames a second of the last second, their order that of the window.
    order = windows.indices["depth"][0]
    assert np.diff(x[order, 0]) == pytest.approx(0.2, abs=0.1)
    assert x[order[-1], 0] == pytest.approx(5.9, abs=0.2)
    assert "skeleton" not in windows.vectors
    both = WindowSet.concatenate([windows, windows])
    assert len(both.poses["depth"]) == len(both.frames["depth"])


def test_poses_survive_a_file(pose_config: ModelConfig, make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip(0)
    windows = cut_windows(clip, pose_config, np.array([clip.segments[-1].end_ns]), 0.6, pose="imu_wrist")
    windows.save(tmp_path / "w.npz")
    np.testing.assert_array_equal(WindowSet.load(tmp_path / "w.npz").poses["depth"], windows.poses["depth"])


def test_frames_of_some_windows_are_encoded_once_each(config: ModelConfig, make_clip: MakeClip) -> None:
    clip = make_clip(0)
    ends = np.arange(clip.segments[0].start_ns + S // 2, clip.segments[-1].end_ns, S // 4)
    windows = cut_windows(clip, config, ends, 0.1)
    some = windows.take(np.array([0, 5, 6]))
    asked: list[int] = []

    def encode(frames: np.ndarray) -> np.ndarray:
        asked.append(len(frames))
        return frames.reshape(len(frames), -1)[:, :7].astype(np.float32)

    encoded = some.encoded("depth", encode)
    assert asked == [len(np.unique(some.indices["depth"][some.indices["depth"] >= 0]))]
    assert (some.indices["depth"] < 0).any(), "the first window is not full"
    (inputs, masks), (expected, there) = (s.batch([2, 0]) for s in (encoded, some))
    np.testing.assert_array_equal(masks["depth"], there["depth"])
    np.testing.assert_array_equal(inputs["depth"], expected["depth"].reshape(*there["depth"].shape, -1)[..., :7])
    np.testing.assert_array_equal(inputs["rgb"], expected["rgb"])


def test_the_samples_after_a_gap_are_in_the_window_that_ends_with_the_clip(
    config: ModelConfig, make_clip: MakeClip
) -> None:
    """Live, the first samples after it wait for others to confirm their time; here none would come."""
    clip = make_clip(0)
    gap = (clip.segments[0].start_ns + S, int(clip_end(clip)[0]) - S // 10)
    kept = {name: np.flatnonzero((s.stamps_ns < gap[0]) | (s.stamps_ns > gap[1])) for name, s in clip.streams.items()}
    streams = {n: Stream(s.stamps_ns[kept[n]], [s.samples[i] for i in kept[n]]) for n, s in clip.streams.items()}
    windows = cut_windows(replace(clip, streams=streams), config, clip_end(clip), 0.6)
    assert all(mask[0, -1] for mask in windows.batch([0])[1].values())
