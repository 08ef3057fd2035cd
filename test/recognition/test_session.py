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

"""The pipeline without ROS: people apart, stamps that jump, samples that cannot be meant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mumu_ros.model.checkpoint import load_checkpoint, save_checkpoint
from mumu_ros.model.network import Network
from mumu_ros.pipeline.configuration import InferenceConfig
from mumu_ros.pipeline.parameter_values import ParameterError
from mumu_ros.recognition import Decision, NoDecision, Recognizer, Session
from mumu_ros.recognition.backends import Eager, Outputs
from mumu_ros.recognition.session import Answers, recognizer_settings
from mumu_ros.share import share_path

from .conftest import make_person

MS = 1_000_000
S = 1000 * MS
START_NS = 1_700_000_000 * S
FRAME_MS = 50
SHARED = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def open_session(model: Path, **parameters: Any) -> Session:
    config = InferenceConfig.of(model=str(model), backend="eager", **parameters)
    return Session(Recognizer(load_checkpoint(model)), config)


def imu(stamp_ns: int, seed: int = 0) -> Iterator[tuple[str, int, np.ndarray]]:
    rng = np.random.default_rng([seed, stamp_ns % 2**32])
    for i in reversed(range(5)):
        yield "imu", stamp_ns - i * 10 * MS, rng.normal(size=(2, 3))


def receive(session: Session, stamp_ns: int, epoch: int = 0) -> list[Decision]:
    """A frame with an IMU; what is decided then."""
    stamps = session.receive(stamp_ns, imu(stamp_ns), epoch)
    return [a for s in stamps for _, a in session.decide(s) if isinstance(a, Decision)]


def see(session: Session, number: int, bodies: tuple[str, ...], unseen: tuple[int, ...] = ()) -> Answers:
    stamp_ns = START_NS + number * FRAME_MS * MS
    stamps = session.see(stamp_ns, "blazepose33", [make_person(body, number, unseen) for body in bodies])
    return [answer for s in stamps for answer in session.decide(s)]


def decided(answers: Answers) -> dict[str, Decision]:
    return {body: answer for body, answer in answers if isinstance(answer, Decision)}


@SHARED
@pytest.mark.slow
@given(
    views=st.lists(st.sets(st.sampled_from(["anna1", "berta", "carla"])), min_size=30, max_size=60),
    together=st.booleans(),
)
def test_a_person_among_others_is_recognised_as_if_alone(
    people_model: Path, views: list[set[str]], together: bool
) -> None:
    """Whoever comes and goes: within 1e-5 of what a session says that sees nobody else.

    Nobody's torso is upright here: the camera's tilt, which is learned from everybody, stays 0.
    """
    crowd, alone = open_session(people_model), open_session(people_model)
    for number, view in enumerate(views):
        bodies = tuple(sorted(view | {"anna1"})) if together else tuple(sorted(view))
        expected = decided(see(alone, number, ("anna1",) if "anna1" in bodies else ())).get("anna1")
        found = decided(see(crowd, number, bodies)).get("anna1")
        assert (found is None) == (expected is None)
        if found is not None and expected is not None:
            np.testing.assert_allclose(found.activity_probabilities, expected.activity_probabilities, atol=1e-5)
            np.testing.assert_allclose(found.gm_weights, expected.gm_weights, atol=1e-5)
    assert crowd._tilt.radians == 0


@SHARED
@given(
    views=st.lists(st.lists(st.integers(0, 30).map("b{:03}".format), max_size=9, unique=True), max_size=80),
    most=st.integers(1, 4),
)
def test_memory_is_bounded_by_max_people_and_absent_bodies_are_dropped(
    people_model: Path, views: list[list[str]], most: int
) -> None:
    session = open_session(people_model, max_people=most)
    number = 0
    for number, view in enumerate(views):
        see(session, number, tuple(view))
        assert len(session.bodies) <= most
        assert set(session.recognizer._bodies) <= {"", *session.bodies}
    for later in range(number + 1, number + 25):
        see(session, later, ())
    assert session.bodies == ()
    assert set(session.recognizer._bodies) == {""}


@pytest.mark.parametrize("pictures", [22, 30, 50])
def test_who_comes_back_within_a_window_is_seen_at_once(pictures: int) -> None:
    """Out of view for longer than a second, which between two samples of one stream would be a jump of time."""
    session = open_session(share_path("models", "people"))
    for number in range(30):
        see(session, number, ("anna1",))
    for number in range(30, 30 + pictures):
        see(session, number, ())
    ages = [
        float(np.nanmin(decision.ages_s))
        for number in range(30 + pictures, 60 + pictures)
        for decision in decided(see(session, number, ("anna1",))).values()
    ]
    assert ages
    assert max(ages) < 0.15


def test_an_anonymous_body_has_no_decisions_once_people_are_tracked(people_model: Path) -> None:
    session = open_session(people_model, body_id="b1")
    answers = [a for k in range(20) for s in session.receive(START_NS + k * FRAME_MS * MS, imu(k * MS)) for a in [s]]
    assert answers, "nobody looks for people yet"
    session.expect_people()
    assert session.receive(START_NS + 20 * FRAME_MS * MS, []) == []
    assert all(see(session, number, ()) == [] for number in range(21, 40))


def test_a_worn_sensor_is_recognised_by_itself_when_the_people_node_never_sees_anything(people_model: Path) -> None:
    session = open_session(people_model)
    found = []
    for k in range(120):
        session.expect_people()
        found.append(bool(receive(session, START_NS + k * FRAME_MS * MS)))
    assert not any(found[:60])
    assert any(found[65:])


def test_a_worn_sensor_goes_on_when_the_camera_is_gone_and_people_are_told_apart_when_it_is_back(
    people_model: Path,
) -> None:
    session = open_session(people_model)

    def frames(first: int, last: int) -> set[str]:
        found: Answers = []
        for k in range(first, last):
            stamp_ns = START_NS + k * FRAME_MS * MS
            session.expect_people()  # the people node is still there
            found += [a for s in session.receive(stamp_ns, imu(stamp_ns)) for a in session.decide(s)]
        return set(decided(found))

    assert frames(0, 20) == set()
    for k in range(20, 40):
        see(session, k, ("anna1",))
        assert frames(k, k + 1) == set()
    assert frames(40, 90) == set()
    assert frames(110, 200) == {""}
    assert decided(see(session, 200, ("anna1",)) + see(session, 205, ("anna1",)) + see(session, 210, ("anna1",)))
    assert frames(210, 220) == set()


@pytest.mark.parametrize("frames_before", [0, 20])
@pytest.mark.parametrize("ahead_ms", [-20_000, 0, 900, 100_000, 10**9])
def test_a_view_with_any_stamp_silences_worn_sensors_for_no_longer_than_a_camera_that_stopped(
    people_model: Path, ahead_ms: int, frames_before: int
) -> None:
    session = open_session(people_model)
    for k in range(frames_before):
        receive(session, START_NS + k * FRAME_MS * MS)
    for stamp_ns in session.see(START_NS + ahead_ms * MS, "blazepose33", [make_person("anna1", 0)]):
        session.decide(stamp_ns)
    assert any(receive(session, START_NS + k * FRAME_MS * MS) for k in range(20, 120))


def test_the_fault_of_a_modality_is_reported_for_each_body(people_model: Path) -> None:
    session = open_session(people_model, imu_bodies=["imu=anna1"])
    answers: Answers = []
    for number in range(60):
        stamp_ns = START_NS + number * FRAME_MS * MS
        session.receive(stamp_ns, imu(stamp_ns))
        answers += see(session, number, ("anna1", "berta"), tuple(range(33)) if number > 30 else ())
    last, names = decided(answers), session.checkpoint.config.names
    faults = {body: dict(zip(names, decision.faults, strict=True)) for body, decision in last.items()}
    assert {body: found["imu"] for body, found in faults.items()} == {"anna1": "", "berta": "unassigned"}
    assert {found["skeleton"] for found in faults.values()} == {"silent"}


def test_of_somebody_new_samples_are_too_few_whoever_wears_the_imu(people_model: Path) -> None:
    session = open_session(people_model, imu_bodies=["imu=anna1"])
    answers: Answers = []
    for number in range(43):
        stamp_ns = START_NS + number * FRAME_MS * MS
        session.receive(stamp_ns, imu(stamp_ns))
        answers += see(session, number, ("anna1", "berta") if number >= 40 else ("anna1",))
    ((_, answer),) = [row for row in answers if row[0] == "berta"]
    assert isinstance(answer, NoDecision)
    assert answer.code == "sparse"
    assert "imu 0% of 25% (unassigned)" in answer.reason


@pytest.mark.parametrize("worn", [True, False])
def test_a_sensor_of_the_shape_of_an_imu_that_is_not_worn_is_of_everybody(
    people_model: Path, tmp_path: Path, worn: bool
) -> None:
    """A wrench matches nobody's motion."""
    config = load_checkpoint(people_model).config
    modalities = [replace(m, worn=worn) if m.name == "imu" else m for m in config.modalities]
    save_checkpoint(tmp_path / "wrench", Network(replace(config, modalities=tuple(modalities))).eval())
    session = open_session(tmp_path / "wrench")
    answers: Answers = []
    for number in range(60):
        stamp_ns = START_NS + number * FRAME_MS * MS
        session.receive(stamp_ns, imu(stamp_ns))
        answers += see(session, number, ("anna1", "berta"))
    fault = "unassigned" if worn else ""
    assert [decision.faults[config.names.index("imu")] for decision in decided(answers).values()] == [fault] * 2
    if not worn:
        with pytest.raises(ParameterError, match=r"imu_bodies names 'imu'; the model's IMUs are none"):
            open_session(tmp_path / "wrench", imu_bodies=["imu=anna1"])


