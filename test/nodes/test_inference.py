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

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.lifecycle import TransitionCallbackReturn

from mumu_ros.conversions import RosTypes, samples_to_frame, time_to_ns
from mumu_ros.model.calibration import Calibration
from mumu_ros.model.checkpoint import load_checkpoint, save_checkpoint
from mumu_ros.model.novelty import Novelty
from mumu_ros.msg import MultimodalFrame
from mumu_ros.nodes.inference import Inference
from mumu_ros.recognition.decision import UNKNOWN
from mumu_ros.recognition.smoothing import Smoother

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
MS = 1_000_000
START_NS = 1_700_000_000_000_000_000
TYPES = RosTypes()


@pytest.mark.serial
def test_frames_become_recognitions_whose_fields_agree(robot: Callable[..., Any]) -> None:
    r = robot(body_id="b1")
    r.start()
    r.play(0, 30)
    r.ros.wait(lambda: len(r.recognitions) >= 10)
    for message in r.recognitions:
        assert message.header.frame_id == "camera"
        assert message.body_id == "b1"
        assert message.model.startswith("tiny@")
        assert time_to_ns(message.header.stamp) - time_to_ns(message.window_start) == 1000 * MS
        assert list(message.group_labels) == ["gesture", "gait"]
        assert list(message.activity_labels) == ["wave", "point", "walk", "run", "stand"]
        assert message.activity == message.activity_labels[int(np.argmax(message.activity_probabilities))]
        assert message.activity_probability == pytest.approx(max(message.activity_probabilities))
        assert (message.activity_confidence, message.group_confidence, str(message.novelty)) == (
            message.activity_probability,
            message.group_probability,
            "nan",
        ), "this model does not know what is novel"
        assert sum(message.activity_probabilities) == pytest.approx(1, abs=1e-5)
        assert list(message.modalities) == ["rgb", "depth", "imu"]
        for field in ("present", "coverage", "sm_fusion_weights", "gm_fusion_weights", "modality_age_s"):
            assert len(getattr(message, field)) == 3, field
        assert sum(message.gm_fusion_weights) == pytest.approx(1, abs=1e-5)
        assert 0 < message.processing_time_s < 5
    assert set(np.diff(stamps(r.recognitions))) == {200 * MS}, "5 Hz of 10 Hz frames"


