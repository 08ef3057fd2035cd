"""docs/failures.md has the table of the code."""

from __future__ import annotations

import re
from pathlib import Path

from mumu_ros.failures import KINDS

DOCS = Path(__file__).parents[2] / "docs" / "failures.md"
ROW = re.compile(r"\| `(?P<kind>\w+)` \|[^|]*\| (?P<amount>[\d.]*)[^|]*\| ?(?P<vectors>\w*) \| ?(?P<images>\w*) \|")


def test_the_page_lists_every_kind_with_its_amount_and_sensors() -> None:
    rows = list(ROW.finditer(DOCS.read_text()))
    assert [row["kind"] for row in rows] == list(KINDS)
    for row, kind in zip(rows, KINDS.values(), strict=True):
        assert row["amount"] == ("" if kind.amount is None else f"{kind.amount:g}"), row["kind"]
        assert (row["vectors"] == "yes", row["images"] == "yes") == ("vector" in kind.sensors, "rgb" in kind.sensors)
