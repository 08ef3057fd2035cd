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

"""What is said of a stream names the fault, how much, and the remedy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mumu_ros.fault_codes import FaultCode
from mumu_ros.pipeline.configuration import StreamConfig
from mumu_ros.pipeline.stream_watch import Report, StreamWatch
from mumu_ros.streams import NS_PER_S, Synchronizer

START_NS = 1_700_000_000 * NS_PER_S
SETS_HZ = 10.0
RATES_HZ = {"rgb": 30.0, "depth": 30.0, "imu": 100.0}


def config(name: str) -> StreamConfig:
    kind = "vector" if name == "imu" else name
    type_name = "sensor_msgs/msg/Imu" if name == "imu" else "sensor_msgs/msg/Image"
    return StreamConfig(name, f"/{name}", type_name, kind, (24, 32), None, (2, 3), "best_effort", 10)


Change = Callable[[int, int], int | None]
"""Number and stamp of a message to its stamp as it comes; None: it does not come."""


class Rig:
    """Three streams over a synchroniser, by a clock of the test's own; `changes` says what is wrong with which."""

    def __init__(self, changes: dict[str, Change]) -> None:
        self.changes = changes
        self.sync = Synchronizer(["rgb", "depth"], ["imu"], period_s=1 / SETS_HZ)
        self.watches = {name: StreamWatch(config(name), 0.5, SETS_HZ, 0.0) for name in RATES_HZ}
        self.sets = 0
        self.now_s = 0.0
        self.lost = dict.fromkeys(RATES_HZ, 0)

    def run(self, seconds: float) -> dict[str, Report]:
        """Let time pass; what is said at its end, having been asked once a second."""
        events = sorted(
            (number / rate, name, number)
            for name, rate in RATES_HZ.items()
            for number in range(int(self.now_s * rate), int((self.now_s + seconds) * rate))
        )
        asked_s = self.now_s + 1.0
        for at_s, name, number in events:
            while at_s >= asked_s:
                self._ask(asked_s)
                asked_s += 1.0
            arrival_ns = START_NS + round(at_s * NS_PER_S)
            stamp_ns = self.changes.get(name, lambda _, stamp_ns: stamp_ns)(number, arrival_ns - 5_000_000)
            now_ns = round(at_s * NS_PER_S)
            if stamp_ns is not None:
                self.sets += len(self.sync.add(name, stamp_ns, number, now_ns))
                self.watches[name].note(stamp_ns, arrival_ns, at_s)
            self.sets += len(self.sync.poll(now_ns))
        self.now_s += seconds
        return self._ask(self.now_s)

    def _ask(self, now_s: float) -> dict[str, Report]:
        statistics = self.sync.statistics(round(now_s * NS_PER_S))
        return {
            name: watch.report(
                statistics[name],
                self.sets,
                [w for w in self.watches.values() if w is not watch],
                lambda has_spoken: (
                    (FaultCode.UNPUBLISHED, "no publisher any more")
                    if has_spoken
                    else (FaultCode.WRONG_TYPE, "another type")
                ),
                now_s,
                leads=name == self.sync.reference,
                lost=self.lost[name],
            )
            for name, watch in self.watches.items()
        }


def faults(reports: dict[str, Report]) -> dict[str, str]:
    return {name: report.code for name, report in reports.items() if report.code}


def test_healthy_streams_have_no_fault() -> None:
    reports = Rig({}).run(10)
    assert faults(reports) == {}
    assert reports["rgb"].text == "30.0 Hz"
    assert reports["imu"].offset_s == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("timeout_s", "patience_s"), [(0.5, 3.0), (10.0, 10.0)])
def test_a_stream_may_be_silent_at_the_start_for_three_seconds_or_its_timeout(
    timeout_s: float, patience_s: float
) -> None:
    statistics = Synchronizer(["rgb"]).statistics(0)["rgb"]
    watch = StreamWatch(config("rgb"), timeout_s, SETS_HZ, 0.0)

    def code(now_s: float) -> FaultCode:
        return watch.report(statistics, 0, [], lambda _: (FaultCode.UNPUBLISHED, "nothing"), now_s).code

    assert code(patience_s - 0.1) is FaultCode.WAITING
    assert code(patience_s + 0.1) is FaultCode.UNPUBLISHED


