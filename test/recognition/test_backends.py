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

"""Every back end gives what PyTorch gives."""

from __future__ import annotations

import copy
import dataclasses
import gc
import importlib.util
import os
import shlex
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mumu_ros.model.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from mumu_ros.model.config import ModelConfig
from mumu_ros.model.modality import Modality
from mumu_ros.model.network import Network
from mumu_ros.pipeline.configuration import InferenceConfig
from mumu_ros.recognition import Session
from mumu_ros.recognition.backends import (
    BACKENDS,
    Backend,
    BackendError,
    Eager,
    Outputs,
    choose_backend,
    cuda_graphs,
    export_backend,
    exports,
    is_exported,
    open_backend,
)
from mumu_ros.recognition.backends.cuda_graphs import CudaGraphs, fold_batch_norms, to_bf16
from mumu_ros.recognition.backends.graphs import FrameEncoder
from mumu_ros.share import share_path

CONVERTED = ("openvino", "onnxruntime")
_converted: dict[str, Any] = {}
WINDOWS = 3


def needs(*modules: str) -> pytest.MarkDecorator:
    missing = [module for module in modules if importlib.util.find_spec(module) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} is not installed")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache, empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(tiny_model: Path) -> Path:
    return tiny_model


@pytest.fixture
def checkpoint(folder: Path) -> Checkpoint:
    return load_checkpoint(folder)


@pytest.fixture
def rich_folder(tiny_model: Path, tmp_path: Path) -> Path:
    """A model with all that the shipped ones have: joints from depth, bodies, both directions, trust."""
    torch.manual_seed(4)
    vector = {"kind": "vector", "encoder": "cooccurrence1d", "centered": True}
    modalities = (
        Modality("depth", "depth", (48, 64, 1), 10.0, "pose_cnn", stride=2, joints=5, body=(0, 1, 2, 3)),
        Modality("skeleton", shape=(5, 3), rate_hz=10.0, stride=2, body=(0, 1, 2, 3), **vector),  # type: ignore[arg-type]
        Modality("imu", shape=(2, 3), rate_hz=20.0, stride=4, **vector),  # type: ignore[arg-type]
        Modality("person", shape=(15, 3), rate_hz=10.0, stride=2, layout="florence15", **vector),  # type: ignore[arg-type]
    )
    taxonomy = load_checkpoint(tiny_model).config.taxonomy
    more: dict[str, Any] = {"deep_supervision": True, "bidirectional": True, "layer_norm": True}
    config = ModelConfig("rich", modalities, taxonomy, 0.6, 16, fusion="trusted_mumu", **more)
    save_checkpoint(tmp_path / "rich", Network(config).eval())
    return tmp_path / "rich"


def frames_of(checkpoint: Checkpoint, name: str, count: int) -> np.ndarray:
    modality = checkpoint.config.modality(name)
    rng = np.random.default_rng(count)
    if modality.kind == "rgb":
        return rng.integers(0, 255, (count, *modality.shape), np.uint8)
    image = rng.uniform(1.0, 4.0, (count, *modality.shape)).astype(np.float32)
    return np.where(rng.random(image.shape) < 0.5, image, np.float32(0))


def compare(checkpoint: Checkpoint, backend: Backend, tolerance: float, without: tuple[str, ...] = ()) -> None:
    """Frames one and three at a time, then windows with gaps and without some modalities, alone and together."""
    eager = Eager(checkpoint.model)
    rng = np.random.default_rng(7)
    inputs, masks = {}, {}
    for modality in checkpoint.config.modalities:
        name, steps = modality.name, checkpoint.config.steps(modality.name)
        masks[name] = rng.random((WINDOWS, steps)) < 0.7
        masks[name][:, -1] = True
        if not modality.is_image:
            inputs[name] = torch.from_numpy(rng.normal(size=(WINDOWS, steps, *modality.shape)).astype(np.float32))
            if modality.layout:
                inputs[name][torch.from_numpy(rng.random((WINDOWS, steps, modality.shape[0])) < 0.3)] = torch.nan
            continue
        for count in (1, 3, 1):
            given = frames_of(checkpoint, name, count)
            expected = eager.encode(name, given)
            found = backend.encode(name, given).cpu()
            assert (found - expected).abs().max() <= tolerance * max(1.0, float(expected.abs().max()))
        frames = frames_of(checkpoint, name, WINDOWS * steps)
        inputs[name] = eager.encode(name, frames).reshape(WINDOWS, steps, -1)
    for name in without:
        del inputs[name]
    # One window lacks what the others have.
    masks[next(iter(inputs))][1] = len(inputs) == 1
    alone = [
        eager.decide({n: x[row : row + 1] for n, x in inputs.items()}, {n: m[row : row + 1] for n, m in masks.items()})[
            0
        ]
        for row in range(WINDOWS)
    ]
    agree(backend.decide(inputs, masks), alone, tolerance)
    first = {name: x[:1] for name, x in inputs.items()}
    agree(backend.decide(first, {name: mask[:1] for name, mask in masks.items()}), alone[:1], tolerance)


