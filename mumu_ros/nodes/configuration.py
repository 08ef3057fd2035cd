"""What each node reads from its parameters: frozen, and validated across fields."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from mumu_ros.failures import Fault
from mumu_ros.nodes.parameters import ParameterError, Values
from mumu_ros.pipeline.configuration import find_model
from mumu_ros.simulation import parse_fault

__all__ = ["EvaluationConfig", "PlayerConfig", "SimulatorConfig"]


@dataclass(frozen=True)
class SimulatorConfig:
    """See the table SIMULATOR in parameters.py. `seconds` is infinite where the parameter is 0."""

    seed: int
    subject: int
    seconds: float
    image_size: tuple[int, int]
    faults: tuple[Fault, ...]

    @classmethod
    def read(cls, values: Values) -> SimulatorConfig:
        """Read the parameters.

        Raises:
            ParameterError: One of them cannot be meant.
        """
        try:
            faults = tuple(parse_fault(text) for text in values.read("faults") if text)
        except ValueError as error:
            raise ParameterError(f"parameter faults: {error}") from error
        return cls(
            seed=values.read("seed"),
            subject=values.read("subject"),
            seconds=values.read("seconds") or math.inf,
            image_size=(values.read("height"), values.read("width")),
            faults=faults,
        )


@dataclass(frozen=True)
class PlayerConfig:
    """See the table PLAYER in parameters.py."""

    bag: Path
    rate: float
    start_s: float
    loop: bool
    wait_for: tuple[str, ...]
    clock_hz: float

    @classmethod
    def read(cls, values: Values) -> PlayerConfig:
        """Read the parameters.

        Raises:
            ParameterError: One of them cannot be meant.
        """
        bag = values.read("bag")
        if not bag:
            raise ParameterError("parameter bag is empty; give the folder of the rosbag2 to play")
        return cls(
            bag=Path(bag).expanduser(),
            rate=values.read("rate"),
            start_s=values.read("start_s"),
            loop=values.read("loop"),
            wait_for=tuple(topic for topic in values.read("wait_for") if topic),
            clock_hz=values.read("clock_hz"),
        )


@dataclass(frozen=True)
class EvaluationConfig:
    """See the table EVALUATION in parameters.py."""

    model: Path
    labels: Path | None
    out: Path

    @classmethod
    def read(cls, values: Values) -> EvaluationConfig:
        """Read the parameters.

        Raises:
            ParameterError: One of them cannot be meant.
        """
        labels, out = values.read("labels"), values.read("out")
        if not out:
            raise ParameterError("parameter out is empty; give the folder for the report")
        return cls(
            model=find_model(values.read("model")),
            labels=Path(labels).expanduser() if labels else None,
            out=Path(out).expanduser(),
        )
