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

"""Which clips are trained on and which are tested, written down clip by clip.

Nothing is chosen on test clips: a fold's `validation` comes from training subjects, and where it is empty the
number of epochs is fixed. A protocol runs on the clips that are there, and its manifest says what is missing.

| protocol | train | validation | test |
| --- | --- | --- | --- |
| leave_one_subject_out | all other subjects | | each subject in turn |
| three_fold | all other subjects | | each third of the subjects in turn |
| odd_even | subjects 1, 3, 5, 7 | | subjects 2, 4, 6, 8 |
| validate_7 | subjects 1, 3, 5 | subject 7 | subjects 2, 4, 6, 8 |
| open_set | all other subjects, without the fold's unknown activities | | each subject in turn |
| cross_subject | subjects 1 to 16 | | subjects 17 to 20 |
| cross_session | the first 80 % of each subject's sessions | | the others |
| cross_view | cameras 1, 2, 3 | | camera 4 |
| cross_scene | scenes 1, 3, 4 | | scene 2 |

The first is that of Islam and Iqbal (2022) for UTD-MHAD; odd_even is that of the dataset's authors (Chen, Jafari and
Kehtarnavaz, ICIP 2015). three_fold is ours: three trainings, however many people there are. The last four are MMAct's
(Kong et al., ICCV 2019); in cross_view the test camera sees performances that other cameras saw in training. Islam and
Iqbal name cross_subject and cross_session without the splits, which are those of public code for MMAct; that camera 4
and scene 2 are the ones to test on could not be checked.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from mumu_ros.datasets.clips import ClipInfo

__all__ = ["PROTOCOLS", "Fold", "Manifest", "make_manifest"]


@dataclass(frozen=True)
class Fold:
    """One division of a dataset; all but the name are sorted.

    Attributes:
        name: Unique in the manifest, `subject_7`.
        train: Ids of the clips to train on.
        validation: Ids of the clips to select a model by; mostly none.
        test: Ids of the clips to test.
        unknown: Activities that `train` and `validation` lack on purpose, so that their test clips ought to be
            called unknown.

    Raises:
        ValueError: A clip is in two parts, or twice in one.
    """

    name: str
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    unknown: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        ids = sorted((*self.train, *self.validation, *self.test))
        twice = [a for a, b in pairwise(ids) if a == b]
        if twice:
            raise ValueError(f"fold {self.name!r} has clip {twice[0]!r} twice; a clip belongs to one part")


@dataclass(frozen=True)
class Manifest:
    """A protocol on the clips of a dataset.

    Attributes:
        dataset: Name of the dataset.
        protocol: One of `PROTOCOLS`.
        folds: At least one; each has clips to train on and to test.
        missing: What the dataset or the protocol has and the clips lack, `subjects 7, 8`, and folds that would have
            nothing to train on, `fold subject_3`; empty: nothing.
    """

    dataset: str
    protocol: str
    folds: tuple[Fold, ...]
    missing: str


@dataclass(frozen=True)
class _Split:
    """A single fold by the value of one attribute of the clips."""

    attribute: str
    train: tuple[int, ...]
    test: tuple[int, ...]
    validation: tuple[int, ...] = ()

    @property
    def values(self) -> set[int]:
        return {*self.train, *self.validation, *self.test}

    def fold(self, name: str, clips: Sequence[ClipInfo]) -> Fold:
        train, validation, test = (
            _ids(clip for clip in clips if getattr(clip, self.attribute) in values)
            for values in (self.train, self.validation, self.test)
        )
        return Fold(name, train, validation, test)


_SPLITS: Mapping[str, _Split] = {
    "odd_even": _Split("subject", train=(1, 3, 5, 7), test=(2, 4, 6, 8)),
    "validate_7": _Split("subject", train=(1, 3, 5), validation=(7,), test=(2, 4, 6, 8)),
    "cross_subject": _Split("subject", train=tuple(range(1, 17)), test=tuple(range(17, 21))),
    "cross_view": _Split("camera", train=(1, 2, 3), test=(4,)),
    "cross_scene": _Split("scene", train=(1, 3, 4), test=(2,)),
}

_SUBJECTS: Mapping[str, range] = {"utd_mhad": range(1, 9), "mmact": range(1, 21)}


def make_manifest(
    protocol: str, dataset: str, clips: Sequence[ClipInfo], groups: Mapping[str, Sequence[str]] | None = None
) -> Manifest:
    """Divide clips by a protocol. The result does not depend on their order.

    Clips of subjects, cameras or scenes that the protocol does not name are in no part of a fold. `utd_mhad` and
    `mmact` are known to have 8 and 20 subjects. `groups`, group to activities, says what clips may show of which only
    the group is known.

    Raises:
        ValueError: There is no such protocol, an id occurs twice, or no fold has both clips to train on and
            clips to test.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"no protocol {protocol!r}; there are {', '.join(PROTOCOLS)}")
    clips = sorted(clips)
    twice = [a.id for a, b in pairwise(clips) if a.id == b.id]
    if twice:
        raise ValueError(f"two clips of {dataset!r} have the id {twice[0]!r}; ids must be unique")
    if protocol in _SPLITS:
        folds = [_SPLITS[protocol].fold(protocol, clips)]
    else:
        folds = _open_set(clips, groups or {}) if protocol == "open_set" else _FOLDS[protocol](clips)
    usable = tuple(fold for fold in folds if fold.train and fold.test)
    if not usable:
        raise ValueError(f"{protocol} needs {_needs(protocol)}; the clips of {dataset!r} have {_contents(clips)}")
    lacking = _named("fold", [fold.name for fold in folds if fold not in usable])
    missing = ", ".join(filter(None, (_missing(protocol, dataset, clips), lacking)))
    return Manifest(dataset, protocol, usable, missing)


