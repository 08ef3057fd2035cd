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

"""Worker processes that end early."""

from __future__ import annotations

import os
import signal

import pytest

from mumu_ros.training.worker_pool import worker_pool


@pytest.mark.parametrize("when", ["at its work", "at its start"])
def test_a_killed_worker_is_an_error_with_a_remedy(when: str) -> None:
    with (
        pytest.raises(ChildProcessError, match=r"one of 2 worker processes was killed.*memory.*--jobs"),
        worker_pool(2, os.abort if when == "at its start" else None) as pool,
    ):
        pool.submit(signal.raise_signal, signal.SIGKILL).result(timeout=60)
