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

"""Cross-validation of a model for arbitrary people: held-out datasets, held-out people, streams.

A model that is trained on several datasets is tested on what differs from them: another dataset whose people, room and
tracker it has not seen, or people of UTD-MHAD whom it has not seen, by every kind of joints that there are of them.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mumu_ros.datasets import ANIMATED
from mumu_ros.datasets.clips import DatasetError
from mumu_ros.evaluation.metrics import auroc
from mumu_ros.model.calibration import Calibration
from mumu_ros.model.checkpoint import load_checkpoint, save_checkpoint
from mumu_ros.model.config import ConfigError, ModelConfig
from mumu_ros.model.network import Network
from mumu_ros.model.novelty import Novelty
from mumu_ros.model.taxonomy import IDLE, OTHER, Taxonomy
from mumu_ros.skeletons import mirror
from mumu_ros.streams import NS_PER_S
from mumu_ros.training.acceptance import (
    TRAINING_FEATURES,
    ClipDecisions,
    accept,
    accepting_threshold,
    calibrate_acceptance,
    share,
    training_features,
)
from mumu_ros.training.body_augmentation import mirror_imu
from mumu_ros.training.composition import TAKE_HZ, Take, compose, window_series
from mumu_ros.training.cross_validation import check_trainings
from mumu_ros.training.members import fit_members
from mumu_ros.training.people_streams import PersonStream, decide, decide_streams, score_streams
from mumu_ros.training.scoring import fit_temperature
from mumu_ros.training.settings import Settings
from mumu_ros.training.several_datasets import calibrates_by, read_takes
from mumu_ros.training.whole_clips import combine, seconds_before_end
from mumu_ros.training.work_folder import digest, reserve

__all__ = ["assess_people", "check_known", "cross_validate_people", "people_table", "stream_novelty"]

_PEOPLE_FOLDS = 3


@dataclass(frozen=True)
class _Fold:
    """What is left out of training and tested.

    Attributes:
        name: `msr_action3d`, `people_1`, ….
        dataset: Left out; empty: people are.
        subjects: Of UTD-MHAD, left out of both of its sets.
    """

    name: str
    dataset: str = ""
    subjects: tuple[int, ...] = ()

    def tests(self, take: Take) -> bool:
        """Whether a clip is left out."""
        if self.dataset:
            return take.source == self.dataset
        return take.source.startswith("utd_mhad") and take.subject in self.subjects


def cross_validate_people(
    settings: Settings, seeds: Sequence[int], out: Path, report: Callable[[str], None] = print
) -> dict[str, Any]:
    """Train with each dataset of other people left out, and with each third of UTD-MHAD's people left out; test there.

    Networks are kept in `out`, in `manifest.json` the clips that they are of, and in `contents.json` digests of these;
    a run that was interrupted goes on.

    Returns:
        `conditions`: by dataset or kind of joints, means and spreads over the seeds; `streams`: the same by sensors,
        empty if nobody has any; `calibration`: fitted on the datasets left out; `skipped`: id of each clip that could
        not be read, and what is wrong with it.

    Raises:
        ConfigError: `out` is of other work or other clips, or the data have nothing to leave out; see also
            `check_trainings`.
        DatasetError: The data cannot be read.
    """
    check_trainings(settings, seeds)
    reserve(out / "settings.json", settings)
    found = read_takes(settings)
    takes = found.takes
    folds = _folds(takes)
    reserve(out / "manifest.json", {"clips": {take.id: list(take.labels) for take in takes}})
    reserve(out / "contents.json", {"clips": {take.id: _contents(take) for take in takes}})
    tested: dict[int, dict[str, ClipDecisions]] = {seed: {} for seed in seeds}
    streams: dict[int, dict[str, list[PersonStream]]] = {seed: defaultdict(list) for seed in seeds}
    for seed in seeds:
        for fold in folds:
            began = time.monotonic()
            kept, own = _kept(fold, takes), [take for take in takes if fold.tests(take)]
            network = _network(settings, kept, seed, out / f"{fold.name}_{seed}")
            novelty = stream_novelty(network, kept, seed)
            for condition, clips in _conditions(fold, own, settings.model):
                decided = _test(network, novelty, clips, _taught(fold, takes))
                before = tested[seed].get(condition)
                tested[seed][condition] = decided if before is None else _both(before, decided)
            if not fold.dataset:
                for sensors, played in _streams(network, novelty, own, seed).items():
                    streams[seed][sensors] += played
            report(f"{fold.name}, seed {seed}: {time.monotonic() - began:.0f} s")
    taxonomy = settings.model.taxonomy
    left_out = [t for seed in seeds for f in folds if f.dataset and (t := tested[seed][f.name]).known.any()]
    calibration = _calibrate(left_out, taxonomy)
    if not any(t.known.all() for t in left_out):
        calibration = calibrate_acceptance(left_out, taxonomy, calibration)
    return {
        "seeds": list(seeds),
        "calibration": asdict(calibration),
        "conditions": {
            condition: _spread([_score(tested[seed][condition], taxonomy, calibration) for seed in seeds])
            for condition in tested[seeds[0]]
        },
        "streams": {
            sensors: _spread([score_streams(streams[seed][sensors], taxonomy, calibration) for seed in seeds])
            for sensors in streams[seeds[0]]
        },
        "skipped": dict(found.skipped),
    }


def assess_people(
    network: Network,
    takes: Sequence[Take],
    seed: int,
    calibration: Calibration | None = None,
    novelty: Novelty | None = None,
) -> tuple[Calibration, dict[str, Any]]:
    """Evaluate a network on people not in the training data.

    Args:
        network: Trained.
        takes: Of these people.
        seed: Of the streams.
        calibration: To evaluate with; None: one that is fitted on them, with a threshold that accepts 85 % of their
            known clips, each dataset counting alike.
        novelty: Of windows, if the calibration uses it.

    Returns:
        The calibration; `conditions` and `streams` as of `cross_validate_people`.
    """
    taxonomy = network.config.taxonomy
    activities = set(taxonomy.activities) - {IDLE, OTHER}
    folds = [_Fold(source, dataset=source) for source in sorted({take.source for take in takes})]
    tested: dict[str, ClipDecisions] = {}
    for fold in folds:
        own = [take for take in takes if fold.tests(take)]
        tested[fold.name] = _test(network, novelty, own, activities)
    calibration = calibration or _calibrate([t for t in tested.values() if t.known.any()], taxonomy)
    utd = [take for take in takes if take.source.startswith("utd_mhad")]
    if utd:
        people = _Fold("people", subjects=tuple({take.subject for take in utd}))
        conditions = _conditions(people, utd, network.config)
        tested |= {name: _test(network, novelty, clips, activities) for name, clips in conditions}
    streams = _streams(network, novelty, utd, seed)
    return calibration, {
        "seeds": [seed],
        "calibration": asdict(calibration),
        "conditions": {name: _spread([_score(found, taxonomy, calibration)]) for name, found in tested.items()},
        "streams": {
            sensors: _spread([score_streams(found, taxonomy, calibration)]) for sensors, found in streams.items()
        },
    }


def stream_novelty(network: Network, takes: Sequence[Take], seed: int) -> Novelty:
    """Features of windows of named activities that end at any moment, as those of a stream do.

    By windows that are clips as recorded, an activity of which half is seen would be novel.
    """
    windows = compose(takes, network.config, 2 * TRAINING_FEATURES, seed, as_recorded=0)
    activities = np.array(network.config.taxonomy.activities)[windows.activity]
    return training_features(network, windows.take(np.flatnonzero(~np.isin(activities, (IDLE, OTHER)))))


def people_table(results: Mapping[str, Any]) -> str:
    """The results as Markdown."""
    seeds = ", ".join(map(str, results["seeds"]))
    lines = [
        f"Seeds {seeds}; unknown below a confidence of {results['calibration']['unknown_threshold']:.2f}.",
        "",
        "| left out | clips of known activities | right, % | refused, % | unknown ones accepted, % | AUROC |",
        "|---|---|---|---|---|---|",
    ]
    for condition, score in results["conditions"].items():
        cells = [_cell(score[key], 100) for key in ("top1", "known_refused", "unknown_accepted")]
        lines.append(
            f"| {condition} | {score['known']['mean']:.0f} | {' | '.join(cells)} | {_cell(score['auroc'], 1)} |"
        )
    for sensors, scores in results["streams"].items():
        lines += ["", f"| streams of people left out, {sensors} | |", "|---|---|"]
        lines += [f"| {name.replace('_', ' ')} | {_cell(value, 1)} |" for name, value in scores.items()]
    return "\n".join(lines)


def _cell(value: Mapping[str, Any] | None, scale: float) -> str:
    if value is None:
        return "–"
    digits = 1 if scale == 100 else 2
    spread = "" if value["std"] is None else f" ± {value['std'] * scale:.{digits}f}"
    return f"{value['mean'] * scale:.{digits}f}{spread}"


def _contents(take: Take) -> str:
    """A digest of what was recorded."""
    return digest(x for x in (take.skeleton, take.imu) if x is not None)


def _folds(takes: Sequence[Take]) -> list[_Fold]:
    sources = sorted({take.source for take in takes} - {ANIMATED})
    folds = [_Fold(source, dataset=source) for source in sources if calibrates_by(source)]
    subjects = sorted({take.subject for take in takes if take.source.startswith("utd_mhad")})
    if len(sources) > 1 and len(subjects) >= _PEOPLE_FOLDS:
        people = [tuple(subjects[i::_PEOPLE_FOLDS]) for i in range(_PEOPLE_FOLDS)]
        folds += [_Fold(f"people_{i + 1}", subjects=chosen) for i, chosen in enumerate(people)]
    if len(sources) < 2:
        raise ConfigError(f"data.sets is {tuple(sources)!r}; expected two or more, to leave one out")
    if not any(fold.dataset for fold in folds):
        raise ConfigError(f"data.sets is {tuple(sources)!r}; expected a dataset of other people, too, to leave it out")
    others = [(_taught(fold, takes), fold) for fold in folds if fold.dataset]
    if not any(taught & set(take.labels) for taught, fold in others for take in takes if fold.tests(take)):
        raise ConfigError(
            f"data.sets is {tuple(sources)!r}, and of the datasets of other people none shares an activity with the "
            f"rest, but for {IDLE} and {OTHER}: expected one that does, to calibrate the confidence by"
        )
    return folds


def _taught(fold: _Fold, takes: Sequence[Take]) -> set[str]:
    """Activities that recordings of a fold's training show, without `idle` and `other`, which are never accepted."""
    recorded = (take for take in takes if take.source != ANIMATED and not fold.tests(take))
    return {label for take in recorded for label in take.labels} - {IDLE, OTHER}


