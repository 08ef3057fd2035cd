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

"""Which back end: the one that was asked for, or the best that is installed; and how it is prepared ahead of time."""

from __future__ import annotations

import importlib.util
import logging
import shlex
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from mumu_ros.install_hints import install
from mumu_ros.model.checkpoint import Checkpoint
from mumu_ros.model.parts import BACKENDS, foreign_files
from mumu_ros.recognition.backends.exports import cache_folder, exported_folder, find_export, seal, write_export
from mumu_ros.recognition.backends.interface import Backend, BackendError

__all__ = ["BACKENDS", "choose_backend", "export_backend", "is_exported", "open_backend", "takes_long"]


@dataclass(frozen=True)
class _Conversion:
    """What a back end needs that does not start by itself.

    Attributes:
        takes: How long the conversion takes, in words.
        to_run: Modules.
        to_export: Modules, besides.
        extra: Of the package, with all of them.
        on_cuda: It runs on CUDA devices, too.
    """

    takes: str
    to_run: tuple[str, ...] = ()
    to_export: tuple[str, ...] = ()
    extra: str = ""
    on_cuda: bool = False


_CONVERSIONS = {
    "compile": _Conversion("some minutes"),
    "openvino": _Conversion("up to 30 s", ("openvino",), (), "openvino"),
    "openvino_int8": _Conversion("some minutes", ("openvino",), ("nncf",), "openvino"),
    "onnxruntime": _Conversion("about 30 s", ("onnxruntime",), ("onnx", "onnxscript"), "onnx", on_cuda=True),
}

_logger = logging.getLogger(__name__)


def choose_backend(checkpoint: Checkpoint, folder: Path) -> str:
    """What `auto` means for a model on its device.

    On CUDA its graphs. On a CPU what the model's folder has, since it starts at once and was made on purpose: int8,
    else the first of the following. Without any, the first that is installed of OpenVINO where the processor computes
    in bf16, ONNX Runtime, OpenVINO, PyTorch. With parts of other packages and no such export always PyTorch: a
    conversion keeps one path through their code, and only who wrote it knows whether there are others.
    """
    from mumu_ros.recognition.backends.compiled import computes_bf16

    has_foreign_parts = bool(foreign_files(checkpoint.config))
    if _device(checkpoint).type == "cuda":
        return "eager" if has_foreign_parts else "cuda_graphs"
    best = ("openvino", "onnxruntime") if computes_bf16() else ("onnxruntime", "openvino")
    for name in ("openvino_int8", *best):
        if not _missing(_CONVERSIONS[name].to_run) and find_export(name, checkpoint, [exported_folder(name, folder)]):
            return name
    for name in () if has_foreign_parts else best:
        needs = _CONVERSIONS[name]
        if is_exported(name, checkpoint, folder) or not _missing(needs.to_run + needs.to_export):
            return name
    return "eager"


def open_backend(name: str, checkpoint: Checkpoint, folder: Path, threads: int = 1) -> Backend:
    """A model on a back end, or on the best one (`auto`): what was prepared before, in the model's folder or by an
    earlier start, else made now.

    What is made now takes a while; that is logged before, and the result is kept for the next time (`cache_folder`).

    Raises:
        BackendError: No such back end, it is not installed or broken, does not run on this device, or has to be
            exported before.
    """
    if name == "auto":
        name = choose_backend(checkpoint, folder)
    _check(name, _device(checkpoint))
    try:
        return _open(name, checkpoint, folder, threads)
    except ImportError as error:
        raise BackendError(f"backend {name} is installed and broken ({error}); choose another one") from error


def _open(name: str, checkpoint: Checkpoint, folder: Path, threads: int) -> Backend:
    network = checkpoint.model
    if not takes_long(name):
        ready: Backend = BACKENDS[name](network)
        return ready
    if name == "onnxruntime":
        from mumu_ros.recognition.backends import onnx

        onnx.check_device(_device(checkpoint))  # before a conversion that takes half a minute
    cache = cache_folder(name, checkpoint)
    where = find_export(name, checkpoint, _folders(name, checkpoint, folder))
    if where is None:
        _announce(name, checkpoint, folder, cache)
    if name == "compile":
        return _compile(checkpoint, cache, is_ready=where is not None)
    if name == "onnxruntime":
        models = onnx.read(network, where) if where else _convert_and_keep(name, checkpoint, cache, onnx)
        return onnx.OnnxRuntime(network, models, _device(checkpoint), threads, cache / "engines")
    from mumu_ros.recognition.backends import openvino

    models = openvino.read(network, where) if where else _convert_and_keep(name, checkpoint, cache, openvino)
    return openvino.OpenVino(network, models, threads)


def _announce(name: str, checkpoint: Checkpoint, folder: Path, cache: Path) -> None:
    """Say that starting takes long this time; raise if there is nothing to start from."""
    _require(name, _CONVERSIONS[name].to_export)
    if name == "openvino_int8":
        where = exported_folder(name, folder)
        raise BackendError(
            f"backend openvino_int8: {str(where)!r} has none for {checkpoint.id}; it is calibrated on frames, ahead of "
            f"time: mumu export {shlex.quote(str(folder))} --backend openvino_int8 --calibrate DATASET ROOT"
        )
    _logger.warning(
        "No valid %s export for %s; converting (%s). It is kept for the next start in %s. "
        "Run `mumu export %s --backend %s` once to avoid this.",
        *(name, checkpoint.id, _CONVERSIONS[name].takes, cache, shlex.quote(str(folder)), name),
    )


