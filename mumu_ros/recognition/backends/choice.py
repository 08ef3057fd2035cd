"""Which back end: the one that was asked for, or the best that is installed; and how it is prepared ahead of time."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import torch

from mumu_ros.model.checkpoint import Checkpoint
from mumu_ros.recognition.backends.eager import Eager
from mumu_ros.recognition.backends.interface import Backend, BackendError

__all__ = ["BACKENDS", "choose_backend", "export_backend", "is_exported", "open_backend", "takes_long"]

BACKENDS = ("eager", "compile", "openvino", "openvino_int8", "onnxruntime", "cuda_graphs")

_TO_RUN = {"openvino": ["openvino"], "openvino_int8": ["openvino"], "onnxruntime": ["onnxruntime"]}
_TO_EXPORT = {"openvino_int8": ["nncf"], "onnxruntime": ["onnx", "onnxscript"]}
_EXTRAS = {"openvino": "openvino", "openvino_int8": "openvino", "onnxruntime": "onnx"}
_FACTS = "export.json"


def choose_backend(checkpoint: Checkpoint, folder: Path) -> str:
    """What `auto` means for a model on its device.

    On CUDA its graphs. On a CPU the first of these that is installed: int8 where the model's folder has it, OpenVINO
    where the processor computes in bf16, ONNX Runtime, OpenVINO, PyTorch.

    Args:
        checkpoint: The model.
        folder: Its folder.
    """
    from mumu_ros.recognition.backends.compiled import computes_bf16

    if _device(checkpoint).type == "cuda":
        return "cuda_graphs"
    if is_exported("openvino_int8", checkpoint, folder) and not _missing(_TO_RUN["openvino_int8"]):
        return "openvino_int8"
    for name in ("openvino", "onnxruntime") if computes_bf16() else ("onnxruntime", "openvino"):
        modules = _TO_RUN[name] + ([] if is_exported(name, checkpoint, folder) else _TO_EXPORT.get(name, []))
        if not _missing(modules):
            return name
    return "eager"


def open_backend(name: str, checkpoint: Checkpoint, folder: Path, threads: int = 1) -> Backend:
    """A model on a back end: what `export_backend` prepared, else what is made now, which takes a while.

    Args:
        name: One of `BACKENDS`.
        checkpoint: The model, on the device that it is to run on.
        folder: Its folder.
        threads: CPU threads.

    Raises:
        BackendError: No such back end, it is not installed or broken, does not run on this device, or has to be
            exported before.
    """
    _check(name, _device(checkpoint))
    try:
        return _open(name, checkpoint, folder, threads)
    except ImportError as error:
        raise BackendError(f"backend {name} is installed and broken ({error}); choose another one") from error


def _open(name: str, checkpoint: Checkpoint, folder: Path, threads: int) -> Backend:
    network = checkpoint.model
    is_ready = is_exported(name, checkpoint, folder)
    where = _where(name, folder)
    if name == "eager":
        return Eager(network)
    if name == "compile":
        from mumu_ros.recognition.backends.compiled import Compiled

        return Compiled(network, where if is_ready else None)
    if name == "cuda_graphs":
        from mumu_ros.recognition.backends.cuda_graphs import CudaGraphs

        return CudaGraphs(network)
    if name == "onnxruntime":
        from mumu_ros.recognition.backends import onnx

        if not is_ready:
            _require(name, _TO_EXPORT[name])
        models = onnx.read(network, where) if is_ready else onnx.convert(network)
        return onnx.OnnxRuntime(network, models, _device(checkpoint), threads, where if is_ready else None)
    from mumu_ros.recognition.backends import openvino

    if name == "openvino_int8" and not is_ready:
        raise BackendError(
            f"backend openvino_int8: {str(where)!r} has none for {checkpoint.id}; it is calibrated on frames, ahead of "
            f"time: mumu export {folder} --backend openvino_int8 --calibrate DATASET ROOT"
        )
    return openvino.OpenVino(network, openvino.read(network, where) if is_ready else openvino.convert(network), threads)


def export_backend(
    name: str,
    checkpoint: Checkpoint,
    folder: Path,
    frames: Mapping[str, Sequence[np.ndarray]] | None = None,
) -> Path:
    """Prepare a back end ahead of time, in the model's folder.

    Args:
        name: One of `BACKENDS` that takes time to start.
        checkpoint: The model, on the CPU.
        folder: Its folder.
        frames: For openvino_int8: by modality prepared frames to calibrate on.

    Returns:
        The folder with what was prepared.

    Raises:
        BackendError: There is nothing to prepare, or what it needs is not installed.
    """
    _check(name, _device(checkpoint))
    if not takes_long(name):
        raise BackendError(f"backend {name}: there is nothing to export, it starts in seconds by itself")
    _require(name, _TO_EXPORT.get(name, []))
    where = _where(name, folder)
    where.parent.mkdir(exist_ok=True)
    if name == "compile":
        # Compiled code holds the path of its folder, so it is made in place; the facts make it whole.
        from mumu_ros.recognition.backends.compiled import Compiled

        shutil.rmtree(where, ignore_errors=True)
        Compiled(checkpoint.model, where)
        _write_facts(name, checkpoint, where)
        return where
    temporary = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=where.parent))
    try:
        temporary.chmod(0o755)
        _convert(name, checkpoint, temporary, frames)
        _write_facts(name, checkpoint, temporary)
        shutil.rmtree(where, ignore_errors=True)
        temporary.rename(where)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return where


def takes_long(name: str) -> bool:
    """Whether a back end is prepared for a while before it can start, unless it was exported."""
    return name not in ("eager", "cuda_graphs")


def is_exported(name: str, checkpoint: Checkpoint, folder: Path) -> bool:
    """Whether a model's folder has this back end for this very network: its weights and its configuration."""
    try:
        facts = json.loads((_where(name, folder) / _FACTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(facts, dict) and {**facts, **_identity(checkpoint)} == facts


def _convert(name: str, checkpoint: Checkpoint, where: Path, frames: Mapping[str, Sequence[np.ndarray]] | None) -> None:
    if name == "onnxruntime":
        from mumu_ros.recognition.backends import onnx

        onnx.write(checkpoint.model, onnx.convert(checkpoint.model), where)
        return
    from mumu_ros.recognition.backends import openvino

    models = openvino.convert(checkpoint.model)
    if name == "openvino_int8":
        if frames is None:
            raise BackendError("backend openvino_int8: nothing to calibrate on; add --calibrate DATASET ROOT")
        models = openvino.quantize(checkpoint.model, models, frames)
    openvino.write(checkpoint.model, models, where)


def _write_facts(name: str, checkpoint: Checkpoint, where: Path) -> None:
    versions = {module: _version(importlib.import_module(module)) for module in ["torch", *_TO_RUN.get(name, [])]}
    facts = {**_identity(checkpoint), "backend": name, "versions": versions}
    (where / _FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def _identity(checkpoint: Checkpoint) -> dict[str, str]:
    config = json.dumps(checkpoint.config.to_dict(), sort_keys=True)
    return {"model": checkpoint.id, "config": hashlib.sha256(config.encode()).hexdigest()[:8]}


def _version(module: ModuleType) -> str:
    return str(module.__version__)


def _where(name: str, folder: Path) -> Path:
    return folder / "backends" / name


def _device(checkpoint: Checkpoint) -> torch.device:
    return next(checkpoint.model.parameters()).device


def _check(name: str, device: torch.device) -> None:
    if name not in BACKENDS:
        raise BackendError(f"backend is {name!r}; expected auto or one of {', '.join(BACKENDS)}")
    if name == "cuda_graphs" and device.type != "cuda":
        raise BackendError(f"backend cuda_graphs needs a CUDA device, and the model is on {device}; set device: cuda")
    if device.type == "cuda" and name not in ("cuda_graphs", "eager", "onnxruntime"):
        raise BackendError(f"backend {name} runs on the CPU, and the model is on {device}; set device: cpu")
    _require(name, _TO_RUN.get(name, []))


def _require(name: str, modules: Sequence[str]) -> None:
    if missing := _missing(modules):
        remedy = f"pip install 'mumu_ros[{_EXTRAS[name]}]', or choose backend auto"
        raise BackendError(f"backend {name} needs {', '.join(missing)}, which is not installed here: {remedy}")


def _missing(modules: Sequence[str]) -> list[str]:
    return [module for module in modules if importlib.util.find_spec(module) is None]
