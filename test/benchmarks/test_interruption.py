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

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

WAITING = """
import threading
{before}
from mumu_ros.benchmarks.interruption import Interruption
interruption = Interruption()
print("ready", flush=True)
while not interruption.wait(0.1):
    sum(range(10000))
print("written", flush=True)
"""
# As OpenBLAS does while numpy is imported; a signal goes to any thread that takes it. The main thread doesn't here.
THREAD = """
threading.Thread(target=threading.Event().wait, daemon=True).start()
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("before", ["", THREAD], ids=["alone", "beside a thread of a library"])
def test_a_signal_ends_the_waiting_whichever_thread_it_reaches(
    started: Callable[..., subprocess.Popen[str]], number: signal.Signals, before: str
) -> None:
    command = [sys.executable, "-c", WAITING.format(before=before)]
    process = started(command)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (out, err, process.returncode) == ("written\n", "", 0)