def test_pictures_of_the_whole_scene_that_nobody_is_alone_in_are_said_to_be_unassigned(tiny_model: Path) -> None:
    """As sensors that are missing, they would be looked for where there is nothing wrong."""
    session = open_session(tiny_model)
    rgb = np.zeros((48, 64, 3), np.uint8)

    def answers(first: int, last: int, bodies: tuple[str, ...]) -> Answers:
        found: Answers = []
        for number in range(first, last):
            stamp_ns = START_NS + number * FRAME_MS * MS
            session.receive(stamp_ns, [("rgb", stamp_ns, rgb)])
            found += see(session, number, bodies)
        return found

    assert decided(answers(0, 60, ("anna1",)))
    assert session.new_problems() == []
    reasons = [answer for _, answer in answers(60, 120, ("anna1", "berta")) if isinstance(answer, NoDecision)]
    assert reasons[-1].code == "unassigned"
    assert "rgb 0% of 25% (unassigned)" in reasons[-1].reason
    text = "rgb: of the whole scene, used only for a person who is alone in view"
    assert session.new_problems() == [("unassigned", text)]
    assert decided(answers(120, 180, ("anna1",)))
    assert session.new_problems() == []


@pytest.mark.parametrize("most", [1, 2])
def test_who_is_left_out_for_max_people_is_in_view_nevertheless(tiny_model: Path, most: int) -> None:
    """Pictures show them; nor are pictures of theirs those of whoever comes after them."""
    session, rgb = open_session(tiny_model, max_people=most), np.zeros((48, 64, 3), np.uint8)
    seen: dict[int, Answers] = {}
    for number in range(120):
        stamp_ns = START_NS + number * FRAME_MS * MS
        session.receive(stamp_ns, [("rgb", stamp_ns, rgb)])
        bodies = ("anna1", "berta") if number < 60 else ("carla",)
        seen[number] = see(session, number, bodies) or seen.get(number - 1, [])
        if number == 59:
            assert "rgb: of the whole scene, used only for" in str(session.new_problems())
    assert not decided(seen[59])
    assert not decided(seen[61]), "the pictures of before show others"
    assert set(decided(seen[119])) == {"carla"}


