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

"""Model folders: what is written is what is read, and every broken folder is explained."""

from __future__ import annotations

import errno
import json
import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from mumu_ros.model.bounded_build import TooManyValuesError, build_within
from mumu_ros.model.checkpoint import (
    Calibration,
    CheckpointError,
    check_target,
    load_checkpoint,
    read_config,
    save_checkpoint,
    select_device,
)
from mumu_ros.model.config import ModelConfig
from mumu_ros.model.modality import Modality
from mumu_ros.model.network import Network
from mumu_ros.model.taxonomy import Taxonomy

PROVENANCE = {"command": "mumu train", "data": {"subjects": [1, 2]}, "seed": 3}


@pytest.fixture
def folder(model: Network, tmp_path: Path) -> Path:
    path = tmp_path / "models" / "tiny"
    save_checkpoint(path, model, calibration=Calibration(1.5, 0.3), provenance=PROVENANCE)
    return path


def test_round_trip(model: Network, folder: Path, make_batch: Callable[..., Any]) -> None:
    checkpoint = load_checkpoint(folder)
    assert checkpoint.config == model.config == read_config(folder)
    assert checkpoint.calibration == Calibration(1.5, 0.3)
    assert checkpoint.provenance == PROVENANCE
    assert not checkpoint.model.training
    batch = make_batch(2)
    assert torch.equal(checkpoint.model(*batch).activity_logits, model(*batch).activity_logits)
    assert {p.name for p in folder.iterdir()} == {"config.json", "model.safetensors"}
    assert [p.name for p in folder.parent.iterdir()] == ["tiny"]


def test_a_model_is_a_folder_or_a_shipped_one_and_shows_what_it_is(folder: Path) -> None:
    assert read_config(folder).name == "tiny"
    checkpoint = load_checkpoint("sim")
    assert repr(checkpoint) == f"<Checkpoint {checkpoint.id}: rgb, depth, imu_wrist, imu_belt; 2 s; 14 activities>"
    with pytest.raises(CheckpointError, match="no model folder ''"):
        load_checkpoint("")
    with pytest.raises(CheckpointError, match=r"no model folder 'nothing'; .* shipped one: people, sim, "):
        load_checkpoint("nothing")


def test_identity_is_of_the_weights(model: Network, folder: Path, tmp_path: Path) -> None:
    identity = load_checkpoint(folder).id
    name, _, digest = identity.partition("@")
    assert name == "tiny"
    assert len(digest) == 8
    save_checkpoint(tmp_path / "copy", model)
    assert load_checkpoint(tmp_path / "copy").id == identity
    with torch.no_grad():
        model.head.W_f.weight[0, 0] += 1
    save_checkpoint(folder, model)
    assert load_checkpoint(folder).id != identity


def test_saving_again_replaces_the_whole_folder(model: Network, folder: Path) -> None:
    (folder / "metrics.json").write_text("{}")
    save_checkpoint(folder, model)
    assert load_checkpoint(folder).calibration == Calibration()
    assert not (folder / "metrics.json").exists()


def test_failing_to_write_leaves_the_old_model(model: Network, folder: Path) -> None:
    with pytest.raises(TypeError):
        save_checkpoint(folder, model, provenance={"data": object()})
    assert load_checkpoint(folder).provenance == PROVENANCE
    assert [p.name for p in folder.parent.iterdir()] == ["tiny"]