def agree(found: list[Outputs], expected: list[Outputs], tolerance: float) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.present.tolist() == other.present.tolist()
        for field in ("group_logits", "activity_logits", "sm_weights", "gm_weights", "features"):
            np.testing.assert_allclose(getattr(one, field), getattr(other, field), rtol=0, atol=tolerance)


@given(data=st.data(), count=st.integers(1, 5))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_windows_together_give_what_each_gives_alone(rich_folder: Path, data: st.DataObject, count: int) -> None:
    checkpoint = load_checkpoint(rich_folder)
    backend, config = Eager(checkpoint.model), checkpoint.config
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    there = data.draw(st.lists(st.sets(st.sampled_from(config.names), min_size=1), min_size=count, max_size=count))
    inputs, masks = {}, {}
    for modality in config.modalities:
        shape = checkpoint.model.encoder(modality.name).encoded_shape or modality.shape
        steps = config.steps(modality.name)
        inputs[modality.name] = torch.from_numpy(rng.normal(size=(count, steps, *shape)).astype(np.float32))
        mask = rng.random((count, steps)) < 0.8
        mask[:, -1] = True
        masks[modality.name] = mask & np.array([[modality.name in names] for names in there])
    alone = [
        backend.decide({n: inputs[n][row : row + 1] for n in names}, {n: masks[n][row : row + 1] for n in names})[0]
        for row, names in enumerate(there)
    ]
    agree(backend.decide(inputs, masks), alone, 1e-5)


def assert_exported_as_it_is(config: ModelConfig, name: str, folder: Path, without: tuple[str, ...]) -> None:
    for module in ("openvino",) if name == "openvino" else ("onnxruntime", "onnx", "onnxscript"):
        pytest.importorskip(module)
    torch.manual_seed(4)
    save_checkpoint(folder, Network(config).eval())
    checkpoint = load_checkpoint(folder)
    export_backend(name, checkpoint, folder)
    for absent in ((), without):
        compare(checkpoint, open_backend(name, checkpoint, folder), 1e-4, absent)


@pytest.mark.slow
@pytest.mark.parametrize("name", CONVERTED)
def test_two_branches_are_exported_as_they_are(tiny_model: Path, tmp_path: Path, name: str) -> None:
    config = load_checkpoint(tiny_model).config
    imus = (config.modality("imu"), replace(config.modality("imu"), name="belt"))
    short = replace(config, modalities=imus, fusion="dual_branch", window_s=0.2)  # each step is code of its own
    assert_exported_as_it_is(short, name, tmp_path / "m", ("belt",))


@pytest.mark.slow
@pytest.mark.parametrize("name", CONVERTED)
def test_several_members_are_exported_as_they_are(rich_folder: Path, tmp_path: Path, name: str) -> None:
    config = load_checkpoint(rich_folder).config
    vectors = (config.modality("skeleton"), config.modality("imu"))
    short = replace(config, modalities=vectors, members=2, window_s=0.4)
    assert_exported_as_it_is(short, name, tmp_path / "m", ("skeleton",))