@pytest.mark.parametrize(("side", "is_small"), [(8, True), (23, True), (24, False), (32, False), (99, False)])
def test_pictures_that_are_enlarged_for_the_model_are_named(tiny_model: Path, side: int, is_small: bool) -> None:
    """As after set_model, since sensor_sync keeps the size of the model that it was started with."""
    session = open_session(tiny_model)
    text = f"rgb: pictures of 32×{side} are enlarged to the model's 32×32; sensor_sync sends "
    for number in range(2):
        stamp_ns = START_NS + number * FRAME_MS * MS
        session.receive(stamp_ns, [("rgb", stamp_ns, np.zeros((side, 32, 3), np.uint8))])
        found = session.new_problems()
        assert [(code, told.startswith(text)) for code, told in found] == [("small", True)] * is_small
        assert session.new_problems() == []


@pytest.mark.parametrize("apart", [0, 6], ids=["at once", "after 0.3 s"])
@pytest.mark.parametrize("stays", [False, True], ids=["comes", "was one of two"])
def test_pictures_of_somebody_else_before_are_not_of_the_person_who_is_alone_now(
    tiny_model: Path, tmp_path: Path, apart: int, stays: bool
) -> None:
    """Of a window that is longer than somebody out of view is decided about."""
    config = replace(load_checkpoint(tiny_model).config, window_s=3.0)
    save_checkpoint(tmp_path / "long", Network(config).eval())

    def decisions(first: int) -> dict[int, Decision]:
        session = open_session(tmp_path / "long", smoothing_s=0.0, hysteresis=0.0)
        found = {}
        for number in range(first, 150):
            stamp_ns = START_NS + number * FRAME_MS * MS
            picture = np.random.default_rng(number).integers(0, 256, (48, 64, 3), np.uint8)
            session.receive(stamp_ns, [("rgb", stamp_ns, picture)])
            bodies = ("berta",) if number >= 60 + apart else ("anna1", "berta")[: 1 + stays] if number < 60 else ()
            found |= {
                d.stamp_ns: d for b, d in see(session, number, bodies) if b == "berta" and isinstance(d, Decision)
            }
        return found

    after, alone = decisions(0), decisions(60)
    common = after.keys() & alone.keys()
    assert {stamp_ns for stamp_ns in alone if stamp_ns > START_NS + 81 * FRAME_MS * MS} <= common, "a second later"
    for stamp_ns in common:
        decision = after[stamp_ns]
        np.testing.assert_allclose(decision.activity_probabilities, alone[stamp_ns].activity_probabilities, atol=1e-5)


