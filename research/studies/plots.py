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

"""Pictures of studies. matplotlib is imported when one is drawn."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["curves", "heat_maps", "scatter_plots"]


def curves(path: Path, x: Sequence[float], lines: Sequence[tuple[str, np.ndarray]], axes: tuple[str, str]) -> None:
    """Draw means over seeds as lines, their standard deviations as bars.

    Args:
        path: PNG file to write.
        x: P positions.
        lines: Names, and values (P, S) of S seeds.
        axes: What x and y are.
    """
    figure = _figure(7.5, 4.2)
    axis = figure.subplots()
    for number, (name, values) in enumerate(lines):
        beside = 1 + 0.012 * (number - len(lines) / 2)  # bars shall not hide each other
        deviation = values.std(axis=1, ddof=1) if values.shape[1] > 1 else None
        axis.errorbar(np.array(x) * beside, values.mean(axis=1), deviation, label=name, marker="o", ms=4, capsize=2)
    axis.set_xscale("log")
    axis.set_xticks(x, [f"{value:g}" for value in x])
    axis.minorticks_off()
    axis.set_xlabel(axes[0])
    axis.set_ylabel(axes[1])
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
    _save(figure, path)


def heat_maps(
    path: Path, panels: Sequence[tuple[str, np.ndarray]], rows: Sequence[str], columns: Sequence[str]
) -> None:
    """Draw matrices of weights side by side, on one scale of colours.

    Args:
        path: PNG file to write.
        panels: Titles, and values (R, C).
        rows: Names of the R rows.
        columns: Names of the C columns.
    """
    figure = _figure(1.5 + 0.35 * len(columns) * len(panels), 1.5 + 0.25 * len(rows))
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    highest = max(float(np.nanmax(values)) for _, values in panels)
    for axis, (title, values) in zip(axes, panels, strict=True):
        image = axis.imshow(values, vmin=0, vmax=highest, cmap="viridis", aspect="auto")
        axis.set_title(title, fontsize=8, wrap=True)
        axis.set_xticks(range(len(columns)), columns, rotation=60, ha="right", fontsize=8)
        axis.set_yticks(range(len(rows)), rows, fontsize=8)
    figure.colorbar(image, ax=list(axes), label="attention", shrink=0.6)
    _save(figure, path)


def scatter_plots(path: Path, panels: Sequence[Sequence[tuple[str, np.ndarray]]], labels: np.ndarray) -> None:
    """Draw points in the plane, coloured by label.

    Args:
        path: PNG file to write.
        panels: Grid of titles and points (N, 2).
        labels: int (N,).
    """
    height, width = len(panels), len(panels[0])
    figure = _figure(3.2 * width, 3.2 * height)
    axes = figure.subplots(height, width, squeeze=False)
    for line, row in zip(axes, panels, strict=True):
        for axis, (title, points) in zip(line, row, strict=True):
            axis.scatter(points[:, 0], points[:, 1], c=labels, cmap="nipy_spectral", s=8)
            axis.set_title(title, fontsize=9)
            axis.set_xticks([])
            axis.set_yticks([])
    _save(figure, path)


def _figure(width: float, height: float) -> Any:
    # Without pyplot: no window, no state.
    return importlib.import_module("matplotlib.figure").Figure(figsize=(width, height), layout="constrained")


def _save(figure: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
