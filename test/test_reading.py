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

"""Files that others wrote are read within limits, and refused in a sentence: nothing hangs, nothing takes memory."""

from __future__ import annotations

import io
import os
import re
import resource
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mumu_ros import reading
from mumu_ros.reading import MAX_DEPTH, parse_json, parse_yaml, read_arrays, read_bytes, read_text, yaml_text

DEEP = ["[" * 500 + "]" * 500, '{"a": ' * 500 + "1" + "}" * 500, "[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2)]


@pytest.fixture(autouse=True)
def little_memory() -> Iterator[None]:
    """Two gigabytes more than now, as a machine might have: what takes more fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2 * 2**30, hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.fixture(params=["pipe", "device", "folder"])
def no_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Something that a file's name leads to, and that is none."""
    path = tmp_path / "there"
    match request.param:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case _:
            path.mkdir()
    return path


@pytest.mark.parametrize("read", [lambda p: read_bytes(p, 10), read_text, lambda p: read_arrays(p, ["a"])])
def test_what_is_no_file_is_refused_by_name(no_file: Path, read: Callable[[Path], Any]) -> None:
    with pytest.raises(OSError, match="no regular file") as error:
        read(no_file)
    assert error.value.filename == str(no_file)


def test_a_file_that_is_too_large_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(b"")
    os.truncate(path, 2**40)
    with pytest.raises(OSError, match="more than 16777216 bytes") as error:
        read_text(path)
    assert error.value.filename == str(path)
    path.write_bytes(b"0123456789")
    assert read_bytes(path, 10) == b"0123456789"
    with pytest.raises(OSError, match="more than 9 bytes"):
        read_bytes(path, 9)


@pytest.mark.parametrize("text", DEEP)
@pytest.mark.parametrize("parse", [parse_json, parse_yaml])
def test_what_is_too_deep_is_refused(text: str, parse: Callable[[str], Any]) -> None:
    with pytest.raises(ValueError, match="nested deeper than 32 levels"):
        parse(text)


def test_what_is_as_deep_as_allowed_is_read() -> None:
    text = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert parse_json(text) == parse_yaml(text)


def complaint(read: Callable[[], Any]) -> str:
    """The error of reading, and "it is read" if there is none."""
    try:
        read()
    except ValueError as error:
        return str(error)
    return "it is read"


def bomb(kind: str) -> str:
    """Nine levels, each with the level below nine times."""
    lines = ["a0: &a0 [x, x]" if kind == "list" else "a0: &a0 {x: 1}"]
    for level in range(1, 10):
        below = ", ".join([f"*a{level - 1}"] * 9)
        lines.append(f"a{level}: &a{level} {f'[{below}]' if kind == 'list' else f'{{<<: [{below}]}}'}")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (bomb("list"), "line 6: more than 100000 values"),
        (bomb("merge"), "more than 100000 values"),
        ("&a [*a]", "line 1: more than 100000 values"),
        ("a: 1\nb: " + ":".join(["1"] * 50_000), "line 2: a number of 99999 characters"),
        ("a: 1" + "0" * 5_000, "a number of 5001 characters"),
        ("a: 1\nb: [1, 2", "line 2: "),
        ("a: 1\nb: *c", "line 2: found undefined alias"),
        ("a: !!python/object/apply:os.getcwd []", "line 1: could not determine a constructor"),
        ("a: 2026-99-99", "month must be in 1..12"),
        ("a: \x00", "control characters are not allowed"),
        ("? [a]\n: b", "line 1: found unhashable key"),
        ("a: 1\nb: !!bool x", "line 2: 'x' is no bool"),
        ("!!int", "line 1: '' is no int"),
        ("- !!float ''", "line 1: '' is no float"),
        ("a: !!timestamp x", "line 1: 'x' is no timestamp"),
    ],
)
def test_yaml_that_cannot_be_meant_is_refused_with_its_line(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)) as error:
        parse_yaml(text)
    assert "\n" not in str(error.value)


def test_aliases_that_are_few_are_read() -> None:
    text = "imu: &imu {rate: 100, shape: [2, 3]}\nbelt: {<<: *imu, rate: 50}\nboth: [*imu, *imu]\nnothing:"
    wrist = {"rate": 100, "shape": [2, 3]}
    assert parse_yaml(text) == {"imu": wrist, "belt": {**wrist, "rate": 50}, "both": [wrist] * 2, "nothing": None}
    assert parse_yaml("") is None


@pytest.mark.parametrize("text", ["1e-3", "1E3", "-2.5e+2", "+.5e1", "3.e2"])
def test_numbers_with_an_exponent_are_numbers(text: str) -> None:
    assert parse_yaml(text) == float(text)


@pytest.mark.parametrize("text", ["e3", "1e", "1e3x", "0x1e-3.", "v1e3"])
def test_what_only_resembles_them_is_text(text: str) -> None:
    assert parse_yaml(text) == text