def test_of_a_camera_that_is_gone_neither_bodies_nor_problems_are_left(tiny_model: Path) -> None:
    session = open_session(tiny_model, max_people=2)
    rgb = np.zeros((48, 64, 3), np.uint8)
    for number in range(140):
        stamp_ns = START_NS + number * FRAME_MS * MS
        receive(session, stamp_ns)
        session.receive(stamp_ns, [("rgb", stamp_ns, rgb)])
        if number < 60:
            see(session, number, ("anna1", "berta", "carla"))
        if number == 59:
            assert [code for code, _ in session.new_problems()] == ["crowded", "unassigned", "unassigned"]
    assert session.new_problems() == []
    assert session.bodies == ()
    assert set(session.recognizer._bodies) == {""}
    assert session.present == (session.config.body_id,)


def test_a_joint_out_of_sight_is_filled_for_a_moment_and_then_the_skeleton_is_missing(people_model: Path) -> None:
    wrist = (15,)
    session = open_session(people_model)
    for number in range(20):
        last = decided(see(session, number, ("anna1",), wrist if number % 3 == 0 else ()))
        assert not last or last["anna1"].coverage[0] > 0.15
    for number in range(20, 45):
        last = decided(see(session, number, ("anna1",), wrist)) or last
    assert last["anna1"].present.tolist() == [False, True, False]


@pytest.mark.parametrize("later_ms", [0, 700])
def test_one_stamp_from_the_future_ends_nothing(tiny_model: Path, later_ms: int) -> None:
    session = open_session(tiny_model)
    found = []
    for k in range(60):
        found += receive(session, START_NS + k * FRAME_MS * MS)
        if k == later_ms // FRAME_MS:
            assert not receive(session, (2**31 - 1) * S)
    assert len(found) >= 9
    assert found[-1].stamp_ns > START_NS + 55 * FRAME_MS * MS
    (problem,) = session.new_problems()
    assert problem[0] == "clock"
    assert "1 frames rejected: their stamps" in problem[1]
    assert session.new_problems() == []


def test_a_first_stamp_from_the_future_ends_nothing_for_long(tiny_model: Path) -> None:
    session = open_session(tiny_model)
    receive(session, (2**31 - 1) * S)
    found = [d.stamp_ns for k in range(60) for d in receive(session, START_NS + k * FRAME_MS * MS)]
    assert found
    assert found[0] < START_NS + 2 * S


@SHARED
@given(late_ms=st.lists(st.integers(0, 900), min_size=1, max_size=10))
def test_what_is_late_is_taken_and_nothing_is_decided_in_the_past(people_model: Path, late_ms: list[int]) -> None:
    session = open_session(people_model)
    newest_ns = START_NS
    for number in range(30):
        newest_ns = START_NS + number * FRAME_MS * MS
        see(session, number, ("anna1",))
    for ms in late_ms:
        assert session.see(newest_ns - ms * MS, "blazepose33", [make_person("anna1", 29)]) == []
        assert session.bodies == ("anna1",)
    assert session.new_problems() == []
    assert session.see(newest_ns + FRAME_MS * MS, "blazepose33", [make_person("anna1", 30)]) != []


def test_a_sample_from_the_future_does_not_end_the_assignment_of_an_imu(people_model: Path) -> None:
    session = open_session(people_model)
    for number in range(40):
        see(session, number, ("anna1", "berta"))
        stamp_ns = START_NS + number * FRAME_MS * MS
        session.receive(stamp_ns, imu(stamp_ns))
        if number == 10:
            session.receive(stamp_ns, [("imu", stamp_ns + 3600 * S, np.ones((2, 3)))])
    (worn,) = session._assigner._imus.values()
    assert worn.samples[-1][0] == stamp_ns