@pytest.mark.slow
@pytest.mark.parametrize("name", CONVERTED)
def test_what_was_exported_agrees_with_pytorch_and_is_used_for_its_own_weights_only(
    rich_folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("openvino",) if name == "openvino" else ("onnxruntime", "onnx", "onnxscript"):
        pytest.importorskip(module)
    checkpoint = load_checkpoint(rich_folder)
    assert not is_exported(name, checkpoint, rich_folder)
    where = export_backend(name, checkpoint, rich_folder)
    assert where.parent.parent == rich_folder
    assert is_exported(name, checkpoint, rich_folder)

    def refuse(network: Network) -> None:
        raise AssertionError("converted again")

    monkeypatch.setattr(f"mumu_ros.recognition.backends.{'onnx' if name == 'onnxruntime' else name}.convert", refuse)
    backend = open_backend(name, checkpoint, rich_folder)
    for without in ((), ("depth",), ("skeleton", "imu")):
        compare(checkpoint, backend, 1e-4, without)

    if name == "onnxruntime":  # it leaves the network where it is
        elsewhere = load_checkpoint(
            rich_folder, "meta"
        )  # a device that every machine has; nothing can be moved from it
        compare(checkpoint, open_backend(name, elsewhere, rich_folder), 1e-4)
        assert next(elsewhere.model.parameters()).is_meta

    other = replace(checkpoint.config, dropout=0.25)
    assert not is_exported(name, replace(checkpoint, config=other), rich_folder), "another network, same weights"
    nn.init.normal_(next(checkpoint.model.parameters()))
    save_checkpoint(rich_folder.parent / "other", checkpoint.model)
    (rich_folder / "model.safetensors").write_bytes((rich_folder.parent / "other" / "model.safetensors").read_bytes())
    assert not is_exported(name, load_checkpoint(rich_folder), rich_folder)
    for damaged in ("", "[]", '{"model": '):
        (where / "export.json").write_text(damaged)
        assert not is_exported(name, checkpoint, rich_folder)


@pytest.mark.parametrize(
    "where", sorted(share_path("models").glob("*/backends/*")), ids=lambda path: f"{path.parts[-3]}-{path.name}"
)
def test_every_shipped_export_is_valid(where: Path, cache: Path) -> None:
    folder = where.parents[1]
    assert is_exported(where.name, load_checkpoint(folder), folder), f"run: mumu export {folder} --backend {where.name}"
    assert not cache.exists()


def test_a_new_field_with_a_default_changes_no_identity() -> None:
    @dataclass(frozen=True)
    class Old:
        name: str
        sizes: tuple[int, ...] = (1,)

    @dataclass(frozen=True)
    class New(Old):
        added: float = 0.5
        listed: tuple[Old, ...] = dataclasses.field(default_factory=tuple)

    assert exports.essence(New("a", (2,))) == exports.essence(Old("a", (2,))) == {"name": "a", "sizes": [2]}
    assert exports.essence(New("a", added=0.25)) == {"name": "a", "added": 0.25}
    assert exports.essence([New("a", listed=(Old("b"),))]) == [{"name": "a", "listed": [{"name": "b"}]}]


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch) -> list[Network]:
    """Networks that OpenVINO's converter was asked for; it converts the first, and all are the same one."""
    pytest.importorskip("openvino")
    from mumu_ros.recognition.backends import openvino

    converted: list[Network] = []
    convert = openvino.convert

    def count(network: Network) -> Any:
        converted.append(network)
        return _converted.setdefault("tiny", convert(network) if not _converted else None)

    monkeypatch.setattr(openvino, "convert", count)
    return converted


@pytest.mark.slow
def test_a_conversion_at_start_is_announced_and_kept_for_the_next_start(
    folder: Path, checkpoint: Checkpoint, cache: Path, conversions: list[Network], caplog: pytest.LogCaptureFixture
) -> None:
    open_backend("openvino", checkpoint, folder)
    assert f"No valid openvino export for {checkpoint.id}; converting" in caplog.text
    assert f"mumu export {folder} --backend openvino" in caplog.text
    assert not (folder / "backends").exists(), "the model's folder is left as it is"
    assert list(cache.rglob("export.json"))
    assert is_exported("openvino", checkpoint, folder)
    caplog.clear()
    compare(checkpoint, open_backend("openvino", checkpoint, folder), 1e-4)
    assert (len(conversions), caplog.text) == (1, "")


