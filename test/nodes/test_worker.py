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

import itertools
import threading

import pytest

pytest.importorskip("rclpy")

from mumu_ros.nodes.worker import Worker

TIMEOUT_S = 10.0


def test_jobs_are_handled_in_order() -> None:
    done: list[int] = []
    finished = threading.Event()

    def handle(job: int) -> None:
        done.append(job)
        if job == 9:
            finished.set()

    worker: Worker[int] = Worker("test", handle, lambda error: None, capacity=10)
    for job in range(10):
        worker.put(job)
    assert finished.wait(TIMEOUT_S)
    worker.stop()
    assert done == list(range(10))
    assert worker.dropped == 0


def test_behind_a_slow_job_the_newest_wins_and_drops_are_counted() -> None:
    done: list[int] = []
    busy, go, finished = threading.Event(), threading.Event(), threading.Event()

    def handle(job: int) -> None:
        busy.set()
        go.wait(TIMEOUT_S)
        done.append(job)
        if job == 4:
            finished.set()

    worker: Worker[int] = Worker("test", handle, lambda error: None)
    worker.put(0)
    assert busy.wait(TIMEOUT_S)
    for job in range(1, 5):
        worker.put(job)
    go.set()
    assert finished.wait(TIMEOUT_S)
    worker.stop()
    assert done == [0, 4]
    assert worker.dropped == 3


def test_room_for_jobs_that_come_together_lasts_until_they_are_done_or_the_thread_does_not_catch_up() -> None:
    done: list[int] = []
    turns, began = threading.Semaphore(0), threading.Semaphore(0)

    def handle(job: int) -> None:
        done.append(job)
        began.release()
        assert turns.acquire(timeout=TIMEOUT_S)

    worker: Worker[int] = Worker("test", handle, lambda error: None)
    jobs = itertools.count()

    def put(count: int) -> list[int]:
        """Put jobs while the worker does one; those that wait then."""
        for _ in range(count):
            worker.put(next(jobs))
        return list(worker._jobs)

    put(1)
    assert began.acquire(timeout=TIMEOUT_S)
    worker.make_room(5)
    assert put(5) == [1, 2, 3, 4, 5]
    for _ in range(6):  # until none waits and the last one has been done
        turns.release()
    for _ in range(5):
        assert began.acquire(timeout=TIMEOUT_S)
    assert (done, worker.dropped) == ([0, 1, 2, 3, 4, 5], 0)
    put(1)
    assert began.acquire(timeout=TIMEOUT_S)
    worker.make_room(5)
    put(20)
    assert len(put(1)) == 1, "of a thread that is too slow"
    turns.release(100)
    worker.stop()


def test_a_job_that_raises_is_reported_and_the_worker_goes_on() -> None:
    errors: list[Exception] = []
    finished = threading.Event()

    def handle(job: int) -> None:
        if job == 0:
            raise RuntimeError("bad frame")
        finished.set()

    worker: Worker[int] = Worker("test", handle, errors.append, capacity=2)
    worker.put(0)
    worker.put(1)
    assert finished.wait(TIMEOUT_S)
    worker.stop()
    assert [str(error) for error in errors] == ["bad frame"]


def test_stopping_forgets_what_waits() -> None:
    done: list[int] = []
    busy, go = threading.Event(), threading.Event()

    def handle(job: int) -> None:
        busy.set()
        go.wait(TIMEOUT_S)
        done.append(job)

    worker: Worker[int] = Worker("test", handle, lambda error: None)
    worker.put(0)
    assert busy.wait(TIMEOUT_S)
    worker.put(1)
    stopper = threading.Thread(target=worker.stop)
    stopper.start()
    go.set()
    stopper.join(TIMEOUT_S)
    assert not stopper.is_alive()
    assert done == [0]
