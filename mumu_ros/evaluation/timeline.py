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

"""What was going on, what was recognised, and the attention to each sensor, along time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from mumu_ros.evaluation.charts import GREY, PALETTE, document, rectangle, text
from mumu_ros.evaluation.results import BagResult
from mumu_ros.evaluation.segment_scores import Segment, longest_step, merge
from mumu_ros.failures import Fault
from mumu_ros.model.config import ModelConfig
from mumu_ros.recognition.decision import UNKNOWN

__all__ = ["timeline"]

_MIN_ROW_S, _MAX_ROW_S = 30.0, 120.0
_SEGMENTS_IN_ROW = 18
_MAX_ROWS = 12
_LEFT, _WIDTH = 96, 900
_BAND, _LANE, _GAP = 24, 30, 6
_LETTER_PX = 6.3
_TICKS_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600)
_RED = "#d62728"


def timeline(bag: BagResult, config: ModelConfig, colours: dict[str, str]) -> list[Markup]:
    """Draw a recording in rows of two minutes, less where segments are short; the rows of a long recording are longer.

    A pause ends a row. Of a recording in which time jumps back, only the first run is drawn.
    """
    rows = _rows(bag)
    if not rows:
        return []
    first = int(bag.decisions.epoch[0])
    chosen = np.flatnonzero(bag.decisions.epoch == first)
    return [_Row(bag, config, colours, chosen, start_ns, end_ns).draw() for start_ns, end_ns in rows]


def _rows(bag: BagResult) -> list[tuple[int, int]]:
    if not len(bag.decisions) or bag.end_ns <= bag.start_ns:
        return []
    spans = bag.runs(())[0].spans
    lengths = [s.end_ns - s.start_ns for s in bag.true_segments(bag.start_ns, bag.end_ns)]
    row_s = _SEGMENTS_IN_ROW * float(np.median(lengths)) * 1e-9 if lengths else _MAX_ROW_S
    row_s = min(max(row_s, _MIN_ROW_S), _MAX_ROW_S)
    row_s = max(row_s, sum(end_ns - start_ns for start_ns, end_ns in spans) * 1e-9 / _MAX_ROWS)
    rows: list[tuple[int, int]] = []
    for start_ns, end_ns in spans[:_MAX_ROWS]:
        count = max(1, math.ceil((end_ns - start_ns) * 1e-9 / row_s - 0.25))
        rows += itertools.pairwise(np.linspace(start_ns, end_ns, count + 1).astype(np.int64).tolist())
    return rows


class _Row:
    def __init__(
        self,
        bag: BagResult,
        config: ModelConfig,
        colours: dict[str, str],
        rows: NDArray[np.int64],
        start_ns: int,
        end_ns: int,
    ) -> None:
        self._bag = bag
        self._config = config
        self._colours = colours
        self._start_ns, self._end_ns = start_ns, end_ns
        stamps = bag.decisions.stamp_ns[rows]
        # A decision beyond an edge says where its segment, or the first one inside, begins.
        margin_ns = longest_step(bag.period_ns)
        inside = (stamps > start_ns - margin_ns) & (stamps <= end_ns + margin_ns)
        self._rows = rows[inside]
        self._stamps = bag.decisions.stamp_ns[self._rows].tolist()

    def draw(self) -> Markup:
        y = 4.0
        parts: list[str] = []
        if self._bag.truth:
            parts += [
                text(_LEFT - 8, y + 16, "truth", anchor="end"),
                *self._segments(self._bag.true_segments(self._start_ns, self._end_ns), y),
            ]
            y += _BAND + _GAP
        parts += [text(_LEFT - 8, y + 16, "recognised", anchor="end"), *self._segments(self._found(), y)]
        y += _BAND
        parts += [
            rectangle(self._x(s.start_ns), y + 1, self._x(s.end_ns) - self._x(s.start_ns), 4, _RED, "wrong")
            for s in self._wrong()
        ]
        y += _GAP + 4
        for index, name in enumerate(self._config.names):
            parts += self._lane(index, name, y)
            y += _LANE + 4
        parts += self._axis(y)
        label = f"{self._bag.name} from {self._seconds(self._start_ns):.0f} to {self._seconds(self._end_ns):.0f} s"
        return document(_LEFT + _WIDTH + 20, y + 30, parts, label)

    def _x(self, stamp_ns: int) -> float:
        share = (stamp_ns - self._start_ns) / (self._end_ns - self._start_ns)
        return _LEFT + _WIDTH * min(max(share, 0.0), 1.0)

    def _seconds(self, stamp_ns: int) -> float:
        return (stamp_ns - self._bag.start_ns) * 1e-9

    def _segments(self, segments: Sequence[Segment], y: float) -> Iterator[str]:
        for s in segments:
            begin_ns, end_ns = max(s.start_ns, self._start_ns), min(s.end_ns, self._end_ns)
            x, width = self._x(begin_ns), self._x(end_ns) - self._x(begin_ns)
            title = f"{s.label}, {self._seconds(begin_ns):.1f} to {self._seconds(end_ns):.1f} s"
            yield rectangle(x, y, width, _BAND, self._colours.get(s.label, GREY), title, ' class="segment"')
            letters = int((width - 4) / _LETTER_PX)
            name = s.label.replace("_", " ")
            if letters >= min(len(name), 4):
                yield text(x + width / 2, y + 16, _shortened(name, letters), anchor="middle")

    def _found(self) -> list[Segment]:
        names = (*self._config.taxonomy.activities, UNKNOWN, None)
        labels = [names[i] for i in self._bag.decisions.activity[self._rows].tolist()]
        return self._merged(labels)

    def _merged(self, labels: Sequence[str | None]) -> list[Segment]:
        """The segments of decisions that reach into the row."""
        segments = merge(self._stamps, labels, self._bag.period_ns)
        return [s for s in segments if s.end_ns > self._start_ns and s.start_ns < self._end_ns]

    def _wrong(self) -> list[Segment]:
        predicted, truth = self._bag.decisions.activity[self._rows], self._bag.labels.activity[self._rows]
        wrong = (predicted != truth) & (predicted >= 0) & (truth >= 0)
        return self._merged(["wrong" if w else None for w in wrong.tolist()])

    def _lane(self, index: int, name: str, y: float) -> Iterator[str]:
        colour = PALETTE[index % len(PALETTE)]
        yield text(_LEFT - 8, y + 19, name, anchor="end")
        yield rectangle(_LEFT, y, _WIDTH, _LANE, "#f7f7f7")
        decisions = self._bag.decisions
        weights = decisions.gm_weights[self._rows, index]
        present = (decisions.present[self._rows, index] > 0).tolist()
        predicted = decisions.decided[self._rows].tolist()
        here = ["attention" if p and d else None for p, d in zip(present, predicted, strict=True)]
        for run in self._merged(here):
            points = [
                (self._x(stamp), y + _LANE * (1 - float(weight)))
                for stamp, weight in zip(self._stamps, weights, strict=True)
                if run.start_ns < stamp <= run.end_ns
            ]
            begin, end = self._x(run.start_ns), self._x(run.end_ns)
            line = "".join(f"L{px:.1f} {py:.1f}" for px, py in points)
            path = f"M{begin:.1f} {y + _LANE:.1f}L{begin:.1f} {points[0][1]:.1f}{line}L{end:.1f} {y + _LANE:.1f}Z"
            yield f'<path d="{path}" fill="{colour}" fill-opacity=".75"><title>attention to {name}</title></path>'
        away = ["absent" if d and not p else None for p, d in zip(present, predicted, strict=True)]
        for gone in self._merged(away):
            x = self._x(gone.start_ns)
            yield rectangle(x, y, self._x(gone.end_ns) - x, _LANE, "url(#absent)", f"{name}: not used")
        report = self._bag.sensors.get(name)
        for outage in report.outages if report else ():
            if outage.end_ns > self._start_ns and outage.start_ns < self._end_ns:
                x = self._x(outage.start_ns)
                title = f"{name}: silent for {(outage.end_ns - outage.start_ns) * 1e-9:.1f} s"
                yield rectangle(x, y, self._x(outage.end_ns) - x, 4, _RED, title)
        for fault in self._bag.faults:
            if name in fault.streams:
                yield from self._fault(fault, name, y)

    def _fault(self, fault: Fault, name: str, y: float) -> Iterator[str]:
        """A red frame around what failed on purpose, with how it did."""
        begin_s, end_s = self._seconds(self._start_ns), self._seconds(self._end_ns)
        if fault.start_s >= end_s or fault.end_s <= begin_s:
            return
        x, end = (
            self._x(self._bag.start_ns + round(min(max(second, begin_s), end_s) * 1e9))
            for second in (fault.start_s, fault.end_s)
        )
        yield rectangle(x, y, end - x, _LANE, "none", f"{name}: {fault}", f' stroke="{_RED}"')
        yield text(x + 4, y + 14, str(fault.failure), kind="small")

    def _axis(self, y: float) -> Iterator[str]:
        span = (self._end_ns - self._start_ns) * 1e-9
        step = next((s for s in _TICKS_S if span / s <= 12), math.ceil(span / 12 / _TICKS_S[-1]) * _TICKS_S[-1])
        yield f'<path d="M{_LEFT} {y:.1f}h{_WIDTH}" class="guide"/>'
        second = math.ceil(self._seconds(self._start_ns) / step) * step
        while second <= self._seconds(self._end_ns) + 1e-6:
            x = self._x(self._bag.start_ns + round(second * 1e9))
            yield f'<path d="M{x:.1f} {y:.1f}v5" class="guide"/>'
            yield text(x, y + 18, f"{second:g} s", anchor="middle", kind="small")
            second += step


def _shortened(name: str, letters: int) -> str:
    """A name for so many letters: "swipe left" becomes "s. left" before it is cut."""
    *first, last = name.split(" ")
    initials = " ".join([f"{word[0]}." for word in first if word] + [last])
    return next((text for text in (name, initials) if len(text) <= letters), initials[: letters - 1] + "…")