@pytest.mark.slow
@pytest.mark.parametrize("is_in_cache", [False, True])
def test_a_damaged_or_foreign_export_is_made_again(
    folder: Path, checkpoint: Checkpoint, conversions: list[Network], is_in_cache: bool
) -> None:
    if is_in_cache:
        open_backend("openvino", checkpoint, folder)
        where = exports.cache_folder("openvino", checkpoint)
    else:
        where = export_backend("openvino", checkpoint, folder)
    part, facts = where / "tail.bin", where / "export.json"
    whole, outputs = part.read_bytes(), facts.read_text()
    damages: list[Callable[[], object]] = [
        lambda: part.write_bytes(whole[:-1]),
        lambda: part.write_bytes(whole[:99] + bytes([whole[99] ^ 1]) + whole[100:]),
        part.unlink,
        lambda: facts.write_text(outputs.replace(checkpoint.id, "tiny@00000000")),
        lambda: facts.write_text('{"files": {}}'),
        lambda: facts.write_text("[" * 100_000),
        lambda: (part.unlink(), os.mkfifo(part)),
    ]
    for damage in damages:
        damage()
        assert exports.find_export("openvino", checkpoint, [where]) is None
        part.unlink(missing_ok=True)
        part.write_bytes(whole)
        facts.write_text(outputs)
    assert exports.find_export("openvino", checkpoint, [where]) == where
    part.write_bytes(b"")
    before = len(conversions)
    compare(checkpoint, open_backend("openvino", checkpoint, folder), 1e-4)
    assert len(conversions) == before + 1


@pytest.mark.slow
def test_a_cache_that_cannot_be_written_costs_time_only(
    folder: Path, checkpoint: Checkpoint, cache: Path, conversions: list[Network], caplog: pytest.LogCaptureFixture
) -> None:
    cache.write_text("a file where the folder should be")
    compare(checkpoint, open_backend("openvino", checkpoint, folder), 1e-4)
    assert "cannot be kept" in caplog.text
    assert len(conversions) == 1


