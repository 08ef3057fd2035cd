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

"""Faulty sensors (Altinses and Schwung 2025): which failures are detected, how fast, and what masking them gains."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mumu_ros.datasets import open_dataset
from mumu_ros.datasets.clips import Clip
from mumu_ros.failures import KINDS, Fault
from mumu_ros.files import replacing
from mumu_ros.health import HealthModel
from mumu_ros.model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from mumu_ros.model.config import ModelConfig
from mumu_ros.model.preprocessing import Preprocessing
from mumu_ros.training.conditions import failure_conditions
from mumu_ros.training.cross_validation import Study
from mumu_ros.training.fit import fit
from mumu_ros.training.health import ANY_OVERLAP, learn_health
from mumu_ros.training.loading import load_windows
from mumu_ros.training.protocols import make_manifest
from mumu_ros.training.settings import Data, Settings
from mumu_ros.training.windows import WindowSet, cut_windows, random_ends
from mumu_ros.training.work_folder import reserve
from studies import industrial
from studies.bench import Bench, Run
from studies.failing import catch, follow, join
from studies.report import provenance, seeds_text, table

__all__ = ["RUNS", "section"]

RUNS = (Run("utd_mhad_sp.yaml"), Run("utd_mhad_dp.yaml"))
FALSE_ALARMS = 0.01
_SAME_STATE = 0.6
STREAM_S = 60.0
"""Of each person, for the delays."""
SIMULATED = {"train": range(16), "test": range(1000, 1004)}
SIMULATED_VICTIMS = ("rgb", "depth", "imu_wrist")
"""The two IMUs fail alike."""
MACHINES = {"train": range(12), "test": range(100, 104)}

Found = dict[str, Any]


def section(bench: Bench) -> str:
    """Let each sensor fail in each way that fits it, in real data and in simulated."""
    parts = []
    for run in RUNS:
        settings = bench.settings(run)
        loaded = load_windows(settings.model, settings.data, settings.data.subjects("train"))
        manifest = make_manifest(settings.data.protocol, settings.data.dataset, loaded.clips)
        (fold,) = manifest.folds
        folder = bench.out / "lying" / run.folder
        _reserve(folder, settings)
        found = [_of_seed(settings, loaded.windows, fold.train, fold.test, seed, folder) for seed in bench.seeds]
        title = f"### {' + '.join(settings.model.names)}"
        parts += [title, provenance("lying", bench, Study(manifest, (), dict(loaded.skipped))), _table(found)]
    simulated = _simulated(bench.out / "lying" / "simulator")
    people = [seeds_text(list(subjects)) for subjects in SIMULATED.values()]
    parts += [
        "### Simulated: the shipped model",
        f"`sim`; healthy people {people[0]}, tested on {people[1]}, {STREAM_S:g} s each.",
        _table([simulated]),
    ]
    machines = [seeds_text(list(numbers)) for numbers in MACHINES.values()]
    parts += [
        "### Simulated: a machine",
        "A machine tool with vibration, current and picture (`studies/industrial.py`); healthy machines "
        f"{machines[0]}, tested on {machines[1]}, {STREAM_S:g} s each. Seeds {seeds_text(bench.seeds)}.",
        _table([_industrial(bench.out / "lying" / "industrial", seed) for seed in bench.seeds]),
    ]
    return "\n\n".join(parts)


def _reserve(folder: Path, whose: Any) -> None:
    amounts = {name: kind.amount for name, kind in KINDS.items()}
    reserve(
        folder / "settings.json",
        {"whose": whose, "false_alarms": FALSE_ALARMS, "stream_s": STREAM_S, "failures": amounts},
    )


def _of_seed(
    settings: Settings, windows: WindowSet, train: Sequence[str], test: Sequence[str], seed: int, folder: Path
) -> Found:
    """Train a model, and let the sensors of the test clips fail; kept for the next time."""
    path = folder / f"seed_{seed}.json"
    if path.exists():
        found: Found = json.loads(path.read_text())
        return found
    settings = dataclasses.replace(settings, optimization=dataclasses.replace(settings.optimization, seed=seed))
    sets = [windows.take(np.flatnonzero(np.isin(windows.clip, clips))) for clips in (train, test)]
    model = folder / f"seed_{seed}"
    if not model.exists():
        save_checkpoint(model, fit(settings, sets[0], None, progress=False))
    checkpoint = load_checkpoint(model)
    recordings = [_recordings(checkpoint.config, settings.data, clips, STREAM_S) for clips in (train, test)]
    anywhere = [
        cut_windows(r, checkpoint.config, _ends(r, checkpoint.config, seed), ANY_OVERLAP) for r in recordings[0]
    ]
    health = learn_health(checkpoint, [sets[0], *anywhere], FALSE_ALARMS, seed)
    return _write(path, _fail(checkpoint, health, sets[1], recordings[1], checkpoint.config.names, seed))


def _simulated(folder: Path) -> Found:
    checkpoint = load_checkpoint("sim")
    _reserve(folder, {"model": checkpoint.id, **{name: list(people) for name, people in SIMULATED.items()}})
    path = folder / "seed_0.json"
    if path.exists():
        found: Found = json.loads(path.read_text())
        return found
    data = Data("simulator", seconds=STREAM_S, cache=str(folder / "cache"), min_overlap=ANY_OVERLAP)
    health = learn_health(checkpoint, [load_windows(checkpoint.config, data, SIMULATED["train"]).windows], FALSE_ALARMS)
    data = dataclasses.replace(data, min_overlap=0.6)
    windows = load_windows(checkpoint.config, data, SIMULATED["test"]).windows
    dataset = open_dataset("simulator", "", subjects=list(SIMULATED["test"])[:2], seconds=STREAM_S)
    recordings = [dataset.read(info, Preprocessing(checkpoint.config)) for info in dataset.clips]
    return _write(path, _fail(checkpoint, health, windows, recordings, SIMULATED_VICTIMS, 0))


def _industrial(folder: Path, seed: int) -> Found:
    """Train a model of the machines' states, and let the sensors of other machines fail."""
    settings = industrial.settings(seed)
    _reserve(folder, {"model": settings.model.to_dict(), **{name: list(numbers) for name, numbers in MACHINES.items()}})
    path = folder / f"seed_{seed}.json"
    if path.exists():
        found: Found = json.loads(path.read_text())
        return found
    config = settings.model
    train, test = ([industrial.record(number, STREAM_S) for number in numbers] for numbers in MACHINES.values())
    anywhere = [cut_windows(clip, config, _ends(clip, config, seed), ANY_OVERLAP) for clip in train]
    known = [cut_windows(clip, config, _ends(clip, config, seed), _SAME_STATE) for clip in (*train, *test)]
    model = folder / f"seed_{seed}"
    if not model.exists():
        save_checkpoint(model, fit(settings, WindowSet.concatenate(known[: len(train)]), None, progress=False))
    checkpoint = load_checkpoint(model)
    health = learn_health(checkpoint, anywhere, FALSE_ALARMS, seed)
    windows = WindowSet.concatenate(known[len(train) :])
    return _write(path, _fail(checkpoint, health, windows, test, config.names, seed))


