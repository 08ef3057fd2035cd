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

"""A worn IMU is found by how it turns, whatever its mounting; nobody gets one that fits nobody."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mumu_ros.recognition.assignment import ImuAssigner
from mumu_ros.skeletons import layout

S = 1_000_000_000
START_NS = 1_700_000_000 * S
HZ = 100
SHOULDER, ELBOW, WRIST = layout("kinect20").index("right_shoulder", "right_elbow", "right_wrist")


class Mover:
    """Somebody whose right forearm swings at random, and what an IMU at it measures."""

    def __init__(self, seed: int, seconds: float, level: float = 1.0) -> None:
        rng = np.random.default_rng(seed)
        steps = round(seconds * HZ)
        kernel = np.hanning(HZ // 2)
        rate = np.convolve(rng.normal(size=steps + len(kernel)), kernel / np.linalg.norm(kernel), "same")[:steps]
        self.rate = level * 4 * rate
        angle = np.cumsum(self.rate) / HZ
        self.joints = np.tile(rng.normal(scale=0.1, size=(20, 3)), (steps, 1, 1)).astype(np.float32)
        forearm = 0.25 * np.stack([np.cos(angle), np.sin(angle), np.zeros(steps)], axis=1)
        self.joints[:, WRIST] = self.joints[:, ELBOW] + forearm

    def imu(self, mounting: NDArray[np.floating]) -> NDArray[np.float64]:
        """(T, 2, 3)."""
        rates = np.zeros((len(self.rate), 3))
        rates[:, 2] = self.rate
        return np.stack([np.tile([0.0, 9.81, 0.0], (len(rates), 1)), rates], axis=1) @ mounting.T


def rotation(seed: int) -> NDArray[np.float64]:
    q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    turned: NDArray[np.float64] = q * np.sign(np.linalg.det(q))
    return turned


def play(
    assigner: ImuAssigner,
    movers: dict[str, Mover],
    imu: NDArray[np.floating],
    first: float,
    last: float,
    late: float = 0,
) -> list[str]:
    """Whom the IMU belonged to, at 5 Hz; joints come at 20 Hz."""
    found = []
    for step in range(round(first * HZ), round(last * HZ)):
        stamp_ns = START_NS + step * S // HZ
        assigner.push("imu", stamp_ns + round(late * S), imu[step])
        if step % (HZ // 20) == 0:
            for body, mover in movers.items():
                assigner.see(body, stamp_ns, "kinect20", mover.joints[step])
        if step % (HZ // 5) == 0:
            found.append(assigner.assign(stamp_ns, list(movers)).get("imu", ""))
    return found


@pytest.mark.slow
@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10_000), late=st.floats(-0.15, 0.15))
def test_an_imu_is_assigned_to_the_body_that_moves_alike_whatever_the_mounting(seed: int, late: float) -> None:
    movers = {"anna1": Mover(seed, 8), "berta": Mover(seed + 1, 8)}
    found = play(ImuAssigner(["imu"], {}), movers, movers["berta"].imu(rotation(seed)), 0, 8, late)
    assert found[-1] == "berta"
    assert "anna1" not in found


@pytest.mark.slow
def test_an_array_that_a_driver_uses_again_is_each_sample() -> None:
    movers = {"anna1": Mover(1, 8), "berta": Mover(2, 8)}
    buffer = np.zeros((2, 3))

    class Driver:
        def __getitem__(self, step: int) -> NDArray[np.float64]:
            buffer[:] = readings[step]
            return buffer

    readings = movers["anna1"].imu(rotation(1))
    found = play(ImuAssigner(["imu"], {}), movers, Driver(), 0, 8)  # type: ignore[arg-type]
    assert found == play(ImuAssigner(["imu"], {}), movers, readings, 0, 8)
    assert found[-1] == "anna1"


def test_it_seldom_belongs_to_anybody_if_it_moves_as_nobody_does() -> None:
    """A few seconds of two motions may look alike by chance."""
    found = []
    for seed in range(0, 30, 3):
        movers = {"anna1": Mover(seed, 6), "berta": Mover(seed + 1, 6)}
        assigner = ImuAssigner(["imu"], {})
        found += play(assigner, movers, Mover(seed + 2, 6).imu(np.eye(3)), 0, 6)
        if found[-1] == "":
            (problem,) = assigner.problems(list(movers))
            assert "imu" in problem
            assert "imu_bodies" in problem
    assert found.count("") >= 0.7 * len(found)


def test_the_only_body_in_view_wears_it_unless_it_moves_otherwise() -> None:
    alone = {"anna1": Mover(1, 8)}
    assert set(play(ImuAssigner(["imu"], {}), alone, alone["anna1"].imu(rotation(1)), 0, 8)) == {"anna1"}
    still = {"anna1": Mover(1, 8, level=0.0)}
    assert set(play(ImuAssigner(["imu"], {}), still, still["anna1"].imu(rotation(1)), 0, 8)) == {"anna1"}
    wrong = [play(ImuAssigner(["imu"], {}), alone, Mover(seed, 8).imu(np.eye(3)), 0, 8)[-1] for seed in range(2, 12)]
    assert wrong.count("") >= 1, "clearly another motion"


def after_the_wearer_has_left(seed: int, *, dropped: bool) -> tuple[ImuAssigner, dict[str, Mover], list[str]]:
    """Anna wears it, is out of view from 8 s on and keeps moving, Berta too; who gets it until 14 s."""
    movers = {"anna1": Mover(seed, 24), "berta": Mover(seed + 1, 24)}
    imu = movers["anna1"].imu(rotation(seed))
    assigner = ImuAssigner(["imu"], {})
    assert play(assigner, movers, imu, 0, 8)[-1] == "anna1"
    if dropped:
        assigner.drop("anna1")
    return assigner, movers, play(assigner, {"berta": movers["berta"]}, imu, 8, 14)


@pytest.mark.parametrize("dropped", [False, True])
def test_whoever_stays_gets_the_imu_of_whoever_left_only_when_they_move_like_it(dropped: bool) -> None:
    for seed in range(0, 8, 2):
        assigner, movers, found = after_the_wearer_has_left(seed, dropped=dropped)
        assert set(found) == {""}
        (problem,) = assigner.problems(["berta"])
        assert "is masked" in problem
    berta = movers["berta"]
    assert play(assigner, {"berta": berta}, berta.imu(np.eye(3)), 14, 20)[-1] == "berta", "she has taken it"
    still = {"berta": Mover(1, 24, level=0.0)}
    assert set(play(assigner, still, 0 * berta.imu(np.eye(3)), 20, 24)) == {"berta"}


def test_whoever_comes_back_gets_their_imu_at_once_and_under_another_id_after_a_movement() -> None:
    assigner, movers, _ = after_the_wearer_has_left(0, dropped=True)
    anna, imu = movers["anna1"], movers["anna1"].imu(np.eye(3))
    assert set(play(assigner, {"anna1": anna}, imu, 14, 16)[3:]) == {"anna1"}, "from the next evaluation on"
    assigner.drop("anna1")
    found = play(assigner, {"anna2": anna}, imu, 16, 24)
    assert found[0] == ""
    assert set(found[len(found) // 2 :]) == {"anna2"}


def test_after_a_clear_the_only_body_in_view_wears_it_whoever_wore_it_before() -> None:
    assigner, movers, _ = after_the_wearer_has_left(0, dropped=False)
    assigner.clear()
    assert play(assigner, {"berta": movers["berta"]}, movers["berta"].imu(np.eye(3)), 14, 15)[0] == "berta"


def test_it_stays_where_it_was_while_nobody_moves_and_goes_over_when_somebody_else_takes_it() -> None:
    movers = {"anna1": Mover(1, 24), "berta": Mover(2, 24)}
    anna, berta = (movers[body].imu(np.eye(3)) for body in movers)
    imu = np.concatenate([anna[: 8 * HZ], anna[8 * HZ : 9 * HZ] * 0, berta[9 * HZ :]])
    assigner = ImuAssigner(["imu"], {})
    assert play(assigner, movers, imu, 0, 8)[-1] == "anna1"
    found = play(assigner, movers, imu, 8, 20)
    assert found[0] == "anna1"
    assert found[-1] == "berta"


class Hidden(Mover):
    """Somebody of whom no limb is seen."""

    def __init__(self, seed: int, seconds: float) -> None:
        super().__init__(seed, seconds)
        self.joints[:] = np.nan


def test_somebody_whose_limbs_are_hidden_does_not_keep_the_imu_from_whom_it_fits() -> None:
    movers = {"anna1": Mover(1, 14), "berta": Mover(2, 14), "carla": Hidden(3, 14)}
    found = play(ImuAssigner(["imu"], {}), movers, movers["anna1"].imu(rotation(1)), 0, 14)
    assert found[-1] == "anna1"
    assert set(found) <= {"", "anna1"}
    of_carla = play(ImuAssigner(["imu"], {}), movers, movers["carla"].imu(rotation(1)), 0, 14)
    assert set(of_carla) == {""}


def test_a_wearer_whose_limbs_are_hidden_later_keeps_the_imu() -> None:
    movers = {"anna1": Mover(1, 20), "berta": Mover(2, 20)}
    assigner, imu = ImuAssigner(["imu"], {}), movers["anna1"].imu(rotation(1))
    assert play(assigner, movers, imu, 0, 8)[-1] == "anna1"
    movers["anna1"].joints[8 * HZ :] = np.nan
    assert set(play(assigner, movers, imu, 8, 20)) == {"anna1"}


def test_the_only_one_of_several_who_is_followed_has_to_fit() -> None:
    movers = {"anna1": Mover(1, 8), "berta": Mover(2, 8)}
    for wearer, expected in (("anna1", {"anna1": "anna1"}), ("berta", {})):
        assigner, imu = ImuAssigner(["imu"], {}), movers[wearer].imu(np.eye(3))
        for step in range(8 * HZ):
            stamp_ns = START_NS + step * S // HZ
            assigner.push("imu", stamp_ns, imu[step])
            assigner.see("anna1", stamp_ns, "kinect20", movers["anna1"].joints[step])
            worn = assigner.assign(stamp_ns, ["anna1"], are_all=False)
        assert set(worn.values()) == set(expected.values())


def test_a_named_wearer_is_assigned_and_a_body_out_of_view_is_not() -> None:
    movers = {"anna1": Mover(1, 4), "berta": Mover(2, 4)}
    assigner = ImuAssigner(["imu"], {"imu": "anna1"})
    assert set(play(assigner, movers, movers["berta"].imu(np.eye(3)), 0, 4)) == {"anna1"}
    assert assigner.assign(START_NS + 4 * S, ["berta"]) == {}
    assert assigner.problems(["berta"]) == ["imu is masked: anna1, given in imu_bodies, is not in view"]


def play_at(assigner: ImuAssigner, movers: dict[str, Mover], imu: NDArray[np.floating], rate_hz: float) -> list[str]:
    """The same for pictures at a rate; of slow cameras' people each movement takes four times as long."""
    slower = 4 if rate_hz < 5 else 1
    ends_s = slower * len(imu) / HZ
    times_s = np.arange(0, len(imu)) * slower / HZ
    events = [(at_s, "imu", sample * ((1,), (1 / slower,))) for at_s, sample in zip(times_s, imu, strict=True)]
    for body, mover in movers.items():
        for at_s in np.arange(0, ends_s - slower / HZ, 1 / rate_hz):
            step, share = int(at_s * HZ / slower), at_s * HZ / slower % 1
            events.append((at_s, body, (1 - share) * mover.joints[step] + share * mover.joints[step + 1]))
    found, asked_s = [], 0.0
    for at_s, name, sample in sorted(events, key=lambda event: event[0]):
        if at_s >= asked_s:
            found.append(assigner.assign(START_NS + round(asked_s * S), list(movers)).get("imu", ""))
            asked_s += 0.2
        if name == "imu":
            assigner.push("imu", START_NS + round(at_s * S), sample)
        else:
            assigner.see(name, START_NS + round(at_s * S), "kinect20", sample.astype(np.float32))
    return found