def _convert_and_keep(name: str, checkpoint: Checkpoint, cache: Path, converter: ModuleType) -> Any:
    models = _converted(name, checkpoint, converter)
    try:
        write_export(name, checkpoint, cache, lambda where: converter.write(checkpoint.model, models, where))
    except OSError as error:
        _logger.warning("The conversion cannot be kept in %s (%s); the next start converts again.", cache, error)
    return models


def _converted(name: str, checkpoint: Checkpoint, converter: ModuleType) -> Any:
    try:
        return converter.convert(checkpoint.model)
    except Exception as error:  # whatever a converter makes of parts of other packages
        reason = str(error.__cause__ or error).strip().partition("\n")[0] or type(error).__name__
        raise BackendError(f"backend {name} cannot convert this network ({reason}); choose backend eager") from error


def _compile(checkpoint: Checkpoint, cache: Path, *, is_ready: bool) -> Backend:
    """Compiled code holds the path of its folder, so it is made in place; the facts make it whole."""
    from mumu_ros.recognition.backends.compiled import Compiled

    if is_ready:
        return Compiled(checkpoint.model, cache)
    shutil.rmtree(cache, ignore_errors=True)
    compiled = Compiled(checkpoint.model, cache)
    try:
        seal("compile", checkpoint, cache)
    except OSError as error:
        _logger.warning("The compiled code cannot be kept in %s (%s).", cache, error)
    return compiled


def export_backend(
    name: str,
    checkpoint: Checkpoint,
    folder: Path,
    frames: Mapping[str, Sequence[np.ndarray]] | None = None,
) -> Path:
    """Prepare a back end ahead of time: in the model's folder, but for compiled code, which is this user's own.

    openvino_int8 is calibrated on prepared `frames`, by modality.

    Returns:
        The folder with what was prepared.

    Raises:
        BackendError: There is nothing to prepare, or what it needs is not installed.
    """
    if name == "auto":
        name = choose_backend(checkpoint, folder)
    _check(name, _device(checkpoint))
    if not takes_long(name):
        raise BackendError(f"backend {name}: there is nothing to export, it starts in seconds by itself")
    _require(name, _CONVERSIONS[name].to_export)
    if name == "compile":
        where = cache_folder(name, checkpoint)
        _compile(checkpoint, where, is_ready=False)
        return where
    where = exported_folder(name, folder)
    write_export(name, checkpoint, where, lambda into: _convert(name, checkpoint, into, frames))
    return where


def takes_long(name: str) -> bool:
    """Whether a back end is prepared for a while before it can start, unless it was exported."""
    return name in _CONVERSIONS


def is_exported(name: str, checkpoint: Checkpoint, folder: Path) -> bool:
    """Whether a back end is installed and ready, whole, for this very network: its weights and its configuration."""
    if not takes_long(name) or _missing(_CONVERSIONS[name].to_run):
        return False
    return find_export(name, checkpoint, _folders(name, checkpoint, folder)) is not None


def _folders(name: str, checkpoint: Checkpoint, folder: Path) -> Iterator[Path]:
    """Where a back end may lie, the nearest first."""
    if name != "compile":
        yield exported_folder(name, folder)
    if name != "openvino_int8":
        yield cache_folder(name, checkpoint)


def _convert(name: str, checkpoint: Checkpoint, where: Path, frames: Mapping[str, Sequence[np.ndarray]] | None) -> None:
    network = checkpoint.model
    if name == "onnxruntime":
        from mumu_ros.recognition.backends import onnx

        onnx.write(network, _converted(name, checkpoint, onnx), where)
        return
    from mumu_ros.recognition.backends import openvino

    if name == "openvino":
        openvino.write(network, _converted(name, checkpoint, openvino), where)
        return
    names = openvino.quantizable(network)
    if frames is None:
        raise BackendError("backend openvino_int8: nothing to calibrate on; add --calibrate DATASET ROOT")
    quantized = openvino.quantize(_converted(name, checkpoint, openvino), {camera: frames[camera] for camera in names})
    openvino.write(network, quantized, where)


def _device(checkpoint: Checkpoint) -> torch.device:
    return next(checkpoint.model.parameters()).device


def _check(name: str, device: torch.device) -> None:
    if name not in BACKENDS:
        raise BackendError(f"backend is {name!r}; expected auto or one of {', '.join(BACKENDS)}")
    if name == "cuda_graphs" and device.type != "cuda":
        raise BackendError(f"backend cuda_graphs needs a CUDA device, and the model is on {device}; set device: cuda")
    if not takes_long(name):
        return
    if device.type == "cuda" and not _CONVERSIONS[name].on_cuda:
        raise BackendError(f"backend {name} runs on the CPU, and the model is on {device}; set device: cpu")
    _require(name, _CONVERSIONS[name].to_run)


def _require(name: str, modules: Sequence[str]) -> None:
    if missing := _missing(modules):
        remedy = f"{install(_CONVERSIONS[name].extra)}, or choose backend auto"
        raise BackendError(f"backend {name} needs {', '.join(missing)}, which is not installed here: {remedy}")


def _missing(modules: Sequence[str]) -> list[str]:
    return [module for module in modules if importlib.util.find_spec(module) is None]