def test_another_process_with_an_earlier_clock_and_the_same_epoch_is_followed(tiny_model: Path) -> None:
    session = open_session(tiny_model)
    for k in range(40):
        receive(session, START_NS + k * FRAME_MS * MS)
    earlier_ns = START_NS - 3600 * S
    found, said = [], []
    for k in range(60):
        found += [d.stamp_ns for d in receive(session, earlier_ns + k * FRAME_MS * MS)]
        said += [text for _, text in session.new_problems()]
    assert said == []
    assert len(found) >= 8
    assert min(found) < earlier_ns + 1500 * MS


def clock_problems(session: Session, k: int, people_ns: int | None, frame_ns: int | None, epoch: int = 0) -> list[str]:
    """Take what arrives in one instant, and return what is wrong with the clocks."""
    if frame_ns is not None:
        session.receive(frame_ns, imu(frame_ns), epoch)
    if people_ns is not None:
        session.see(people_ns, "blazepose33", [make_person("anna1", k)])
    return [text for code, text in session.new_problems() if code == "clock"]


@pytest.mark.parametrize("first", ["people", "frames"])
@pytest.mark.parametrize("ahead_s", [-1695884968.3, -12345.678, -3.0, 3.0, 1795884968.3])
def test_frames_on_another_clock_than_people_are_named_with_the_remedy(
    people_model: Path, ahead_s: float, first: str
) -> None:
    session = open_session(people_model)
    said: list[str] = []
    for k in range(60):
        now_ns = START_NS + k * FRAME_MS * MS
        frame_ns = None if k < 5 and first == "people" else now_ns + round(ahead_s * S)
        said = clock_problems(session, k, None if k < 5 and first == "frames" else now_ns, frame_ns)
    text = said[-1]
    where = f"{abs(ahead_s):.3f} s {'ahead of' if ahead_s > 0 else 'behind'} those of"
    assert text.startswith(f"the stamps of imu are {where}")
    remedy_s = float(text.split("or add about ")[1].removesuffix(" to imu.offset_s of sensor_sync"))
    assert remedy_s == pytest.approx(-ahead_s, abs=0.001)
    session.restart()
    for k in range(60, 120):
        now_ns = START_NS + k * FRAME_MS * MS
        said = clock_problems(session, k, now_ns, now_ns + round((ahead_s + remedy_s) * S))
    assert said == []


