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
