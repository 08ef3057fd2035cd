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

"""The report: one HTML file that needs nothing else, neither a network nor a script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from mumu_ros.evaluation.charts import (
    PALETTE,
    activity_colours,
    bars,
    curves,
    heatmap,
    reliability_diagram,
    scatter,
)
from mumu_ros.evaluation.decision_features import FUSED, FeatureMap
from mumu_ros.evaluation.results import BagResult
from mumu_ros.evaluation.summary import headline, reliability
from mumu_ros.evaluation.timeline import timeline
from mumu_ros.evaluation.whatif import KINDS
from mumu_ros.model.config import ModelConfig

__all__ = ["render"]

_STAGES = {
    "read": "read a message",
    "synchronise": "synchronise a message",
    "convert": "convert a set",
    "prepare": "prepare its samples",
    "recognise": "decide",
    "latency": "stamp to recognition",
}
_X_TITLES = {"drop": "share of the time without it", "noise": "noise, in its own σ", "offset": "seconds late"}


def render(
    model: str,
    bags: Sequence[BagResult],
    config: ModelConfig,
    summary: Mapping[str, Any],
    *,
    timing: Mapping[str, Any] | None = None,
    maps: Sequence[FeatureMap] = (),
) -> str:
    """Return the report as HTML."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["percent"] = _percent
    environment.filters["number"] = _number
    colours = activity_colours(config.taxonomy)
    pooled = summary["pooled"]
    return environment.get_template("report.html").render(
        model=model,
        config=config,
        bags=bags,
        summary=summary,
        pooled=pooled,
        numbers=headline(summary),
        timing=timing,
        timelines={bag.name: timeline(bag, config, colours) for bag in bags},
        confusions=_confusions(pooled),
        reliability=_reliability(bags),
        attention=_attention(pooled["attention"], config),
        maps=[_map(each, config, colours) for each in maps],
        robustness=_robustness(summary.get("robustness"), config),
        stages=_stages(timing),
        palette=dict(zip(config.names, PALETTE * len(config.names), strict=False)),
    )


def _confusions(pooled: Mapping[str, Any]) -> list[Markup]:
    pictures = []
    for name, title in (("group_confusion", "group"), ("confusion", "activity")):
        if name not in pooled:
            continue
        counts = np.array(pooled[name]["counts"], np.float64)
        totals = counts.sum(axis=1, keepdims=True)
        shares = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
        cells = [[f"{count:.0f}" if count else "" for count in row] for row in counts]
        names = [label.replace("_", " ") for label in pooled[name]["labels"]]
        pictures.append(
            heatmap(
                names, names, shares, cells, f"Confusion matrix, {title}", row_title="truth", column_title="predicted"
            )
        )
    return pictures


def _reliability(bags: Sequence[BagResult]) -> Markup | None:
    bins = reliability(bags)
    return reliability_diagram(bins) if bins else None


def _attention(attention: Mapping[str, Any], config: ModelConfig) -> list[tuple[str, Markup]]:
    pictures = []
    for key, title in (
        ("sm_by_group", "SM-Fusion, by group: weights for the group"),
        ("gm_by_activity", "GM-Fusion, by activity: weights for the activity"),
    ):
        rows = attention[key]
        if not rows:
            continue
        values = np.array([[np.nan if w is None else w for w in weights.values()] for weights in rows.values()])
        cells = [["" if np.isnan(w) else f"{w:.2f}" for w in row] for row in values]
        names = [name.replace("_", " ") for name in rows]
        pictures.append((title, heatmap(names, config.names, values, cells, title)))
    return pictures


def _map(each: FeatureMap, config: ModelConfig, colours: Mapping[str, str]) -> tuple[str, float | None, Markup]:
    names = [config.taxonomy.activities[i] for i in each.activity.tolist()]
    title = "fused: features weighted by the attention for the activity" if each.kind == FUSED else each.kind
    return title, each.silhouette, scatter(each.points, [colours[name] for name in names], names, f"Map of {title}")


def _robustness(rows: Sequence[Mapping[str, Any]] | None, config: ModelConfig) -> list[tuple[str, Markup]]:
    if not rows:
        return []
    colours = dict(zip(config.names, PALETTE * len(config.names), strict=False))
    start = next(row["accuracy"] for row in rows if row["kind"] == "none")
    pictures = []
    for kind in (kind for kind in KINDS if kind in _X_TITLES):
        lines: dict[str, list[tuple[float, float]]] = {}
        for row in rows:
            if row["kind"] == kind and row["accuracy"] is not None:
                lines.setdefault(row["modality"], [(0.0, start)]).append((row["amount"], row["accuracy"]))
        if lines:
            pictures.append((kind, curves(lines, _X_TITLES[kind], "accuracy", colours)))
    return pictures


def _stages(timing: Mapping[str, Any] | None) -> Markup | None:
    if timing is None:
        return None
    stages = timing["stages"]
    whole = "elapsed_s" in timing  # offline the sum counts, live the single decision
    rows = []
    for stage in (stage for stage in _STAGES if stage in stages):
        each = stages[stage]
        note = f"median {each['p50_ms']:.2f} ms, p99 {each['p99_ms']:.1f} ms"
        if whole:
            note = f"{each['total_s']:.2f} s; {note}"
        rows.append((_STAGES[stage], each["total_s"] if whole else each["p50_ms"], note))
    return bars(rows, "Time by stage")


def _percent(value: float | None) -> str:
    return "—" if value is None else f"{100 * value:.1f} %"


def _number(value: float | None, digits: int = 1) -> str:
    return "—" if value is None else f"{value:.{digits}f}"