def _kept(fold: _Fold, takes: Sequence[Take]) -> list[Take]:
    """What a fold is trained on, without activities that are only animated: they are unknown when it is tested."""
    taught = _taught(fold, takes)
    return [t for t in takes if not fold.tests(t) and (t.source != ANIMATED or taught.intersection(t.labels))]


def check_known(takes: Sequence[Take]) -> None:
    """Refuse held-out people by whom no confidence can be calibrated.

    Raises:
        DatasetError: They do nothing but `idle` and `other`.
    """
    if all(set(take.labels) <= {IDLE, OTHER} for take in takes):
        sources = ", ".join(sorted({take.source for take in takes}))
        raise DatasetError(
            f"data.sets: the held-out people of {sources} do nothing but {IDLE} and {OTHER}, by which no confidence "
            "can be calibrated; hold out somebody who does more, nobody, or give --calibration"
        )


def _network(settings: Settings, kept: Sequence[Take], seed: int, folder: Path) -> Network:
    if (folder / "config.json").exists():
        return load_checkpoint(folder).model
    settings = settings.with_seed(seed)
    network = fit_members(
        settings, lambda seed: compose(kept, settings.model, settings.data.windows, seed), None, progress=False
    )
    save_checkpoint(folder, network)
    return network


def _conditions(fold: _Fold, takes: Sequence[Take], config: ModelConfig) -> Iterator[tuple[str, list[Take]]]:
    """What is tested in a fold: a name, and clips."""
    if fold.dataset:
        yield fold.name, list(takes)
        return
    kinect = [take for take in takes if take.source == "utd_mhad"]
    if kinect:
        yield from _kinect_conditions(kinect, config)
    worn = _worn(kinect, config)
    imus = {take.id.removeprefix("utd_mhad/"): take for take in worn}
    for variant in ("with_depth", "without_depth"):
        front = [take for take in takes if take.source == "utd_mhad_front" and take.id.endswith(variant)]
        if front:
            name = f"front end's joints {variant.replace('_', ' ')}"
            yield name, front
            if worn:
                yield f"{name} and IMU", [_beside(take, imus.get(take.id.split("/")[1])) for take in front]


