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

"""A training configuration: YAML file plus `key=value` overrides, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from mumu_ros.datasets import DATASETS, SEVERAL
from mumu_ros.datasets.clips import parse_subjects
from mumu_ros.files import expanded
from mumu_ros.model.checks import build, check_choice
from mumu_ros.model.config import FORMAT, ConfigError, ModelConfig
from mumu_ros.model.parts import FUSIONS
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.reading import parse_yaml, read_yaml
from mumu_ros.share import located
from mumu_ros.training.augmentation import Augmentation
from mumu_ros.training.given_labels import Labels, with_label_input
from mumu_ros.training.protocols import PROTOCOLS

_TEXTS = ("model.taxonomy", "data.root", "data.pose", "data.cache")
"""Keys whose value on the command line is no YAML, but the text as it is."""
_OPTIONAL = ("augmentation", "machine", "labels")
_ONE_DATASET = (
    "train_subjects", "calibration_subjects", "protocol", "seconds", "windows_per_s", "min_overlap", "pose", "cache",
)  # fmt: skip
"""Keys of `data` that say nothing about windows composed of several datasets."""
_OF_PICTURES = ("shift", "color", "zoom", "flip")
_PRECISIONS = (
    "32-true", "64-true", "16-true", "bf16-true", "16-mixed", "bf16-mixed", "transformer-engine",
    "transformer-engine-float16",
)  # fmt: skip
"""Lightning's; it has other words for some of them, which a work folder would take for another training."""
_MAX_SEED = 2**32 - 1
"""NumPy's legacy generator, which Lightning seeds, takes no more."""

__all__ = ["Data", "Machine", "Optimization", "Settings", "read_settings"]

_TASK_WEIGHTINGS = ("fixed", "uncertainty", "adaptive")


