from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.lifecycle import TransitionCallbackReturn

from mumu_ros.conversions import RosTypes, samples_to_frame, time_to_ns
from mumu_ros.msg import ActivityRecognition, MultimodalFrame
from mumu_ros.nodes.inference import Inference

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
MS = 1_000_000
START_NS = 1_700_000_000_000_000_000
TYPES = RosTypes()


class Robot:
    """An inference node, and a sensor_sync's output before it."""

    def __init__(self, ros: Any, model: Path, **parameters: Any) -> None:
        self.ros = ros
        self.node = ros.add(Inference, model=str(model), **{"backend": "eager", **parameters})
        self.recognitions = ros.collect(ActivityRecognition, "activity")
        self.status: dict[str, Any] = {}
        ros.node.create_subscription(DiagnosticArray, "/diagnostics", self._diagnose, 10)
        self.publisher = ros.node.create_publisher(MultimodalFrame, "multimodal_frame", 100)

    def start(self) -> None:
        assert self.node.trigger_configure() == SUCCESS
        assert self.node.trigger_activate() == SUCCESS
        self.ros.wait(self.publisher.get_subscription_count)

    def play(
        self,
        first: int,
        count: int,
        without: tuple[str, ...] = (),
        epoch: int = 0,
        imu_shape: tuple[int, ...] = (2, 3),
        stuck: bool = False,
    ) -> None:
        """Frames number `first` to `first + count`, ten a second."""
        for number in range(first, first + count):
            stamp_ns = START_NS + number * 100 * MS
            rng = np.random.default_rng(number)
            images = {
                "rgb": (stamp_ns, "camera", rng.integers(0, 255, (40, 40, 3), np.uint8)),
                "depth": (stamp_ns + MS, "camera", rng.integers(500, 4000, (40, 40), np.uint16)),
            }
            times = [stamp_ns - i * 10 * MS for i in reversed(range(10))]
            series = {"imu": (times, [np.ones(imu_shape) if stuck else rng.normal(size=imu_shape) for _ in times])}
            frame = samples_to_frame(
                stamp_ns,
                "camera",
                {name: image for name, image in images.items() if name not in without},
                {name: part for name, part in series.items() if name not in without},
                TYPES,
                epoch=epoch,
                missing=without,
            )
            self.publisher.publish(frame)
            for _ in range(4):
                self.ros.executor.spin_once(timeout_sec=0.01)

    def diagnosed(self, text: str) -> Any:
        return next((s for s in self.status.values() if text in s.message), None)

    def _diagnose(self, message: DiagnosticArray) -> None:
        self.status.update({status.name: status for status in message.status})


@pytest.fixture
def robot(ros: Any, tiny_model: Path) -> Callable[..., Robot]:
    return lambda **parameters: Robot(ros, tiny_model, **parameters)


def test_frames_become_recognitions_whose_fields_agree(robot: Callable[..., Robot]) -> None:
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
        assert sum(message.activity_probabilities) == pytest.approx(1, abs=1e-5)
        assert list(message.modalities) == ["rgb", "depth", "imu"]
        for field in ("present", "coverage", "sm_fusion_weights", "gm_fusion_weights", "modality_age_s"):
            assert len(getattr(message, field)) == 3, field
        assert sum(message.gm_fusion_weights) == pytest.approx(1, abs=1e-5)
        assert 0 < message.processing_time_s < 5
    stamps = [time_to_ns(message.header.stamp) for message in r.recognitions]
    assert set(np.diff(stamps)) == {200 * MS}, "5 Hz of 10 Hz frames"


def test_a_modality_that_stops_loses_its_attention_and_gets_it_back(robot: Callable[..., Robot]) -> None:
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


def test_a_sensor_that_is_stuck_is_accused_left_out_and_believed_again(ros: Any, watchful_model: Path) -> None:
    r = Robot(ros, watchful_model, health=True)
    r.start()
    r.play(0, 20)
    r.ros.wait(lambda: len(r.recognitions) >= 5)
    assert list(r.recognitions[-1].fault) == [""] * 3
    assert all(r.recognitions[-1].present)
    r.play(20, 30, stuck=True)
    r.ros.wait(lambda: r.recognitions[-1].fault[2] == "stuck")
    message = r.recognitions[-1]
    assert message.anomaly[2] > 1
    assert list(message.fault[:2]) == ["", ""]
    assert 0.5 <= message.fault_age_s[2] <= 3
    assert np.isnan(message.fault_age_s[0])
    assert list(message.present) == [True, True, False]
    assert message.gm_fusion_weights[2] == 0
    r.ros.wait(lambda: r.diagnosed("imu: stuck since"))
    r.play(50, 40)
    r.ros.wait(lambda: r.recognitions[-1].present[2])


def test_without_a_health_model_health_cannot_be_asked_for(
    ros: Any, tiny_model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    r = Robot(ros, tiny_model, health=True)
    assert r.node.trigger_configure() == FAILURE
    assert "make one with: mumu health" in capfd.readouterr().err


def test_a_sample_of_another_shape_is_reported_and_the_rest_goes_on(
    robot: Callable[..., Robot], capfd: pytest.CaptureFixture[str]
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
def test_a_series_of_any_shape_ends_nothing_and_is_named(robot: Callable[..., Robot], shape: list[int]) -> None:
    r = robot()
    r.start()
    frame = samples_to_frame(START_NS, "camera", {}, {"imu": ([START_NS], [np.zeros((2, 3))])}, TYPES)
    frame.series[0].shape = shape
    if 0 in shape:
        frame.series[0].data = []
    r.publisher.publish(frame)
    r.ros.wait(lambda: r.diagnosed("imu"))
    r.play(1, 15)
    r.ros.wait(lambda: len(r.recognitions) >= 3)


def test_a_modality_that_never_comes_is_named(robot: Callable[..., Robot]) -> None:
    r = robot()
    r.start()
    r.play(0, 20, without=("depth",))
    assert r.ros.wait(lambda: r.diagnosed("depth never came"))


def test_without_frames_the_diagnostics_say_what_to_check(robot: Callable[..., Robot]) -> None:
    r = robot()
    r.start()
    assert r.ros.wait(lambda: r.diagnosed("is sensor_sync active?"))


def test_a_decision_that_fails_is_skipped_and_the_node_lives(
    robot: Callable[..., Robot], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    r = robot()
    r.start()
    recognize = r.node._session.recognizer.recognize_all
    failing = [True]

    def fail_at_first(*arguments: Any) -> Any:
        if failing[0]:
            raise RuntimeError("the device has had enough")
        return recognize(*arguments)

    monkeypatch.setattr(r.node._session.recognizer, "recognize_all", fail_at_first)
    r.play(0, 15)
    assert not r.recognitions
    failing[0] = False
    r.play(15, 15)
    r.ros.wait(lambda: r.recognitions)
    assert "the device has had enough" in capfd.readouterr().err


def test_a_new_epoch_forgets_the_old_one(robot: Callable[..., Robot]) -> None:
    r = robot()
    r.start()
    r.play(0, 30)
    r.ros.wait(lambda: r.recognitions)
    before = len(r.recognitions)
    r.play(0, 30, epoch=1)
    r.ros.wait(lambda: len(r.recognitions) >= before + 10)
    again = r.recognitions[before:]
    assert time_to_ns(again[0].header.stamp) < time_to_ns(r.recognitions[before - 1].header.stamp)


def test_deactivate_activate_and_cleanup(robot: Callable[..., Robot]) -> None:
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
