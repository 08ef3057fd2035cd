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

"""Fault codes: listed on the page, used by the package, the same for ever."""

from __future__ import annotations

from pathlib import Path

import pytest

from mumu_ros import fault_codes
from mumu_ros.fault_codes import FaultCode

ROOT = Path(__file__).resolve().parents[1]
SOURCES = "".join(path.read_text() for path in (ROOT / "mumu_ros").rglob("*.py"))


def test_the_page_has_the_table_of_the_code() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text()
    assert fault_codes.markdown() in page, "put in the output of: python -m mumu_ros.fault_codes"


@pytest.mark.parametrize("code", FaultCode, ids=lambda code: code.name)
def test_every_code_is_given_somewhere_and_is_a_plain_word(code: FaultCode) -> None:
    assert f"FaultCode.{code.name}" in SOURCES
    assert str(code) == f"{code}" == code.value == ("" if code is FaultCode.NONE else code.name.lower())
