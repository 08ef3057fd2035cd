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

"""A trained model on disk: one folder with `model.safetensors`, `config.json` and, if the model measures novelty,
`novelty.safetensors`; nothing is pickled.

torch is imported where weights are touched only: `sensor_sync` reads a model's configuration without having
it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mumu_ros.files import expanded, folder_beside
from mumu_ros.model.calibration import Calibration
from mumu_ros.model.checks import build
from mumu_ros.model.config import ConfigError, ModelConfig
from mumu_ros.model.novelty import Novelty
from mumu_ros.reading import MAX_TEXT, parse_json, read_bytes
from mumu_ros.share import share_path

if TYPE_CHECKING:
    import torch

    from mumu_ros.model.network import Network

__all__ = [
    "HEALTH_FILE",
    "Checkpoint",
    "CheckpointError",
    "check_target",
    "find_model",
    "load_checkpoint",
    "read_config",
    "save_checkpoint",
    "select_device",
]

HEALTH_FILE = "health.safetensors"
"""Beside the two, where the model knows what healthy sensors look like: see `mumu_ros.health`."""
_WEIGHTS = "model.safetensors"
_CONFIG = "config.json"
_NOVELTY = "novelty.safetensors"
_KEYS = {"model", "calibration", "provenance"}
_MAX_WEIGHTS = 8 * 2**30
_MAX_NOVELTY = 2**24
_MAX_BESIDE = 2**24
"""Values of a network beside its weights: more than those for which a configuration may ask."""


class CheckpointError(ValueError):
    """A model folder that cannot be used: names the path, what is wrong with it and the remedy."""


@dataclass(frozen=True, repr=False)
class Checkpoint:
    """A loaded model.

    Attributes:
        model: The network, in evaluation mode.
        config: Its configuration.
        calibration: Of its logits.
        provenance: What it was made from: command, data, seeds, versions.
        id: Name and first 8 hexadecimal digits of the SHA-256 of its weights, `sim@0a1b2c3d`.
        novelty: Of windows; None if the calibration does not use it.
    """

    model: Network
    config: ModelConfig
    calibration: Calibration
    provenance: Mapping[str, Any] = field(hash=False)
    id: str
    novelty: Novelty | None = None

    @property
    def trained_on(self) -> Mapping[str, Any]:
        """What the provenance says of the data; empty where there is none, or something else that somebody wrote."""
        data = self.provenance.get("data")
        return data if isinstance(data, Mapping) else {}

    @property
    def made_from(self) -> tuple[Mapping[str, Any], ...]:
        """`id` and `data` of the models that it began with or was taught by, and of those that they were made from;
        empty where the provenance has none, as that of older models, or something else that somebody wrote.
        """
        parents = self.provenance.get("made_from")
        found = [parent for parent in parents if isinstance(parent, Mapping)] if isinstance(parents, list) else []
        return tuple(p for p in found if isinstance(p.get("id"), str) and isinstance(p.get("data"), Mapping))

    def __repr__(self) -> str:
        names, taxonomy = ", ".join(self.config.names), self.config.taxonomy
        return f"<Checkpoint {self.id}: {names}; {self.config.window_s:g} s; {len(taxonomy.activities)} activities>"


def find_model(name: str | Path) -> Path:
    """The folder of a model: `name` itself, or the shipped model of that name.

    Raises:
        CheckpointError: It is neither.
    """
    path = expanded(name)
    if name and path.is_dir():  # an empty path is the current folder
        return path
    shipped = share_path("models")
    names = sorted(p.name for p in shipped.iterdir() if p.is_dir())
    if str(name) in names:
        return shipped / name
    raise CheckpointError(
        f"no model folder {str(name)!r}; give the folder of a model, or the name of a shipped one: {', '.join(names)}"
    )


def check_target(path: str | Path) -> None:
    """See that a model could be written to a path, before hours are spent on one.

    Raises:
        CheckpointError: Something is there that is no model folder, or that cannot be replaced.
    """
    path = Path(path).resolve()  # of a link, the folder that it leads to
    if path.is_mount() or (path.exists() and path in (here := Path.cwd(), *here.parents)):
        what = "is a mount point" if path.is_mount() else "is the current folder, or holds it"
        raise CheckpointError(f"{str(path)!r} {what}, and cannot be replaced; choose a new folder in it")
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    try:
        _read_content(path)  # many other programs have a config.json, too
    except CheckpointError as error:
        raise CheckpointError(
            f"{str(path)!r} exists and is no model folder; choose another path or remove it"
        ) from error


def save_checkpoint(
    path: str | Path,
    model: Network,
    *,
    calibration: Calibration | None = None,
    provenance: Mapping[str, Any] | None = None,
    novelty: Novelty | None = None,
) -> None:
    """Write a model folder, replacing one that is there.

    Everything is written beside the folder and then renamed, so that it never looks whole when it is not.

    Raises:
        ValueError: The calibration has a `novelty_weight`, and there is no `novelty`.
        CheckpointError: Something is at `path` that is no model folder, or that cannot be replaced.
    """
    from safetensors.torch import save

    check_target(path)
    path = Path(path).resolve()  # of a link, the folder that it leads to
    if calibration is not None and calibration.novelty_weight and novelty is None:
        raise ValueError(f"the calibration has a novelty_weight of {calibration.novelty_weight:g}; give the novelty")
    with folder_beside(path) as temporary:
        weights = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
        data = save(weights)
        (temporary / _WEIGHTS).write_bytes(data)
        if novelty is not None:
            (temporary / _NOVELTY).write_bytes(novelty.to_bytes(_digest(data)))
        content = {
            "model": model.config.to_dict(),
            "calibration": asdict(calibration or Calibration()),
            "provenance": dict(provenance or {}),
        }
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
        (temporary / _CONFIG).write_text(text + "\n", encoding="utf-8")
        _replace(temporary, path)


def _replace(temporary: Path, path: Path) -> None:
    if not path.exists():
        os.rename(temporary, path)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{path.name}.old.", dir=path.parent))
    try:
        os.rename(path, old)  # onto an empty folder, which POSIX replaces
        try:
            os.rename(temporary, path)
        except BaseException:
            os.rename(old, path)
            raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def read_config(path: str | Path) -> ModelConfig:
    """Read the configuration of a model, a folder or the name of a shipped one, without torch.

    Raises:
        CheckpointError: See `load_checkpoint`.
    """
    return _read(find_model(path))[0]


def load_checkpoint(path: str | Path, device: str | torch.device = "cpu") -> Checkpoint:
    """Load a model from its folder, or a shipped one by its name.

    Raises:
        CheckpointError: The folder or a file of it is missing, JSON or weights are corrupt, the format is of
            another version, or the weights do not fit the configuration.
    """
    path = find_model(path)
    config, calibration, provenance = _read(path)
    data = _read_file(path, _WEIGHTS, _MAX_WEIGHTS)
    weights = _weights(path, data)
    model = _build(path, config, weights)
    digest = _digest(data)
    novelty = _read_novelty(path, model, digest) if calibration.novelty_weight else None
    return Checkpoint(model.to(device).eval(), config, calibration, provenance, f"{config.name}@{digest}", novelty)


def _weights(path: Path, data: bytes) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        weights: dict[str, torch.Tensor] = load(data)
    except (SafetensorError, KeyError) as error:
        reason = f"no data type {error} in torch" if isinstance(error, KeyError) else str(error)
        raise CheckpointError(
            f"{str(path / _WEIGHTS)!r} is corrupt ({len(data)} bytes: {reason}); copy or train the model again"
        ) from error
    return weights


def _build(path: Path, config: ModelConfig, weights: Mapping[str, torch.Tensor]) -> Network:
    """The network with its weights. A configuration that asks for more is refused before memory is taken."""
    from mumu_ros.model.bounded_build import TooManyValuesError, build_within

    count = sum(weight.numel() for weight in weights.values())
    try:
        model = build_within(config, count + _MAX_BESIDE)
    except TooManyValuesError as error:
        raise CheckpointError(
            f"{str(path / _WEIGHTS)!r} does not fit {_CONFIG}: it has {count} values, and the network has {error}; the "
            "two files must come from the same training"
        ) from error
    _check_fit(path, model.state_dict(), weights)
    model.load_state_dict(weights)
    return model


def _digest(weights: bytes) -> str:
    return hashlib.sha256(weights).hexdigest()[:8]


def _read_novelty(path: Path, model: Network, digest: str) -> Novelty:
    data = _read_file(path, _NOVELTY, _MAX_NOVELTY)
    try:
        novelty, weights = Novelty.from_bytes(data)
    except ValueError as error:
        raise CheckpointError(
            f"{str(path / _NOVELTY)!r} is corrupt ({len(data)} bytes: {error}); copy or train the model again"
        ) from error
    size = novelty.features.shape[1]
    if weights != digest or novelty.modality not in model.config.names or size != model.unimodal_size:
        raise CheckpointError(
            f"{str(path / _NOVELTY)!r} has {size} features of {novelty.modality} by weights {weights}; expected "
            f"{model.unimodal_size} of {' or '.join(model.config.names)} by {digest}; the files must be of one training"
        )
    return novelty


def _check_fit(path: Path, wanted: Mapping[str, torch.Tensor], weights: Mapping[str, torch.Tensor]) -> None:
    """Names and shapes, and whether the values are floating-point numbers, of whatever precision."""
    expected, found = (
        {key: (*value.shape, "floating" if value.is_floating_point() else "integer") for key, value in part.items()}
        for part in (wanted, weights)
    )
    if found == expected:
        return
    key = sorted(k for k in {*found, *expected} if found.get(k) != expected.get(k))[0]
    raise CheckpointError(
        f"{str(path / _WEIGHTS)!r} does not fit {_CONFIG}: {key} is {found.get(key, 'missing')}, expected "
        f"{expected.get(key, 'nothing of that name')}; the two files must come from the same training"
    )


def _read_file(path: Path, name: str, limit: int) -> bytes:
    try:
        return read_bytes(path / name, limit)
    except OSError as error:
        raise CheckpointError(
            f"cannot read {str(path / name)!r} ({error.strerror}); a model folder holds {_CONFIG} and {_WEIGHTS}, and "
            f"{_NOVELTY} if its calibration has a novelty_weight"
        ) from error


def _read_content(path: Path) -> dict[str, Any]:
    """The parts of a model's `config.json`."""
    where = repr(str(path / _CONFIG))
    data = _read_file(path, _CONFIG, MAX_TEXT)
    try:
        content = parse_json(data)
    except ValueError as error:
        raise CheckpointError(f"{where} is not JSON ({error}); copy or train the model again") from error
    if not isinstance(content, dict) or set(content) != _KEYS:
        found = sorted(content) if isinstance(content, dict) else type(content).__name__
        raise CheckpointError(f"{where} has {found}; expected {sorted(_KEYS)}: is it a mumu_ros model?")
    return content