def test_what_is_no_model_is_not_overwritten(model: Network, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("…")
    with pytest.raises(CheckpointError, match="thesis' exists and is no model folder"):
        save_checkpoint(tmp_path / "thesis", model)


@pytest.mark.parametrize("text", ['{"port": 8080}', "[]", "{", '{"model": {}, "calibration": {}}'])
def test_a_folder_with_the_config_file_of_another_program_is_not_overwritten(
    model: Network, tmp_path: Path, text: str
) -> None:
    project = tmp_path / "project"
    (project / "src").mkdir(parents=True)
    (project / "config.json").write_text(text)
    (project / "src" / "main.py").write_text("…")
    for refuse in (lambda: check_target(project), lambda: save_checkpoint(project, model)):
        with pytest.raises(CheckpointError, match=r"project' exists and is no model folder; choose another path"):
            refuse()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["config.json", "main.py", "project", "src"]


@pytest.mark.parametrize("there", [True, False])
def test_a_link_to_a_folder_stays_one(model: Network, folder: Path, tmp_path: Path, there: bool) -> None:
    target = folder if there else tmp_path / "new"
    (tmp_path / "link").symlink_to(target)
    save_checkpoint(tmp_path / "link", model)
    assert (tmp_path / "link").is_symlink()
    assert load_checkpoint(target).provenance == {}
    assert sorted(p.name for p in tmp_path.rglob(".*")) == []


@pytest.mark.parametrize("path", [".", "..", "../tiny"])
def test_the_current_folder_is_not_pulled_away(
    model: Network, folder: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    (folder / "part").mkdir()
    monkeypatch.chdir(folder / "part" if path == ".." else folder)
    for refuse in (lambda: check_target(path), lambda: save_checkpoint(path, model)):
        with pytest.raises(CheckpointError, match=r"tiny' is the current folder, or holds it, .* choose a new folder"):
            refuse()
    assert load_checkpoint(folder).provenance == PROVENANCE


@pytest.mark.parametrize("fails", [1, 2])
def test_a_folder_that_cannot_be_replaced_stays(
    model: Network, folder: Path, monkeypatch: pytest.MonkeyPatch, fails: int
) -> None:
    rename, calls = os.rename, iter(range(1, 9))

    def failing(source: Path, target: Path) -> None:
        if next(calls) == fails:
            raise OSError(errno.EBUSY, "busy", str(source))
        rename(source, target)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(OSError, match="busy"):
        save_checkpoint(folder, model)
    assert load_checkpoint(folder).provenance == PROVENANCE
    assert [p.name for p in folder.parent.iterdir()] == ["tiny"]


def _edit(key: str, value: Any) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        content = json.loads((folder / "config.json").read_text())
        part = content
        *path, last = key.split(".")
        for step in path:
            part = part[step]
        part[last] = value
        (folder / "config.json").write_text(json.dumps(content))

    return edit


def _pipe(name: str) -> Callable[[Path], None]:
    def replace(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return replace


def _of_type(name: str) -> Callable[[Path], None]:
    """Weights of a data type that a newer safetensors knows and this torch may not."""

    def replace(folder: Path) -> None:
        header = json.dumps(
            {"x": {"dtype": name, "shape": [2], "data_offsets": [0, 1 if name == "F4" else 2]}}
        ).encode()
        (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"\0\0")

    return replace


def _other_weights(folder: Path) -> None:
    save_file({"W_f.weight": torch.zeros(3)}, folder / "model.safetensors")


def _as_type(dtype: torch.dtype) -> Callable[[Path], None]:
    def convert(folder: Path) -> None:
        path = folder / "model.safetensors"
        weights = load_file(path)
        save_file({key: x.to(dtype) if x.is_floating_point() else x for key, x in weights.items()}, path)

    return convert


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_precision_are_weights(model: Network, folder: Path, dtype: torch.dtype) -> None:
    _as_type(dtype)(folder)
    loaded = load_checkpoint(folder).model.state_dict()
    for key, value in model.state_dict().items():
        torch.testing.assert_close(loaded[key], value, rtol=0.01, atol=1e-3)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_as_type(torch.int32), r"does not fit config\.json: .* is \(.*'integer'\), expected \(.*'floating'\)"),
        (_as_type(torch.bool), r"does not fit config\.json: .* is \(.*'integer'\), expected \(.*'floating'\)"),
        (lambda f: f.rename(f.parent / "moved"), "no model folder .*tiny"),
        (lambda f: (f / "config.json").unlink(), r"cannot read .*config\.json"),
        (lambda f: (f / "model.safetensors").unlink(), r"cannot read .*model\.safetensors"),
        (lambda f: (f / "config.json").write_text("{"), r"config\.json' is not JSON"),
        (lambda f: (f / "config.json").write_bytes(b"\xff\xfe"), r"config\.json' is not JSON"),
        (lambda f: (f / "config.json").write_text("[]"), "is it a mumu_ros model"),
        (lambda f: (f / "config.json").write_text("[" * 100_000), "deeper than 32 levels"),
        (lambda f: os.truncate(f / "config.json", 2**40), r"config\.json'.*more than 16777216 bytes"),
        (_pipe("config.json"), r"config\.json'.*no regular file"),
        (_pipe("model.safetensors"), r"model\.safetensors'.*no regular file"),
        (_edit("provenance", [1]), r"provenance is \[1\]"),
        (_edit("calibration.temperature", 10**400), "temperature is 1000"),
        (
            _edit("model.feature_size", 4096),
            "does not fit config.json: it has .* values, and the network has more than",
        ),
        (_edit("surprise", 1), "surprise"),
        (_edit("model.format", 2), "format 2; this version reads 1"),
        (_edit("model.feature_size", -4), "feature_size is -4"),
        (_edit("calibration.temperature", 0), "temperature is 0"),
        (lambda f: (f / "model.safetensors").write_bytes(b"\x80\x04pickle"), "corrupt"),
        (
            lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:-9]),
            "corrupt",
        ),
        (_of_type("F8_E8M0"), r"model\.safetensors' (is corrupt|does not fit)"),
        (_of_type("F4"), r"model\.safetensors' (is corrupt|does not fit)"),
        (_of_type("F99"), r"model\.safetensors' is corrupt"),
        (_other_weights, "does not fit config.json: W_f|does not fit"),
        (_edit("model.feature_size", 32), "does not fit config.json: .* expected"),
    ],
)
def test_a_broken_folder_is_explained(folder: Path, damage: Callable[[Path], Any], message: str) -> None:
    damage(folder)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(folder)