def _streams(
    network: Network, novelty: Novelty | None, takes: Sequence[Take], seed: int
) -> dict[str, list[PersonStream]]:
    """Streams of UTD-MHAD's people by the sensors in them, without those that nobody has."""
    worn = _worn([take for take in takes if take.source == "utd_mhad"], network.config)
    sensors = {"joints": [replace(take, imu=None) for take in takes], "Kinect's joints and IMU": worn}
    found = {name: list(decide_streams(network, novelty, clips, seed)) for name, clips in sensors.items()}
    return {name: streams for name, streams in found.items() if streams}


def _beside(take: Take, worn: Take | None) -> Take:
    """A clip with the IMU of another one of the same recording, at its times."""
    if worn is None or worn.imu is None:
        return replace(take, imu=None)
    at = np.arange(len(take.skeleton)) + round((take.start_ns - worn.start_ns) / NS_PER_S * TAKE_HZ)
    there = (at >= 0) & (at < len(worn.imu))
    imu = np.full((len(at), *worn.imu.shape[1:]), np.nan, np.float32)
    imu[there] = worn.imu[at[there]]
    return replace(take, imu=imu)


def _kinect_conditions(takes: Sequence[Take], config: ModelConfig) -> Iterator[tuple[str, list[Take]]]:
    generator = np.random.default_rng(0)
    layout = next(modality.layout for modality in config.modalities if modality.layout)
    alone = [replace(take, imu=None) for take in takes]
    if worn := _worn(takes, config):
        yield "Kinect's joints and IMU", list(takes)
    yield "Kinect's joints", alone
    yield "Kinect's joints, 5 cm noisy", [_noisy(take, generator) for take in alone]
    yield "Kinect's joints, mirrored", [replace(take, skeleton=mirror(take.skeleton, layout)) for take in alone]
    if worn:
        yield "IMU, turned anyhow, on either wrist", [_turned(take, generator) for take in worn]


