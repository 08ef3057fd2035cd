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

"""Frames are encoded once, and a decision is what it would be if the whole window were encoded for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mumu_ros.model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from mumu_ros.model.network import Network
from mumu_ros.recognition import Decision, Recognizer, RecognizerSettings
from mumu_ros.recognition.backends import Eager, Outputs

MS = 1_000_000
START_NS = 1_700_000_000_000_000_000


class Counting(Eager):
    """Remembers how many frames it was asked to encode, and what it said last."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__(checkpoint.model)
        self.batches: list[tuple[str, int]] = []
        self.outputs: Outputs | None = None

    def encode(self, name: str, frames: np.ndarray) -> torch.Tensor:
        self.batches.append((name, len(frames)))
        return super().encode(name, frames)

    def decide(self, *arguments: Any) -> list[Outputs]:
        outputs = super().decide(*arguments)
        self.outputs = outputs[0]
        return outputs


@pytest.fixture
def checkpoint(tiny_model: Path) -> Checkpoint:
    return load_checkpoint(tiny_model)


def push_frame(recognizer: Recognizer, name: str, stamp_ns: int) -> None:
    rng = np.random.default_rng(stamp_ns % 2**32)
    image = rng.integers(0, 255, (32, 32, 3), np.uint8) if name == "rgb" else rng.uniform(1, 4, (32, 32)).astype("f4")
    recognizer.push(name, stamp_ns, image)


STEP = st.tuples(
    st.sampled_from(["rgb", "depth", "imu", "imu", "decide", "encode", "reset", "back"]), st.integers(20, 300)
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, min_size=10, max_size=80))
def test_cached_features_give_the_logits_of_the_whole_window(checkpoint: Checkpoint, steps: list[Any]) -> None:
    """Whatever comes at whatever rate, drops out, jumps back or begins anew: within 1e-5."""
    backend = Counting(checkpoint)
    cached = Recognizer(checkpoint, backend=backend)
    pushed: list[tuple[str, int]] = []
    now_ns = START_NS

    def again(to: Recognizer) -> None:
        for name, stamp_ns in pushed:
            if name == "imu":
                to.push(name, stamp_ns, np.full((2, 3), stamp_ns % 7 / 7))
            else:
                push_frame(to, name, stamp_ns)

    for what, step_ms in [*steps, ("rgb", 50), ("decide", 20)]:
        now_ns += step_ms * MS
        if what == "reset":
            cached.clear()
            pushed.clear()
        elif what == "back":
            now_ns -= 20_000 * MS
        elif what == "encode":
            cached.encode(now_ns)
        elif what == "decide":
            decision = cached.recognize(now_ns)
            reference = Counting(checkpoint)
            fresh = Recognizer(checkpoint, backend=reference)
            again(fresh)
            expected = fresh.recognize(now_ns)
            assert type(decision) is type(expected)
            if isinstance(decision, Decision):
                assert backend.outputs is not None
                assert reference.outputs is not None
                assert backend.outputs.present.tolist() == reference.outputs.present.tolist()
                for field in ("activity_logits", "group_logits", "gm_weights", "sm_weights"):
                    np.testing.assert_allclose(
                        getattr(backend.outputs, field), getattr(reference.outputs, field), rtol=0, atol=1e-5
                    )
        else:
            pushed.append((what, now_ns))
            if what == "imu":
                cached.push(what, now_ns, np.full((2, 3), now_ns % 7 / 7))
            else:
                push_frame(cached, what, now_ns)


def test_each_frame_is_encoded_once_and_those_that_come_together_in_one_batch(checkpoint: Checkpoint) -> None:
    backend = Counting(checkpoint)
    recognizer = Recognizer(checkpoint, backend=backend)
    for k in range(40):
        push_frame(recognizer, "rgb", START_NS + k * 100 * MS)
        push_frame(recognizer, "depth", START_NS + k * 100 * MS)
        if k % 4 == 3:
            recognizer.recognize(START_NS + k * 100 * MS)
    assert backend.batches == [("rgb", 4), ("depth", 4)] * 10


def test_encoding_ahead_leaves_less_to_the_decision_and_changes_nothing(checkpoint: Checkpoint) -> None:
    ahead, lazy = Counting(checkpoint), Counting(checkpoint)
    first, second = Recognizer(checkpoint, backend=ahead), Recognizer(checkpoint, backend=lazy)
    for k in range(10):
        for recognizer in (first, second):
            push_frame(recognizer, "rgb", START_NS + k * 100 * MS)
        first.encode(START_NS + k * 100 * MS)
    assert ahead.batches == [("rgb", 1)] * 10
    for recognizer in (first, second):
        assert isinstance(recognizer.recognize(START_NS + 900 * MS), Decision)
    assert len(ahead.batches) == 10
    assert ahead.outputs is not None
    assert lazy.outputs is not None
    np.testing.assert_allclose(ahead.outputs.activity_logits, lazy.outputs.activity_logits, atol=1e-5)


def test_what_cannot_be_encoded_in_time_is_given_up_and_counted(checkpoint: Checkpoint) -> None:
    backend = Counting(checkpoint)
    recognizer = Recognizer(checkpoint, RecognizerSettings(backlog=2), backend)
    for k in range(10):
        push_frame(recognizer, "rgb", START_NS + k * 100 * MS)
    assert isinstance(recognizer.recognize(START_NS + 900 * MS), Decision)
    assert backend.batches == [("rgb", 2)], "the newest win"
    assert recognizer.skipped_frames == 8
    recognizer.recognize(START_NS + 900 * MS)
    assert backend.batches == [("rgb", 2)], "what was given up stays so"
    assert recognizer.skipped_frames == 8


def test_a_lost_frame_gives_up_no_others_where_a_window_shows_every_second_one(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    """From then on windows show the other half of the frames, none of which is encoded yet."""
    config = checkpoint.config
    modalities = (replace(config.modalities[0], stride=2), *config.modalities[1:])
    save_checkpoint(tmp_path / "strided", Network(replace(config, modalities=modalities)).eval())
    strided = load_checkpoint(tmp_path / "strided")
    backend, reference = Counting(strided), Counting(strided)
    live, patient = Recognizer(strided, RecognizerSettings(backlog=3), backend), Recognizer(strided, backend=reference)
    for k in [*range(14), *range(15, 20)]:
        stamp_ns = START_NS + k * 100 * MS
        for recognizer in (live, patient):
            push_frame(recognizer, "rgb", stamp_ns)
        if k % 2 and isinstance(live.recognize(stamp_ns), Decision):
            patient.recognize(stamp_ns)
            assert backend.outputs is not None
            assert reference.outputs is not None
            np.testing.assert_array_equal(backend.outputs.activity_logits, reference.outputs.activity_logits)
    assert live.skipped_frames == 0


def test_a_backlog_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="backlog is 0; expected 1 or more"):
        RecognizerSettings(backlog=0)