def _at_least(where: str, low: float, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value < float("inf"):
            raise ConfigError(f"{where}.{name} is {value!r}; expected a number ≥ {low:g}")


def _changed(section: Any, names: Sequence[str] = ()) -> Iterator[tuple[str, Any, Any]]:
    """Key, value and default of these keys of a section, or of all that have one, where the value is another."""
    for f in fields(section):
        value = getattr(section, f.name)
        if f.default is not MISSING and (not names or f.name in names) and value != f.default:
            yield f.name, value, f.default


@dataclass(frozen=True)
class Data:
    """What to train on.

    Attributes:
        dataset: Name of the dataset.
        train_subjects: Such as `0-59`; empty: all that are there.
        calibration_subjects: Used to calibrate the confidence; never for training or tests. Empty: none.
        protocol: How `mumu cross-validate` divides the clips; see `training/protocols.py`.
        root: The dataset's folder.
        seconds: Length of each subject's recording, where the dataset has any length to choose.
        windows_per_s: Windows cut from each second; 0: one for each clip, which ends where the clip ends.
        min_overlap: Share of a window that its activity must fill.
        pose: A skeleton stream of the dataset that teaches `pose_cnn` (`frame_epochs`) where joints are; it is read in
            training only, the model need not have it. Empty: none.
        cache: Folder for the windows; empty: keep them in memory only.
        sets: `people`: the datasets of which windows are composed (`training/composition.py`), each but `animated` in
            the folder of `root` that has its name; and of each the subjects (such as `9,10`, or none) whom `mumu train`
            does not train on; without a given calibration, it calibrates the confidence on them.
        windows: `people`: how many windows to compose.
    """

    dataset: str
    train_subjects: str = ""
    calibration_subjects: str = ""
    protocol: str = "leave_one_subject_out"
    root: str = ""
    seconds: float = 60.0
    windows_per_s: float = 1.0
    min_overlap: float = 0.6
    pose: str = ""
    cache: str = ""
    sets: Mapping[str, str] = field(default_factory=dict)
    windows: int = 0

    def __post_init__(self) -> None:
        check_choice("data.dataset", self.dataset, (*DATASETS, SEVERAL))
        self._check_sets()
        check_choice("data.protocol", self.protocol, PROTOCOLS)
        train, calibration = self.subjects("train"), self.subjects("calibration")
        both = set(train or calibration) & set(calibration)
        if both:
            raise ConfigError(f"subjects {sorted(both)} are in train_subjects and in calibration_subjects")
        _at_least("data", 0, {"windows_per_s": self.windows_per_s})
        _at_least("data", 1e-3, {"seconds": self.seconds})
        for name in ("root", "pose", "cache"):
            if not isinstance(getattr(self, name), str):
                raise ConfigError(f"data.{name} is {getattr(self, name)!r}; expected text: put it in quotes")
        _at_least("data", 0, {"min_overlap": self.min_overlap})
        if not 0 < self.min_overlap <= 1:
            raise ConfigError(f"data.min_overlap is {self.min_overlap!r}; expected more than 0, at most 1")

    def _check_sets(self) -> None:
        known = [name for name in DATASETS if name != "simulator"]
        is_known = isinstance(self.sets, Mapping) and set(self.sets) <= set(known)
        if not is_known or bool(self.sets) != (self.dataset == SEVERAL):
            wanted = f"some of {', '.join(known)} with subjects" if self.dataset == SEVERAL else "none but for people"
            raise ConfigError(f"data.sets is {self.sets!r}; expected {wanted}")
        for text in self.sets.values():
            if text != "":
                parse_subjects(text)
        if {"utd_mhad", "utd_mhad_front"} <= set(self.sets):
            self._check_same_people("utd_mhad", "utd_mhad_front")
        is_count = isinstance(self.windows, int) and not isinstance(self.windows, bool)
        if not is_count or (self.windows < 1) == (self.dataset == SEVERAL):
            wanted = "1 or more" if self.dataset == SEVERAL else "0 but for dataset people"
            raise ConfigError(f"data.windows is {self.windows!r}; expected {wanted}")
        for key, value, _ in _changed(self, _ONE_DATASET) if self.sets else ():
            raise ConfigError(
                f"data.{key} is {value!r}, which says nothing where windows are composed of several datasets: leave it "
                "out; data.sets lists the people of each who are left out of the training"
            )

    def _check_same_people(self, one: str, other: str) -> None:
        if set(self.held_out(one)) != set(self.held_out(other)):
            raise ConfigError(
                f"data.sets.{one} is {self.sets[one]!r}, and {other} {self.sets[other]!r}; these are the same people: "
                "expected the same list, so that nobody is in the training and in the test"
            )

    def held_out(self, dataset: str) -> tuple[int, ...]:
        """The held-out subjects of one of `sets`."""
        return parse_subjects(self.sets[dataset]) if self.sets[dataset] != "" else ()

    def subjects(self, use: Literal["train", "calibration"]) -> tuple[int, ...]:
        """The subjects of one list; empty: all, or none."""
        text = self.train_subjects if use == "train" else self.calibration_subjects
        return () if text in ("", None) else parse_subjects(text, f"data.{use}_subjects")


@dataclass(frozen=True)
class Machine:
    """What to train on: Lightning's words. Whether this machine has it, `check_machine` asks Lightning.

    Attributes:
        accelerator: `auto`, `cpu`, `gpu`.
        devices: How many in each machine, or `auto`.
        num_nodes: Machines.
        strategy: `auto`, `ddp`, ….
        precision: `32-true`, `bf16-mixed`, ….

    Raises:
        ConfigError: A value is impossible on any machine.
    """

    accelerator: str = "auto"
    devices: int | str = 1
    num_nodes: int = 1
    strategy: str = "auto"
    precision: str = "32-true"

    def __post_init__(self) -> None:
        for name in ("accelerator", "strategy"):
            if not isinstance(getattr(self, name), str) or not getattr(self, name):
                raise ConfigError(f"machine.{name} is {getattr(self, name)!r}; expected a name, such as auto")
        for name, more in (("devices", ", or auto"), ("num_nodes", "")):
            value = getattr(self, name)
            is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 1
            if not is_count and (value != "auto" or not more):
                raise ConfigError(f"machine.{name} is {value!r}; expected how many, 1 or more{more}")
        check_choice("machine.precision", self.precision, _PRECISIONS)


@dataclass(frozen=True)
class Optimization:
    """How to train: AdamW, one cycle of the learning rate, an exponential moving average of the weights.

    Attributes:
        epochs: Passes over the data; the last weights are taken, none are selected.
        frame_epochs: Passes over single images before that, by which image encoders learn to tell what people do in
            them, and `pose_cnn` where the joints of `data.pose` are (ours).
        batch_size: Windows a step, of each device.
        learning_rate: At the cycle's top.
        weight_decay: Of AdamW.
        task_weighting: How the losses of activities and groups are weighed: `fixed` by `target_weight` and `beta_aux`;
            by learned `uncertainty`, or `adaptive`, by how fast each falls (`model/task_weights.py`).
        beta_aux: β^aux of equation 13 of MuMu (Islam and Iqbal 2022).
        target_weight: Of the activities' loss; 1 in that equation, 0 to learn the groups alone.
        decoupling_weight: How much shared and task-specific features are kept apart; `dual_branch` only.
        deep_supervision_weight: See `MuMuLoss`.
        trust_weight: See `MuMuLoss`.
        label_smoothing: See `MuMuLoss`.
        ema_decay: Of the average, a step; less in the first steps, so that the average forgets where it began.
        gradient_clip: Largest norm of the gradient.
        seed: Of everything random.
    """

    epochs: int
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    beta_aux: float = 0.5
    deep_supervision_weight: float = 0.0
    trust_weight: float = 0.0
    label_smoothing: float = 0.0
    ema_decay: float = 0.99
    gradient_clip: float = 1.0
    seed: int = 0
    frame_epochs: int = 0
    task_weighting: Literal["fixed", "uncertainty", "adaptive"] = "fixed"
    target_weight: float = 1.0
    decoupling_weight: float = 0.0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "seed", "frame_epochs"):
            if not isinstance(getattr(self, name), int):
                raise ConfigError(f"optimization.{name} is {getattr(self, name)!r}; expected an integer")
        _at_least("optimization", 1, {"epochs": self.epochs, "batch_size": self.batch_size})
        check_choice("optimization.task_weighting", self.task_weighting, _TASK_WEIGHTINGS)
        _at_least("optimization", 0, {name: value for name, value in vars(self).items() if name != "task_weighting"})
        for name in ("ema_decay", "label_smoothing"):
            if getattr(self, name) >= 1:
                raise ConfigError(f"optimization.{name} is {getattr(self, name)!r}; expected less than 1")


