"""Every door of `mumu fuzz` takes good input and a little that is not; the command itself tries millions."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import pytest

from mumu_ros.trials.targets import TARGETS

COUNT = 20


@pytest.mark.parametrize("name", list(TARGETS))
def test_bytes_end_in_a_sentence(name: str, tmp_path: Path) -> None:
    r = random.Random(name)
    with contextlib.ExitStack() as undo:
        seeds, feed = TARGETS[name].make(tmp_path, undo)
        assert seeds
        for seed in seeds:
            feed(seed)
        for _ in range(COUNT):
            data = bytearray(r.choice(seeds))
            for _ in range(r.randint(1, 4)):
                data[r.randrange(len(data))] = r.randrange(256)
            feed(bytes(data[: r.choice([len(data), len(data), r.randrange(len(data))])]))
