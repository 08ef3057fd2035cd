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

"""Processes that share work, and end with it: at an exception, at Ctrl-C, and with the process that began them."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import active_children, get_context
from typing import Any

__all__ = ["interrupts_held", "worker_pool"]

_PR_SET_PDEATHSIG = 1


@contextmanager
def worker_pool(
    count: int, set_up: Callable[..., None] | None = None, arguments: tuple[Any, ...] = ()
) -> Iterator[ProcessPoolExecutor]:
    """Processes that begin with set_up(*arguments). They are killed, whatever they do, when the block ends with an
    exception, as by Ctrl-C, and when this process ends.

    Raises:
        ChildProcessError: One of them was killed.
    """
    before = set(active_children())
    # Not forked: the parent's threads (torch, OpenCV) would not exist in the child but their locks would.
    with ProcessPoolExecutor(count, get_context("spawn"), _begin, (os.getpid(), set_up, arguments)) as pool:
        try:
            yield pool
        except BaseException as error:
            for process in set(active_children()) - before:
                process.kill()
            if isinstance(error, BrokenProcessPool):
                raise ChildProcessError(
                    f"one of {count} worker processes was killed, as Linux does when memory runs out: close other "
                    "programs, or use fewer of them (cross-validate: --jobs)"
                ) from error
            raise


def _begin(parent: int, set_up: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    if set_up:
        set_up(*arguments)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Ctrl-C has its effect after the block. Processes that begin in it never notice: a pool's would print tracebacks,
    and go on with the next task.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