def _read(path: Path) -> tuple[ModelConfig, Calibration, Mapping[str, Any]]:
    where = repr(str(path / _CONFIG))
    content = _read_content(path)
    if not isinstance(content["provenance"], dict):
        raise CheckpointError(f"{where}: provenance is {content['provenance']!r}; expected keys and values")
    try:
        config = ModelConfig.from_dict(content["model"])
        return config, build(Calibration, content["calibration"], "calibration"), content["provenance"]
    except ConfigError as error:
        remedy = "use a model trained by this version, or install the package that has what it names"
        raise CheckpointError(f"{where}: {error}; {remedy}") from error


def select_device(name: str) -> torch.device:
    """The device to compute on: `auto` (a GPU if there is one), `cpu`, `cuda` or `cuda:<index>`.

    Raises:
        ValueError: No such device on this machine, or no such name.
    """
    import torch

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda" if gpus else "cpu")
    if name == "cpu":
        return torch.device("cpu")
    kind, colon, index = name.partition(":")
    if kind != "cuda" or (colon and not index.isdecimal()):
        raise ValueError(f"device is {name!r}; expected auto, cpu, cuda or cuda:<index>")
    if int(index or 0) >= gpus:
        raise ValueError(
            f"device is {name!r} but torch {torch.__version__} sees {gpus} CUDA devices; use auto or cpu, "
            "or install a torch built for CUDA and check the driver with nvidia-smi"
        )
    return torch.device(name)
