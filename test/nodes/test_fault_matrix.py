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

"""Every fault on every kind of sensor, over real DDS: it is named, the others' decisions go on, and it may come back.

Many of them fail together, so that the whole matrix takes little longer than a few faults. test_fault_times.py says how
soon.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rclpy
import torch
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.lifecycle import TransitionCallbackReturn

from mumu_ros.fault_codes import FaultCode
from mumu_ros.model.checkpoint import save_checkpoint
from mumu_ros.model.config import ModelConfig
from mumu_ros.model.modality import Modality
from mumu_ros.model.network import Network
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.msg import ActivityRecognition, MultimodalFrame
from mumu_ros.nodes.inference import Inference
from mumu_ros.nodes.sensor_sync import SensorSync
from mumu_ros.trials.driver_faults import FAULTS, FailingSensor, SensorFault
from mumu_ros.trials.tiny_sensors import SENSORS

from .conftest import Ros

pytestmark = pytest.mark.serial
MATRIX = [(kind, fault) for fault in FAULTS for kind in fault.spoil]
PARTS = 5
"""So many times the nodes are started, each time for a part of the matrix."""
REFERENCES = ("stops", "jumps", "ahead", "late", "no_stamp")
"""So the reference fails in each part: the first image stream."""
HEALTHY = ("png", "depth", "imu")
TIMEOUT_S = 60.0


def part_of(number: int) -> int:
    """Part in which an element of the matrix is tried: the kinds of a fault one after the other."""
    return (number + number // PARTS) % PARTS


def stream_of(kind: str, fault: SensorFault) -> str:
    return f"{kind}_{fault.name}".replace(" ", "_")


class Bench:
    """A sensor for each element of a part of the matrix and three healthy ones; sensor_sync, and inference with a model
    of the healthy and the slow ones: how many samples there should be, only the model knows."""

    def __init__(self, ros: Ros, part: int, folder: Path) -> None:
        self.ros = ros
        tried = [pair for number, pair in enumerate(MATRIX) if part_of(number) == part]
        self.expected = {stream_of(kind, fault): fault for kind, fault in tried}
        reference = {f"png_{REFERENCES[part]}": "png"}
        self.kinds = reference | dict(zip(HEALTHY, HEALTHY, strict=True)) | {stream_of(k, f): k for k, f in tried}
        parameters = {"streams": list(self.kinds), "rate_hz": 5.0, "queue_size": 10, "timeout_s": 1.0}
        for name, kind in self.kinds.items():
            parameters |= SENSORS[kind].parameters(name)
        model = {"model": str(self._model(folder)), "backend": "eager", "rate_hz": 2.5}
        self.nodes = [ros.add(SensorSync, **parameters), ros.add(Inference, **model)]
        self.decisions = ros.collect(ActivityRecognition, "activity")
        self.frames = ros.collect(MultimodalFrame, "multimodal_frame")
        self.codes: dict[str, str] = {}
        self.said: dict[str, str] = {}
        ros.node.create_subscription(DiagnosticArray, "/diagnostics", self._diagnose, 10)
        self.said_of_fault: dict[str, str] = {}

    def _model(self, folder: Path) -> Path:
        """An untrained one."""
        torch.manual_seed(3)
        slow = [name for name, fault in self.expected.items() if fault.code is FaultCode.SPARSE]
        modalities = []
        for name in [*HEALTHY, *slow]:
            kind = SENSORS[self.kinds[name]]
            rate_hz = 5.0 if name in slow else 2.0  # less than they send, also where a busy machine sends less
            if kind.kind == "vector":
                modalities.append(Modality(name, "vector", kind.shape, rate_hz, "cooccurrence", stride=1))
            else:
                shape = (32, 32, 3 if kind.kind == "rgb" else 1)
                modalities.append(Modality(name, kind.kind, shape, rate_hz, "small_cnn"))
        taxonomy = Taxonomy("tiny", {"gesture": ("wave", "point"), "gait": ("walk", "run")})
        config = ModelConfig("tiny", tuple(modalities), taxonomy, window_s=1.0, feature_size=8)
        save_checkpoint(folder / "tiny", Network(config).eval())
        return folder / "tiny"

    def run(self, stranger: Any) -> None:
        """Let every sensor be well, fail and be well again."""
        for node in self.nodes:
            assert node.trigger_configure() == node.trigger_activate() == TransitionCallbackReturn.SUCCESS
        self.sensors = {
            name: FailingSensor(self.ros.node, stranger, name, (kind, SENSORS[kind]))
            for name, kind in self.kinds.items()
        }
        self._wait(lambda name: not self.codes.get(name, "?"))
        assert not (stands := self._stands()), stands
        for name, fault in self.expected.items():
            self.sensors[name].fail(fault)
        self.unnamed = self._wait(self._is_named)
        self.decisions.clear()
        self.stands = self._stands()
        for name in self.expected:
            self.said_of_fault[name] = f"{self.codes.get(name)!r}: {self.said.get(name)}"
            self.sensors[name].fail(None)
        self.unwell = self._wait(self._is_well)

    def _wait(self, holds: Callable[[str], bool]) -> set[str]:
        """Publish until it has held of every sensor, or for long; those of which it has not."""
        start_s, open_ = time.monotonic(), set(self.expected)
        while open_ and time.monotonic() - start_s < TIMEOUT_S:
            self._spin()
            open_ -= {name for name in open_ if holds(name)}
        return open_

    def _spin(self) -> None:
        published = sum(sensor.tick() for sensor in self.sensors.values())
        for _ in range(2 * published):  # more callbacks than messages, or they wait longer and longer
            self.ros.executor.spin_once(timeout_sec=0)
        self.ros.executor.spin_once(timeout_sec=0.01)

    def _is_named(self, name: str) -> bool:
        fault = self.expected[name]
        if fault.code is FaultCode.SPARSE:
            last = self.decisions[-1:]
            return any(dict(zip(d.modalities, d.fault, strict=True))[name] == fault.code for d in last)
        return self.codes.get(name) == fault.code

    def _is_well(self, name: str) -> bool:
        is_there = any(name not in frame.missing for frame in self.frames[-1:])
        return is_there and not self.codes[name]

    def _stands(self) -> str:
        """Why no decisions come that the healthy sensors take part in, with numbers that are finite; empty: they do."""
        start_s = time.monotonic()
        while time.monotonic() - start_s < TIMEOUT_S:
            self._spin()
            whole = [d for d in self.decisions if all(d.present[: len(HEALTHY)])]
            if len(whole) >= 3:
                return "" if all(np.isfinite(d.activity_probabilities).all() for d in whole) else "not finite"
        absent = Counter(HEALTHY[i] for d in self.decisions for i in range(len(HEALTHY)) if not d.present[i])
        return f"{len(self.decisions)} decisions, {len(self.frames)} frames; absent: {dict(absent)}; {self.said}"

    def _diagnose(self, message: DiagnosticArray) -> None:
        for status in message.status:
            name = status.name.partition(": ")[2]
            self.codes[name] = status.values[0].value
            self.said[name] = status.message


@pytest.fixture(scope="module")
def benches(tmp_path_factory: pytest.TempPathFactory) -> list[Bench]:
    """A bench for each part, after its run."""
    made = []
    for part in range(PARTS):
        ros, context = Ros(), rclpy.Context()
        rclpy.init(context=context, domain_id=ros.domain)
        stranger = rclpy.create_node("stranger", context=context)
        try:
            made.append(Bench(ros, part, tmp_path_factory.mktemp("model")))
            made[-1].run(stranger)
        finally:
            stranger.destroy_node()
            rclpy.shutdown(context=context)
            ros.close()
    return made


@pytest.mark.parametrize("number", range(len(MATRIX)), ids=[stream_of(*pair) for pair in MATRIX])
def test_a_fault_is_named_and_the_sensor_may_come_back(benches: list[Bench], number: int) -> None:
    bench, name = benches[part_of(number)], stream_of(*MATRIX[number])
    assert name not in bench.unnamed, f"expected {bench.expected[name].code!r}; {bench.said_of_fault[name]}"
    assert name not in bench.unwell, f"{bench.codes[name]}: {bench.said[name]}"
    assert len(bench.said_of_fault[name]) < 1000


def test_the_decisions_of_the_others_go_on(benches: list[Bench]) -> None:
    for bench in benches:
        assert not bench.stands
        assert all(node._errors == 0 for node in bench.nodes)
