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

"""Every target of `mumu fuzz` takes good input and a little that is not; the command itself tries millions."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import pytest

from mumu_ros.nodes.processes import own_domain
from mumu_ros.trials.targets import TARGETS

COUNT = 20


@pytest.mark.parametrize("name", list(TARGETS))
def test_bytes_end_in_a_sentence(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in own_domain().items():
        monkeypatch.setenv(variable, value)
    r = random.Random(name)
    with contextlib.ExitStack() as undo:
        seeds, feed = TARGETS[name](tmp_path, undo)
        assert seeds
        for seed in seeds:
            feed(seed)
        for _ in range(COUNT):
            data = bytearray(r.choice(seeds))
            for _ in range(r.randint(1, 4)):
                data[r.randrange(len(data))] = r.randrange(256)
            feed(bytes(data[: r.choice([len(data), len(data), r.randrange(len(data))])]))