def test_the_first_stamp_is_no_step_from_zero() -> None:
    """Simulated time begins at zero: what is lost is known from the first nine messages on."""
    s = Synchronizer(["rgb"])
    watch = StreamWatch(config("rgb"), 0.5, SETS_HZ, 0.0)
    stamps_ns = [2_000_000 + number * NS_PER_S // 30 for number in range(9)]
    for stamp_ns in stamps_ns:
        s.add("rgb", stamp_ns, None, stamp_ns)
        watch.note(stamp_ns, stamp_ns, stamp_ns / NS_PER_S)
    now_ns = stamps_ns[-1]
    report = watch.report(s.statistics(now_ns)["rgb"], 9, [], lambda _: (FaultCode.SILENT, ""), now_ns / NS_PER_S)
    assert report.missing_share == pytest.approx(0.0, abs=1e-6)


def test_a_recording_is_no_wrong_clock() -> None:
    year_ns = 365 * 86400 * NS_PER_S
    assert faults(Rig(dict.fromkeys(RATES_HZ, lambda _, stamp_ns: stamp_ns - year_ns)).run(10)) == {}


@pytest.mark.parametrize("name", list(RATES_HZ))
@pytest.mark.parametrize("offset_s", [-1.6e9, -33.0, -8.5, -2.0, 2.0, 50.0])
def test_a_stream_on_a_clock_of_its_own_is_named_with_offset_and_remedy(name: str, offset_s: float) -> None:
    reports = Rig({name: lambda _, stamp_ns: stamp_ns + round(offset_s * NS_PER_S)}).run(6)
    assert faults(reports) == {name: "clock"}
    report = reports[name]
    assert report.offset_s == pytest.approx(-offset_s, rel=1e-3)
    assert ("behind" if offset_s < 0 else "ahead of") in report.text
    assert f"{name}.offset_s: {-offset_s:.3f}" in report.text
    mended = Rig({name: lambda _, stamp_ns: stamp_ns + round((offset_s + report.offset_s) * NS_PER_S)})
    assert faults(mended.run(6)) == {}


@pytest.mark.parametrize("behind_s", [0.5, 12345.678, 1695884968.3])
def test_the_offset_in_the_text_is_the_remedy_whatever_its_size(behind_s: float) -> None:
    text = Rig({"imu": lambda _, stamp_ns: stamp_ns - round(behind_s * NS_PER_S)}).run(6)["imu"].text
    remedy_s = float(text.split("set imu.offset_s: ")[1].split(";")[0])
    rig = Rig({"imu": lambda _, stamp_ns: stamp_ns + round((remedy_s - behind_s) * NS_PER_S)})
    reports = rig.run(6)
    assert faults(reports) == {}
    assert abs(reports["imu"].offset_s or 0.0) < 0.002


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        (lambda _, __: 0, "stamps", "its stamps are 0 s: the driver does not set them"),
        (lambda _, __: None, "wrong_type", "no message on /depth yet; another type"),
        (lambda n, stamp: stamp if n < 60 else None, "unpublished", "no publisher any more"),
        (lambda n, stamp: stamp - (n % 2) * 700_000_000, "late", "late or refused"),
        (lambda n, stamp: stamp - (n % 3 == 2) * 300_000_000, "late", "do several publishers send this topic"),
        (lambda n, stamp: stamp - n % 2 * 33_333_333, "late", "of 30 have a stamp that came before: does the driver"),
        (lambda n, stamp: stamp if n % 11 < 2 else None, "lost", "of its messages do not arrive: raise depth.depth"),
    ],
)
def test_every_reason_has_its_own_words(change: Change, code: str, text: str) -> None:
    reports = Rig({"depth": change}).run(6)
    assert faults(reports) == {"depth": code}
    assert text in reports["depth"].text
    assert ("QoS" in reports["depth"].text) is False


def test_a_stream_refused_beside_a_reference_on_another_clock_is_sent_there() -> None:
    def later(_: int, stamp_ns: int) -> int:
        return stamp_ns - (300 * NS_PER_S if stamp_ns > START_NS + 5 * NS_PER_S else 0)

    reports = Rig({"rgb": later, "depth": lambda *_: None}).run(15)
    assert faults(reports) == {"rgb": "clock", "depth": "wrong_type", "imu": "late"}
    assert "set rgb.offset_s: 300.000" in reports["rgb"].text
    assert reports["imu"].text.endswith("late or refused beside rgb, whose clock differs: see there")


def test_a_stream_that_recovers_has_no_fault() -> None:
    rig = Rig({"depth": lambda n, stamp: stamp - (2 * NS_PER_S if 60 <= n < 200 else 0)})
    assert faults(rig.run(6)) == {"depth": "clock"}
    assert faults(rig.run(8)) == {}