@dataclass(frozen=True)
class Settings:
    """One training run.

    Raises:
        ConfigError: The model cannot be trained in this way.
    """

    model: ModelConfig
    data: Data
    optimization: Optimization
    augmentation: Augmentation
    machine: Machine
    labels: Labels = Labels()  # noqa: RUF009 - frozen

    def __post_init__(self) -> None:
        self._check_seed()
        self._check_labels()
        self._check_body()
        self._check_pictures()
        fusion, o = self.model.fusion, self.optimization
        if o.task_weighting != "fixed" and not _has_groups(fusion):
            raise ConfigError(
                f"optimization.task_weighting is {o.task_weighting!r}; {fusion} has one task: expected 'fixed', or "
                f"model.fusion {' or '.join(filter(_has_groups, FUSIONS))}"
            )
        if fusion != "dual_branch" and o.decoupling_weight:
            raise ConfigError(
                f"optimization.decoupling_weight is {o.decoupling_weight!r}; {fusion} has no shared and specific "
                "features: expected 0, or model.fusion dual_branch"
            )

    def _check_seed(self) -> None:
        members = self.model.members
        if (most := (_MAX_SEED + 1) // members - 1) < self.optimization.seed:
            raise ConfigError(
                f"optimization.seed is {self.optimization.seed!r}; expected {most} or less with model.members {members}"
            )

    def _check_labels(self) -> None:
        for key, value, default in _changed(self.labels) if self.data.sets else ():
            raise ConfigError(
                f"labels.{key} is {value!r}; the windows of several datasets (data.sets) are composed with all their "
                f"labels: expected {default!r}, leave it out"
            )

    def _check_body(self) -> None:
        has_layout = any(modality.layout for modality in self.model.modalities)
        for key, value, default in _changed(self.augmentation.body) if not has_layout else ():
            raise ConfigError(
                f"augmentation.body.{key} is {value!r}, but no modality of {', '.join(self.model.names)} has a layout, "
                f"by which bodies are changed: expected {default!r}, or a layout for the skeleton"
            )

    def _check_pictures(self) -> None:
        has_pictures = any(modality.is_image for modality in self.model.modalities)
        for key, value, _ in _changed(self.augmentation, _OF_PICTURES) if not has_pictures else ():
            raise ConfigError(
                f"augmentation.{key} is {value!r}, but of {', '.join(self.model.names)} none is rgb or depth, which it "
                "changes: leave it out"
            )

    def with_seed(self, seed: int) -> Settings:
        """The same training with another seed.

        Raises:
            ConfigError: The seed is too large.
        """
        return replace(self, optimization=replace(self.optimization, seed=seed))


def _has_groups(fusion: str) -> bool:
    """Whether a fusion classifies groups, too."""
    from mumu_ros.model.heads import head_attribute  # imports torch

    return bool(head_attribute(fusion, "has_groups"))


def read_settings(path: str | Path, overrides: Sequence[str] = ()) -> Settings:
    """Read a YAML file with the sections of `Settings`.

    `model.taxonomy` is the name of a taxonomy file, relative to the configuration; where it is empty, it is the
    dataset's own (`taxonomy.yaml` in `data.root`).

    Args:
        path: The file, or the package's own of that name: `config/training/own.yaml`.
        overrides: `key=value`, the key with dots (`optimization.epochs=3`, `model.modalities.0.rate_hz=5`),
            the value in YAML; of paths and of `data.pose` as it is.

    Raises:
        ConfigError: The file cannot be read, a key is unknown (near misses are named) or a value impossible.
    """
    path = located(path)
    try:
        content = read_yaml(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"training configuration {str(path)!r}: {error}") from error
    if isinstance(content, dict):
        content |= {name: {} for name in _OPTIONAL if content.get(name) is None}
    for override in overrides:
        _override(content, override)
    sections = build(_Sections, content, f"training configuration {str(path)!r}")
    for name, section in vars(sections).items():
        if not isinstance(section, Mapping):
            raise ConfigError(
                f"{name} is {section!r}; expected keys and values: {name}.KEY=VALUE, or {name}: {{KEY: VALUE}} in "
                f"training configuration {str(path)!r}"
            )
    try:
        model = {"format": FORMAT, **sections.model}
        if not model.get("taxonomy") and not sections.data.get("root"):
            raise ConfigError(
                f"training configuration {str(path)!r}: activities come from model.taxonomy or from the dataset in "
                "data.root, and neither is given; add data.root=FOLDER"
            )
        own = expanded(str(sections.data.get("root"))) / "taxonomy.yaml"
        file = path.parent / str(model["taxonomy"]) if model.get("taxonomy") else own
        model["taxonomy"] = Taxonomy.read(file).to_dict()
    except (TypeError, ValueError) as error:
        raise ConfigError(str(error)) from error
    labels = build(Labels, sections.labels, "labels")
    return Settings(
        model=with_label_input(ModelConfig.from_dict(model), labels.input),
        data=build(Data, sections.data, "data"),
        optimization=build(Optimization, sections.optimization, "optimization"),
        augmentation=build(Augmentation, sections.augmentation, "augmentation"),
        machine=build(Machine, sections.machine, "machine"),
        labels=labels,
    )


@dataclass(frozen=True)
class _Sections:
    model: dict[str, Any]
    data: dict[str, Any]
    optimization: dict[str, Any]
    augmentation: dict[str, Any]
    machine: dict[str, Any]
    labels: dict[str, Any]


def _override(content: Any, override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"override {override!r}; expected key=value")
    *path, last = key.split(".")
    try:
        # A folder may be called like a number or a date, and have quotes or # in its name.
        parsed = value if key in _TEXTS else parse_yaml(value)
    except ValueError as error:
        raise ConfigError(f"override {override!r}: {value!r} is not YAML: {error}") from error
    try:
        for depth, step in enumerate(path):
            if depth and isinstance(content, dict) and content.get(step) is None:
                content[step] = {}  # left out; a name that does not exist is refused later
            content = content[int(step) if isinstance(content, list) else step]
        content[int(last) if isinstance(content, list) else last] = parsed
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise ConfigError(f"override {override!r}: the configuration has no {key!r}") from error