def _worn(takes: Sequence[Take], config: ModelConfig) -> list[Take]:
    """Those with an IMU, for a model that takes one."""
    has_imu = any(modality.is_worn_imu for modality in config.measured)
    return [take for take in takes if has_imu and take.imu is not None]


def _noisy(take: Take, generator: np.random.Generator) -> Take:
    noise = generator.normal(0, 0.05, take.skeleton.shape)
    return replace(take, skeleton=(take.skeleton + noise).astype(np.float32))


def _turned(take: Take, generator: np.random.Generator) -> Take:
    """Only the IMU, mounted anyhow, in half of the clips on the other wrist of a mirrored person."""
    assert take.imu is not None
    axes, triangle = np.linalg.qr(generator.normal(size=(3, 3)))
    rotation = axes * np.sign(np.diag(triangle))
    rotation[:, 0] *= np.linalg.det(rotation)
    imu = mirror_imu(take.imu[None], np.array([generator.random() < 0.5]))[0]
    return replace(take, skeleton=take.skeleton[:0], imu=(imu @ rotation.T).astype(np.float32))


def _test(network: Network, novelty: Novelty | None, takes: Sequence[Take], taught: set[str]) -> ClipDecisions:
    activities = network.config.taxonomy.activities
    clip, before = _windows(takes, network.config.window_s)
    inputs, masks = {}, {}
    for modality in network.config.measured:
        whole = [takes[i].skeleton if modality.layout else takes[i].imu for i in clip]
        series = [None if x is None else x[: max(len(x) - n, 0)] for x, n in zip(whole, before, strict=True)]
        steps = network.config.steps(modality.name)
        inputs[modality.name], masks[modality.name] = window_series(modality, steps, series)
    right = np.array([[name in take.labels for name in activities] for take in takes])
    known = np.array([bool(set(take.labels) & taught) for take in takes])
    logits, scores = decide(network, novelty, inputs, masks)
    return ClipDecisions(*combine(logits, scores, clip, network.config.taxonomy), right, known)