def _recordings(config: ModelConfig, data: Data, ids: Sequence[str], seconds: float) -> list[Clip]:
    """Each person's clips, one right after the other."""
    dataset = open_dataset(data.dataset, data.root, subjects=None, seconds=data.seconds)
    chosen = [info for info in dataset.clips if info.id in set(ids)]
    people = sorted({info.subject for info in chosen})
    preprocessing, recordings = Preprocessing(config), []
    for person in people:
        infos = [info for info in chosen if info.subject == person]
        # Another activity each time, as in life; a clip is 1 to 4 s long.
        infos = [infos[i] for i in np.random.default_rng(person).permutation(len(infos))][: round(seconds)]
        recordings.append(join([dataset.read(info, preprocessing) for info in infos], seconds))
    return recordings


def _ends(recording: Clip, config: ModelConfig, seed: int) -> np.ndarray:
    return random_ends(recording, config.window_s, 2.0, np.random.default_rng((recording.subject, seed)))


def _fail(
    checkpoint: Checkpoint,
    health: HealthModel,
    windows: WindowSet,
    recordings: Sequence[Clip],
    victims: Sequence[str],
    seed: int,
) -> Found:
    modalities = [checkpoint.config.modality(name) for name in victims]
    # What does not come at all does not lie.
    conditions = [c for c in failure_conditions(modalities) if c.failure and c.failure.kind != "dropout"]
    sensors = {m.name: m.kind for m in checkpoint.config.modalities}
    found: Found = catch(checkpoint, health, windows, conditions, seed)
    for condition in conditions:
        assert condition.failure is not None
        fault = Fault(condition.on, (condition.on,), condition.failure)
        delays = [follow(checkpoint, health, recording, fault, sensors) for recording in recordings]
        found[condition.name]["onsets"] = sum(delay.onsets for delay in delays)
        found[condition.name]["delays_s"] = [value for delay in delays for value in delay.delays_s]
    quiet = [follow(checkpoint, health, recording, None, sensors).healthy for recording in recordings]
    found["healthy"]["flagged_live"] = float(np.mean(quiet))
    return found


def _write(path: Path, found: Found) -> Found:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(found, indent=1) + "\n")
    return found


def _table(found: Sequence[Found]) -> str:
    """Means over seeds; delays pooled."""

    def mean(name: str, key: str) -> float:
        return float(np.mean([f[name][key] for f in found]))

    rows = []
    for name in found[0]:
        if name == "healthy":
            continue
        delays = [value for f in found for value in f[name]["delays_s"]]
        onsets = sum(f[name]["onsets"] for f in found)
        unmasked, masked = mean(name, "unmasked"), mean(name, "masked")
        rows.append(
            (
                name.replace(":", ", "),
                f"{mean(name, 'auroc'):.3f}",
                f"{mean(name, 'auroc_concept'):.2f}",
                f"{mean(name, 'flagged'):.0%}",
                f"{mean(name, 'others'):.0%}",
                f"{100 * unmasked:.1f}",
                f"{100 * (masked - unmasked):+.1f}",
                f"{len(delays)} of {onsets}",
                f"{np.median(delays):.1f}" if delays else "–",
                f"{mean(name, 'plain_flagged'):.0%}",
                f"{100 * (mean(name, 'plain_masked') - unmasked):+.1f}",
            )
        )
    header = (
        "failure",
        "AUROC",
        "concept",
        "flagged",
        "another",
        "top-1",
        "gain",
        "caught live",
        "after s",
        "plain",
        "plain gain",
    )
    flagged = np.mean([f["healthy"]["flagged"] for f in found], axis=0)
    loss = 100 * (mean("healthy", "masked") - mean("healthy", "unmasked"))
    healthy = (
        f"Healthy: top-1 {100 * mean('healthy', 'unmasked'):.2f}, {loss:+.2f} points with flagged modalities masked; "
        f"flagged in {', '.join(f'{share:.1%}' for share in flagged)} of the windows, by modality; live, some modality "
        f"is flagged in {mean('healthy', 'flagged_live'):.1%} of the decisions. Masked by the plain detector: "
        f"{100 * (mean('healthy', 'plain_masked') - mean('healthy', 'unmasked')):+.2f} points."
    )
    return f"{table(header, rows)}\n\n{healthy}"
