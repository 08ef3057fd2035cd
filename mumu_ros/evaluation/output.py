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

"""The files of an evaluation."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mumu_ros.evaluation.decision_features import FeatureMap
from mumu_ros.evaluation.decisions import to_csv
from mumu_ros.evaluation.report import render
from mumu_ros.evaluation.results import BagResult
from mumu_ros.files import replacing, write_json
from mumu_ros.model.config import ModelConfig

__all__ = ["write_outputs"]


def write_outputs(
    out: Path,
    model: str,
    bags: Sequence[BagResult],
    config: ModelConfig,
    summary: Mapping[str, Any],
    *,
    timing: Mapping[str, Any] | None = None,
    maps: Sequence[FeatureMap] = (),
) -> None:
    """Write predictions.csv, metrics.json and report.html, and timing.json if there is one.

    The first two are the same bytes whenever the same is evaluated; what depends on the machine is in the others. The
    page comes last: it takes long, and the numbers stay if it cannot be made or the process is killed.

    Raises:
        OSError: They cannot be written; without the numbers a folder that was not there is not left behind.
    """
    existed = out.exists()
    out.mkdir(parents=True, exist_ok=True)
    try:
        with replacing(out / "predictions.csv") as temporary, temporary.open("w", encoding="utf-8") as file:
            for index, bag in enumerate(bags):
                header = index == 0
                file.write(to_csv(bag.decisions, bag.labels, bag.name, config.taxonomy, config.names, header=header))
        write_json(out / "metrics.json", {"model": model, **summary})
        if timing is not None:
            write_json(out / "timing.json", timing)
    except BaseException:
        if not existed:
            shutil.rmtree(out, ignore_errors=True)
        raise
    page = render(model, bags, config, summary, timing=timing, maps=maps)
    with replacing(out / "report.html") as temporary:
        temporary.write_text(page, encoding="utf-8")