def _windows(takes: Sequence[Take], window_s: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of the windows that clips are decided by: index of the clip, and how many samples before its end they end."""
    lengths = [max(len(take.skeleton), 0 if take.imu is None else len(take.imu)) for take in takes]
    before = [np.round(TAKE_HZ * seconds_before_end(n / TAKE_HZ, window_s)).astype(np.int64) for n in lengths]
    return np.repeat(np.arange(len(takes)), [len(x) for x in before]), np.concatenate(before)


def _both(one: ClipDecisions, other: ClipDecisions) -> ClipDecisions:
    parts = (np.concatenate([getattr(one, field.name), getattr(other, field.name)]) for field in fields(ClipDecisions))
    return ClipDecisions(*parts)


def _calibrate(tested: Sequence[ClipDecisions], taxonomy: Taxonomy) -> Calibration:
    """Temperature and threshold by the known activities of the datasets left out, which count alike."""
    # Where several labels are right, the most probable of them is the truth.
    truth = [np.where(t.right, t.logits, -np.inf).argmax(axis=1)[t.known] for t in tested]
    temperature = fit_temperature(np.concatenate([t.logits[t.known] for t in tested]), np.concatenate(truth))
    calibration = Calibration(temperature)
    return replace(calibration, unknown_threshold=accepting_threshold(tested, taxonomy, calibration))


def _score(tested: ClipDecisions, taxonomy: Taxonomy, calibration: Calibration) -> dict[str, float | None]:
    _, accepted, confidence = accept(tested.logits, tested.novelty, taxonomy, calibration)
    known = tested.known
    return {
        "known": float(known.sum()),
        "unknown": float((~known).sum()),
        "top1": share(tested.hits[known]),
        "known_refused": share(~accepted[known]),
        "unknown_accepted": share(accepted[~known]),
        "auroc": auroc(confidence[known], confidence[~known]) if known.any() and not known.all() else None,
    }


def _spread(scores: Sequence[Mapping[str, float | None]]) -> dict[str, dict[str, float | None] | None]:
    """Mean of each number over seeds, and their standard deviation as of a sample; None where it has one seed only."""
    spread: dict[str, dict[str, float | None] | None] = {}
    for key in scores[0]:
        values = [score[key] for score in scores]
        known = [value for value in values if value is not None]
        std = float(np.std(known, ddof=1)) if len(known) > 1 else None
        spread[key] = {"mean": float(np.mean(known)), "std": std} if known else None
    return spread
