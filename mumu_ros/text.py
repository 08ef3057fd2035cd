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

"""Text that others wrote: what may be a name, what an error says, and quotes that stay short."""

from __future__ import annotations

import unicodedata
from typing import Any

__all__ = ["MAX_NAME", "UNKNOWN", "check_activity", "check_name", "composed", "reason", "shorten"]

MAX_NAME = 100
"""Longest name of an activity, a group or a sensor, in characters."""
UNKNOWN = "unknown"
"""Label of a decision of too little confidence; equal to ActivityRecognition.UNKNOWN."""

_LONGEST = 500
# A spreadsheet takes a cell that begins so for a formula.
_FORMULA = tuple("=+-@")
# Control characters, halves of surrogate pairs, separators of lines and paragraphs.
_BREAKING = ("Cc", "Cs", "Zl", "Zp")


def check_name(name: Any) -> None:
    """Refuse what cannot be the name of an activity, a group, a sensor or a model: it goes into tables and messages.

    Raises:
        ValueError: It is no text, blank, too long, begins like a formula, or has characters that are not printed.
    """
    if (
        not isinstance(name, str)
        or not name.strip()
        or len(name) > MAX_NAME
        or name.startswith(_FORMULA)
        or any(unicodedata.category(character) in _BREAKING for character in name)
    ):
        raise ValueError(
            f"{shorten(ascii(name), 120)} is not a name; expected a non-empty string of at most {MAX_NAME} characters, "
            f"none of them a control character, that does not begin with {' '.join(_FORMULA)}"
        )


def check_activity(name: Any) -> None:
    """Refuse what cannot be the name of an activity or a group.

    Raises:
        ValueError: It is no name (see `check_name`), or `UNKNOWN`.
    """
    check_name(name)
    if name == UNKNOWN:
        raise ValueError(f"{name!r} is reserved for decisions of too little confidence; call it other")


def composed(name: str) -> str:
    """A name with each accented letter as one character (Unicode's NFC).

    Keyboards and systems write the same name in different ways, and activities are compared as they are written.
    """
    return unicodedata.normalize("NFC", name)


def reason(error: Exception) -> str:
    """What an error says; an error about a file begins with its path, not with its number."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        # Of two files the first is a temporary one that could not be put in the second's place.
        return f"{error.filename2 or error.filename}: {error.strerror}"
    return str(error)


def shorten(text: str, limit: int = _LONGEST) -> str:
    """A text of at most `limit` characters, for logs and diagnostics: the middle of a longer one is left out."""
    if len(text) <= limit:
        return text
    half = (limit - 40) // 2
    return f"{text[:half]} … ({len(text)} characters) … {text[-half:]}"
