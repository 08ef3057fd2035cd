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

"""Members of a network are trained apart, each with a seed of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mumu_ros.model.config import ConfigError
from mumu_ros.model.network import Network
from mumu_ros.training.fit import fit
from mumu_ros.training.members import discard_members, fit_members, member_seeds
from mumu_ros.training.module import NetworkModule
from mumu_ros.training.settings import Settings
from mumu_ros.training.windows import WindowSet

torch.set_num_threads(1)


@pytest.fixture
def settings(vector_settings: Settings) -> Settings:
    model, optimization = vector_settings.model, vector_settings.optimization
    return replace(
        vector_settings, model=replace(model, members=2), optimization=replace(optimization, epochs=1, seed=1)
    )


def run(settings: Settings, windows: WindowSet, work: Path | None = None, init: Network | None = None) -> Network:
    return fit_members(settings, lambda _: windows, work, init=init, progress=False)


def weights(network: Network) -> list[bytes]:
    return [value.numpy().tobytes() for value in network.state_dict().values()]


def test_each_member_is_what_its_own_seed_trains(settings: Settings, vector_windows: WindowSet) -> None:
    assert member_seeds(settings) == [2, 3]
    given: list[int] = []

    def windows(seed: int) -> WindowSet:
        given.append(seed)
        return vector_windows.take(np.arange(12 - seed))

    network = fit_members(settings, windows, None, progress=False)
    assert given == [2, 3]
    for seed, member in zip([2, 3], network.members(), strict=True):
        alone = replace(
            settings,
            model=replace(settings.model, members=1),
            optimization=replace(settings.optimization, seed=seed),
        )
        assert weights(member) == weights(fit(alone, windows(seed), None, progress=False))


def test_members_of_different_trainings_are_different(settings: Settings) -> None:
    optimization = settings.optimization
    seeds = [member_seeds(replace(settings, optimization=replace(optimization, seed=seed))) for seed in range(5)]
    assert sorted(seed for member in seeds for seed in member) == list(range(10))


def test_a_training_that_died_goes_on_with_the_member_that_it_was_at(
    settings: Settings, vector_windows: WindowSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(settings, vector_windows)
    steps: list[int] = []
    hook = NetworkModule.on_train_batch_start

    def dies(self: NetworkModule, *arguments: object) -> None:
        steps.append(self.global_step)
        if len(steps) == 5:
            raise KeyboardInterrupt
        hook(self, *arguments)

    monkeypatch.setattr(NetworkModule, "on_train_batch_start", dies)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        run(settings, vector_windows, tmp_path)
    assert run(settings, vector_windows, tmp_path).state_dict().keys() == whole.state_dict().keys()
    assert steps == [0, 1, 2, 0, 1, 0, 1, 2], "three steps of the first member, and the second one from its start"
    assert weights(run(settings, vector_windows, tmp_path)) == weights(whole)
    discard_members(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["member_1", "member_2"]
    kept = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("*/*"))
    assert kept == ["member_1/logs", "member_2/logs"]


def interrupted(settings: Settings, windows: WindowSet, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(NetworkModule, "on_train_epoch_start", dies)
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            run(settings, windows, work)


@pytest.mark.parametrize(("was", "now"), [(1, 2), (2, 1), (2, 3)])
def test_a_folder_of_other_members_is_refused_before_anything_is_trained(
    settings: Settings, vector_windows: WindowSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, was: int, now: int
) -> None:
    before, after = (replace(settings, model=replace(settings.model, members=count)) for count in (was, now))
    interrupted(before, vector_windows, tmp_path, monkeypatch)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    match = rf"{tmp_path}/settings\.json' is of other work: .*remove '{tmp_path}', or"
    with pytest.raises(ConfigError, match=match):
        run(after, vector_windows, tmp_path)
    with pytest.raises(ConfigError, match=match):
        run(before.with_seed(7), vector_windows, tmp_path)
    assert files == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    discard_members(tmp_path)
    run(after, vector_windows, tmp_path)


def test_the_remedy_for_a_member_is_the_whole_folder(
    settings: Settings, vector_windows: WindowSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a training whose own settings are gone."""
    interrupted(settings, vector_windows, tmp_path, monkeypatch)
    (tmp_path / "settings.json").unlink()
    with pytest.raises(ConfigError, match=rf"member_1/settings\.json' is of other work: .*; remove '{tmp_path}', or"):
        run(settings.with_seed(7), vector_windows, tmp_path)


def test_members_begin_with_those_of_another_network(settings: Settings, vector_windows: WindowSet) -> None:
    known = run(settings, vector_windows)
    still = replace(settings, optimization=replace(settings.optimization, learning_rate=1e-12, weight_decay=0.0))
    for before, after in zip(known.members(), run(still, vector_windows, init=known).members(), strict=True):
        for key, value in before.named_parameters():
            torch.testing.assert_close(after.get_parameter(key), value, atol=1e-6, rtol=0)
