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

"""On a CUDA device: every shipped model decides as on the CPU, and what only a machine with a GPU does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mumu_ros.model.checkpoint import Checkpoint, find_model, load_checkpoint
from mumu_ros.recognition import Decision, Recognizer, RecognizerSettings
from mumu_ros.recognition.backends import BACKENDS, BackendError, choose_backend, open_backend
from mumu_ros.share import share_path
from mumu_ros.streams import NS_PER_S

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")

SHIPPED = sorted(path.name for path in share_path("models").iterdir() if path.is_dir())
START_NS = 1_700_000_000 * NS_PER_S
BODIES = ("one", "two", "three")
TOLERANCE = {"eager": 2e-3, "cuda_graphs": 0.05}
"""Of probabilities: TF32 and other sums in PyTorch, bf16 in the encoders of images."""


def samples(checkpoint: Checkpoint, body: str) -> Iterator[tuple[str, int, np.ndarray]]:
    """Six seconds of one body: everything moves slowly, and the second one lacks the model's last modality."""
    rng = np.random.default_rng(BODIES.index(body))
    for modality in checkpoint.config.modalities:
        if body == "two" and modality is checkpoint.config.modalities[-1] and len(checkpoint.config.modalities) > 1:
            continue
        base, change = rng.normal(size=(2, *modality.shape))
        for step in range(round(6 * modality.rate_hz)):
            seconds = step / modality.rate_hz
            sample = base + np.sin(3 * seconds) * change
            if modality.kind == "rgb":
                sample = np.clip(128 + 40 * sample, 0, 255).astype(np.uint8)
            elif modality.is_image:
                sample = np.clip(2.5 + sample / 2, 0.5, 4.5)
            yield modality.name, START_NS + round(seconds * NS_PER_S), np.asarray(sample, modality_type(modality))


def modality_type(modality: Any) -> type:
    return np.uint8 if modality.kind == "rgb" else np.float32


def decisions(checkpoint: Checkpoint, folder: Path, backend: str) -> list[Decision]:
    """Those of all bodies, five times a second once windows are full."""
    recognizer = Recognizer(
        checkpoint, RecognizerSettings(unknown_threshold=0.0), open_backend(backend, checkpoint, folder)
    )
    recognizer.warm_up()
    rows = sorted(((*row, body) for body in BODIES for row in samples(checkpoint, body)), key=lambda row: row[1])
    found, due_ns = [], START_NS + 3 * NS_PER_S
    for name, stamp_ns, sample, body in rows:
        while stamp_ns > due_ns:
            answers = recognizer.recognize_all(due_ns, dict.fromkeys(BODIES, ()))
            found.extend(answer for answer in answers.values() if isinstance(answer, Decision))
            due_ns += NS_PER_S // 5
        recognizer.push(name, stamp_ns, sample, body)
    return found


@pytest.mark.parametrize("backend", TOLERANCE)
@pytest.mark.parametrize("model", SHIPPED)
def test_a_shipped_model_decides_as_on_the_cpu(model: str, backend: str) -> None:
    folder = find_model(model)
    expected = decisions(load_checkpoint(folder), folder, "eager")
    found = decisions(load_checkpoint(folder, "cuda"), folder, backend)
    assert len(found) == len(expected) > 20
    for one, other in zip(found, expected, strict=True):
        assert one.present.tolist() == other.present.tolist()
        np.testing.assert_allclose(
            one.activity_probabilities, other.activity_probabilities, rtol=0, atol=TOLERANCE[backend]
        )
        np.testing.assert_allclose(one.group_probabilities, other.group_probabilities, rtol=0, atol=TOLERANCE[backend])


def test_auto_is_graphs_and_what_runs_on_the_cpu_only_says_so(tiny_model: Path) -> None:
    checkpoint = load_checkpoint(tiny_model, "cuda")
    assert choose_backend(checkpoint, tiny_model) == "cuda_graphs"
    for name in set(BACKENDS) - {"eager", "cuda_graphs", "onnxruntime"}:
        with pytest.raises(BackendError, match=f"backend {name} (runs on the CPU|needs)"):
            open_backend(name, checkpoint, tiny_model)


def test_a_back_end_without_a_provider_is_refused_before_it_is_converted(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx = pytest.importorskip("mumu_ros.recognition.backends.onnx")
    if "CUDAExecutionProvider" in onnx.ort.get_available_providers():
        pytest.skip("ONNX Runtime has a provider for CUDA devices")
    monkeypatch.setattr(onnx, "convert", None)
    with pytest.raises(BackendError, match=r"on cuda:0.*install onnxruntime-gpu, or set device: cpu"):
        open_backend("onnxruntime", load_checkpoint(tiny_model, "cuda"), tiny_model)


def test_graphs_that_were_recorded_in_one_thread_are_replayed_in_another(tiny_model: Path) -> None:
    """As in the inference node, which configures in its executor's thread and decides in a worker."""
    checkpoint = load_checkpoint(tiny_model, "cuda")
    backend = open_backend("cuda_graphs", checkpoint, tiny_model)
    frames = np.random.default_rng(0).integers(0, 255, (3, *checkpoint.config.modality("rgb").shape), np.uint8)
    expected = backend.encode("rgb", frames).cpu()
    found: list[torch.Tensor] = []
    thread = threading.Thread(target=lambda: found.append(backend.encode("rgb", frames).cpu()))
    thread.start()
    thread.join()
    assert torch.equal(found[0], expected)


def test_a_model_that_is_closed_leaves_no_memory_behind(tiny_model: Path) -> None:
    def allocated() -> int:
        backend = open_backend("cuda_graphs", load_checkpoint(tiny_model, "cuda"), tiny_model)
        del backend
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        return torch.cuda.memory_reserved()

    allocated()  # Libraries keep what they need once.
    before = allocated()
    assert [allocated() for _ in range(5)] == [before] * 5
