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

"""Prepared back ends on disk: where they are, what they were made for, and whether they are still whole."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from mumu_ros.files import folder_beside
from mumu_ros.model.checkpoint import Checkpoint
from mumu_ros.model.parts import foreign_files
from mumu_ros.reading import read_json

__all__ = ["cache_folder", "essence", "exported_folder", "find_export", "seal", "write_export"]

_FACTS = "export.json"
_FORMAT = 3
"""Raised when converted parts take other inputs or give other outputs: older exports are then made again."""
_LIBRARIES = {"compile": [], "openvino": ["openvino"], "openvino_int8": ["openvino"], "onnxruntime": ["onnxruntime"]}
_READ_AT_ONCE = 1 << 20


def exported_folder(name: str, folder: Path) -> Path:
    """Where `mumu export` puts a back end that can travel with its model."""
    return folder / "backends" / name


def cache_folder(name: str, checkpoint: Checkpoint) -> Path:
    """Where this user's conversions of a model are kept: one folder for weights, configuration, back end and versions.

    It is under $XDG_CACHE_HOME, by default ~/.cache. Compiled code and engines are kept here only: loading them runs
    them, so they never come from a model's folder, which may be somebody else's.
    """
    key = json.dumps([_identity(name, checkpoint), _versions(name)], sort_keys=True)
    home = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(home) if os.path.isabs(home) else Path.home() / ".cache"
    return root / "mumu_ros" / "backends" / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def find_export(name: str, checkpoint: Checkpoint, folders: Iterable[Path]) -> Path | None:
    """The first of these folders that holds this back end, whole, for this very network; None if none does."""
    return next((folder for folder in folders if _is_valid(name, checkpoint, folder)), None)


def write_export(name: str, checkpoint: Checkpoint, where: Path, fill: Callable[[Path], None]) -> None:
    """Have a folder filled beside its place, seal it, and put it there.

    Raises:
        OSError: The folder cannot be written.
    """
    with folder_beside(where) as temporary:
        fill(temporary)
        seal(name, checkpoint, temporary)
        shutil.rmtree(where, ignore_errors=True)
        temporary.rename(where)


def seal(name: str, checkpoint: Checkpoint, folder: Path) -> None:
    """Write into a folder the facts by which `find_export` knows it: what it is for, and the SHA-256 of its files."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    facts = {
        **_identity(name, checkpoint),
        "files": {path.relative_to(folder).as_posix(): _digest(path) for path in files},
        "versions": _versions(name),
    }
    (folder / _FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def essence(value: Any) -> Any:
    """A configuration as JSON-able data, without the fields that have their default.

    So a field that is added later with a default changes nothing for the configurations that do not use it.
    """
    if dataclasses.is_dataclass(value):
        fields = {field.name: (getattr(value, field.name), _default(field)) for field in dataclasses.fields(value)}
        return {name: essence(given) for name, (given, default) in fields.items() if given != default}
    if isinstance(value, Mapping):
        return [[key, essence(part)] for key, part in value.items()]  # the order of activities counts
    if isinstance(value, list | tuple):
        return [essence(part) for part in value]
    return value


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _identity(name: str, checkpoint: Checkpoint) -> dict[str, Any]:
    config = json.dumps(essence(checkpoint.config), sort_keys=True)
    digest = hashlib.sha256(config.encode()).hexdigest()[:16]
    facts = {"format": _FORMAT, "backend": name, "model": checkpoint.id, "config": digest}
    # The weights say nothing about the code of other packages' parts, and a conversion is of both.
    sources = [_digest(path) for path in foreign_files(checkpoint.config)]
    return {**facts, "sources": sources} if sources else facts


def _is_valid(name: str, checkpoint: Checkpoint, folder: Path) -> bool:
    try:
        facts = read_json(folder / _FACTS)
        if not isinstance(facts, dict) or {**facts, **_identity(name, checkpoint)} != facts:
            return False
        files = {folder / name: digest for name, digest in facts["files"].items()}
        return bool(files) and all(path.is_file() and _digest(path) == digest for path, digest in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False  # damaged, or written by hand


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_READ_AT_ONCE):
            digest.update(block)
    return digest.hexdigest()


def _versions(name: str) -> dict[str, str]:
    # "onnxruntime" may be the module of several distributions, such as onnxruntime-gpu: the module knows.
    modules = ["torch", *_LIBRARIES.get(name, [])]
    return {module: str(importlib.import_module(module).__version__) for module in modules}
