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

"""Processes that are isolated from the others of this machine."""

from __future__ import annotations

from typing import Any

import pytest

from mumu_ros.nodes import processes


def test_a_domain_that_somebody_is_in_is_not_chosen(ros: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert any(map(processes._is_bound, processes._ports(ros.domain)))
    taken = processes._ports(1)
    monkeypatch.setattr(processes, "_is_bound", lambda port: port == taken[-1])
    monkeypatch.setattr(processes, "_DOMAINS", range(1, 3))
    assert {processes.unused_domain() for _ in range(20)} == {2}


def test_without_a_free_domain_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_is_bound", lambda _: True)
    with pytest.raises(OSError, match=r"domains 1 to 100 are in use; end some ROS processes"):
        processes.unused_domain()
