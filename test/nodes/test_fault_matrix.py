"""Every way in which a sensor fails, over real DDS: it is named, the others' decisions go on, and it may come back.

`MUMU_FAULT_MATRIX=FILE pytest test/nodes/test_fault_matrix.py` tries every fault on every sensor and writes the table.
"""

from __future__ import annotations

import os
import struct
import time
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import CompressedImage, Image, Imu
from std_msgs.msg import String

from mumu_ros.conversions import RosTypes, array_to_image, array_to_imu, ns_to_time
from mumu_ros.msg import ActivityRecognition
from mumu_ros.nodes.inference import Inference
from mumu_ros.nodes.sensor_sync import SensorSync

TYPES = RosTypes()
SENSORS = {"rgb": 10.0, "depth": 10.0, "imu": 50.0}
NS_PER_S = 1_000_000_000
RIG: dict[str, Any] = {
    "streams": list(SENSORS),
    "rgb.topic": "rgb",
    "rgb.type": "sensor_msgs/msg/CompressedImage",
    "rgb.width": 32,
    "rgb.height": 32,
    "depth.topic": "depth",
    "depth.kind": "depth",
    "depth.width": 32,
    "depth.height": 32,
    "imu.topic": "imu",
    "imu.kind": "vector",
    "imu.type": "sensor_msgs/msg/Imu",
    "imu.depth": 200,
}
TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Fault:
    """How a sensor fails, and by which word or text in /diagnostics it is known; "" where nothing is wrong."""

    name: str
    sensors: tuple[str, ...]
    named: str
    stamp: Callable[[int, int], int] = lambda _, stamp_ns: stamp_ns
    spoil: Callable[[Any], Any] = lambda message: message
    every: int = 1
    times: int = 1
    delay_s: float = 0.0


def vector(x: float, y: float, z: float) -> Callable[[Imu], Imu]:
    def spoil(message: Imu) -> Imu:
        a = message.linear_acceleration
        a.x, a.y, a.z = x, y, z
        return message

    return spoil


def truncated(message: Any) -> Any:
    message.data = message.data[: len(message.data) // 2]
    return message


def bomb(message: Any) -> Any:
    """A header that claims 65535 × 65535."""
    if isinstance(message, Image):
        message.width = message.height = 65535
        message.step = 2 * 65535
        return message
    data = bytes(message.data)
    header = b"IHDR" + struct.pack(">II", 65535, 65535) + data[24:29]
    message.data = data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]
    return message


def set_field(name: str, value: Any) -> Callable[[Any], Any]:
    def spoil(message: Any) -> Any:
        setattr(message, name, value)
        return message

    return spoil


def larger(message: Image) -> Image:
    stamp = message.header.stamp
    return array_to_image(np.full((96, 128), 2000, np.uint16), stamp.sec * NS_PER_S + stamp.nanosec, "c", TYPES)


