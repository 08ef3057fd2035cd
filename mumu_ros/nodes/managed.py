"""What every node of this package has in common: lifecycle, parameters, diagnostics, an orderly end."""

from __future__ import annotations

import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from types import FrameType
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions

from mumu_ros.nodes.parameters import Parameter, declare

__all__ = ["ManagedNode", "run"]

LOG_PERIOD_S = 5.0
"""The same problem is logged this often at most."""


class ManagedNode(LifecycleNode):
    """A lifecycle node whose failures are messages.

    Subclasses implement `configure` (validate, load; raise to refuse), `activate` (subscribe, start the worker),
    `deactivate` (the reverse; frees nothing), `cleanup` (free) and `diagnose`.

    Args:
        name: Of the node.
        parameters: Its table.
        options: For LifecycleNode: `context`, `parameter_overrides`, `namespace`.
    """

    def __init__(self, name: str, parameters: Sequence[Parameter], **options: Any) -> None:
        super().__init__(name, **options)
        self.values = declare(self, parameters)
        self.steady_clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._logged: dict[str, float] = {}
        self._configured = False
        self._active = False
        self.finished = False
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        # Watchdogs run on the steady clock: they must not stop with the simulated one.
        self.create_timer(1.0, self.publish_diagnostics, clock=self.steady_clock)
        self.add_on_set_parameters_callback(self._refuse_when_configured)

    # What a subclass fills in.

    def configure(self) -> None:
        """Read parameters, load what is needed; refuse with a ValueError, OSError or ImportError that helps."""

    def activate(self) -> None:
        """Subscribe and start working."""

    def deactivate(self) -> None:
        """Stop working and unsubscribe; keep what was loaded."""

    def cleanup(self) -> None:
        """Free what was loaded."""

    def diagnose(self) -> Iterable[DiagnosticStatus]:
        """Report the node's health, once a second while it is active."""
        return ()

    # What a subclass uses.

    def log_throttled(self, key: str, message: str) -> None:
        """Log a warning, at most every 5 s for the same key."""
        now = time.monotonic()
        if now - self._logged.get(key, -LOG_PERIOD_S) >= LOG_PERIOD_S:
            self._logged[key] = now
            self.get_logger().warning(message)

    def report_worker_error(self, error: Exception) -> None:
        """Log what a job raised: expected errors by their text, a defect of ours with its place in the code."""
        text = f"{type(error).__name__}: {error}"
        if not isinstance(error, ValueError):
            text += "\n" + "".join(traceback.format_tb(error.__traceback__))
        self.log_throttled(f"worker {type(error).__name__}", f"skipped one piece of work: {text}")

    def finish(self) -> None:
        """Say that the node has done what it was started for: `run` then ends. Callable from any thread."""
        self.finished = True

    def publish_diagnostics(self) -> None:
        """Publish `diagnose` on /diagnostics."""
        if not self._active:
            return
        message = DiagnosticArray()
        message.header.stamp = self.get_clock().now().to_msg()
        message.status = list(self.diagnose())
        self._diagnostics.publish(message)

    # Lifecycle.

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Configure; on bad parameters or a bad model say why and stay unconfigured."""
        if not self._attempt("configure", self.configure):
            return TransitionCallbackReturn.FAILURE
        self._configured = True
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Activate."""
        if not self._attempt("activate", self.activate):
            return TransitionCallbackReturn.FAILURE
        self._active = True
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Deactivate."""
        self._stop()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Clean up."""
        self.cleanup()
        self._configured = False
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop from any state."""
        self._stop()
        return super().on_shutdown(state)

    def _attempt(self, what: str, act: Callable[[], None]) -> bool:
        """Do it; say why it failed, since rclpy would not."""
        try:
            act()
        except (ValueError, OSError, ImportError) as error:
            self.get_logger().error(f"cannot {what}: {error}")
            return False
        except Exception:
            self.get_logger().error(f"cannot {what}, a defect of {self.get_name()}:\n{traceback.format_exc()}")
            raise
        return True

    def _stop(self) -> None:
        if self._active:
            self.publish_diagnostics()
            self._active = False
            self.deactivate()

    def _refuse_when_configured(self, parameters: Sequence[Any]) -> SetParametersResult:
        if self._configured and any(p.name != "use_sim_time" for p in parameters):
            name = parameters[0].name
            return SetParametersResult(
                successful=False,
                reason=f"{name} is read when the node is configured: deactivate and clean up, set it, configure again",
            )
        return SetParametersResult(successful=True)


def run(node_class: Callable[[], ManagedNode], arguments: Sequence[str] | None = None) -> int:
    """Run one node until it is interrupted.

    Returns:
        Exit status: 1 if the node was to start by itself and could not.
    """
    # Our own handlers: rclpy's would end the context first, and the node could not say goodbye.
    rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()
        executor.wake()

    executor = SingleThreadedExecutor()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    node = node_class()
    executor.add_node(node)
    try:
        if node.values.read("autostart") and not _start(node):
            return 1
        while not stop.is_set() and rclpy.ok() and not node.finished:
            executor.spin_once(timeout_sec=0.1)
    except ExternalShutdownException:
        pass
    finally:
        node.trigger_shutdown()
        executor.shutdown()
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


def _start(node: ManagedNode) -> bool:
    success = TransitionCallbackReturn.SUCCESS
    return bool(node.trigger_configure() == success and node.trigger_activate() == success)


def main(node_class: Callable[[], ManagedNode]) -> None:
    """Entry point of a node's module."""
    sys.exit(run(node_class))