@pytest.mark.parametrize("rate_hz", [3, 3.3, 4, 30, 60, 150, 240])
def test_an_imu_is_assigned_however_often_people_come(rate_hz: float) -> None:
    found = []
    for seed in range(0, 8, 2):
        movers = {"anna1": Mover(seed, 8), "berta": Mover(seed + 1, 8)}
        assigned = play_at(ImuAssigner(["imu"], {}), movers, movers["berta"].imu(rotation(seed)), rate_hz)
        found.append("berta" in assigned)
        assert "anna1" not in assigned
    assert sum(found) >= 3


def test_people_who_come_too_rarely_to_be_compared_are_named_as_the_reason() -> None:
    movers = {"anna1": Mover(1, 4), "berta": Mover(2, 4)}
    assigner = ImuAssigner(["imu"], {})
    assert set(play_at(assigner, movers, movers["berta"].imu(np.eye(3)), 1.5)) == {""}
    assert assigner.problems(list(movers)) == [
        "imu is masked: people come too rarely to be compared, 1.5 a second, expected 2.5 or more; set its wearer in "
        "imu_bodies"
    ]


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_joints_that_are_not_seen_claim_nothing(share: float) -> None:
    movers = {"anna1": Mover(1, 8), "berta": Mover(2, 8)}
    hidden = np.random.default_rng(0).random((8 * HZ, 20)) < share
    movers["berta"].joints[hidden] = np.nan
    found = play(ImuAssigner(["imu"], {}), movers, movers["berta"].imu(np.eye(3)), 0, 8)
    assert "anna1" not in found
    assert share < 1 or set(found) == {""}