ALL, IMAGES = tuple(SENSORS), ("rgb", "depth")
FAULTS = (
    Fault("stops", ALL, "silent", every=0),
    Fault("slow", ALL, "of the samples that the model expects", every=8),
    Fault("late", ALL, "clock", delay_s=2.5),
    Fault("ahead", ALL, "clock", lambda _, stamp_ns: stamp_ns + 3 * NS_PER_S),
    Fault("behind", ALL, "clock", lambda _, stamp_ns: stamp_ns - 3 * NS_PER_S),
    Fault("other clock", ALL, "clock", lambda n, _: 1000 * NS_PER_S + n * 20_000_000),
    Fault("no stamp", ALL, "stamps", lambda *_: 0),
    Fault("last stamp there is", ALL, "clock", lambda *_: (2**31 - 1) * NS_PER_S),
    Fault("jumps", ALL, "clock", lambda n, stamp_ns: stamp_ns + (n // 40) * 100 * NS_PER_S + 100 * NS_PER_S),
    Fault("stuck stamp", ALL, "late", lambda n, stamp_ns: stamp_ns - n % 50 * 20_000_000 - NS_PER_S // 2),
    Fault("NaN", ("imu",), "not finite", spoil=vector(float("nan"), 0, 0)),
    Fault("1e300", ("imu",), "beyond any sensor", spoil=vector(1e300, 0, 0)),
    Fault("3e38", ("imu",), "beyond any sensor", spoil=vector(0, 3e38, 0)),
    Fault("half", ("imu",), "gyroscope only", spoil=vector(0, 0, 0)),
    Fault("truncated", IMAGES, "truncated", spoil=truncated),
    Fault("bomb", IMAGES, "65535×65535", spoil=bomb),
    Fault("wrong encoding", ("depth",), "is not depth", spoil=set_field("encoding", "9UC7" * 100_000)),
    Fault(
        "wrong format", ("rgb",), "configure this topic as a depth", spoil=set_field("format", "16UC1; compressedDepth")
    ),
    Fault("wrong type", ALL, "publishes std_msgs/msg/String"),
    Fault("flood", ALL, "", times=10),
    Fault("another size", ("depth",), "", spoil=larger),
)


class Bench:
    """Three sensors on the clock of this machine, sensor_sync and inference."""

    def __init__(self, ros: Any, model: Path) -> None:
        self.ros = ros
        self.nodes = [ros.add(SensorSync, **RIG), ros.add(Inference, model=str(model), backend="eager")]
        self.decisions = ros.collect(ActivityRecognition, "activity")
        self.status: dict[str, Any] = {}
        ros.node.create_subscription(DiagnosticArray, "/diagnostics", self._diagnose, 10)
        self.types = {"rgb": CompressedImage, "depth": Image, "imu": Imu}
        self.publishers = {name: ros.node.create_publisher(cls, name, 200) for name, cls in self.types.items()}
        self.faults: dict[str, Fault] = {}
        self._due_s = dict.fromkeys(SENSORS, 0.0)
        self._sent = dict.fromkeys(SENSORS, 0)
        self._held: deque[tuple[float, str, Any]] = deque()
        self._rng = np.random.default_rng(0)
        _, self._png = cv2.imencode(".png", self._rng.integers(0, 255, (48, 64, 3), np.uint8))

    def start(self) -> None:
        for node in self.nodes:
            assert node.trigger_configure() == node.trigger_activate() == TransitionCallbackReturn.SUCCESS
        self.wait(self.is_well, "everything is well at the start")

    def wait(self, condition: Callable[[], Any], what: str) -> float:
        """Publish and spin until the condition holds; how long it took, in seconds."""
        start_s = time.monotonic()
        while not condition():
            assert time.monotonic() - start_s < TIMEOUT_S, f"{what}: {self._said()}"
            self._publish()
            for _ in range(10):  # more callbacks than messages, or they wait in the queue longer and longer
                self.ros.executor.spin_once(timeout_sec=0.001)
        return time.monotonic() - start_s

    def _said(self) -> str:
        present = list(self.decisions[-1].present) if self.decisions else "no decision"
        return f"{present}, {[f'{name}: {status.message}' for name, status in self.status.items()]}"

    def is_well(self) -> bool:
        """Nothing is wrong with any stream, and a decision has all of them."""
        known = [self.status.get(f"sensor_sync: {name}") for name in SENSORS]
        return (
            all(s and field(s, "code") == "" for s in known)
            and bool(self.decisions)
            and all(self.decisions[-1].present)
        )

    def is_named(self, sensor: str, named: str) -> bool:
        """Whether /diagnostics has this word as the stream's code, or this text."""
        stream, recogniser = (self.status.get(n) for n in (f"sensor_sync: {sensor}", "inference: recogniser"))
        texts = [s.message for s in (stream, recogniser) if s]
        return bool(stream) and (field(stream, "code") == named or any(named in text for text in texts))

    def attempt(self, fault: Fault, sensor: str) -> tuple[float, float]:
        """Let a sensor fail and come back; seconds until the fault was named, and until all was well again."""
        self.faults = {sensor: fault}
        stranger = self._replace(sensor) if fault.name == "wrong type" else None
        named_s = 0.0
        if fault.named:
            named_s = self.wait(lambda: self.is_named(sensor, fault.named), f"{sensor} {fault.name} is named")
        self.decisions.clear()
        others = [i for i, name in enumerate(SENSORS) if name != sensor]
        self.wait(
            lambda: sum(all(d.present[i] for i in others) for d in self.decisions) >= 2,
            f"{sensor} {fault.name}: the others' decisions go on",
        )
        assert all(np.isfinite(d.activity_probabilities).all() for d in self.decisions)
        assert all(len(status.message) < 1000 for status in self.status.values())
        self.faults = {}
        if stranger is not None:
            stranger.destroy_node()
            rclpy.shutdown(context=stranger.context)
            self.publishers[sensor] = self.ros.node.create_publisher(self.types[sensor], sensor, 200)
        self.decisions.clear()
        return named_s, self.wait(self.is_well, f"{sensor} {fault.name}: all is well again")

    def _replace(self, sensor: str) -> Any:
        """In the place of the driver another one, which publishes another type."""
        self.ros.node.destroy_publisher(self.publishers[sensor])
        context = rclpy.Context()
        rclpy.init(context=context, domain_id=self.ros.domain)
        node = rclpy.create_node("stranger", context=context)
        node.create_publisher(String, sensor, 10)
        return node

    def _publish(self) -> None:
        now_s = time.monotonic()
        for name, rate_hz in SENSORS.items():
            if now_s < self._due_s[name]:
                continue
            self._due_s[name] = max(now_s, self._due_s[name] + 1 / rate_hz)
            fault = self.faults.get(name, Fault("", ALL, ""))
            self._sent[name] += 1
            if not fault.every or self._sent[name] % fault.every:
                continue
            for i in range(fault.times):
                stamp_ns = time.time_ns() + i * 1_000_000
                message = fault.spoil(self._message(name, fault.stamp(self._sent[name], stamp_ns)))
                self._held.append((now_s + fault.delay_s, name, message))
        for _ in range(len(self._held)):
            at_s, name, message = self._held.popleft()
            if at_s > now_s:
                self._held.append((at_s, name, message))
            elif fault_of(self.faults, name) != "wrong type":
                self.publishers[name].publish(message)

    def _message(self, name: str, stamp_ns: int) -> Any:
        if name == "rgb":
            message = CompressedImage(format="png", data=self._png.tobytes())
            message.header.stamp = ns_to_time(stamp_ns, TYPES)
            return message
        if name == "depth":
            return array_to_image(self._rng.integers(500, 4000, (48, 64), np.uint16), stamp_ns, "camera", TYPES)
        return array_to_imu(self._rng.normal(size=(2, 3)), stamp_ns, "wrist", TYPES)

    def _diagnose(self, message: DiagnosticArray) -> None:
        self.status.update({status.name: status for status in message.status})


def fault_of(faults: dict[str, Fault], sensor: str) -> str:
    return faults[sensor].name if sensor in faults else ""


def field(status: Any, key: str) -> str:
    return next((pair.value for pair in status.values if pair.key == key), "")


def test_every_fault_is_named_the_others_go_on_and_it_may_come_back(ros: Any, tiny_model: Path) -> None:
    bench = Bench(ros, tiny_model)
    bench.start()
    table = os.environ.get("MUMU_FAULT_MATRIX")
    rows = []
    for number, fault in enumerate(FAULTS):
        for sensor in fault.sensors if table else fault.sensors[number % len(fault.sensors) :][:1]:
            rows.append((fault.name, sensor, fault.named or "nothing to say", *bench.attempt(fault, sensor)))
            print(*rows[-1])
    if table:
        lines = ["| fault | sensor | known by | named after s | well again after s |", "|---|---|---|---|---|"]
        lines += [f"| {f} | {s} | {n} | {a:.1f} | {b:.1f} |" for f, s, n, a, b in rows]
        Path(table).write_text("\n".join(lines) + "\n", encoding="utf-8")
