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

"""Several processes train as one: over gloo, on this machine's CPU."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest.mock import MagicMock

import lightning
import pytest
import torch

from mumu_ros.model.checkpoint import load_checkpoint
from mumu_ros.model.network import Network
from mumu_ros.training.cross_validation import cross_validate
from mumu_ros.training.fit import _trainer
from mumu_ros.training.module import NetworkModule
from mumu_ros.training.settings import Machine, Settings, read_settings
from mumu_ros.training.windows import WindowSet

torch.set_num_threads(1)

# Evaluation mode: batch statistics and dropout are of each process's own half.
GRADIENTS = """
import sys
import numpy as np
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from mumu_ros.model.network import Network
from mumu_ros.training.augmentation import Augmentation, augment
from mumu_ros.training.fit import _trainer
from mumu_ros.training.module import NetworkModule
from mumu_ros.training.settings import read_settings
from mumu_ros.training.windows import WindowSet

class Step(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(7)
        self.module = NetworkModule(Network(settings.model), windows, settings).eval()
        self.module.log_dict = lambda *_, **__: None

    def forward(self, rows):
        batch = augment(windows, rows, settings.model, Augmentation(), np.random.default_rng(0))
        return self.module.training_step(batch, 0)

def gradients(step, rows):
    step(rows).backward()
    return {name[name.index("model.") :]: p.grad for name, p in step.named_parameters()}

torch.set_num_threads(1)
rank, folder = int(sys.argv[1]), sys.argv[2]
settings = read_settings(f"{folder}/data/two_train.yaml")
windows = WindowSet.load(f"{folder}/windows.npz")
distributed.init_process_group("gloo", f"file://{folder}/rendezvous", rank=rank, world_size=2)
together = gradients(DistributedDataParallel(Step()), range(6 * rank, 6 * rank + 6))
alone, half = gradients(Step(), range(12)), gradients(Step(), range(6))
assert len(together) == len(alone) > 20
for name, gradient in alone.items():
    assert gradient is not None, name
    torch.testing.assert_close(together[name], gradient, rtol=1e-4, atol=1e-6, msg=lambda text: f"{name}: {text}")
assert not all(torch.allclose(half[name], gradient, rtol=1e-2) for name, gradient in alone.items())
print("equal")
distributed.destroy_process_group()
"""


def test_two_processes_give_the_gradients_of_one(
    started: Callable[..., subprocess.Popen[str]],
    vector_windows: WindowSet,
    write_folder: Callable[[Path], Path],
    tmp_path: Path,
) -> None:
    write_folder(tmp_path / "data")
    windows = replace(vector_windows, activity=vector_windows.activity % 2)
    windows.save(tmp_path / "windows.npz")
    processes = [started([sys.executable, "-c", GRADIENTS, str(rank), str(tmp_path)]) for rank in (0, 1)]
    for process in processes:
        output, errors = process.communicate(timeout=60)
        assert output == "equal\n", errors


def test_the_command_line_trains_on_two_devices(write_folder: Callable[[Path], Path], tmp_path: Path) -> None:
    settings = str(write_folder(tmp_path / "data"))
    overrides = ["data.train_subjects=1", "optimization.batch_size=2", "machine.devices=2", "machine.strategy=ddp"]
    command = [sys.executable, "-m", "mumu_ros.cli", "train", settings, *overrides, "--out", str(tmp_path / "model")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("parameters, trained in") == 1, "the other process leaves the talking to the first"
    assert "MEMBER: 2/2" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "model", "model.training"]
    assert load_checkpoint(tmp_path / "model").provenance["machine"]["devices"] == 2


@pytest.mark.parametrize(("accelerator", "expected"), [("cpu", False), ("auto", True)])
def test_batch_statistics_are_shared_where_pytorch_can(
    vector_settings: Settings, monkeypatch: pytest.MonkeyPatch, accelerator: str, expected: bool
) -> None:
    """On two processors of a machine that has a CUDA device, too."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    trainer = MagicMock()
    monkeypatch.setattr(lightning, "Trainer", trainer)
    _trainer(replace(vector_settings, machine=Machine(accelerator, devices=2)), 1, None, False)
    assert trainer.call_args.kwargs["sync_batchnorm"] is expected


def test_a_share_smaller_than_a_batch_is_a_batch(vector_settings: Settings, vector_windows: WindowSet) -> None:
    """Twelve windows are six for each of two processes, fewer than a batch of eight: all six are the batch."""
    settings = replace(vector_settings, optimization=replace(vector_settings.optimization, batch_size=8))
    module = NetworkModule(Network(settings.model), vector_windows, settings)

    class Trainer:
        world_size, global_rank, current_epoch = 2, 0, 0

    assert module.train_dataloader().drop_last
    module._trainer = Trainer()  # type: ignore[assignment]
    assert not module.train_dataloader().drop_last


@pytest.mark.parametrize("machine", [Machine("cpu", devices=2), Machine("cpu", num_nodes=2)])
def test_a_fold_has_one_device(write_folder: Callable[[Path], Path], tmp_path: Path, machine: Machine) -> None:
    settings = replace(read_settings(write_folder(tmp_path / "data")), machine=machine)
    with pytest.raises(ValueError, match="each training has one device"):
        cross_validate(settings, [0], tmp_path / "out")
    assert not (tmp_path / "out").exists()
