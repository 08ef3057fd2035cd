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

"""Numbers of runs as Markdown, and the page that they are written to."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from mumu_ros.evaluation import metrics
from mumu_ros.evaluation.significance import compare_paired
from mumu_ros.model.taxonomy import Taxonomy
from mumu_ros.training.conditions import CLEAN
from mumu_ros.training.cross_validation import FoldResult, Study
from studies.bench import Bench

__all__ = [
    "Scores",
    "difference",
    "group_top1",
    "macro_f1",
    "mean_std",
    "paired_by_seed",
    "provenance",
    "replace_section",
    "seeds_text",
    "table",
    "top1",
]

Scores = NDArray[np.float64]


def top1(study: Study, condition: str = CLEAN) -> Scores:
    """Top-1 accuracy of each seed over the clips of all folds, (S,), by ascending seed."""
    return _by_seed(study, condition, lambda truth, decided, _: metrics.top1(truth, decided))


def macro_f1(study: Study, condition: str = CLEAN) -> Scores:
    """Macro F1 of each seed over the clips of all folds, (S,), by ascending seed."""
    return _by_seed(study, condition, metrics.macro_f1)


def group_top1(study: Study, taxonomy: Taxonomy) -> Scores:
    """Top-1 accuracy of the groups of each seed over the clean clips of all folds, (S,), by ascending seed."""
    scores = []
    for results in _seeds(study):
        truth = taxonomy.group_indices[np.concatenate([result.truth for result in results])]
        decided = np.concatenate([result.group_logits for result in results]).argmax(axis=1)
        scores.append(metrics.top1(truth, decided))
    return np.array(scores)


def _by_seed(study: Study, condition: str, score: Callable[[np.ndarray, np.ndarray, int], float]) -> Scores:
    scores = []
    for results in _seeds(study):
        logits = np.concatenate([result.logits[condition] for result in results])
        truth = np.concatenate([result.truth for result in results])
        scores.append(score(truth, logits.argmax(axis=1), logits.shape[1]))
    return np.array(scores)


def _seeds(study: Study) -> list[list[FoldResult]]:
    def seed_of(result: FoldResult) -> int:
        return result.seed

    return [list(group) for _, group in groupby(sorted(study.results, key=seed_of), seed_of)]


def mean_std(scores: Scores) -> str:
    """Mean ± standard deviation in percent, `97.45 ± 0.31`; a single score has no deviation."""
    mean = f"{100 * scores.mean():.2f}"
    return f"{mean} ± {100 * scores.std(ddof=1):.2f}" if len(scores) > 1 else mean


def difference(a: Scores, b: Scores) -> str:
    """A − B, paired by seed, in points, with the p-value of the exact sign-flip test: `+0.62 ± 0.20 (p 0.031)`."""
    paired = compare_paired(a, b)
    if paired.pairs == 1:
        return f"{100 * paired.mean:+.2f}"
    return f"{100 * paired.mean:+.2f} ± {100 * paired.std:.2f} (p {paired.p_value:.3f})"


def paired_by_seed(seeds: int) -> str:
    """What to say below differences of so many seeds."""
    return (
        "Differences are paired by seed, with p of the exact sign-flip test, not corrected for the number of "
        f"comparisons; with {seeds} seeds p cannot be less than {2 / 2**seeds:.3g}."
    )


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def provenance(name: str, bench: Bench, study: Study) -> str:
    """What a section begins with: how to repeat it, on which clips, with which seeds."""
    command = shlex.join(
        ["python", "research", "study", name, "--seeds", seeds_text(bench.seeds), "--out", str(bench.out)]
    )
    manifest, count = study.manifest, len(study.manifest.folds)
    tested = {clip for fold in manifest.folds for clip in fold.test}
    trained = {clip for fold in manifest.folds for clip in fold.train}
    missing = f" Missing in this copy: {manifest.missing}." if manifest.missing else ""
    skipped = f" {len(study.skipped)} clips could not be read: {', '.join(study.skipped)}." if study.skipped else ""
    return (
        f"    {command}\n\n"
        f"{manifest.dataset}, {manifest.protocol}, {count} fold{'s' * (count > 1)}: {len(trained)} clips to train on, "
        f"{len(tested)} to test on.{missing}{skipped} Seeds {seeds_text(bench.seeds)} ({len(bench.seeds)}): mean ± "
        "standard deviation over seeds."
    )


def seeds_text(seeds: Sequence[int]) -> str:
    """Seeds as `--seeds` takes them: `0-5`, or `0,2,5`."""
    if len(seeds) > 2 and list(seeds) == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]}-{seeds[-1]}"
    return ",".join(map(str, seeds))


def replace_section(page: str, name: str, section: str) -> str:
    """Put a section between the markers `<!-- study NAME -->` and `<!-- /study NAME -->`; the rest stays as it is.

    Raises:
        ValueError: The page does not have each marker once, in this order.
    """
    begin, end = f"<!-- study {name} -->", f"<!-- /study {name} -->"
    if page.count(begin) != 1 or page.count(end) != 1 or page.index(end) < page.index(begin):
        raise ValueError(f"the page has no place for study {name!r}; expected a line {begin!r} below it {end!r}, once")
    before, _, rest = page.partition(begin)
    return f"{before}{begin}\n\n{section}\n\n{end}{rest.partition(end)[2]}"