def test_the_probability_is_of_the_label_also_where_hysteresis_keeps_it_and_another_leads(
    robot: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def keep_the_least_probable(_: Smoother, _stamp_ns: int, probabilities: np.ndarray) -> tuple[np.ndarray, int]:
        return probabilities, int(probabilities.argmin())

    monkeypatch.setattr(Smoother, "update", keep_the_least_probable)
    r = robot(unknown_threshold=0.0)
    r.start()
    r.play(0, 15)
    r.ros.wait(lambda: r.recognitions)
    message = r.recognitions[0]
    for name in ("activity", "group"):
        label, probability = getattr(message, name), getattr(message, f"{name}_probability")
        labels, distribution = getattr(message, f"{name}_labels"), getattr(message, f"{name}_probabilities")
        assert (label, probability) == (labels[int(np.argmin(distribution))], min(distribution))
        assert probability == getattr(message, f"{name}_confidence")


def test_a_modality_that_stops_loses_its_attention_and_gets_it_back(robot: Callable[..., Any]) -> None:
    r = robot()
    r.start()
    r.play(0, 15)
    r.play(15, 20, without=("imu",))
    r.ros.wait(lambda: r.recognitions and not r.recognitions[-1].present[2])
    blind = r.recognitions[-1]
    assert blind.gm_fusion_weights[2] == blind.sm_fusion_weights[2] == 0
    assert sum(blind.gm_fusion_weights) == pytest.approx(1, abs=1e-5)
    assert np.isnan(blind.modality_age_s[2]) or blind.modality_age_s[2] > 0.7
    r.ros.wait(lambda: r.recognitions[-1].fault == ["", "", "silent"])
    r.play(35, 15)
    r.ros.wait(lambda: r.recognitions[-1].present[2])
    assert r.recognitions[-1].fault == [""] * 3
    assert not r.recognitions[-1].anomaly, "nobody asked for health"


def test_a_sensor_that_is_stuck_or_noisy_is_flagged_and_cleared(
    robot: Callable[..., Any], watchful_model: Path
) -> None:
    r = robot(health=True)
    r.start()
    r.play(0, 20)
    r.ros.wait(lambda: len(r.recognitions) >= 5)
    assert list(r.recognitions[-1].fault) == [""] * 3
    assert all(r.recognitions[-1].present)
    r.play(20, 30, stuck="imu")
    r.ros.wait(lambda: r.recognitions[-1].fault[2] == "stuck")
    message = r.recognitions[-1]
    assert list(message.fault[:2]) == ["", ""]
    assert 0 <= message.fault_age_s[2] <= 3
    assert np.isnan(message.fault_age_s[0])
    assert list(message.present) == [True, True, False]
    assert message.gm_fusion_weights[2] == 0
    r.ros.wait(lambda: r.diagnosed("imu: stuck for"))
    r.play(50, 40)
    r.ros.wait(lambda: r.recognitions[-1].present[2])
    r.play(90, 30, noise=30.0)
    r.ros.wait(lambda: r.recognitions[-1].fault[2] == "noisy")
    assert r.recognitions[-1].fault_age_s[2] <= 3
    r.play(120, 40)
    r.ros.wait(lambda: list(r.recognitions[-1].fault) == [""] * 3 and all(r.recognitions[-1].present))


def test_without_a_health_model_health_cannot_be_asked_for(
    robot: Callable[..., Any], capfd: pytest.CaptureFixture[str]
) -> None:
    r = robot(health=True)
    assert r.node.trigger_configure() == FAILURE
    assert "make one with: mumu health" in capfd.readouterr().err


def test_a_sample_of_another_shape_is_reported_and_the_rest_goes_on(
    robot: Callable[..., Any], capfd: pytest.CaptureFixture[str]
) -> None:
    r = robot()
    r.start()
    r.play(0, 20, imu_shape=(3, 3))
    r.ros.wait(lambda: len(r.recognitions) >= 3)
    assert not any(message.present[2] for message in r.recognitions)
    log = capfd.readouterr().err
    assert "imu" in log
    assert "(3, 3)" in log
    assert "Traceback" not in log


@pytest.mark.parametrize("shape", [[0], [0, 0], [4294967295] * 4, [3, 3], []])
def test_a_series_of_any_shape_ends_nothing_and_is_named(robot: Callable[..., Any], shape: list[int]) -> None:
    r = robot()
    r.start()
    frame = samples_to_frame(START_NS, "camera", {}, {"imu": ([START_NS], [np.zeros((2, 3))])}, TYPES)
    frame.series[0].shape = shape
    if 0 in shape:
        frame.series[0].data = []
    r.publisher.publish(frame)
    assert r.ros.wait(lambda: r.diagnosed("imu"))
    r.play(1, 15)
    assert r.ros.wait(lambda: len(r.recognitions) >= 3)


def test_the_confidence_is_lower_where_the_window_is_unlike_the_training_data(
    robot: Callable[..., Any], tiny_model: Path
) -> None:
    network = load_checkpoint(tiny_model).model
    elsewhere = np.random.default_rng(0).normal(5, 0.1, (20, network.unimodal_size)).astype(np.float32)
    calibration = Calibration(unknown_threshold=0.1, novelty_weight=1.0)
    save_checkpoint(tiny_model, network, calibration=calibration, novelty=Novelty("imu", elsewhere))
    r = robot()
    r.start()
    r.play(0, 20, without=("rgb", "depth"))
    message = r.ros.wait(lambda: r.recognitions)[-1]
    assert message.novelty > 5
    assert message.activity_confidence == pytest.approx(
        calibration.confidence(message.activity_probability, message.novelty), rel=1e-3
    )
    assert (message.group, message.activity) == (UNKNOWN, UNKNOWN)


def test_a_modality_that_never_comes_is_named_and_logged_once(
    robot: Callable[..., Any], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mumu_ros.nodes.managed.LOG_PERIOD_S", 0.0)
    r = robot()
    r.start()
    r.play(0, 20, without=("depth",))
    reports = r.ros.collect(DiagnosticArray, "/diagnostics")
    wanted = "depth never arrived"
    assert r.ros.wait(lambda: sum(wanted in s.message for report in reports for s in report.status) >= 3)
    assert capfd.readouterr().err.count("depth never arrived") == 1


def test_a_modality_is_not_missed_before_there_was_time_for_it(
    robot: Callable[..., Any], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mumu_ros.nodes.inference_watch._SILENT_S", 3600.0)
    r = robot()
    r.start()
    r.play(0, 20, without=("depth",))
    assert r.ros.wait(lambda: r.diagnosed("decisions"))
    assert "never arrived" not in capfd.readouterr().err


def test_without_frames_the_diagnostics_say_what_to_check(robot: Callable[..., Any]) -> None:
    r = robot()
    r.start()
    assert r.ros.wait(lambda: r.diagnosed("yet: do people or sensor_sync run, and are they active"))


def test_frames_that_stop_are_reported_until_they_come_again(robot: Callable[..., Any]) -> None:
    r = robot()
    r.start()
    numbers = itertools.count()
    code: Callable[[], Any] = lambda: r.status["inference: recogniser"].values[0].value  # noqa: E731
    r.ros.wait(lambda: r.play(next(numbers), 1) or r.diagnosed("decisions"))
    r.ros.wait(lambda: code() == "silent")
    text = r.status["inference: recogniser"].message
    assert "nothing on /multimodal_frame for" in text
    assert "/test publishes it, but sends nothing: is it active (ros2 lifecycle get /test)?" in text
    assert "driver" not in text, "that of a sensor is named by sensor_sync"
    r.ros.node.destroy_publisher(r.publisher)
    r.ros.wait(lambda: code() == "unpublished")
    assert "nothing publishes it: does sensor_sync run" in r.status["inference: recogniser"].message
    r.publisher = r.ros.node.create_publisher(MultimodalFrame, "multimodal_frame", 100)
    r.ros.wait(r.publisher.get_subscription_count)
    r.ros.wait(lambda: r.play(next(numbers), 1) or code() == "")
    assert r.node.trigger_deactivate() == r.node.trigger_activate() == SUCCESS
    r.ros.wait(lambda: code() == "waiting")


def test_frames_that_always_come_slowly_are_not_silent(robot: Callable[..., Any]) -> None:
    r = robot()
    r.start()
    r.play(0, 5)
    r.ros.wait(lambda: r.node._watch.frames == 5)

    def seconds_pass(seconds: float) -> str:
        """What is said then."""
        r.node._watch.framed_at -= seconds
        [status] = r.node.diagnose()
        return str(status.values[0].value)

    assert seconds_pass(10) == "silent", "they came ten times a second"
    r.play(5, 1)
    r.ros.wait(lambda: r.node._watch.frames == 6)
    assert seconds_pass(10) != "silent"
    assert seconds_pass(30) == "silent"


def test_a_decision_that_fails_is_skipped_and_the_node_lives(
    robot: Callable[..., Any], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    r = robot()
    r.ros.provokes_errors = True
    r.start()
    recognize = r.node._session.recognizer.recognize_all
    failing = [True]

    def fail_at_first(*arguments: Any, **keywords: Any) -> Any:
        if failing[0]:
            raise RuntimeError("the device has had enough")
        return recognize(*arguments, **keywords)

    monkeypatch.setattr(r.node._session.recognizer, "recognize_all", fail_at_first)
    r.play(0, 15)
    assert not r.recognitions
    failing[0] = False
    r.play(15, 15)
    r.ros.wait(lambda: r.recognitions)
    assert "the device has had enough" in capfd.readouterr().err


def test_decisions_that_all_fail_or_take_too_long_are_named(
    robot: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    r = robot(rate_hz=20.0)
    r.ros.provokes_errors = True
    r.start()
    numbers = itertools.count()
    code: Callable[[], Any] = lambda: r.status["inference: recogniser"].values[0].value  # noqa: E731
    recognizer = r.node._session.recognizer
    recognize = recognizer.recognize_all
    r.ros.wait(lambda: r.play(next(numbers), 1) or r.diagnosed("decisions"))

    def slow(*arguments: Any, **keywords: Any) -> Any:
        time.sleep(0.2)
        return recognize(*arguments, **keywords)

    def fail(*_: Any, **__: Any) -> Any:
        raise RuntimeError("the device has had enough")

    monkeypatch.setattr(recognizer, "recognize_all", slow)
    r.ros.wait(lambda: r.play(next(numbers), 1) or code() == "too_slow")
    assert "ms: lower rate_hz (now 20) or max_people" in r.status["inference: recogniser"].message
    monkeypatch.setattr(recognizer, "recognize_all", fail)
    r.ros.wait(lambda: r.play(next(numbers), 1) or code() == "exception")
    failure = "s: RuntimeError: the device has had enough"
    assert failure in r.status["inference: recogniser"].message
    monkeypatch.setattr(recognizer, "recognize_all", recognize)
    r.ros.wait(lambda: r.play(next(numbers), 1) or code() != "exception")


def stamps(messages: list[Any]) -> list[int]:
    return [time_to_ns(message.header.stamp) for message in messages]


def test_a_new_epoch_forgets_the_old_one(robot: Callable[..., Any]) -> None:
    r = robot()
    r.start()
    r.play(0, 30)
    r.ros.wait(lambda: r.recognitions)
    r.play(0, 30, epoch=1)
    assert r.ros.wait(lambda: any(later < stamp for stamp, later in itertools.pairwise(stamps(r.recognitions))))


def test_deactivate_activate_and_cleanup(robot: Callable[..., Any]) -> None:
    r = robot()
    r.start()
    r.play(0, 15)
    r.ros.wait(lambda: r.recognitions)
    assert r.node.trigger_deactivate() == SUCCESS
    r.play(15, 3)  # what was on its way arrives
    before = len(r.recognitions)
    r.play(18, 7)
    assert len(r.recognitions) == before
    assert r.node.trigger_activate() == SUCCESS
    r.ros.wait(r.publisher.get_subscription_count)
    r.play(25, 15)
    r.ros.wait(lambda: len(r.recognitions) > before)
    assert r.node.trigger_deactivate() == SUCCESS
    assert r.node.trigger_cleanup() == SUCCESS
    assert r.node._session is None


def spoil_weights(model: Path) -> None:
    (model / "model.safetensors").write_bytes(b"not a model")


def spoil_config(model: Path) -> None:
    (model / "config.json").write_text("{")


def other_version(model: Path) -> None:
    content = json.loads((model / "config.json").read_text())
    content["model"]["format"] = 99
    (model / "config.json").write_text(json.dumps(content))


def other_modalities(model: Path) -> None:
    content = json.loads((model / "config.json").read_text())
    del content["model"]["modalities"][0]
    (model / "config.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("spoil", "texts"),
    [
        (spoil_weights, ["model.safetensors", "corrupt"]),
        (spoil_config, ["config.json", "not JSON"]),
        (other_version, ["config.json", "99"]),
        (other_modalities, ["model.safetensors", "does not fit"]),
    ],
)
def test_a_model_that_cannot_be_used_is_refused_with_its_path(
    ros: Any, tiny_model: Path, capfd: pytest.CaptureFixture[str], spoil: Callable[[Path], None], texts: list[str]
) -> None:
    spoil(tiny_model)
    node = ros.add(Inference, model=str(tiny_model))
    assert node.trigger_configure() == FAILURE
    log = capfd.readouterr().err
    assert str(tiny_model) in log
    assert "Traceback" not in log
    for text in texts:
        assert text in log


@pytest.mark.parametrize(
    ("parameters", "texts"),
    [
        ({"model": "no/such/model"}, ["'no/such/model'", "shipped"]),
        ({"device": "tpu"}, ["'tpu'", "cuda"]),
        ({"unknown_threshold": -0.5}, ["unknown_threshold is -0.5"]),
        ({"min_coverage": [0.5, 0.5]}, ["min_coverage is [0.5, 0.5]", "rgb, depth, imu"]),
        ({"threads": 0}, ["threads is 0"]),
        pytest.param(
            {"device": "cuda"},
            ["'cuda'", "cpu"],
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here"),
        ),
    ],
)
def test_impossible_parameters_are_quoted(
    ros: Any, tiny_model: Path, capfd: pytest.CaptureFixture[str], parameters: dict[str, Any], texts: list[str]
) -> None:
    node = ros.add(Inference, **{"model": str(tiny_model), **parameters})
    assert node.trigger_configure() == FAILURE
    log = capfd.readouterr().err
    assert "Traceback" not in log
    for text in texts:
        assert text in log
