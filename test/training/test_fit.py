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

"""A fit: the same every time, also after a kill; averaged; logged; and nothing of another training is taken up."""

from __future__ import annotations

import copy
import errno
import io
import math
import os
import pickle
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mumu_ros.model.config import ConfigError
from mumu_ros.model.network import Network
from mumu_ros.training.augmentation import Augmentation
from mumu_ros.training.fit import discard, fit
from mumu_ros.training.module import NetworkModule, WarmAverage
from mumu_ros.training.settings import Machine, Settings
from mumu_ros.training.windows import WindowSet

torch.set_num_threads(1)


class KilledError(Exception):
    pass


def run(settings: Settings, windows: WindowSet, work: Path | None = None) -> Network:
    return fit(settings, windows, work, progress=False)


def with_(settings: Settings, **optimization: Any) -> Settings:
    return replace(settings, optimization=replace(settings.optimization, **optimization))


def same(a: Network, b: Network) -> bool:
    one, other = a.state_dict(), b.state_dict()
    return all(torch.equal(one[key], other[key]) for key in one)


@pytest.fixture
def kill(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """kill(n): the training dies in its n-th step from now on; n = −1: it lives."""
    step = NetworkModule.training_step
    left = [-1]

    def dies(self: NetworkModule, batch: Any, batch_idx: int) -> torch.Tensor:
        left[0] -= 1
        if left[0] == 0:
            raise KilledError
        return step(self, batch, batch_idx)

    def kill_in(steps: int) -> None:
        left[0] = steps

    monkeypatch.setattr(NetworkModule, "training_step", dies)
    return kill_in


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Gets the number of every step that is taken."""
    taken: list[int] = []
    hook = NetworkModule.on_train_batch_start
    monkeypatch.setattr(
        NetworkModule,
        "on_train_batch_start",
        lambda self, *arguments: [taken.append(self.global_step), hook(self, *arguments)][1],
    )
    return taken


def test_the_seed_decides_the_weights(vector_settings: Settings, vector_windows: WindowSet) -> None:
    first = run(vector_settings, vector_windows)
    assert not first.training
    assert same(first, run(vector_settings, vector_windows))
    assert not same(first, run(with_(vector_settings, seed=1), vector_windows))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_fit_learns_on_a_cuda_device(vector_settings: Settings, vector_windows: WindowSet) -> None:
    """Tests of what a training gives to the last digit are of the CPU: sums on a CUDA device have no fixed order."""
    test_a_fit_learns(replace(vector_settings, machine=Machine("gpu")), vector_windows)


def test_a_fit_learns(vector_settings: Settings, vector_windows: WindowSet) -> None:
    model = run(with_(vector_settings, epochs=30, learning_rate=0.01), vector_windows)
    inputs, masks = vector_windows.batch(range(12))
    with torch.inference_mode():
        output = model(*({n: torch.from_numpy(x) for n, x in part.items()} for part in (inputs, masks)))
    assert (output.activity_logits.argmax(dim=1).numpy() == vector_windows.activity).mean() > 0.8


@pytest.mark.parametrize("died_in", [4, 5, 7, 9])
def test_a_training_that_died_goes_on_to_the_same_weights(
    vector_settings: Settings,
    vector_windows: WindowSet,
    tmp_path: Path,
    kill: Callable[[int], None],
    steps: list[int],
    died_in: int,
) -> None:
    """Three steps make an epoch: it dies at the beginning, within and at the end of one."""
    whole = run(vector_settings, vector_windows)
    kill(died_in)
    with pytest.raises(KilledError):
        run(vector_settings, vector_windows, tmp_path)
    steps.clear()
    kill(-1)
    resumed = run(vector_settings, vector_windows, tmp_path)
    assert same(resumed, whole)
    assert steps == list(range(3 * ((died_in - 1) // 3), 9)), "epochs that were finished are not done again"


@pytest.mark.parametrize("weighting", ["uncertainty", "adaptive"])
def test_weights_of_tasks_go_on_where_they_were(
    vector_settings: Settings,
    vector_windows: WindowSet,
    tmp_path: Path,
    kill: Callable[[int], None],
    weighting: str,
) -> None:
    """It dies within the third epoch, the first that adaptive weights of two epochs decide."""
    model = replace(vector_settings.model, fusion="dual_branch")
    settings = with_(replace(vector_settings, model=model), epochs=4, task_weighting=weighting, decoupling_weight=0.1)
    whole = run(settings, vector_windows)
    kill(8)
    with pytest.raises(KilledError):
        run(settings, vector_windows, tmp_path)
    kill(-1)
    assert same(run(settings, vector_windows, tmp_path), whole)
    assert not same(run(with_(settings, task_weighting="fixed", beta_aux=1.0), vector_windows), whole)


def test_nothing_of_the_activities_is_learned_if_their_loss_counts_nothing(
    vector_settings: Settings, vector_windows: WindowSet
) -> None:
    """Which of two activities of a group it is may as well be the other."""
    settings = with_(vector_settings, target_weight=0.0, deep_supervision_weight=0.0)
    renamed = replace(vector_windows, activity=np.array([1, 0, 2])[vector_windows.activity])
    plain = replace(settings, augmentation=Augmentation())
    assert same(run(plain, vector_windows), run(plain, renamed))
    assert not same(run(with_(plain, target_weight=1.0), vector_windows), run(with_(plain, target_weight=1.0), renamed))


def test_a_training_that_died_before_its_model_was_saved_gives_the_same_weights(
    vector_settings: Settings, vector_windows: WindowSet, tmp_path: Path, steps: list[int]
) -> None:
    whole = run(vector_settings, vector_windows, tmp_path)
    steps.clear()
    assert same(run(vector_settings, vector_windows, tmp_path), whole)
    assert steps == []


def test_a_training_of_other_settings_or_data_is_not_taken_up(
    vector_settings: Settings, vector_windows: WindowSet, tmp_path: Path
) -> None:
    run(vector_settings, vector_windows, tmp_path)
    match = rf"{tmp_path}/settings.json' is of other work: optimization\.learning_rate was 0\.002, is 0\.5; remove"
    with pytest.raises(ConfigError, match=match):
        run(with_(vector_settings, learning_rate=0.5), vector_windows, tmp_path)
    with pytest.raises(ConfigError, match="is of other work: windows was 12, is 11; contents was"):
        run(vector_settings, vector_windows.take(np.arange(11)), tmp_path)
    vectors = {name: x + np.float32(1e-3) for name, x in vector_windows.vectors.items()}
    for name, changed in {"activity": vector_windows.activity[::-1], "vectors": vectors}.items():
        with pytest.raises(ConfigError, match=r"is of other work: contents was '\w{8}', is '\w{8}'; remove"):
            run(vector_settings, replace(vector_windows, **{name: changed}), tmp_path)
    discard(tmp_path)
    run(with_(vector_settings, learning_rate=0.5), vector_windows, tmp_path)


def test_a_training_that_began_with_other_weights_or_labels_is_not_taken_up(
    vector_settings: Settings, vector_windows: WindowSet, tmp_path: Path, kill: Callable[[int], None]
) -> None:
    """As when the forgotten `--init`, or `--teacher`, is given after an interrupt."""

    def interrupted(work: Path, windows: WindowSet, init: Network | None = None) -> None:
        kill(5)
        with pytest.raises(KilledError):
            fit(vector_settings, windows, work, init=init, progress=False)
        kill(-1)

    def model(seed: int) -> Network:
        torch.manual_seed(seed)
        return Network(vector_settings.model)

    interrupted(tmp_path / "from nothing", vector_windows)
    with pytest.raises(ConfigError, match=r"is of other work: init was '', is '\w{8}'; remove"):
        fit(vector_settings, vector_windows, tmp_path / "from nothing", init=model(1), progress=False)
    interrupted(tmp_path / "from 1", vector_windows, model(1))
    with pytest.raises(ConfigError, match=r"is of other work: init was '\w{8}', is '\w{8}'; remove"):
        fit(vector_settings, vector_windows, tmp_path / "from 1", init=model(2), progress=False)
    fit(vector_settings, vector_windows, tmp_path / "from 1", init=model(1), progress=False)

    labels = np.eye(3, dtype=np.float32)[vector_windows.activity]
    interrupted(tmp_path / "labels", replace(vector_windows, labels=labels))
    with pytest.raises(ConfigError, match=r"is of other work: contents was '\w{8}', is '\w{8}'; remove"):
        run(vector_settings, replace(vector_windows, labels=labels[::-1]), tmp_path / "labels")


def test_a_training_goes_on_on_another_machine_and_with_windows_from_elsewhere(
    vector_settings: Settings, vector_windows: WindowSet, tmp_path: Path, steps: list[int]
) -> None:
    run(vector_settings, vector_windows, tmp_path)
    steps.clear()
    data, machine = (
        replace(vector_settings.data, cache="/elsewhere"),
        replace(vector_settings.machine, accelerator="auto"),
    )
    run(replace(vector_settings, data=data, machine=machine), vector_windows, tmp_path)
    assert steps == []


def truncated(checkpoint: bytes) -> bytes:
    return checkpoint[: len(checkpoint) // 2]


def empty(checkpoint: bytes) -> bytes:
    return b""


def garbage(checkpoint: bytes) -> bytes:
    return b"no checkpoint" * 100


def of_another_program(checkpoint: bytes) -> bytes:
    buffer = io.BytesIO()
    torch.save([1, 2], buffer)
    return buffer.getvalue()


def half_a_dictionary(checkpoint: bytes) -> bytes:
    content = torch.load(io.BytesIO(checkpoint), weights_only=True)
    buffer = io.BytesIO()
    torch.save({key: content[key] for key in ("epoch", "state_dict", "pytorch-lightning_version")}, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("damage", [truncated, empty, garbage, of_another_program, half_a_dictionary])
def test_a_damaged_checkpoint_is_named_with_the_remedy(
    vector_settings: Settings, vector_windows: WindowSet, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    run(vector_settings, vector_windows, tmp_path)
    path = tmp_path / "last.ckpt"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ConfigError, match=rf"cannot resume from '{path}': damaged; remove '{tmp_path}' to start again"):
        run(vector_settings, vector_windows, tmp_path)


class Attack:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (os.environ["MUMU_TEST_ATTACK"],)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("save", [torch.save, lambda content, path: path.write_bytes(pickle.dumps(content))])
def test_nothing_that_is_pickled_is_run(
    vector_settings: Settings,
    vector_windows: WindowSet,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    save: Callable[[Any, Path], None],
) -> None:
    run(vector_settings, vector_windows, tmp_path / "work")
    harm = tmp_path / "harm"
    monkeypatch.setenv("MUMU_TEST_ATTACK", str(harm))
    save({"state_dict": Attack()}, tmp_path / "work" / "last.ckpt")
    with pytest.raises(ConfigError, match="cannot resume"):
        run(vector_settings, vector_windows, tmp_path / "work")
    assert not harm.exists()


@pytest.mark.filterwarnings("error")
def test_a_training_and_one_that_goes_on_warn_of_nothing(
    vector_settings: Settings, vector_windows: WindowSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of nothing that a user cannot change, on a machine with many processors."""
    monkeypatch.setattr(
        "lightning.pytorch.trainer.connectors.data_connector.suggested_max_num_workers", lambda devices: 8
    )
    for _ in range(2):
        run(vector_settings, vector_windows, tmp_path)
    with pytest.raises(UserWarning, match="about anything else"):
        warnings.warn("about anything else", stacklevel=1)


def test_losses_are_logged_for_tensorboard(
    vector_settings: Settings, vector_windows: WindowSet, tmp_path: Path
) -> None:
    settings = with_(vector_settings, epochs=10)
    run(settings, vector_windows, tmp_path)
    discard(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]
    run(settings, vector_windows, tmp_path)
    logs = EventAccumulator(str(tmp_path / "logs"))
    logs.Reload()
    parts = ("loss/target", "loss/auxiliary", "loss/unimodal", "loss/trust", "loss/decoupling")
    for name in ("loss", "accuracy", "weight/target", "weight/auxiliary", *parts):
        assert [event.step for event in logs.Scalars(name)] == [9, 19, 29], "of the last training only"
    total, target, auxiliary, unimodal = (
        np.array([event.value for event in logs.Scalars(name)]) for name in ("loss", *parts[:3])
    )
    np.testing.assert_allclose(total, target + 0.5 * auxiliary + 0.3 * unimodal, rtol=1e-4)


def test_a_full_disk_is_named(
    vector_settings: Settings, vector_windows: WindowSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(ModelCheckpoint, "_save_checkpoint", full)
    with pytest.raises(OSError, match=rf"No space left on device; make room and start again.*{tmp_path}"):
        run(vector_settings, vector_windows, tmp_path)


def test_half_precision_gives_a_finite_model(vector_settings: Settings, vector_windows: WindowSet) -> None:
    settings = replace(vector_settings, machine=replace(vector_settings.machine, precision="bf16-mixed"))
    model = run(settings, vector_windows)
    assert all(value.isfinite().all() for value in model.state_dict().values())
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert not same(model, run(vector_settings, vector_windows))


def test_a_training_that_diverges_is_refused(
    vector_settings: Settings, vector_windows: WindowSet, tmp_path: Path
) -> None:
    match = r"the training diverged: .*; lower optimization\.learning_rate, which is 1e\+30$"
    with pytest.raises(ConfigError, match=match):
        run(with_(vector_settings, learning_rate=1e30), vector_windows)
    with pytest.raises(ConfigError, match=f", and remove '{tmp_path}'$"):
        run(with_(vector_settings, learning_rate=1e30), vector_windows, tmp_path)


def test_training_goes_on_from_given_weights(vector_settings: Settings, vector_windows: WindowSet) -> None:
    settings = with_(vector_settings, learning_rate=0.0)
    init = Network(settings.model)
    before = {name: p.detach().clone() for name, p in init.named_parameters()}
    model = fit(settings, vector_windows, None, init=init, progress=False)
    for name, p in model.named_parameters():
        torch.testing.assert_close(p, before[name])


def average(decay: float, values: list[float]) -> float:
    function: Any = WarmAverage(decay)._kwargs["avg_fn"]
    mean = torch.tensor(values[0])
    for count, value in enumerate(values[1:], start=1):
        mean = function(mean, torch.tensor(value), torch.tensor(count))
    return float(mean)


def test_the_average_soon_forgets_where_it_began() -> None:
    for steps in (10, 50, 150):
        first = average(0.99, [1.0, *[0.0] * steps])
        assert first < 0.99**steps / 5
    assert average(0.99, [1.0, *[0.0] * 50]) < 1e-4


def test_the_average_becomes_the_one_of_fixed_decay() -> None:
    function: Any = WarmAverage(0.9)._kwargs["avg_fn"]
    for count in (81, 1_000, 10**6):
        new = function(torch.tensor(3.0), torch.tensor(5.0), torch.tensor(count))
        assert float(new) == pytest.approx(0.9 * 3 + 0.1 * 5)
    assert float(function(torch.tensor(3.0), torch.tensor(5.0), torch.tensor(1))) == pytest.approx(
        3 * 2 / 11 + 5 * 9 / 11
    )
    counter = function(torch.tensor(3), torch.tensor(5), torch.tensor(1))
    assert counter == 5, "what counts batches is not averaged"


def test_averaged_weights_are_what_a_fit_gives(
    vector_settings: Settings, vector_windows: WindowSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each weight as the formula says, from the weights after each step."""
    history: list[torch.Tensor] = []
    hook = L.LightningModule.on_train_batch_end

    def record(self: NetworkModule, *arguments: Any) -> None:
        history.append(self.model.unimodal_heads[0].weight.detach().clone())
        hook(self, *arguments)

    monkeypatch.setattr(NetworkModule, "on_train_batch_end", record)
    model = run(vector_settings, vector_windows)
    expected = history[0]
    for count, weights in enumerate(history[1:], start=1):
        warm = min(vector_settings.optimization.ema_decay, (1 + count) / (10 + count))
        expected = warm * expected + (1 - warm) * weights
    torch.testing.assert_close(model.unimodal_heads[0].weight, expected)
    assert not torch.allclose(model.unimodal_heads[0].weight, history[-1], atol=1e-5)
    assert math.isfinite(float(expected.sum()))


def test_averaging_does_not_copy_the_data(vector_settings: Settings, vector_windows: WindowSet) -> None:
    module = NetworkModule(Network(vector_settings.model), vector_windows, vector_settings)
    assert copy.deepcopy(module)._windows is vector_windows
