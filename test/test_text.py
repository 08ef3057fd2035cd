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

"""Names go into tables, topics and messages: what breaks those is none. Quotes stay short."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mumu_ros.text import MAX_NAME, UNKNOWN, check_activity, check_name, reason, shorten


@pytest.mark.parametrize("name", ["wave", "Hand heben", "手を振る", "دست‌تکان", "a=b", "x" * MAX_NAME, "Ⅳ", "🙋"])
def test_names_of_any_script_are_taken(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    "name",
    ["", " ", "\t", "x" * (MAX_NAME + 1), "a\0b", "a\nb", "a\x1b[2Jb", "\ud800", "a\u2028b", "\x85", *"=+-@", "=1+1"],
)
def test_what_breaks_a_table_a_terminal_or_an_encoder_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not a name") as error:
        check_name(name)
    str(error.value).encode()
    assert str(error.value).isprintable()


@pytest.mark.parametrize("name", [None, 3, b"wave", ["wave"], {}, float("nan"), 10**29])
def test_what_is_no_text_is_refused(name: object) -> None:
    with pytest.raises(ValueError, match="is not a name"):
        check_name(name)


def test_an_activity_is_not_called_like_a_decision_of_too_little_confidence() -> None:
    check_activity("other")
    check_name(UNKNOWN)  # a sensor or a model may be
    for name, complaint in ((UNKNOWN, "'unknown' is reserved for decisions .*; call it other"), ("=x", "not a name")):
        with pytest.raises(ValueError, match=complaint):
            check_activity(name)


def test_an_error_of_a_file_begins_with_its_path() -> None:
    assert reason(OSError(errno.ENOENT, "No such file", "/a.yaml")) == "/a.yaml: No such file"
    assert reason(OSError(errno.EISDIR, "Is a directory", "/.a", None, "/a")) == "/a: Is a directory"
    assert reason(OSError("no camera")) == reason(ValueError("no camera")) == "no camera"


@settings(max_examples=30)
@given(st.text(max_size=700), st.integers(100, 600))
def test_quotes_stay_short(text: str, limit: int) -> None:
    short = shorten(text, limit)
    assert len(short) <= limit
    assert short == text or short.startswith(text[:20])
