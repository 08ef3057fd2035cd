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

"""Where studies get their trainings from: a run is a cross-validation, and none is trained twice."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mumu_ros.model.config import ConfigError, ModelConfig
from mumu_ros.share import share_path
from mumu_ros.training.conditions import CLEAN, Condition, stress_conditions
from mumu_ros.training.cross_validation import FoldResult, Study, cross_validate
from mumu_ros.training.settings import Settings, read_settings

__all__ = ["NON_VISUAL", "PROTOCOL", "VISUAL", "Bench", "Run", "study_conditions", "victims"]

PROTOCOL = "odd_even"
"""Of every study: subjects 1, 3, 5, 7 are trained on, 2, 4, 6, 8 tested. One fold leaves time for many seeds."""

VISUAL, NON_VISUAL = "visual", "non-visual"
"""Conditions of `study_conditions`."""

_WORN = ("imu", "acceleration", "acc", "gyroscope", "gyro", "orientation")


@dataclass(frozen=True)
class Run:
    """A cross-validation that a study needs.

    Attributes:
        config: File in config/training.
        overrides: `key=value`, as of `read_settings`.
        modalities: Those to keep; empty: all of the configuration.
        teacher: The run whose networks fill in the labels that are missing, with the same seeds; None: nobody does.
        clean: Tested on whole clips only, which costs half as much where there are images; else on `study_conditions`.
    """

    config: str
    overrides: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    teacher: Run | None = None
    clean: bool = False

    @property
    def folder(self) -> Path:
        """Where its results are kept, the same for every study: `utd_mhad_sp/odd_even/fusion=keyless,merge=sum`."""
        pairs = (override.partition("=") for override in self.overrides)
        changes = sorted(f"{key.rpartition('.')[2]}={value}" for key, _, value in pairs)
        names = ["+".join(self.modalities)] if self.modalities else []
        if self.teacher:
            changes.append(f"teacher={Path(self.teacher.config).stem}({self.teacher.folder.name})")
        return Path(Path(self.config).stem, PROTOCOL, ",".join([*names, *changes]) or "as_it_is")

    def conditions(self, names: Sequence[str]) -> tuple[Condition, ...]:
        """What it is tested under, by the names of the modalities."""
        return (Condition(CLEAN),) if self.clean else study_conditions(names)

    def settings(self) -> Settings:
        """What to train.

        Raises:
            FileNotFoundError: There is no such configuration.
            ConfigError: An override or a modality does not fit it.
        """
        path = share_path("config", "training", self.config)
        settings = read_settings(path, (f"data.protocol={PROTOCOL}", *self.overrides))
        if not self.modalities:
            return settings
        kept = tuple(settings.model.modality(name) for name in self.modalities)
        return dataclasses.replace(settings, model=dataclasses.replace(settings.model, modalities=kept))


@dataclass(frozen=True)
class Bench:
    """Trains what is missing, and remembers what is there.

    Attributes:
        out: Folder for the results of all studies, and in `cache` for the windows that they share.
        images: Folder for their pictures.
        seeds: Of each run.
        jobs: Trainings at a time; None: one for each processor.
        report: Called after each training with the run, its result, how many are done, and of how many.
        studies: What has been trained or loaded already.
    """

    out: Path
    images: Path
    seeds: tuple[int, ...]
    jobs: int | None = None
    report: Callable[[Run, FoldResult, int, int], None] = lambda *_: None
    studies: dict[Run, Study] = field(default_factory=dict)

    def settings(self, run: Run) -> Settings:
        """What to train, with the windows from `out`.

        Raises:
            FileNotFoundError: There is no such configuration.
            ConfigError: An override or a modality does not fit it.
        """
        settings = run.settings()
        return dataclasses.replace(settings, data=dataclasses.replace(settings.data, cache=str(self.out / "cache")))

    def study(self, run: Run) -> Study:
        """The results of a run; what is missing is trained.

        Raises:
            ConfigError: `out` holds results of other settings, or lacks a condition that studies now ask for.
            DatasetError: The data cannot be read.
        """
        if run not in self.studies:
            self.studies[run] = self._cross_validate(run)
        return self.studies[run]

    def _cross_validate(self, run: Run) -> Study:
        settings, folder = self.settings(run), self.out / run.folder
        if run.teacher:
            self.study(run.teacher)
        study = cross_validate(
            settings,
            self.seeds,
            folder,
            conditions=run.conditions,
            teacher=self.out / run.teacher.folder if run.teacher else None,
            jobs=self.jobs,
            report=lambda result, done, total: self.report(run, result, done, total),
        )
        expected = {condition.name for condition in run.conditions(settings.model.names)}
        for result in study.results:
            if lacking := sorted(expected - set(result.logits)):
                raise ConfigError(
                    f"seed {result.seed} in {str(folder)!r} was not tested under {', '.join(lacking)}; remove the "
                    "folder, and it is trained again"
                )
        return study


def study_conditions(names: Sequence[str]) -> tuple[Condition, ...]:
    """What every run is tested under, so that studies can share it: `stress_conditions`, and those of table 6
    of MuMu (Islam and Iqbal 2022).

    Args:
        names: Of the modalities. Those of worn sensors (`imu`, `imu_wrist`, `gyroscope`, …) are non-visual, all others
            visual.
    """
    worn = tuple(name for name in names if name.split("_")[0] in _WORN)
    seen = tuple(name for name in names if name not in worn)
    halves = (Condition(VISUAL, seen, 0.5), Condition(NON_VISUAL, worn, 0.5)) if seen and worn else ()
    return (*stress_conditions(names), *halves)


def victims(result: FoldResult, condition: str, config: ModelConfig) -> np.ndarray:
    """Index of the modality that was corrupted or late in each clip of a result, int64 (N,).

    Raises:
        ConfigError: There is no such condition.
    """
    for known in study_conditions(config.names):
        if known.name == condition:
            return known.victims(config, len(result.truth), result.seed)
    raise ConfigError(f"no condition {condition!r}; there are those of study_conditions")
