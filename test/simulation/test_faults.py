import pytest
from hypothesis import given
from hypothesis import strategies as st

from mumu_ros.simulation import DEVICES, STREAMS, Fault, parse_fault

TARGETS = (*DEVICES, *(stream.name for stream in STREAMS))


@given(st.sampled_from(TARGETS), st.integers(0, 10_000), st.integers(1, 10_000))
def test_notation_round_trips(target, start, length):
    start_s, end_s = start / 4, (start + length) / 4
    assert parse_fault(f"{target}:{start_s}-{end_s}") == Fault(target, start_s, end_s)


def test_a_device_fails_with_all_its_streams():
    assert parse_fault("camera:1-2").streams == ("rgb", "depth")
    assert parse_fault("imu_belt:1-2").streams == ("imu_belt",)


@pytest.mark.parametrize("text", ["imu", "imu:10", "imu:a-b", "imu:10-", "imu:-5-10", "10-20", "imu:10:20", ""])
def test_a_wrong_notation_is_quoted_and_explained(text):
    with pytest.raises(ValueError, match="TARGET:START-END") as caught:
        parse_fault(text)
    assert repr(text) in str(caught.value)


def test_an_unknown_target_is_quoted_and_the_known_are_listed():
    with pytest.raises(ValueError, match="'lidar'") as caught:
        parse_fault("lidar:1-2")
    assert all(target in str(caught.value) for target in TARGETS)


@pytest.mark.parametrize("text", ["imu:20-10", "imu:5-5"])
def test_an_empty_interval_is_refused(text):
    with pytest.raises(ValueError, match="empty"):
        parse_fault(text)
