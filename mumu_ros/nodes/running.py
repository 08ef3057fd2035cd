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

"""Runs nodes as a process: starts by itself, and ends in order on SIGINT, SIGTERM or SIGHUP."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

import rclpy
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future
from rclpy.utilities import remove_ros_args

from mumu_ros.nodes.__main__ import on_first_signal, on_signals
from mumu_ros.nodes.declaring import own_arguments
from mumu_ros.nodes.handover import connect
from mumu_ros.nodes.managed import ManagedNode
from mumu_ros.nodes.parameters import ParameterError
from mumu_ros.nodes.rclpy_compat import EventsExecutor
from mumu_ros.text import shorten

__all__ = ["leave", "main", "run", "spin_some"]

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Options of mallopt, from malloc.h."""


def run(node_classes: Sequence[Callable[[], ManagedNode]], arguments: Sequence[str] | None = None) -> int:
    """Run nodes in one executor until they are interrupted; topics between them do not pass DDS.

    Returns:
        Exit status: 1 if a node cannot be created, could not start automatically, or could not do its task.
    """
    _keep_memory()
    stop = threading.Event()

    def end() -> None:
        stop.set()
        executor.wake()

    try:
        # Our own handlers: rclpy's would end the context first, and the node could not shut down in order.
        rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
        executor = _make_executor()
        on_first_signal(end)
        nodes = [node_class() for node_class in node_classes]
        _check_names(nodes)
    except RuntimeError as error:  # rclpy's RCLError: arguments that it cannot read, or SROS 2 without keys
        print(shorten(f"cannot start: {' '.join(str(error).split())}"), file=sys.stderr)
        rclpy.try_shutdown()
        return 1
    connect([output for node in nodes for output in node.outputs], [i for node in nodes for i in node.inputs])
    handler = _ToRos(nodes[-1])
    logging.getLogger("mumu_ros").addHandler(handler)
    for node in nodes:
        executor.add_node(node)
    try:
        if not _start([node for node in nodes if node.values.read("autostart")]):
            return 1
        while not stop.is_set() and rclpy.ok() and not any(node.finished for node in nodes):
            spin_some(executor, nodes[-1])
    except ExternalShutdownException:
        pass
    except ParameterError as error:  # autostart
        nodes[-1].get_logger().error(shorten(str(error)))
        return 1
    finally:
        for node in nodes:
            _shut_down(node)
        with contextlib.suppress(ExternalShutdownException):
            spin_some(executor, nodes[-1])  # sends the results of goals that the shutdown has ended
        logging.getLogger("mumu_ros").removeHandler(handler)
        # They shut down as requested; a further signal must not kill Python, which drops handlers at exit.
        on_signals(signal.SIG_IGN)
        executor.shutdown()
        for node in nodes:
            node.destroy_node()
        rclpy.try_shutdown()
    return int(any(node.failed for node in nodes))


def _keep_memory() -> None:
    """Have glibc keep the memory of pictures for the next ones: new pages take longer than copying a picture."""
    with contextlib.suppress(AttributeError, OSError):  # another C library
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, 32 * 2**20)
        libc.mallopt(_M_TRIM_THRESHOLD, 64 * 2**20)


def _make_executor() -> Executor:
    """The executor of a process: one thread, driven by events where rclpy has that.

    On a machine that is too busy it takes more messages in the same CPU time (docs/benchmarks.md).
    """
    executor: Executor = EventsExecutor() if EventsExecutor else SingleThreadedExecutor()
    return executor


class _ToRos(logging.Handler):
    """Forwards logs of subpackages without ROS to a node."""

    def __init__(self, node: ManagedNode) -> None:
        super().__init__(logging.INFO)
        self._node = node

    def emit(self, record: logging.LogRecord) -> None:
        self._node.repeat(record)


def _check_names(nodes: Sequence[ManagedNode]) -> None:
    """Refuse one name for several nodes: they would share parameters and services."""
    names = [node.get_fully_qualified_name() for node in nodes]
    if len(set(names)) < len(names):
        raise RuntimeError(f"several nodes are named {max(names, key=names.count)}; name each: -r people:__node:=NAME")


def _start(nodes: Sequence[ManagedNode]) -> bool:
    """Configure all, then activate all: no sensor waits for a model to be loaded."""
    success = TransitionCallbackReturn.SUCCESS
    return all(node.trigger_configure() == success for node in nodes) and all(
        node.trigger_activate() == success for node in nodes
    )


def spin_some(executor: Executor, node: ManagedNode) -> None:
    """Run callbacks for a tenth of a second; an exception ends the callback, not the process.

    `spin_once` would return to Python after each callback. `spin` of EventsExecutor does not end, and waits actively.
    """
    try:
        executor.spin_until_future_complete(Future(), timeout_sec=0.1)
    except ExternalShutdownException:
        raise
    except Exception as error:
        node.report_error(error)


def _shut_down(node: ManagedNode) -> None:
    """Stop a node in any state; after a shutdown by a service call it is stopped already."""
    try:
        node.trigger_shutdown()
    except Exception as error:
        node.get_logger().info(f"shutdown: {error}")


def main(node_class: Callable[..., ManagedNode]) -> None:
    """Entry point of a node's module; NAME=VALUE on the command line is a parameter, as `own_arguments` has it."""
    try:
        arguments = own_arguments(remove_ros_args(sys.argv)[1:])
    except ValueError as error:
        sys.exit(f"{Path(sys.argv[0]).stem}: {error}")
    leave(run([partial(node_class, cli_args=arguments)]))


def leave(status: int) -> NoReturn:
    """End the process with this status."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # skips Python's teardown of torch, which takes seconds
