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

"""Figure 3 of MuMu (Islam and Iqbal 2022): are the features of guided fusion more compact?

A t-SNE picture to look at, a silhouette score to test.
"""

from __future__ import annotations

import dataclasses
import importlib
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from mumu_ros.files import replacing
from mumu_ros.model.network import Network
from mumu_ros.training.cross_validation import Study
from mumu_ros.training.fit import fit
from mumu_ros.training.loading import load_windows
from mumu_ros.training.protocols import make_manifest
from mumu_ros.training.scoring import predict
from mumu_ros.training.settings import Settings
from mumu_ros.training.windows import WindowSet
from mumu_ros.training.work_folder import reserve
from studies.bench import Bench
from studies.fusion import CONFIG
from studies.heads import HAMLET, MUMU, OURS
from studies.plots import scatter_plots
from studies.report import difference, mean_std, paired_by_seed, provenance, table

__all__ = ["ROWS", "Features", "features_of", "section"]

ROWS = (HAMLET, MUMU, OURS)
FUSED = "fused"

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Features:
    """What a network makes of N test clips.

    Attributes:
        unimodal: float32 (N, M, D).
        fused: float32 (N, D): what goes into the classifier of the activity.
        activity: int64 (N,), the truth.
    """

    unimodal: Array
    fused: Array
    activity: NDArray[np.int64]


def section(bench: Bench) -> str:
    """Show and measure how well unimodal and fused features of three heads are separated by activity."""
    # Missed now, not after hours.
    importlib.import_module("matplotlib")
    manifold, metrics = importlib.import_module("sklearn.manifold"), importlib.import_module("sklearn.metrics")
    settings = bench.settings(MUMU.run(CONFIG))
    loaded = load_windows(settings.model, settings.data, settings.data.subjects("train"))
    manifest = make_manifest(settings.data.protocol, settings.data.dataset, loaded.clips)
    (fold,) = manifest.folds
    train, test = (
        loaded.windows.take(np.flatnonzero(np.isin(loaded.windows.clip, clips))) for clips in (fold.train, fold.test)
    )
    kinds = (*settings.model.names, FUSED)
    scores, panels = {}, []
    for head in ROWS:
        run = head.run(CONFIG)
        folder = bench.out / "embedding" / run.folder
        reserve(folder / "settings.json", _Work(**vars(bench.settings(run)), clips=tuple(test.clip.tolist())))
        of_seeds = [
            _trained(bench.settings(run), seed, (train, test), folder / f"seed_{seed}.npz") for seed in bench.seeds
        ]
        scores[head] = {
            kind: np.array([float(metrics.silhouette_score(_part(f, i), f.activity)) for f in of_seeds])
            for i, kind in enumerate(kinds)
        }
        tsne = manifold.TSNE(init="pca", random_state=0)
        panels.append(
            [(f"{head.name}: {kind}", tsne.fit_transform(_part(of_seeds[0], i))) for i, kind in enumerate(kinds)]
        )
    scatter_plots(bench.images / "embedding.png", panels, of_seeds[0].activity)
    rows = [(head.name, *map(mean_std, scores[head].values())) for head in ROWS]
    differences = [
        (f"{head.name} − {HAMLET.name}", *(difference(scores[head][kind], scores[HAMLET][kind]) for kind in kinds))
        for head in ROWS[1:]
    ]
    return "\n\n".join(
        (
            provenance("embedding", bench, Study(manifest, (), dict(loaded.skipped))),
            "Silhouette score by activity (Rousseeuw 1987) × 100 of the test clips' features, Euclidean: 100 is "
            "compact and far apart, 0 overlapping. Fused: what goes into the classifier of the activity. "
            f"{paired_by_seed(len(bench.seeds))}",
            table(("features of", *kinds), rows),
            table(("difference", *kinds), differences),
            "![t-SNE of unimodal and fused features](images/embedding.png)",
            f"t-SNE, seed {bench.seeds[0]}; one colour an activity.",
        )
    )


@dataclass(frozen=True)
class _Work(Settings):
    """What a folder is for.

    Attributes:
        clips: Whose features are kept.
    """

    clips: tuple[str, ...] = ()


def features_of(model: Network, windows: WindowSet) -> Features:
    """Run a network on whole windows and keep its features."""
    fused: list[Tensor] = []

    def keep(_: nn.Module, inputs: tuple[Tensor]) -> None:
        fused.append(inputs[0].float().cpu())

    (classifier,) = (module for name, module in model.head.named_modules() if name.split(".")[-1] == "activity_head")
    hook = classifier.register_forward_pre_hook(keep)
    try:
        unimodal = predict(model, windows).features
    finally:
        hook.remove()
    return Features(unimodal, np.concatenate([part.numpy() for part in fused]), windows.activity)


def _part(features: Features, index: int) -> Array:
    """The features of a modality; those after the last one's are the fused ones."""
    return features.fused if index == features.unimodal.shape[1] else features.unimodal[:, index]


def _trained(settings: Settings, seed: int, sets: tuple[WindowSet, WindowSet], path: Path) -> Features:
    """Features of a network that is trained on the first set and sees the second; kept for the next time."""
    if path.exists():
        with np.load(path) as file:
            return Features(file["unimodal"], file["fused"], file["activity"])
    train, test = sets
    settings = dataclasses.replace(settings, optimization=dataclasses.replace(settings.optimization, seed=seed))
    work = path.with_suffix(".training")
    features = features_of(fit(settings, train, work, progress=False), test)
    with replacing(path) as temporary:
        np.savez_compressed(temporary, **vars(features))
    shutil.rmtree(work, ignore_errors=True)
    return features
