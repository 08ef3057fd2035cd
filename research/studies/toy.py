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

"""The toy example of Erkent (2025), its table 2: does a teacher help?

A network of four layers learns f2 from 160 points of [0, 1]; of 640 points f1 is known. The paper leaves optimiser,
number of epochs, activation and scaling open: this tries a small grid of them, and counts where its order holds.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mumu_ros.files import replacing
from mumu_ros.model.config import ConfigError
from mumu_ros.reading import read_json
from studies.bench import Bench
from studies.report import Scores, seeds_text, table

__all__ = ["GRID", "METHODS", "Networks", "Regime", "f1", "f2", "ordered", "section", "train_all"]

METHODS = ("ST", "ST, 4 × epochs", "MTL 160", "MTL 640/160", "T-S")
"""One task; the same for as many steps as the student takes; both tasks where both are known, and with missing f2
weighted zero; a student of what a teacher, who is given f1, says about f2 at all 640 points."""

_PAPER = ("0.0149 ± 0.0111", "–", "0.0101 ± 0.0068", "–", "0.0072 ± 0.0062")
_POINTS, _LABELLED = 640, 160
_LAYERS, _WIDTH, _BATCH = 4, 128, 32

_OPTIMIZERS: dict[str, Callable[[list[Tensor]], torch.optim.Optimizer]] = {
    "Adam 0.001": lambda parameters: torch.optim.Adam(parameters, 1e-3, fused=True),
    "SGD 0.01, momentum 0.9": lambda parameters: torch.optim.SGD(parameters, 1e-2, momentum=0.9, fused=True),
}
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"ReLU": torch.relu, "tanh": torch.tanh}
_EPOCHS = (20, 50)


@dataclass(frozen=True)
class Regime:
    """What the paper leaves open.

    Attributes:
        optimizer: Name, learning rate, momentum.
        activation: After each hidden layer.
        standardized: Inputs have mean 0 and variance 1; or they are as they are, z in [0, 1] and f1 from 2 to 5.
        epochs: Of every network, in batches of 32.
    """

    optimizer: str
    activation: str
    standardized: bool
    epochs: int

    @property
    def name(self) -> str:
        """As in the table."""
        return (
            f"{self.optimizer}, {self.activation}, {'standardised' if self.standardized else 'as it is'}, {self.epochs}"
        )


GRID = tuple(Regime(*choice) for choice in product(_OPTIMIZERS, _ACTIVATIONS, (False, True), _EPOCHS))


def f1(z: Tensor) -> Tensor:
    """The task whose labels are plentiful."""
    return z.sin() + z.sqrt() / 300 + 2 + 3 * (5 * z).sin() * (2 * z).cos()


def f2(z: Tensor) -> Tensor:
    """The task whose labels are few."""
    return (z / 3).cos() + z.sqrt() / 200 + 1 - (3 * z).sin() * (4 * z).cos()


class Networks:
    """S fully connected networks of one shape, one for each seed, trained side by side."""

    def __init__(self, seeds: int, inputs: int, outputs: int, activation: str, generator: torch.Generator) -> None:
        self.activation = _ACTIVATIONS[activation]
        self.weights: list[tuple[Tensor, Tensor]] = []
        for before, after in pairwise((inputs, *[_WIDTH] * _LAYERS, outputs)):
            bound = 1 / math.sqrt(before)  # PyTorch's own
            shapes = (seeds, before, after), (seeds, 1, after)
            weight, bias = ((torch.rand(s, generator=generator) * 2 - 1).mul_(bound).requires_grad_() for s in shapes)
            self.weights.append((weight, bias))

    def __call__(self, x: Tensor) -> Tensor:
        """(S, N, inputs) to (S, N, outputs)."""
        for weight, bias in self.weights[:-1]:
            x = self.activation(torch.baddbmm(bias, x, weight))
        weight, bias = self.weights[-1]
        return torch.baddbmm(bias, x, weight)

    def train(
        self, x: Tensor, y: Tensor, optimizer: torch.optim.Optimizer, epochs: int, generator: torch.Generator
    ) -> None:
        """Minimise the mean squared error; a target that is not a number weighs nothing."""
        known = y.isfinite()
        y = y.nan_to_num()
        for _ in range(epochs):
            order = torch.rand(x.shape[:2], generator=generator).argsort(dim=1).unsqueeze(-1)
            for rows in order.tensor_split(order.shape[1] // _BATCH, dim=1):
                x_, y_, known_ = (torch.take_along_dim(values, rows, dim=1) for values in (x, y, known))
                squares = (self(x_) - y_).square() * known_
                # The seeds' losses are independent of each other: their sum trains each as by itself.
                loss = (squares.sum(dim=(1, 2)) / known_.sum(dim=(1, 2)).clamp(min=1)).sum()
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()


def train_all(regime: Regime, seeds: Sequence[int]) -> dict[str, Scores]:
    """Train every method with every seed.

    Returns:
        By method, mean squared error to f2 over 500 evenly spaced points, (S,).
    """
    z = torch.stack([torch.rand(_POINTS, 1, generator=torch.Generator().manual_seed(seed)) for seed in seeds])
    generator = torch.Generator().manual_seed(seeds[0])
    grid = torch.linspace(0, 1, 500).reshape(1, -1, 1).expand(len(seeds), -1, -1)

    def scaled(values: Tensor, like: Tensor) -> Tensor:
        return (values - like.mean()) / like.std() if regime.standardized else values

    def inputs(points: Tensor, *, with_f1: bool = False) -> Tensor:
        shown = [scaled(points, z), scaled(f1(points), f1(z))]
        return torch.cat(shown[: 1 + with_f1], dim=-1)

    def fit(x: Tensor, y: Tensor, epochs: int = regime.epochs) -> Networks:
        networks = Networks(len(seeds), x.shape[-1], y.shape[-1], regime.activation, generator)
        optimizer = _OPTIMIZERS[regime.optimizer]([tensor for pair in networks.weights for tensor in pair])
        networks.train(x, y, optimizer, epochs, generator)
        return networks

    few = z[:, :_LABELLED]
    both = torch.cat([f2(few), f1(few)], dim=-1)
    missing = torch.cat([f2(z), f1(z)], dim=-1)
    missing[:, _LABELLED:, 0] = torch.nan
    teacher = fit(inputs(few, with_f1=True), both)
    with torch.no_grad():
        pseudo = teacher(inputs(z, with_f1=True))[..., :1]
    networks = {
        "ST": fit(inputs(few), f2(few)),
        "ST, 4 × epochs": fit(inputs(few), f2(few), _POINTS // _LABELLED * regime.epochs),
        "MTL 160": fit(inputs(few), both),
        "MTL 640/160": fit(inputs(z), missing),
        "T-S": fit(inputs(z), pseudo),
    }
    with torch.no_grad():
        return {
            name: (of_method(inputs(grid))[..., :1] - f2(grid)).square().mean(dim=(1, 2)).double().numpy()
            for name, of_method in networks.items()
        }


def ordered(errors: dict[str, Scores]) -> np.ndarray:
    """In which seeds the paper's order holds, ST worse than MTL on paired points worse than T-S: bool (S,)."""
    single, multi, student = errors["ST"], errors["MTL 160"], errors["T-S"]
    held: np.ndarray = (single > multi) & (multi > student)
    return held


