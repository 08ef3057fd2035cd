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

"""Pictures of the report as SVG text: no library, no script, sharp on paper."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from mumu_ros.model.taxonomy import Taxonomy

__all__ = [
    "GREY",
    "PALETTE",
    "activity_colours",
    "bars",
    "curves",
    "document",
    "heatmap",
    "rectangle",
    "reliability_diagram",
    "scatter",
    "text",
]

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#7f7f7f")
"""For modalities: Okabe and Ito's, that people who see few colours can tell apart, and two more."""
GREY = "#d9d9d9"
_INK = "#444"
_LABEL_PX = 6.3
"""Width of a letter of the labels."""


def activity_colours(taxonomy: Taxonomy) -> dict[str, str]:
    """A light colour for each activity: a hue for each group, shades of it for its activities."""
    colours: dict[str, str] = {}
    groups = len(taxonomy.groups)
    for g, activities in enumerate(taxonomy.groups.values()):
        for i, activity in enumerate(activities):
            hue = 360 * (g + 0.8 * i / len(activities)) / groups
            colours[activity] = f"hsl({hue:.0f} 62% {82 if i % 2 else 72}%)"
    return colours


def document(width: float, height: float, parts: Sequence[str], label: str) -> Markup:
    """Put parts of a drawing together; `label` is read out to who cannot see it."""
    return Markup(
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" role="img" aria-label="{escape(label)}">'
        f"{''.join(parts)}</svg>"
    )


def text(x: float, y: float, content: object, *, anchor: str = "start", kind: str = "") -> str:
    """A label."""
    style = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{style}>{escape(str(content))}</text>'


def rectangle(x: float, y: float, width: float, height: float, fill: str, title: str = "", extra: str = "") -> str:
    """A box; `title` is shown where the mouse rests."""
    hint = f"<title>{escape(title)}</title>" if title else ""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}" fill="{fill}"{extra}>'
        f"{hint}</rect>"
    )


def heatmap(
    rows: Sequence[str],
    columns: Sequence[str],
    values: NDArray[np.float64],
    cells: Sequence[Sequence[str]],
    label: str,
    *,
    row_title: str = "",
    column_title: str = "",
) -> Markup:
    """A table of R × C shades, 0 white to 1 dark, NaN nothing, with `cells` written into them."""
    size = 26 if len(columns) > 8 else 44
    height = 26
    left = _LABEL_PX * max(map(len, rows), default=0) + 18
    top = 0.75 * _LABEL_PX * max(map(len, columns), default=0) + 34
    parts = [text(left, 12, column_title, kind="dim"), text(0, top - 8, row_title, kind="dim")]
    for c, name in enumerate(columns):
        x = left + (c + 0.6) * size
        parts.append(f'<text transform="translate({x:.1f} {top - 6:.1f}) rotate(-45)">{escape(name)}</text>')
    for r, name in enumerate(rows):
        y = top + r * height
        parts.append(text(left - 6, y + 17, name, anchor="end"))
        for c, column in enumerate(columns):
            value = float(values[r, c])
            shade = "none" if math.isnan(value) else f"rgb({_mix(value)})"
            x = left + c * size
            parts.append(
                rectangle(x, y, size - 1, height - 1, shade, f"{name}, {column}: {cells[r][c]}", ' class="cell"')
            )
            if cells[r][c]:
                kind = "small light" if value > 0.55 else "small"
                parts.append(text(x + size / 2, y + 17, cells[r][c], anchor="middle", kind=kind))
    width = left + len(columns) * size + 0.75 * _LABEL_PX * max(map(len, columns[-2:]), default=0)
    return document(width, top + len(rows) * height + 4, parts, label)


def reliability_diagram(bins: Sequence[Mapping[str, float]]) -> Markup:
    """Accuracy over probability; the closer to the diagonal the better. Bars say how many decisions a dot is of."""
    size, left, top = 260, 46, 10
    most = max(row["count"] for row in bins)
    parts = [_axes(left, top, size, size, 1, "probability", "accuracy")]
    parts.append(f'<path d="M{left} {top + size}L{left + size} {top}" class="guide"/>')
    points = [(left + row["confidence"] * size, top + (1 - row["accuracy"]) * size) for row in bins]
    for (x, _), row in zip(points, bins, strict=True):
        height = 0.25 * size * row["count"] / most
        parts.append(rectangle(x - 5, top + size - height, 10, height, "#c6dbef"))
    parts.append(f'<polyline points="{_points(points)}" fill="none" stroke="{PALETTE[0]}" stroke-width="2"/>')
    for (x, y), row in zip(points, bins, strict=True):
        title = f"probability {row['confidence']:.0%}, accuracy {row['accuracy']:.0%}, {row['count']:.0f} decisions"
        parts.append(_dot(x, y, 4, PALETTE[0], title))
    return document(left + size + 14, top + size + 40, parts, "Reliability diagram")


