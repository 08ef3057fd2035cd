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

"""docs/extending.md: a package with an encoder, a fusion and a dataset of its own, trained and tested by `mumu`."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from torch.jit import TracerWarning

pytest.importorskip("lightning", reason="training needs lightning (extra train)")

from mumu_ros.cli import main
from mumu_ros.datasets import DATASETS, open_dataset
from mumu_ros.model.checkpoint import load_checkpoint, save_checkpoint
from mumu_ros.model.network import Network
from mumu_ros.model.parts import ENCODERS, FUSIONS
from mumu_ros.recognition.backends import BackendError, choose_backend, export_backend, is_exported, open_backend
from mumu_ros.training.settings import read_settings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "extending.md"


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The package of the page, installed as pip would; the folder of its configuration."""
    toml, module, configuration, taxonomy = re.findall(r"```\w+\n(.*?)```", PAGE.read_text(), re.DOTALL)
    points = re.findall(r'entry-points\."([\w.]+)"\]\n(\w+) = "([\w:]+)"', toml)
    assert len(points) == 3
    points.append(("mumu_ros.backends", "toy", "mumu_ros.recognition.backends.eager:Eager"))
    (tmp_path / "toy_parts.py").write_text(module)
    (tmp_path / "toy.yaml").write_text(configuration)
    (tmp_path / "activities.yaml").write_text(taxonomy)
    installed = tmp_path / "toy-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text("".join(f"[{g}]\n{n} = {where}\n" for g, n, where in points))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("toy_parts", None)


def test_the_page_is_trained_and_tested(
    toy: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, no_processes: None
) -> None:
    monkeypatch.chdir(toy)
    assert main(["train", "toy.yaml", "--out", "toy_model"]) == 0
    capsys.readouterr()
    assert main(["test", "toy_model", "toy", "--subjects", "4", "--backend", "toy", "--json"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (result["clips"], result["top1"], result["agreement"]) == (2, 1.0, 1.0)


BRANCH = """
        if steps.nan_to_num().abs().amax() > 10:
            steps = -steps"""


def test_a_model_with_parts_of_another_package_runs_as_their_code_says(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A conversion keeps one path through the code, and that of former code is none of the present one."""
    for module in ("openvino", "onnxruntime", "onnxscript"):
        pytest.importorskip(module)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "model"
    save_checkpoint(folder, Network(read_settings(toy / "toy.yaml").model).eval())
    checkpoint = load_checkpoint(folder)
    assert choose_backend(checkpoint, folder) == "eager"
    export_backend("openvino", checkpoint, folder)
    assert choose_backend(checkpoint, folder) == "openvino"
    assert is_exported("openvino", checkpoint, folder)

    module = toy / "toy_parts.py"
    module.write_text(module.read_text().replace("steps, mask):", f"steps, mask):{BRANCH}", 1))
    assert choose_backend(checkpoint, folder) == "eager"
    assert not is_exported("openvino", checkpoint, folder)
    sys.modules.pop("toy_parts")
    checkpoint = load_checkpoint(folder)
    with pytest.warns(TracerWarning, match="might not generalize"):
        export_backend("openvino", checkpoint, folder)
    with pytest.raises(BackendError, match=r"onnxruntime cannot convert this network .*; choose backend eager"):
        open_backend("onnxruntime", checkpoint, folder)


def test_names_of_other_packages_come_after_our_own(toy: Path) -> None:
    assert list(ENCODERS["vector"])[-1] == list(FUSIONS)[-1] == list(DATASETS)[-1] == "toy"
    assert "toy" not in ENCODERS["rgb"]
    assert [clip.id for clip in open_dataset("toy", "").clips][:2] == ["walk_1", "walk_2"]


def test_without_that_package_its_names_are_refused() -> None:
    assert "toy" not in FUSIONS
    with pytest.raises(KeyError):
        FUSIONS["toy"]