def _leave_one_subject_out(clips: Sequence[ClipInfo]) -> list[Fold]:
    return [
        Fold(
            name=f"subject_{subject}",
            train=_ids(clip for clip in clips if clip.subject != subject),
            validation=(),
            test=_ids(clip for clip in clips if clip.subject == subject),
        )
        for subject in sorted({clip.subject for clip in clips})
    ]


def _three_fold(clips: Sequence[ClipInfo]) -> list[Fold]:
    subjects = sorted({clip.subject for clip in clips})
    folds = []
    for third in range(min(len(subjects), 3)):
        tested = set(subjects[third::3])
        train, test = (_ids(clip for clip in clips if (clip.subject in tested) is side) for side in (False, True))
        folds.append(Fold(f"third_{third + 1}", train, (), test))
    return folds


def _open_set(clips: Sequence[ClipInfo], groups: Mapping[str, Sequence[str]]) -> list[Fold]:
    """Leave one subject out and, from training, every N-th activity: each is unknown in one of the N folds.

    Where there are fewer activities than subjects, one is unknown in each fold, in turn. Clips of which only a group is
    known that one of these is in are not trained on either.
    """
    if unlabelled := [clip.id for clip in clips if not clip.activity]:
        raise ValueError(f"open_set needs clips of one activity each; clip {unlabelled[0]!r} has several")
    vague = groups.keys() - {name for names in groups.values() for name in names}
    shown = {c.id: set(groups[c.activity]) if c.activity in vague else {c.activity} for c in clips}
    activities = sorted({clip.activity for clip in clips} - vague)
    if not activities:
        return []
    # Neighbours in the alphabet are often variants of one activity: no rule shall spread or gather them.
    random.Random(0).shuffle(activities)
    folds = []
    for i, fold in enumerate(subjects := _leave_one_subject_out(clips)):
        unknown = tuple(sorted(activities[i :: len(subjects)])) or (activities[i % len(activities)],)
        train = tuple(clip for clip in fold.train if shown[clip].isdisjoint(unknown))
        folds.append(replace(fold, train=train, unknown=unknown))
    return folds


def _cross_session(clips: Sequence[ClipInfo]) -> list[Fold]:
    """Train on the first 80 % of each subject's sessions, rounded down but at least one."""
    sessions: dict[int, set[int]] = defaultdict(set)
    for clip in clips:
        sessions[clip.subject].add(clip.session)
    earlier = {s: sorted(numbers)[: max(1, len(numbers) * 4 // 5)] for s, numbers in sessions.items()}
    train = _ids(clip for clip in clips if clip.session in earlier[clip.subject])
    test = _ids(clip for clip in clips if clip.session not in earlier[clip.subject])
    return [Fold("cross_session", train, (), test)]


_FOLDS: Mapping[str, Callable[[Sequence[ClipInfo]], list[Fold]]] = {
    "leave_one_subject_out": _leave_one_subject_out,
    "three_fold": _three_fold,
    "cross_session": _cross_session,
}

PROTOCOLS: tuple[str, ...] = (*_FOLDS, "open_set", *_SPLITS)
"""Names of the protocols; see the table at the head of this module."""


def _needs(protocol: str) -> str:
    if protocol in _SPLITS:
        split = _SPLITS[protocol]
        return f"some of {_named(split.attribute, split.train)} and some of {_named(split.attribute, split.test)}"
    return {
        "leave_one_subject_out": "two subjects",
        "three_fold": "two subjects, better three or more",
        "open_set": "two subjects and two activities",
        "cross_session": "a subject with two sessions",
    }[protocol]


def _contents(clips: Sequence[ClipInfo]) -> str:
    if not clips:
        return "nothing: there are none"
    attributes = ("subject", "session", "scene", "camera")
    numbers = ", ".join(_named(name, sorted({getattr(clip, name) for clip in clips})) for name in attributes)
    return f"{numbers} and {len({clip.activity for clip in clips})} activities"


def _missing(protocol: str, dataset: str, clips: Sequence[ClipInfo]) -> str:
    expected: dict[str, set[int]] = {}
    if dataset in _SUBJECTS:
        expected["subject"] = set(_SUBJECTS[dataset])
    if protocol in _SPLITS:
        expected[_SPLITS[protocol].attribute] = _SPLITS[protocol].values
    lacking = {name: sorted(values - {getattr(clip, name) for clip in clips}) for name, values in expected.items()}
    return ", ".join(_named(name, values) for name, values in lacking.items() if values)


def _named(attribute: str, values: Sequence[object]) -> str:
    """`subject 7`, `subjects 7, 8`; empty for none."""
    return f"{attribute}{'s' * (len(values) > 1)} {', '.join(map(str, values))}" if values else ""


def _ids(clips: Iterable[ClipInfo]) -> tuple[str, ...]:
    return tuple(sorted(clip.id for clip in clips))