@pytest.mark.parametrize("first", ["people", "frames"])
@pytest.mark.parametrize("ahead_s", [-1_800_000_000, 1_800_000_000])
def test_people_are_decided_about_whatever_clock_frames_have_and_whichever_starts_first(
    people_model: Path, ahead_s: int, first: str
) -> None:
    session = open_session(people_model)
    found: Answers = []
    for k in range(160):
        session.expect_people()
        if k >= 80 or first == "frames":
            frame_ns = (2 * START_NS // S + ahead_s) * S + k * FRAME_MS * MS
            found += [a for s in session.receive(frame_ns, imu(frame_ns)) for a in session.decide(s) if k >= 100]
        if k >= 80 or first == "people":
            people_ns = 2 * START_NS + k * FRAME_MS * MS
            stamps = session.see(people_ns, "blazepose33", [make_person("anna1", k)])
            found += [a for s in stamps for a in session.decide(s) if k >= 100]
    assert set(decided(found)) == {"anna1"}
    assert len(found) >= 10


@pytest.mark.parametrize("by_s", [-1_600_000_000, -300, -3, 3, 300, 100_000_000])
@pytest.mark.parametrize("jumps", ["people", "frames"])
def test_people_are_decided_about_whichever_clock_is_set(people_model: Path, by_s: int, jumps: str) -> None:
    session = open_session(people_model)
    found: Answers = []
    for k in range(160):
        session.expect_people()
        now_ns = START_NS + k * FRAME_MS * MS
        set_ns = now_ns + (by_s * S if k >= 60 else 0)
        people_ns, frame_ns = (set_ns, now_ns) if jumps == "people" else (now_ns, set_ns)
        stamps = session.receive(frame_ns, imu(frame_ns))
        stamps += session.see(people_ns, "blazepose33", [make_person("anna1", k)])
        found += [answer for stamp in stamps for answer in session.decide(stamp) if k >= 100]
    assert set(decided(found)) == {"anna1"}
    assert len(found) >= 10
    assert all(isinstance(answer, Decision) and answer.present[0] for _, answer in found)


@pytest.mark.parametrize("every", [1, 16])
@pytest.mark.parametrize("jump_s", [-4, -3600, 60])
def test_frames_whose_clock_jumps_change_nothing_about_people(people_model: Path, jump_s: int, every: int) -> None:
    """An IMU whose clock counts from its start is started again and again; or it is set."""

    def run(jump_s: int) -> tuple[list[Decision], list[tuple[str, ...]]]:
        session, bodies = open_session(people_model), []
        found: Answers = []
        for k in range(160):
            session.expect_people()
            frame_ns = START_NS // 2 + (k * FRAME_MS + k // 50 * jump_s * 1000) * MS
            stamps = session.receive(frame_ns, imu(frame_ns), epoch=k // 50 if jump_s < 0 else 0)
            if k % every == 0:
                stamps += session.see(START_NS + k * FRAME_MS * MS, "blazepose33", [make_person("anna1", k)])
            found += [answer for stamp in stamps for answer in session.decide(stamp)]
            bodies.append(session.bodies)
        return [answer for _, answer in found if isinstance(answer, Decision)], bodies

    expected, bodies = run(0)
    found, bodies_found = run(jump_s)
    assert bodies_found == bodies
    assert [d.stamp_ns for d in found] == [d.stamp_ns for d in expected]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one.activity_probabilities, other.activity_probabilities, atol=1e-5)


@pytest.mark.parametrize(("late", "held"), [(0, 0), (0, 16), (6, 10), (15, 0)])
@pytest.mark.parametrize("back_s", [2, 4])
def test_of_a_bag_that_loops_no_samples_of_the_old_round_are_used_with_people_of_the_next(
    people_model: Path, back_s: int, late: int, held: int
) -> None:
    """People are late; frames wait until sensor_sync is sure, and then come at once."""
    session, held_back, used = open_session(people_model), [], []
    stamps_ns = [START_NS + (k * FRAME_MS * MS - (back_s * S if k >= 120 else 0)) for k in range(200)]
    for k in range(late, 200):
        held_back.append(k)
        while held_back and not 120 <= k < 120 + held:
            number = held_back.pop(0)
            is_new, frame_ns = number >= 120, stamps_ns[number]
            samples = [(name, at, abs(x) if is_new else -abs(x)) for name, at, x in imu(frame_ns)]
            session.receive(frame_ns, samples, int(is_new))
        for stamp_ns in session.see(stamps_ns[k - late], "blazepose33", [make_person("anna1", k)]):
            answers = decided(session.decide(stamp_ns))
            signs = np.sign(session.recognizer._bodies[""].windows.window(stamp_ns).series["imu"].samples)
            assert (1 if k - late < 120 else -1) not in signs
            used += [k for decision in answers.values() if decision.present[2]]
    assert any(k < 120 for k in used)
    assert any(120 + max(late, held) <= k <= 140 + max(late, held) for k in used)


@pytest.mark.parametrize("late_ms", [0, 300, 900, -300])
@pytest.mark.parametrize("stopped", ["people", "frames", "both", "none"])
def test_delays_and_streams_that_stop_are_no_other_clock(people_model: Path, late_ms: int, stopped: str) -> None:
    """People are late, negative: frames; one stops for seconds, and comes back."""
    session = open_session(people_model)
    for k in range(200):
        now_ns = START_NS + k * FRAME_MS * MS
        has_people, has_frame = (not (60 <= k < 140 and stopped in (name, "both")) for name in ("people", "frames"))
        people_ns = now_ns - max(late_ms, 0) * MS if has_people else None
        frame_ns = now_ns + min(late_ms, 0) * MS if has_frame else None
        assert clock_problems(session, k, people_ns, frame_ns) == []


@pytest.mark.parametrize("late", [0, 6])
@pytest.mark.parametrize("back_s", [5, 60])
def test_a_bag_that_loops_is_no_other_clock(people_model: Path, late: int, back_s: int) -> None:
    """People are a third of a second late; the epoch of frames rises when sensor_sync is sure."""
    session = open_session(people_model)
    stamps_ns = [START_NS + (k * FRAME_MS * MS - (back_s * S if k >= 120 else 0)) for k in range(240)]
    for k in range(late, 240):
        is_held = 120 <= k < 130
        said = clock_problems(session, k, stamps_ns[k - late], None if is_held else stamps_ns[k], int(k >= 130))
        assert [text for text in said if "offset_s" in text] == []


@pytest.mark.parametrize("late", [0, 5, 12])
def test_a_decision_of_the_old_round_that_still_waits_does_not_hinder_those_of_the_next(
    people_model: Path, late: int
) -> None:
    """A worker takes the last stamp of a bag when frames, and people, of the next round have come."""
    session = open_session(people_model)
    waiting: list[int] = []
    for k in range(100):
        frame_ns = START_NS + k * FRAME_MS * MS
        session.receive(frame_ns, imu(frame_ns))
        waiting = session.see(frame_ns, "blazepose33", [make_person("anna1", k)])
    (end_ns,) = waiting
    session.receive(START_NS, imu(START_NS), epoch=1)
    found = []
    for k in range(30):
        stamps = session.see(START_NS + k * FRAME_MS * MS, "blazepose33", [make_person("anna1", k)])
        if k == late:
            session.decide(end_ns)
        found.append(bool(decided([answer for stamp in stamps for answer in session.decide(stamp)])))
    assert any(found[:20])
    assert sum(found) >= 4


@pytest.mark.parametrize("ahead_s", [5, 3600])
def test_a_waiting_decision_about_frames_does_not_hinder_those_about_people_with_an_earlier_clock(
    people_model: Path, ahead_s: int
) -> None:
    session = open_session(people_model)
    frame_ns = START_NS + ahead_s * S
    stamps = session.receive(frame_ns, imu(frame_ns))
    stamps += session.see(START_NS, "blazepose33", [make_person("anna1", 0)])
    for stamp_ns in stamps:
        session.decide(stamp_ns)
    assert any(decided(see(session, k, ("anna1",))) for k in range(1, 20))


@SHARED
@given(
    rounds=st.lists(
        st.tuples(st.integers(10, 60), st.sampled_from([-3600, -20, -2, 0, 60]), st.booleans()), max_size=4
    ),
    seed=st.integers(0, 99),
)
def test_however_far_the_worker_is_behind_decisions_go_on_after_a_jump_of_time(
    people_model: Path, rounds: list[tuple[int, int, bool]], seed: int
) -> None:
    """Like that of inference, the worker takes the newest stamp: late or never, also once time has jumped."""
    session, rng = open_session(people_model), np.random.default_rng(seed)
    now_ns, epoch, waiting, found = START_NS, 0, [0], 0
    for count, jump_s, has_people in [*rounds, (10, -7, True), (50, 0, True)]:
        now_ns += jump_s * S
        epoch += jump_s < 0
        found = 0
        for k in range(count):
            now_ns += FRAME_MS * MS
            waiting = session.receive(now_ns, imu(now_ns), epoch)[-1:] or waiting
            if count == 50 or rng.random() < 0.5:
                found += any(isinstance(a, Decision) for _, a in session.decide(waiting[-1]))
            if has_people:
                waiting = session.see(now_ns, "blazepose33", [make_person("anna1", k)])[-1:] or waiting
    assert found >= 5


@SHARED
@given(
    apart_s=st.sampled_from([0.0, 0.02, 30.0, -30.0, 1e6]),
    epochs=st.tuples(st.integers(0, 5), st.integers(0, 5)),
    turns=st.lists(st.booleans(), min_size=80, max_size=80),
)
def test_two_publishers_with_epochs_of_their_own_do_not_end_decisions(
    tiny_model: Path, apart_s: float, epochs: tuple[int, int], turns: list[bool]
) -> None:
    session = open_session(tiny_model)
    found = 0
    for k, first in enumerate(turns):
        stamp_ns = START_NS + k * FRAME_MS * MS
        found += len(receive(session, stamp_ns, epochs[0]))
        if first:
            found += len(receive(session, stamp_ns + round(apart_s * S), epochs[1]))
    assert found >= 10


@pytest.mark.slow
@SHARED
@given(
    jumps=st.lists(
        st.tuples(st.integers(5, 60), st.sampled_from([-3600.0, -20.0, -2.0, 0.0, 2.0, 20.0, 1e6]), st.booleans()),
        min_size=1,
        max_size=6,
    )
)
def test_whatever_the_clock_does_decisions_go_on_within_a_window(
    tiny_model: Path, jumps: list[tuple[int, float, bool]]
) -> None:
    """With the epoch raised, as sensor_sync does, or not, as after its restart."""
    session = open_session(tiny_model)
    now_ns, epoch = START_NS + 10**7 * S, 0
    for frames, jump_s, tells in jumps:
        now_ns += round(jump_s * S)
        epoch += tells and jump_s < 0
        for _ in range(frames):
            now_ns += FRAME_MS * MS
            receive(session, now_ns, epoch)
    found = []
    for _ in range(40):
        now_ns += FRAME_MS * MS
        found += receive(session, now_ns, epoch)
    assert len(found) >= 2


@SHARED
@given(
    bad=st.sampled_from(
        [np.zeros((3, 3)), np.full((2, 3), np.nan), np.full((2, 3), 1e300), np.zeros(0), np.zeros((2, 3), "U1")]
    ),
    where=st.integers(0, 5),
)
def test_a_sample_that_cannot_be_meant_costs_no_other_and_is_counted(
    tiny_model: Path, bad: np.ndarray, where: int
) -> None:
    errors: list[tuple[str, ValueError]] = []
    session = Session(
        Recognizer(load_checkpoint(tiny_model)),
        InferenceConfig.of(model=str(tiny_model), backend="eager"),
        on_error=lambda name, error: errors.append((name, error)),
    )
    found = []
    for k in range(40):
        stamp_ns = START_NS + k * FRAME_MS * MS
        samples = list(imu(stamp_ns))
        samples.insert(where, ("depth", stamp_ns, bad))
        stamps = session.receive(stamp_ns, samples)
        found += [a for s in stamps for _, a in session.decide(s) if isinstance(a, Decision)]
    assert len(found) >= 7
    assert all(d.present.tolist() == [False, False, True] for d in found)
    count, reason = session.refused["depth"]
    assert count == len(errors) == 40
    assert "depth" in reason
    assert len(reason) <= 300


class Overflowing(Eager):
    """Gives NaN where an IMU has numbers that a network cannot add up."""

    def decide(self, inputs: Any, masks: Any) -> list[Outputs]:
        outputs = super().decide(inputs, masks)
        huge = [bool((row.abs() > 1e30).any()) for row in inputs["imu"]]
        return [
            replace(o, activity_logits=o.activity_logits * np.nan) if h else o
            for o, h in zip(outputs, huge, strict=True)
        ]


def test_a_decision_that_is_not_finite_is_not_made_and_counted(tiny_model: Path) -> None:
    checkpoint = load_checkpoint(tiny_model)
    config = InferenceConfig.of(model=str(tiny_model), smoothing_s=1.0)
    recognizer = Recognizer(
        checkpoint, recognizer_settings(config, checkpoint.config, live=True), Overflowing(checkpoint.model)
    )
    session = Session(recognizer, config, live=True)
    answers: list[Any] = []
    for k in range(60):
        stamp_ns = START_NS + k * FRAME_MS * MS
        huge = 15 <= k < 25
        samples = [(name, at, np.full((2, 3), 3e38) if huge else x) for name, at, x in imu(stamp_ns)]
        answers += [a for s in session.receive(stamp_ns, samples) for _, a in session.decide(s)]
    refused = [a for a in answers if isinstance(a, NoDecision) and "not finite" in a.reason]
    assert refused
    assert all("imu" in a.reason for a in refused)
    assert recognizer.not_finite == len(refused)
    good = [a for a in answers if isinstance(a, Decision)]
    assert all(np.isfinite(a.activity_probabilities).all() for a in good)
    assert good[-1].stamp_ns > START_NS + 50 * FRAME_MS * MS


def test_a_depth_picture_with_a_room_behind_is_refused_by_name(people_model: Path) -> None:
    session = open_session(people_model)
    for k in range(40):
        stamp_ns = START_NS + k * FRAME_MS * MS
        person = make_person("anna1", k).depth
        assert person is not None
        depth = person if k < 20 else np.where(person > 0, person, np.uint16(3500))
        stamps = session.receive(stamp_ns, [("depth", stamp_ns, depth), *imu(stamp_ns)])
        found = [a for s in stamps for _, a in session.decide(s) if isinstance(a, Decision)]
        if k == 19 - 19 % 4:
            assert found[0].present[1]
    assert not [*found, *receive(session, START_NS + 40 * FRAME_MS * MS)][-1].present[1]
    count, reason = session.refused["depth"]
    assert count == 20
    assert "100% of the pixels" in reason
    assert "background" in reason


def test_an_imu_of_no_model_cannot_be_named(people_model: Path) -> None:
    with pytest.raises(ParameterError, match=r"imu_bodies names 'belt'; the model's IMUs are imu"):
        open_session(people_model, imu_bodies=["belt=anna1"])
    with pytest.raises(ParameterError, match=r"expected a list of <modality>=<body id>"):
        open_session(people_model, imu_bodies=["anna1"])