def test_while_everything_starts_there_is_no_alarm() -> None:
    reports = Rig(dict.fromkeys(RATES_HZ, lambda *_: None)).run(2)
    assert set(faults(reports).values()) == {"waiting"}


def test_a_slow_reference_is_named_and_no_other_stream() -> None:
    rig = Rig({"rgb": lambda n, stamp: stamp if n % 10 == 0 else None})
    reports = rig.run(6)
    assert faults(reports) == {"rgb": "slow_reference"}
    assert "3.0 Hz is less than half of rate_hz (10)" in reports["rgb"].text
    rig.changes.clear()
    assert faults(rig.run(3)) == {}
    assert faults(Rig({"depth": lambda n, stamp: stamp if n % 10 == 0 else None}).run(6)) == {}


@pytest.mark.parametrize("name", list(RATES_HZ))
def test_neither_a_pause_nor_a_jump_of_the_clock_is_a_loss(name: str) -> None:
    first = 2 * round(RATES_HZ[name])  # of the third second
    pause = Rig({name: lambda n, stamp: None if first <= n < 1.4 * first else stamp})
    jump = Rig({name: lambda n, stamp: stamp + 100 * NS_PER_S * (first <= n < 1.4 * first)})
    for rig in (pause, jump):
        assert faults(rig.run(2.5))
        assert faults(rig.run(2)) == {}


@pytest.mark.parametrize("step_s", [-8, -60, 8, 60])
def test_a_bag_that_loops_is_no_fault(step_s: int) -> None:
    """Nor is any other jump of the clock of all streams."""
    rig = Rig({name: lambda n, stamp, r=r: stamp + step_s * NS_PER_S * (n >= 4 * r) for name, r in RATES_HZ.items()})
    assert faults(rig.run(3.5)) == {}
    for _ in range(25):
        assert faults(rig.run(0.1)) == {}


def test_losses_are_estimated_from_stamps() -> None:
    rng = np.random.default_rng(0)
    for kept in (0.18, 0.4, 1.0):
        report = Rig({"imu": lambda _, stamp, kept=kept: stamp if rng.random() < kept else None}).run(12)["imu"]
        assert report.missing_share == pytest.approx(1 - kept, abs=0.1)


@pytest.mark.parametrize("kept", [0.0, 0.05, 0.3])
def test_what_the_middleware_counts_as_lost_is_said_where_stamps_tell_nothing(kept: float) -> None:
    """Stamps without a rhythm, or no messages at all."""
    rng = np.random.default_rng(1)

    def change(_: int, stamp_ns: int) -> int | None:
        if rng.random() < kept:
            return stamp_ns + int(rng.integers(0, 20_000_000))
        rig.lost["depth"] += 1
        return None

    rig = Rig({"depth": change})
    reports = rig.run(4)
    assert faults(reports) == {"depth": "lost"}
    assert reports["depth"].missing_share == pytest.approx(1 - kept, abs=0.2)
    rig.changes.clear()
    assert faults(rig.run(3)) == {}


def test_an_imu_of_2000_hz_whose_queue_holds_ten_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest ten of twenty come each 10 ms; now and then all do."""
    monkeypatch.setitem(RATES_HZ, "imu", 2000.0)
    reports = Rig({"imu": lambda n, stamp: stamp if n % 20 >= 10 or n % 700 < 140 else None}).run(4)
    assert faults(reports) == {"imu": "lost"}
    assert reports["imu"].missing_share == pytest.approx(0.4, abs=0.05)


@pytest.mark.parametrize("seed", range(20))
def test_any_stamps_can_be_judged(seed: int) -> None:
    """Whether the steps are regular in all, in one half, in both or in none."""
    rng = np.random.default_rng(seed)
    sync = Synchronizer(["imu"])
    for _ in range(50):
        watch = StreamWatch(config("imu"), 0.5, SETS_HZ, 0.0)
        steps_ns = rng.choice(rng.integers(0, 12, 4), rng.integers(8, 70)) * 10**7
        for stamp_ns in START_NS + steps_ns.cumsum():
            watch.note(int(stamp_ns), START_NS, 0.5)
        report = watch.report(sync.statistics(0)["imu"], 0, [watch], lambda _: (FaultCode.SILENT, ""), 0.5)
        assert 0 <= (report.missing_share or 0) < 1
