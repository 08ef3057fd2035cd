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
