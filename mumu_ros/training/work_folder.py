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

"""Work folders: one that was begun with other settings or other data is refused."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import reprlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from mumu_ros.files import replacing
from mumu_ros.model.config import ConfigError
from mumu_ros.reading import read_json

__all__ = ["digest", "reserve"]

# Where windows are kept and what computes changes no result; precision, and how many devices share a step, do.
_FREE = ("data.cache", "machine.accelerator", "machine.strategy")
_NAMED = 3


def digest(arrays: Iterable[np.ndarray]) -> str:
    """Of the values of arrays: the first 8 hexadecimal digits of their SHA-256."""
    values = hashlib.sha256()
    for array in arrays:
        values.update(np.ascontiguousarray(array).tobytes())
    return values.hexdigest()[:8]


def reserve(path: Path, work: Any, whole: Path | None = None) -> None:
    """Write down as JSON which work a folder is for; refuse a folder that is for another.

    A folder goes on when the file lacks a key that has its default now: the key is newer than the file. `data.cache`,
    `machine.accelerator` and `machine.strategy` may differ.

    Args:
        path: The file.
        work: What the folder is for.
        whole: Folder of the whole work, which is to be removed to start again; None: the file's.

    Raises:
        ConfigError: The file is of other work, and some of the differences are named; or it is damaged.
        OSError: It cannot be written; names the path.
    """
    remedy = f"remove {str(whole or path.parent)!r}, or choose another --out"
    if path.exists():
        try:
            known = read_json(path)
        except ValueError as error:
            raise ConfigError(f"{str(path)!r} is damaged ({error}); {remedy}") from error
        if different := list(islice(_differences(known, work), _NAMED)):
            raise ConfigError(f"{str(path)!r} is of other work: {'; '.join(different)}; {remedy}")
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:  # with numbers that are not finite, which settings may have
        temporary.write_text(json.dumps(work, indent=1, default=dataclasses.asdict) + "\n", encoding="utf-8")


def _differences(was: Any, now: Any, where: str = "") -> Iterator[str]:
    """Describe a difference in JSON other than between objects: `optimization.epochs was 15, is 25`."""
    if where in _FREE:
        return
    now = list(now) if isinstance(now, tuple) else now
    prefix = where and f"{where}."
    if isinstance(was, Mapping) and dataclasses.is_dataclass(now):
        for field in dataclasses.fields(now):
            value = getattr(now, field.name)
            # Null, too, is what an older default was written as.
            if was.get(field.name) is not None or value != field.default:
                yield from _differences(was.get(field.name), value, prefix + field.name)
        known = {field.name for field in dataclasses.fields(now)}
        yield from (f"{prefix}{key} was {reprlib.repr(was[key])}, is no more" for key in was if key not in known)
    elif isinstance(was, Mapping) and isinstance(now, Mapping):
        # The order counts: it numbers activities.
        yield from _differences(list(was), list(now), where)
        for key in (key for key in now if key in was):
            yield from _differences(was[key], now[key], prefix + key)
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for index, pair in enumerate(zip(was, now, strict=True)):
            yield from _differences(*pair, f"{prefix}{index}")
    elif was != now:
        yield f"{where} was {reprlib.repr(was)}, is {reprlib.repr(now)}"
