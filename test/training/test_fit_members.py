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
    discard_members(tmp_path, settings)
    kept = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("*/*"))
    assert kept == ["member_1/logs", "member_2/logs"]


def test_members_begin_with_those_of_another_network(settings: Settings, vector_windows: WindowSet) -> None:
    known = run(settings, vector_windows)
    still = replace(settings, optimization=replace(settings.optimization, learning_rate=1e-12, weight_decay=0.0))
    for before, after in zip(known.members(), run(still, vector_windows, init=known).members(), strict=True):
        for key, value in before.named_parameters():
            torch.testing.assert_close(after.get_parameter(key), value, atol=1e-6, rtol=0)