@needs("onnxruntime")
def test_onnx_runtime_does_not_run_on_the_cpu_what_was_meant_for_cuda(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mumu_ros.recognition.backends import onnx

    available = ["CPUExecutionProvider"]
    monkeypatch.setattr(onnx.ort, "get_available_providers", lambda: available)
    with pytest.raises(BackendError, match=r"on cuda:1.*CPUExecutionProvider only; install onnxruntime-gpu"):
        onnx.OnnxRuntime(checkpoint.model, {}, torch.device("cuda:1"), 1, tmp_path / "engines")
    opened: list[Any] = []

    def open_session(model: bytes, options: Any, providers: Any) -> MagicMock:
        opened.append(providers)
        return MagicMock()

    monkeypatch.setattr(onnx.ort, "InferenceSession", open_session)
    available.append("CUDAExecutionProvider")
    onnx.OnnxRuntime(checkpoint.model, {"tail": b""}, torch.device("cuda:1"), 1, tmp_path / "engines")
    assert opened == [[("CUDAExecutionProvider", {"device_id": 1}), ("CPUExecutionProvider", {})]]

    available.append("TensorrtExecutionProvider")
    onnx.OnnxRuntime(checkpoint.model, {"tail": b""}, torch.device("cuda"), 1, tmp_path / "engines")
    (tensorrt, given), *_ = opened[-1]
    assert tensorrt == "TensorrtExecutionProvider"
    assert given["trt_engine_cache_path"] == str(tmp_path / "engines"), "else every start builds its engines again"


@needs("openvino", "nncf")
def test_a_command_that_is_printed_can_be_pasted_whatever_the_folder_is_called(
    folder: Path, checkpoint: Checkpoint, cache: Path, conversions: list[Network], caplog: pytest.LogCaptureFixture
) -> None:
    spaced = folder.rename(folder.with_name("it's a model"))
    open_backend("openvino", checkpoint, spaced)
    command = caplog.text.split("`")[1]
    assert shlex.split(command) == ["mumu", "export", str(spaced), "--backend", "openvino"]
    notes: list[str] = []
    with pytest.raises(BackendError) as error:
        Session.open(InferenceConfig.of(model=str(spaced), backend="openvino_int8"), note=notes.append)
    for command in (notes[0].partition("in advance: ")[2], str(error.value).partition("ahead of time: ")[2]):
        assert shlex.split(command)[:5] == ["mumu", "export", str(spaced), "--backend", "openvino_int8"]


@pytest.mark.slow
@needs("openvino", "nncf", "transformers")
def test_int8_is_calibrated_ahead_of_time_and_then_what_auto_means(tiny_model: Path, tmp_path: Path) -> None:
    config = load_checkpoint(tiny_model).config
    modalities = (replace(config.modalities[0], encoder="resnet50"), *config.modalities[1:])
    folder = tmp_path / "large"
    save_checkpoint(folder, Network(replace(config, modalities=modalities)).eval())
    checkpoint = load_checkpoint(folder)
    with pytest.raises(BackendError, match=r"mumu export .* --backend openvino_int8 --calibrate"):
        open_backend("openvino_int8", checkpoint, folder)
    with pytest.raises(BackendError, match="nothing to calibrate on"):
        export_backend("openvino_int8", checkpoint, folder)
    assert list((folder / "backends").iterdir()) == [], "no half export is left"
    export_backend("openvino_int8", checkpoint, folder, {"rgb": list(frames_of(checkpoint, "rgb", 4))})
    assert choose_backend(checkpoint, folder) == "openvino_int8"
    quantized, exact = open_backend("openvino_int8", checkpoint, folder), Eager(checkpoint.model)
    frames = {name: frames_of(checkpoint, name, 3) for name in ("rgb", "depth")}
    error = {name: float((quantized.encode(name, x) - exact.encode(name, x)).norm()) for name, x in frames.items()}
    size = {name: float(exact.encode(name, x).norm()) for name, x in frames.items()}
    assert 1e-5 * size["rgb"] < error["rgb"] < 0.5 * size["rgb"]
    assert error["depth"] < 1e-2 * size["depth"], "small encoders stay as exact as the processor's bf16 is"


@pytest.mark.slow
@needs("openvino", "nncf")
def test_int8_is_refused_where_nothing_gains_by_it(folder: Path, checkpoint: Checkpoint) -> None:
    with pytest.raises(BackendError, match="for resnet50, and this model has small_cnn, small_cnn; use openvino"):
        export_backend("openvino_int8", checkpoint, folder, {})


def test_auto_is_the_best_that_is_installed(
    folder: Path, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing: set[str] = set()
    choice = "mumu_ros.recognition.backends.choice"
    find = importlib.util.find_spec
    monkeypatch.setattr(f"{choice}.importlib.util.find_spec", lambda name: None if name in missing else find(name))
    computes_bf16 = "mumu_ros.recognition.backends.compiled.computes_bf16"
    everything = {"openvino", "nncf", "onnxruntime", "onnx", "onnxscript"}
    installed = {name for name in everything if find(name)}
    if installed != everything:
        pytest.skip(f"{everything - installed} is not installed")
    for has_bf16, best in ((True, "openvino"), (False, "onnxruntime")):
        monkeypatch.setattr(computes_bf16, lambda has_bf16=has_bf16: has_bf16)
        assert choose_backend(checkpoint, folder) == best
    missing.add("onnxruntime")
    assert choose_backend(checkpoint, folder) == "openvino"
    with pytest.raises(BackendError, match=r"onnxruntime needs onnxruntime.*pip install -r requirements/onnx\.txt"):
        open_backend("onnxruntime", checkpoint, folder)
    missing.add("openvino")
    assert choose_backend(checkpoint, folder) == "eager"
    with pytest.raises(BackendError, match=r"pip install -r requirements/openvino\.txt"):
        open_backend("openvino", checkpoint, folder)


@needs("openvino", "onnxruntime")
@pytest.mark.parametrize("has_bf16", [False, True])
def test_auto_is_what_the_models_folder_has_before_what_would_be_converted(
    folder: Path, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, has_bf16: bool
) -> None:
    monkeypatch.setattr("mumu_ros.recognition.backends.compiled.computes_bf16", lambda: has_bf16)

    def fill(where: Path) -> None:
        (where / "tail").write_bytes(b"exported")

    better, other = CONVERTED if has_bf16 else CONVERTED[::-1]
    for name in (other, better, "openvino_int8"):
        exports.write_export(name, checkpoint, exports.exported_folder(name, folder), fill)
        assert choose_backend(checkpoint, folder) == name
    for model in ("sim", "people"):
        assert choose_backend(load_checkpoint(model), share_path("models", model)) == "onnxruntime"


def test_a_back_end_that_does_not_exist_or_fit_is_refused(folder: Path, checkpoint: Checkpoint) -> None:
    with pytest.raises(BackendError, match=f"backend is 'tpu'; expected auto or one of {', '.join(BACKENDS)}"):
        open_backend("tpu", checkpoint, folder)
    with pytest.raises(BackendError, match="cuda_graphs needs a CUDA device, and the model is on cpu"):
        open_backend("cuda_graphs", checkpoint, folder)
    with pytest.raises(BackendError, match="eager: there is nothing to export"):
        export_backend("eager", checkpoint, folder)


def test_auto_is_taken_where_it_is_offered(
    folder: Path, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mumu_ros.recognition.backends.choice.choose_backend", lambda *_: "eager")
    assert isinstance(open_backend("auto", checkpoint, folder), Eager)
    with pytest.raises(BackendError, match="eager: there is nothing to export"):
        export_backend("auto", checkpoint, folder)


@needs("onnxruntime")
def test_a_back_end_that_is_broken_says_so(
    folder: Path, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "mumu_ros.recognition.backends.onnx", raising=False)
    monkeypatch.delattr("mumu_ros.recognition.backends.onnx", raising=False)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # as when a library that it needs is not there
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    with pytest.raises(BackendError, match=r"onnxruntime is installed and broken \(.*onnxruntime.*\); choose"):
        open_backend("onnxruntime", checkpoint, folder)


@pytest.mark.slow
def test_compiled_code_agrees_with_pytorch(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "unused"))
    config = load_checkpoint(tiny_model).config
    torch.manual_seed(5)
    folder = tmp_path / "one_camera"
    short = replace(config, modalities=config.modalities[1:], window_s=0.2)  # each step is code of its own
    save_checkpoint(folder, Network(short).eval())
    checkpoint = load_checkpoint(folder)
    torch.set_num_threads(2)
    try:
        where = export_backend("compile", checkpoint, folder)
    finally:
        torch.set_num_threads(1)
    assert is_exported("compile", checkpoint, folder)
    assert where.is_relative_to(tmp_path / "cache"), "compiled code is not taken from a model's folder"
    assert not (folder / "backends").exists()
    compiled = len(list(where.rglob("*.cpp")))
    assert compiled > 0
    torch.compiler.reset()
    compare(checkpoint, open_backend("compile", checkpoint, folder), 1e-4)
    assert len(list(where.rglob("*.cpp"))) == compiled, "nothing is compiled again, whatever the number of threads"
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(tmp_path / "unused"), "for others nothing changes"


def test_folding_batch_norms_changes_no_result(trained: Callable[[nn.Module], nn.Module]) -> None:
    module = trained(
        nn.Sequential(
            nn.Sequential(nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU()),
            nn.Sequential(nn.ReLU(), nn.BatchNorm2d(4)),
        )
    )
    x = torch.randn(2, 2, 8, 8)
    with torch.inference_mode():
        expected = module(x)
        fold_batch_norms(module)
        torch.testing.assert_close(module(x), expected, rtol=1e-5, atol=1e-5)
    left = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
    assert len(left) == 1, "one follows no convolution"


def test_in_bf16_weights_are_converted_once_and_pixels_normalised_before(checkpoint: Checkpoint) -> None:
    encoder = FrameEncoder(copy.deepcopy(checkpoint.model), "rgb")
    frames = torch.from_numpy(frames_of(checkpoint, "rgb", 3))
    with torch.inference_mode():
        expected = encoder(frames)
        to_bf16(encoder)
        found = encoder(frames)
    assert found.dtype == torch.bfloat16
    assert (found - expected).norm() / expected.norm() < 0.03
    weights = [module.weight for module in encoder.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert len(weights) > 3
    assert {weight.dtype for weight in weights} == {torch.bfloat16}
    assert encoder.spatial.normalize.mean.dtype == torch.float32


class Recorded(TorchDispatchMode):
    """A CUDA graph on the CPU: operations are recorded with their very tensors and replayed in place."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.calls.append((func, args, kwargs or {}, result))
        return result

    def replay(self) -> None:
        for func, args, kwargs, result in self.calls:
            for old, new in zip(tree_leaves(result), tree_leaves(func(*args, **kwargs)), strict=True):
                if isinstance(old, torch.Tensor):
                    old.copy_(new)


class NothingFromTheHost(TorchFunctionMode):
    """Refuses what a recording refuses: a list as an index goes to the device, a number comes back from it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        assert name not in ("item", "tolist", "nonzero", "numpy", "cpu", "__bool__", "__int__", "__float__"), name
        if name in ("__getitem__", "__setitem__"):
            index = args[1] if isinstance(args[1], tuple) else (args[1],)
            assert not any(isinstance(part, list | np.ndarray | torch.Tensor) for part in index), index
        return func(*args, **(kwargs or {}))


@pytest.fixture
def graphs_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `CudaGraphs` needs of CUDA, so that all else of it runs on any machine."""

    @contextmanager
    def record(graph: Recorded, **_: Any) -> Iterator[None]:
        with NothingFromTheHost(), graph:
            yield

    for name in ("Stream", "current_stream", "graph_pool_handle"):
        monkeypatch.setattr(torch.cuda, name, MagicMock())
    for name in ("device", "stream"):
        monkeypatch.setattr(torch.cuda, name, lambda _: nullcontext())
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Recorded)
    monkeypatch.setattr(torch.cuda, "graph", record)
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor.clone())


@pytest.mark.parametrize("path", ["folder", "rich_folder"])
def test_cuda_graphs_agree_with_pytorch_but_for_bf16(
    request: pytest.FixtureRequest, path: str, graphs_on_the_cpu: None
) -> None:
    """Needs no device; test_cuda.py has what needs one."""
    checkpoint = load_checkpoint(request.getfixturevalue(path))
    backend = CudaGraphs(checkpoint.model)
    compare(checkpoint, backend, 0.05)
    name = next(m.name for m in checkpoint.config.modalities if m.is_image)
    for count in (1, 2, 7, 8, 9, 20):
        frames = frames_of(checkpoint, name, count)
        expected = Eager(checkpoint.model).encode(name, frames)
        torch.testing.assert_close(backend.encode(name, frames), expected, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("model", sorted(path.name for path in share_path("models").iterdir() if path.is_dir()))
def test_every_shipped_model_can_be_recorded(model: str, graphs_on_the_cpu: None) -> None:
    CudaGraphs(load_checkpoint(model).model)


def test_what_a_cuda_graph_reads_is_there_as_long_as_the_graph(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch, graphs_on_the_cpu: None
) -> None:
    """It reads weights by address. Nothing is recorded here: a recording on the CPU would hold them."""
    monkeypatch.setattr(torch.cuda, "CUDAGraph", MagicMock())
    monkeypatch.setattr(torch.cuda, "graph", lambda *_, **__: nullcontext())
    weights: list[weakref.ref[nn.Parameter]] = []

    def fold(module: nn.Module) -> None:
        fold_batch_norms(module)
        if isinstance(module, FrameEncoder):
            weights.extend(weakref.ref(parameter) for parameter in module.parameters())

    monkeypatch.setattr(cuda_graphs, "fold_batch_norms", fold)
    backend = CudaGraphs(checkpoint.model)
    gc.collect()
    assert weights
    assert all(weight() is not None for weight in weights)
    assert backend.encode("rgb", frames_of(checkpoint, "rgb", 13)).shape == (13, 16), "8, 8 with 3 spare"
