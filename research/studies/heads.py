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

"""The heads that studies compare, as overrides of one configuration: everything else is the same for all."""

from __future__ import annotations

from dataclasses import dataclass

from studies.bench import Run

__all__ = [
    "ACTIONMAE",
    "CENTAUR",
    "CONCEPT",
    "CONCEPT_PUBLISHED",
    "DUAL_BRANCH",
    "HAMLET",
    "HAMLET_SUM",
    "KEYLESS",
    "KEYLESS_SUM",
    "MUMU",
    "NON_ATTENTION",
    "NON_ATTENTION_SUM",
    "OURS",
    "XFI",
    "Head",
]


@dataclass(frozen=True)
class Head:
    """A head.

    Attributes:
        name: In tables.
        overrides: That choose it.
    """

    name: str
    overrides: tuple[str, ...]

    def run(self, config: str, *overrides: str, modalities: tuple[str, ...] = ()) -> Run:
        """The run of a configuration with this head."""
        return Run(config, (*self.overrides, *overrides), modalities)


def _single_task(name: str, fusion: str, merge: str) -> Head:
    return Head(name, (f"model.fusion={fusion}", f"model.merge={merge}"))


NON_ATTENTION = _single_task("Non-Attention", "non_attention", "concat")
NON_ATTENTION_SUM = _single_task("Non-Attention", "non_attention", "sum")
KEYLESS = _single_task("Keyless", "keyless", "concat")
KEYLESS_SUM = _single_task("Keyless", "keyless", "sum")
HAMLET = _single_task("HAMLET-like", "hamlet", "concat")
HAMLET_SUM = _single_task("HAMLET-like", "hamlet", "sum")
CONCEPT = Head("concept (ours)", ("model.fusion=concept",))
CONCEPT_PUBLISHED = Head("concept (as published)", ("model.fusion=concept_published",))
MUMU = Head("MuMu (paper)", ("model.fusion=mumu",))
DUAL_BRANCH = Head("dual branch (as drawn)", ("model.fusion=dual_branch",))
ACTIONMAE = Head("ActionMAE-like", ("model.fusion=actionmae",))
XFI = Head("X-Fi-like", ("model.fusion=xfi",))
CENTAUR = Head("Centaur-like", ("model.fusion=centaur",))
OURS = Head("trusted MuMu (ours)", ("model.fusion=trusted_mumu",))