def curves(
    lines: Mapping[str, Sequence[tuple[float, float]]], x_title: str, y_title: str, colours: Mapping[str, str]
) -> Markup:
    """Lines over a number; y is a share."""
    width, height, left, top = 240, 170, 46, 10
    highest = max(x for points in lines.values() for x, _ in points) or 1
    parts = [_axes(left, top, width, height, highest, x_title, y_title)]
    for name, data in lines.items():
        points = [(left + x / highest * width, top + (1 - y) * height) for x, y in data]
        stroke = colours[name]
        parts.append(f'<polyline points="{_points(points)}" fill="none" stroke="{stroke}" stroke-width="2"/>')
        for (px, py), (x, y) in zip(points, data, strict=True):
            parts.append(_dot(px, py, 3.5, stroke, f"{name}, {x:g}: {y:.1%}"))
    return document(left + width + 14, top + height + 40, parts, f"{y_title} over {x_title}")


def scatter(points: NDArray[np.float64], colours: Sequence[str], titles: Sequence[str], label: str) -> Markup:
    """Points of a plane, (N, 2), each with its colour."""
    size = 192
    low, span = points.min(axis=0), np.maximum(np.ptp(points, axis=0), 1e-9)
    placed = 8 + (points - low) / span * (size - 16)
    parts = [rectangle(0, 0, size, size, "none", extra=' class="frame"')]
    for (x, y), colour, title in zip(placed.tolist(), colours, titles, strict=True):
        parts.append(_dot(x, size - y, 3.2, colour, title, f' stroke="{_INK}" stroke-width=".4"'))
    return document(size, size, parts, label)


def bars(rows: Sequence[tuple[str, float, str]], label: str) -> Markup:
    """Horizontal bars: name, length, what is written behind it."""
    left, width, step = 150, 420, 24
    longest = max((value for _, value, _ in rows), default=0) or 1
    parts = []
    for i, (name, value, note) in enumerate(rows):
        length = value / longest * width
        parts.append(text(left - 8, i * step + 16, name, anchor="end"))
        parts.append(rectangle(left, i * step + 4, length, step - 8, "#9ecae1"))
        parts.append(text(left + length + 6, i * step + 16, note, kind="dim"))
    return document(left + width + 230, len(rows) * step + 6, parts, label)


def _axes(
    left: float,
    top: float,
    width: float,
    height: float,
    highest: float,
    x_title: str,
    y_title: str,
) -> str:
    """A frame with numbers from 0 to the highest below it, and shares beside it."""
    parts = [rectangle(left, top, width, height, "none", extra=' class="frame"')]
    for i in range(5):
        share = i / 4
        y = top + (1 - share) * height
        parts.append(f'<path d="M{left} {y:.1f}h{width}" class="grid"/>')
        parts.append(text(left - 6, y + 4, f"{share:.0%}", anchor="end", kind="small"))
        parts.append(
            text(left + share * width, top + height + 15, f"{share * highest:.3g}", anchor="middle", kind="small")
        )
    parts.append(text(left + width / 2, top + height + 33, x_title, anchor="middle", kind="dim"))
    parts.append(
        f'<text transform="translate(11 {top + height / 2:.1f}) rotate(-90)" text-anchor="middle" class="dim">'
        f"{escape(y_title)}</text>"
    )
    return "".join(parts)


def _dot(x: float, y: float, radius: float, fill: str, title: str, extra: str = "") -> str:
    hint = f"<title>{escape(title)}</title>"
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" fill="{fill}"{extra}>{hint}</circle>'


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _mix(value: float) -> str:
    """White to dark blue."""
    low, high = np.array((255, 255, 255)), np.array((8, 69, 148))
    return ",".join(f"{channel:.0f}" for channel in low + (high - low) * min(max(value, 0), 1) ** 0.8)