def test_a_configuration_alone_takes_no_memory(tmp_path: Path) -> None:
    """A folder of a few kilobytes whose network would have a gigabyte."""
    modalities = tuple(Modality(f"m{i}", "vector", (512, 1), 10, "cooccurrence1d") for i in range(16))
    config = ModelConfig("large", modalities, Taxonomy("t", {"g": ("a", "b")}), 1.0, feature_size=1, members=16)
    content = {"model": config.to_dict(), "calibration": {}, "provenance": {}}
    (tmp_path / "config.json").write_text(json.dumps(content))
    save_file({"x": torch.zeros(256)}, tmp_path / "model.safetensors")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(
        CheckpointError, match=r"does not fit config\.json: it has 256 values, and the network has more"
    ):
        load_checkpoint(tmp_path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # KiB


def test_a_network_is_built_within_a_limit(config: ModelConfig) -> None:
    torch.manual_seed(3)
    expected = Network(config)
    count = sum(value.numel() for value in (*expected.parameters(), *expected.buffers()))
    torch.manual_seed(3)
    built = build_within(config, count + 1000)
    assert all(torch.equal(value, expected.state_dict()[key]) for key, value in built.state_dict().items())
    with pytest.raises(TooManyValuesError, match=f"more than {count // 2} values"):
        build_within(config, count // 2)


def test_select_device() -> None:
    assert select_device("cpu") == torch.device("cpu")
    assert select_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(ValueError, match="device is 'tpu'; expected auto, cpu, cuda"):
        select_device("tpu")
    missing = f"cuda:{torch.cuda.device_count()}"
    with pytest.raises(ValueError, match=f"device is '{missing}' but torch .* sees .* CUDA devices; use auto"):
        select_device(missing)


@pytest.mark.parametrize("data", [None, "text", [1], 3])
def test_whatever_a_provenance_says_of_the_data_is_read(model: Network, tmp_path: Path, data: object) -> None:
    save_checkpoint(tmp_path / "m", model, provenance={"data": data})
    assert load_checkpoint(tmp_path / "m").trained_on == {}
    save_checkpoint(tmp_path / "m", model, provenance={"data": {"dataset": "simulator"}})
    assert load_checkpoint(tmp_path / "m").trained_on == {"dataset": "simulator"}
