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

"""Whatever clocks do, sets come again within seconds, and complete ones once the clocks agree: 24 hours of faults."""

from __future__ import annotations

import random

import pytest

from mumu_ros.streams import NS_PER_S, Synchronizer

RATES_HZ = {"rgb": 4.0, "depth": 4.0, "imu": 5.0}
HOURS = 24
RUNS = 8
STALL_S = 3.5
"""Less than the window of a model of UTD-MHAD (4.27 s); these sensors are slower than real ones, to save time."""
START_S = 1_700_000_000.0
LATEST_S = 2.0**31 - 1


class Clocks:
    """The clocks and cables of three sensors, with something wrong about every eight seconds."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.offset_s = dict.fromkeys(RATES_HZ, 0.0)
        self.is_silent = dict.fromkeys(RATES_HZ, False)
        self._garbage_until_s = dict.fromkeys(RATES_HZ, 0.0)
        self.changed_s = 0.0
        self._next_s = 5.0

    @property
    def agree(self) -> bool:
        return max(self.offset_s.values()) - min(self.offset_s.values()) < 0.01

    def fault(self, now_s: float) -> None:
        if now_s < self._next_s:
            return
        r = self._random
        self.changed_s, self._next_s = now_s, now_s + r.expovariate(1 / 8)
        name = r.choice(list(RATES_HZ))
        by_s = r.choice([r.uniform(-300, 300), r.uniform(-3, 3), r.choice([-1.6e9, 4e8, 1e6, -1e6])])
        match r.choice(["jump", "jump", "jump together", "agree", "agree", "reset", "silence", "speak", "garbage"]):
            case "jump":
                self.offset_s[name] = self._jumped(self.offset_s[name], by_s)
            case "jump together":
                self.offset_s = {each: self._jumped(offset_s, by_s) for each, offset_s in self.offset_s.items()}
            case "agree":
                self.offset_s = dict.fromkeys(RATES_HZ, self.offset_s[name])
            case "reset":
                self.offset_s = dict.fromkeys(RATES_HZ, 0.0)
            case "silence":
                self.is_silent[name] = True
            case "speak":
                self.is_silent = dict.fromkeys(RATES_HZ, False)
            case "garbage":
                self._garbage_until_s[name] = now_s + r.uniform(0, 4)

    @staticmethod
    def _jumped(offset_s: float, by_s: float) -> float:
        """A clock stays between 1973 and 2038: what is outside is refused, and rightly so."""
        return max(-1.6e9, min(4e8, offset_s + by_s))

    def stamp_s(self, name: str, now_s: float) -> float | None:
        """The stamp of a message sent now; None: it is not sent."""
        if self.is_silent[name]:
            return None
        stamp_s = START_S + now_s + self.offset_s[name]
        if self._garbage_until_s[name] > now_s:
            self.changed_s = now_s
            stamp_s = self._random.choice([0.0, stamp_s + self._random.uniform(-1e4, 1e4), LATEST_S, stamp_s])
        return stamp_s


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(RUNS))
def test_sets_come_again_whatever_clocks_do(seed: int) -> None:
    clocks = Clocks(seed)
    synchronizer = Synchronizer(["rgb", "depth"], ["imu"], period_s=(0.0, 0.25, 0.5)[seed % 3])
    due_s = {name: seed / 100 + order / 50 for order, name in enumerate(RATES_HZ)}
    set_s = complete_s = now_s = 0.0
    while now_s < HOURS * 3600 / RUNS:
        name = min(due_s, key=due_s.__getitem__)
        now_s = due_s[name]
        due_s[name] += 1 / RATES_HZ[name]
        clocks.fault(now_s)
        stamp_s = clocks.stamp_s(name, now_s)
        if stamp_s is None:
            continue
        for found in synchronizer.add(name, round(stamp_s * NS_PER_S), None, round(now_s * NS_PER_S)):
            set_s = now_s
            complete_s = now_s if all(found.present) else complete_s
        assert now_s - max(set_s, clocks.changed_s) < STALL_S, f"no set at {now_s:.1f} s"
        if clocks.agree and not any(clocks.is_silent.values()):
            assert now_s - max(complete_s, clocks.changed_s) < STALL_S, f"no complete set at {now_s:.1f} s"
