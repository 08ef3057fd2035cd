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

"""Windows composed of clips: as a robot meets them, and labelled by what goes on at their end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mumu_ros.datasets.clips import Stream
from mumu_ros.model.config import ModelConfig
from mumu_ros.model.modality import Modality
from mumu_ros.model.taxonomy import IDLE, OTHER, Taxonomy
from mumu_ros.skeletons import LAYOUTS
from mumu_ros.training.composition import Take, compose, compose_stream, resample, window_series
from mumu_ros.training.windows import WindowSet

LAYOUT = "florence15"
JOINTS = LAYOUTS[LAYOUT]
CONFIG = ModelConfig(
    "t",
    (
        Modality("skeleton", "vector", (15, 3), 15, "cooccurrence1d", layout=LAYOUT),
        Modality("imu", "vector", (2, 3), 30, "cooccurrence1d"),
    ),
    Taxonomy("t", {"g": ("wave", "walk", "knock", "push"), "none": (IDLE, OTHER)}),
    2.0,
    8,
)
ACTIVITIES = CONFIG.taxonomy.activities
HIPS = JOINTS.index("left_hip", "right_hip")


def take(label: str, source: str = "a", subject: int = 1, imu: bool = False, seconds: float = 1.5) -> Take:
    """Somebody who faces the camera; who waves moves the right wrist by half a metre, once up and down."""
    steps = round(30 * seconds)
    places = np.tile(np.array([0.0, 0.0, 2.5]), (15, 1))
    places[:, 1] = -np.linspace(0.7, -0.8, 15)
    for side, x in (("left", 0.2), ("right", -0.2)):
        places[[i for i, name in enumerate(JOINTS.joints) if name.startswith(side)], 0] = x
    skeleton = np.tile(places, (steps, 1, 1)).astype(np.float32)
    if label == "wave":
        skeleton[:, JOINTS.joints.index("right_wrist"), 1] -= 0.5 * np.sin(np.linspace(0, np.pi, steps))
    sensor = np.full((steps, 2, 3), 1.0, np.float32) if imu else None
    labels = ("knock", "push") if label == "either" else (label,)
    return Take(skeleton, sensor, labels, source, subject, f"{source}/{label}")


def windows_of(windows: WindowSet, label: str) -> np.ndarray:
    return np.asarray(windows.vectors["skeleton"][windows.activity == ACTIVITIES.index(label)])


def path(x: np.ndarray) -> np.ndarray:
    """How far the hips go over the ground in each window, metres."""
    hips = x[:, :, HIPS].mean(axis=2)[:, -15:]
    return np.asarray(np.linalg.norm((hips[:, -1] - hips[:, 0])[:, [0, 2]], axis=-1))


def test_composed_windows_are_those_of_the_seed_and_as_the_model_takes_them() -> None:
    takes = [take("wave", imu=True), take("walk")]
    first, again, other = (compose(takes, CONFIG, 40, seed) for seed in (0, 0, 1))
    for name in ("skeleton", "imu"):
        np.testing.assert_array_equal(first.vectors[name], again.vectors[name])
        assert first.vectors[name].shape == (40, CONFIG.steps(name), *CONFIG.modality(name).shape)
        assert first.masks[name].shape == (40, CONFIG.steps(name))
        assert (first.vectors[name][~first.masks[name]] == 0).all()
    assert not np.array_equal(first.vectors["skeleton"], other.vectors["skeleton"])
    assert first.masks["skeleton"][:, -1].all(), "the end of every window is seen"


def test_datasets_get_as_many_windows_each_and_activities_of_a_dataset_alike() -> None:
    takes = [*[take("wave", "big", subject) for subject in range(20)], take("walk", "big"), take("knock", "small")]
    windows = compose(takes, CONFIG, 300, 0)
    sources = [clip.split("/")[0] for clip in windows.clip]
    assert sources.count("big") == sources.count("small") == 150
    counts = [len(windows_of(windows, label)) for label in ("wave", "walk")]
    assert 0.5 < counts[0] / counts[1] < 2


@pytest.mark.parametrize(
    ("label", "as_recorded", "low", "high"),
    [("wave", 0.7, 0.6, 0.95), ("wave", 0.0, 0.0, 0.02), ("wave", 1.0, 1.0, 1.0), ("walk", 0.7, 0.0, 0.0)],
)
def test_a_share_of_the_windows_is_a_clip_as_it_was_recorded_but_nobody_walks_on_the_spot(
    label: str, as_recorded: float, low: float, high: float
) -> None:
    clip = take(label)
    modality = CONFIG.modality("skeleton")
    recorded = window_series(modality, CONFIG.steps("skeleton"), [clip.skeleton])[0]
    shown = windows_of(compose([clip], CONFIG, 200, 0, as_recorded), label)
    assert low <= (shown == recorded).all(axis=(1, 2, 3)).mean() <= high


def test_activities_that_a_dataset_does_not_distinguish_are_equally_likely() -> None:
    windows = compose([take("either")], CONFIG, 60, 0)
    assert windows.labels is not None
    np.testing.assert_allclose(windows.labels.sum(axis=1), 1)
    shared = windows.labels[:, ACTIVITIES.index("knock")] == 0.5
    assert shared.any()
    assert (windows.labels[shared, ACTIVITIES.index("push")] == 0.5).all()


def test_a_walking_person_moves_ahead_and_a_resting_one_stays() -> None:
    windows = compose([take("walk"), take("wave")], CONFIG, 400, 0)
    walks, rests = windows_of(windows, "walk"), windows_of(windows, IDLE)
    assert np.median(path(walks)) > 0.4
    assert np.quantile(path(rests), 0.9) < 0.25
    ahead = (walks[:, -1] - walks[:, -10])[:, HIPS].mean(axis=1)
    moving = np.linalg.norm(ahead, axis=1) > 0.2
    assert (ahead[moving, 2] < 0).mean() > 0.9, "who faces the camera walks towards it"


def test_rest_moves_less_than_a_wave_and_follows_it_at_times() -> None:
    windows = compose([take("wave")], CONFIG, 400, 0)
    wrist = JOINTS.joints.index("right_wrist")

    def moved(x: np.ndarray, last: int) -> np.ndarray:
        return np.asarray(np.ptp(x[:, -last:, wrist, 1], axis=1))

    assert np.median(moved(windows_of(windows, "wave"), 20)) > 0.3
    assert np.quantile(moved(windows_of(windows, IDLE), 6), 0.9) < 0.15
    assert (moved(windows_of(windows, IDLE), 30) > 0.3).any(), "somebody has just stopped"


def test_people_rest_as_their_clips_begin_not_as_they_end() -> None:
    clip = take("wave")
    wrist = JOINTS.joints.index("right_wrist")
    lifted = clip.skeleton.copy()
    lifted[:, wrist, 1] -= np.linspace(0, 5, len(lifted))  # m upwards
    rests = windows_of(compose([replace(clip, skeleton=lifted)], CONFIG, 400, 0, as_recorded=0), IDLE)
    height = -rests[:, :, wrist, 1]
    still = np.ptp(height, axis=1) < 0.5
    assert still.any()
    assert np.ptp(height[still]) < 1


def test_a_sensor_is_there_where_all_that_is_shown_was_recorded_with_one() -> None:
    with_sensor = compose([take("wave", imu=True)], CONFIG, 60, 0)
    assert with_sensor.masks["imu"].any(axis=1)[with_sensor.activity != ACTIVITIES.index(OTHER)].all()
    assert not compose([take("wave")], CONFIG, 20, 0).masks["imu"].any()


def test_a_sensor_turns_as_fast_as_the_activity_is_done_and_not_at_rest() -> None:
    clip = take("wave", imu=True)
    assert clip.imu is not None
    clip.imu[:, 0] = np.linspace(9, 10, len(clip.imu))[:, None]
    windows = compose([clip], CONFIG, 400, 0)
    x, performs = windows.vectors["imu"], windows.activity == ACTIVITIES.index("wave")
    assert np.abs(x[windows.activity == ACTIVITIES.index(IDLE), -1, 1]).max() < 0.4, "but for noise"
    speeds = np.diff(x[:, -6:, 0, 0], axis=1) * (len(clip.imu) - 1)
    within = performs & windows.masks["imu"][:, -6:].all(axis=1) & (np.ptp(speeds, axis=1) < 1e-3)
    assert speeds[within].min() < 0.6
    assert speeds[within].max() > 1.3
    np.testing.assert_allclose(x[within, -1, 1], speeds[within, -1:].repeat(3, axis=1), atol=1e-3)


@pytest.mark.parametrize("seconds", [0.2, 0.9, 3.0])
def test_activities_of_a_stream_are_as_recorded_and_the_person_moves_on_between_them(seconds: float) -> None:
    # It ends with the arm raised.
    shown = replace(
        take("wave", seconds=seconds), skeleton=take("wave", seconds=2 * seconds).skeleton[: round(30 * seconds)]
    )
    stream = compose_stream([shown, shown], CONFIG, (1.0, 2.0), seed=0)
    assert stream.labels == (("wave",), ("wave",))
    for start, end in stream.spans:
        moved = stream.skeleton[start:end] - stream.skeleton[start]
        np.testing.assert_allclose(moved, shown.skeleton - shown.skeleton[0], atol=1e-5)
    steps = np.abs(np.diff(stream.skeleton, axis=0)).max(axis=(1, 2))
    assert steps.max() < 0.15, "metres from one sample to the next: nobody jumps"


@pytest.mark.parametrize("rate_hz", [15, 30, 42])
def test_clips_are_resampled_by_their_stamps(rate_hz: int) -> None:
    stamps_ns = 10**18 + np.round(np.arange(rate_hz + 1) * 1e9 / rate_hz).astype(np.int64)
    modality = CONFIG.modality("imu")
    ramp = np.linspace(0, 1, rate_hz + 1)[:, None, None] * np.ones((1, 2, 3))
    found = resample(Stream(stamps_ns, ramp), modality, int(stamps_ns[0]), int(stamps_ns[-1]))
    np.testing.assert_allclose(found[:, 0, 0], np.linspace(0, 1, 31), atol=1e-4)


def with_gaps(whole: Take) -> Take:
    """Nobody, or no sensor, at some of the times."""
    assert whole.imu is not None
    skeleton, imu = whole.skeleton.copy(), whole.imu.copy()
    for samples, gaps in ((skeleton, (slice(0, 10), slice(25, 40), slice(50, 60))), (imu, (slice(20, 30),))):
        for gap in gaps:
            samples[gap] = np.nan
    return replace(whole, skeleton=skeleton, imu=imu)


@pytest.mark.filterwarnings("error")
def test_windows_are_composed_of_clips_with_gaps() -> None:
    takes = [with_gaps(take(label, imu=True, seconds=2.0)) for label in ("wave", "walk", "knock")]
    windows = compose(takes, CONFIG, 400, 0)
    assert all(np.isfinite(x).all() for x in windows.vectors.values())
    resting = np.isin(windows.activity, [ACTIVITIES.index(IDLE), ACTIVITIES.index(OTHER)])
    assert windows.masks["skeleton"][resting].mean() > 0.9
    assert windows.masks["imu"][windows.activity == ACTIVITIES.index(IDLE), -1].all()
    stream = compose_stream(takes, CONFIG, (1.0, 2.0), seed=0)
    assert len(stream.spans) == len(takes)
    assert stream.imu is not None
    assert np.isnan(stream.imu).any(axis=(1, 2)).mean() < 0.2, "the gaps of the clips, not of the rest between them"


def test_an_imu_is_worn_through_a_stream_and_rests_with_the_person() -> None:
    takes = [take(label, imu=True, seconds=2.0) for label in ("wave", "knock")]
    stream = compose_stream(takes, CONFIG, (1.0, 2.0), seed=0)
    assert stream.imu is not None
    for (start, end), shown in zip(stream.spans, takes, strict=True):
        assert shown.imu is not None
        np.testing.assert_allclose(stream.imu[start:end], shown.imu, atol=1e-5)
    resting = np.ones(len(stream.imu), np.bool_)
    for start, end in stream.spans:
        resting[start : end + 10] = False
    assert np.abs(stream.imu[resting, 1]).max() < 0.5, "rad/s: rest does not turn"
    assert compose_stream([takes[0], replace(takes[1], imu=None)], CONFIG, (1.0, 2.0), seed=0).imu is None