LIKE_OTHERS = ["1e3", "-2E1", "1e-3", ".5", "1_000", "0o7", "0x1f", "1:30", "no", "~", "null", "2026-01-02", "=", "<<"]
NAMES = st.sampled_from(LIKE_OTHERS) | st.text(st.characters(categories=("L", "N", "P", "S", "Zs")), max_size=9)


@given(st.dictionaries(NAMES, st.lists(NAMES, max_size=3), max_size=3))
def test_names_that_are_written_are_read_back_as_they_were(groups: dict[str, list[str]]) -> None:
    assert parse_yaml(yaml_text(groups)) == groups


@given(st.text(st.sampled_from("{}[]:,&*!<>|-?#%@'\"\\ab01. \n\t"), max_size=60))
def test_any_yaml_is_read_or_refused_in_a_sentence(text: str) -> None:
    assert len(complaint(lambda: parse_yaml(text))) < 500


TAGS = [
    "bool",
    "int",
    "float",
    "null",
    "timestamp",
    "binary",
    "str",
    "seq",
    "map",
    "set",
    "omap",
    "pairs",
    "merge",
    "value",
]
SHAPES = ["{}", "[{}]", "{{a: {}}}", "{{{}: 1}}", "? {}\n: 1"]


@given(
    st.sampled_from(TAGS),
    st.text(st.sampled_from("019abxyz_:.-+eE~<= '\"[]{},\n"), max_size=20),
    st.sampled_from(SHAPES),
)
def test_a_value_that_does_not_fit_its_tag_is_refused_in_a_sentence(tag: str, value: str, shape: str) -> None:
    said = complaint(lambda: parse_yaml(shape.format(f"!!{tag} {value}")))
    assert "\n" not in said
    assert len(said) < 500


# Arrays.


def npz(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return path


def npy(shape: object, dtype: str = "<f4", data: bytes = b"\0" * 24) -> bytes:
    """A .npy file that promises this shape."""
    header = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape!r}, }}".encode()
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


@pytest.mark.parametrize("dtype", ["i8", "u1", "f4", "f8", "?", ">i4"])
@pytest.mark.parametrize("shape", [(0,), (2, 3), (), (4, 0, 2)])
def test_arrays_come_back(tmp_path: Path, dtype: str, shape: tuple[int, ...]) -> None:
    arrays = {"stamps": np.arange(3), "samples": np.ones(shape, dtype)}
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "a.npz", **arrays)
        samples, stamps = read_arrays(tmp_path / "a.npz", ["samples", "stamps"])
        np.testing.assert_array_equal(samples, arrays["samples"])
        np.testing.assert_array_equal(stamps, arrays["stamps"])
        assert samples.dtype == np.dtype(dtype)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (npy((10**12,)), "but has 24 bytes: expected 4000000000000"),
        (npy((2, 10**30)), "but has 24 bytes"),
        (npy((-2, -3)), "but has 24 bytes"),
        (npy((7,)), "expected 28"),
        (npy((5,)), "expected 20"),
        (npy((10**12,), "|V0", b""), "expected numbers"),
        (npy((3,), "|O"), "expected numbers"),
        (npy((3,), "<U2"), "expected numbers"),
        (npy("x"), "shape"),
        (npy((3,), "nonsense"), "nonsense"),
        (b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535, "large"),
        (b"\x93NUMPY\x09\x00" + b"\0" * 30, "has format (9, 0)"),
        (b"junk", "magic"),
        (b"", "magic"),
    ],
)
def test_arrays_that_promise_what_is_not_there_are_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        read_arrays(npz(tmp_path / "a.npz", a=data), ["a"])


def test_an_archive_of_more_than_the_limit_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(1000), b=np.zeros(1000))
    monkeypatch.setattr(reading, "MAX_ARRAYS", 9_000)
    assert len(read_arrays(tmp_path / "a.npz", ["a"])) == 1
    with pytest.raises(ValueError, match="more than 9000 bytes of a, b"):
        read_arrays(tmp_path / "a.npz", ["a", "b"])


@given(st.data())
def test_damage_to_an_archive_is_a_sentence_or_changes_no_value(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    buffer, arrays = io.BytesIO(), {"a": np.arange(50), "b": np.ones((4, 3))}
    np.savez_compressed(buffer, **arrays)
    whole = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("npz") / "a.npz"
    path.write_bytes(whole[: data.draw(st.sampled_from([len(whole), len(whole) // 2, 30]))])
    actual: list[np.ndarray] = []
    said = complaint(lambda: actual.extend(read_arrays(path, list(arrays))))
    assert len(said.splitlines()) == 1
    assert len(actual) == (2 if said == "it is read" else 0)
    for array, expected in zip(actual, arrays.values(), strict=False):
        np.testing.assert_array_equal(array, expected)