def _results(folder: Path, seeds: Sequence[int]) -> dict[Regime, dict[str, Scores]]:
    """What `train_all` says of each regime; kept for the next time with the same seeds, which share a generator."""
    path = folder / f"seeds_{seeds_text(seeds)}.json"
    try:
        known = read_json(path) if path.exists() else {}
        results = {
            regime: {method: np.array(known[regime.name][method], np.float64) for method in METHODS}
            for regime in GRID
            if regime.name in known
        }
        if any(values.shape != (len(seeds),) for errors in results.values() for values in errors.values()):
            raise ValueError(f"expected {len(seeds)} errors of each method")
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(f"{str(path)!r} is damaged ({error}); remove it, and it is trained again") from error
    if missing := [regime for regime in GRID if regime not in results]:
        results |= {regime: train_all(regime, seeds) for regime in missing}
        folder.mkdir(parents=True, exist_ok=True)
        content = {r.name: {method: results[r][method].tolist() for method in METHODS} for r in GRID}
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return {regime: results[regime] for regime in GRID}


def _mean_std(errors: Scores) -> str:
    """As `report.mean_std`, of errors: a single one has no deviation."""
    mean = f"{errors.mean():.4f}"
    return f"{mean} ± {errors.std(ddof=1):.4f}" if len(errors) > 1 else mean


def section(bench: Bench) -> str:
    """Count in which regimes a teacher helps, and whether more steps help as much."""
    results = _results(bench.out / "toy", bench.seeds)
    rows = [
        (
            regime.name,
            *(_mean_std(errors[method]) for method in METHODS),
            f"{ordered(errors).sum()} of {len(bench.seeds)}",
        )
        for regime, errors in results.items()
    ]
    means = {regime: {method: errors[method].mean() for method in METHODS} for regime, errors in results.items()}
    holds = [regime for regime, of in means.items() if of["ST"] > of["MTL 160"] > of["T-S"]]
    beats = [regime for regime, of in means.items() if of["T-S"] < min(of["ST"], of["MTL 160"])]
    longer = [regime for regime in beats if means[regime]["ST, 4 × epochs"] < means[regime]["T-S"]]
    return "\n\n".join(
        (
            f"    python research study toy --seeds {seeds_text(bench.seeds)} --out {bench.out}",
            "Mean squared error to f2 over 500 evenly spaced points, mean ± standard deviation over "
            f"{len(bench.seeds)} seeds, each with points, weights and order of its own. Order: in how many seeds ST is "
            "worse than MTL 160, and that worse than T-S. Regime: optimiser, activation, inputs, epochs.",
            table(("regime", *METHODS, "order"), [("paper", *_PAPER, "–"), *rows]),
            f"On average the paper's order holds in {len(holds)} of {len(GRID)} regimes, and the student is the best "
            f"of the paper's three in {len(beats)}. In {len(longer)} of those {len(beats)} one task alone is better "
            "still when it is trained for as many steps as the student.",
        )
    )
