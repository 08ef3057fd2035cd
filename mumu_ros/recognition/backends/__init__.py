"""Inference back ends: PyTorch, torch.compile, OpenVINO, ONNX Runtime and CUDA graphs."""

from mumu_ros.recognition.backends.choice import (
    BACKENDS,
    choose_backend,
    export_backend,
    is_exported,
    open_backend,
    takes_long,
)
from mumu_ros.recognition.backends.eager import Eager
from mumu_ros.recognition.backends.interface import Backend, BackendError, Outputs

__all__ = [
    "BACKENDS",
    "Backend",
    "BackendError",
    "Eager",
    "Outputs",
    "choose_backend",
    "export_backend",
    "is_exported",
    "open_backend",
    "takes_long",
]
