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

"""Common base of all nodes of this package: lifecycle, parameters, diagnostics."""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import SetParametersResult
from rclpy.action import ActionServer
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.service import Service

from mumu_ros.fault_codes import FaultCode
from mumu_ros.nodes.declaring import declare, unknown_parameters
from mumu_ros.nodes.diagnostics import Problem, status
from mumu_ros.nodes.endpoints import SimulatedTime
from mumu_ros.nodes.handover import Input, Output
from mumu_ros.nodes.parameters import Parameter, ParameterError
from mumu_ros.text import reason, shorten

__all__ = ["BUSY", "OVER", "ManagedNode"]

BUSY = "busy"
"""Status of a node that configures for long: "<node>: busy" on /diagnostics, once a second meanwhile."""

OVER = "no longer reported"
"""Text of a status that the node has published and has nothing to say of any more."""

LOG_PERIOD_S = 5.0
"""Minimum period between logs of the same problem."""
_PERIOD_S = 1.0
"""Period of the diagnostics while no fault appears or ends."""


class ManagedNode(LifecycleNode):
    """A lifecycle node that no message, service call or exception in a callback can end.

    Subclasses implement `configure` (validate, load; raise to reject), `activate` (subscribe, start the worker),
    `cleanup` (free what was loaded) and `diagnose`. `activate` pushes the inverse of each step on the stack `undo`,
    which is unwound when the node is deactivated, and when `activate` fails half way. `options` are those of
    LifecycleNode, such as `context` and `parameter_overrides`.

    Attributes:
        finished: Whether the node has completed its task.
        failed: Whether it could not: its process then ends with status 1.
        refused: Reason of the last failed transition; empty: none has failed.
        check_period_s: Period of `diagnose`.
        simulated_time: Is read before each `diagnose`.
        inputs: See `create_input`.
        outputs: See `create_output`.
    """

    check_period_s = 1.0

    def __init__(self, name: str, parameters: Sequence[Parameter], **options: Any) -> None:
        self._polled: weakref.WeakSet[Any] = weakref.WeakSet()
        super().__init__(name, **options)
        self.values = declare(self, parameters)
        self._unknown = unknown_parameters(self, parameters, options.get("cli_args"))
        self.simulated_time = SimulatedTime(self.get_clock())
        self.steady_clock = Clock(clock_type=ClockType.STEADY_TIME)
        self.undo = contextlib.ExitStack()
        self.inputs: list[Input[Any]] = []
        self.outputs: list[Output[Any]] = []
        self._logged: dict[str, float] = {}
        self._errors = 0
        self._last_error = ""
        self._last_log = ""
        self._codes: dict[str, str] = {}
        self._status_names: set[str] = set()  # of all so far
        self._published_s = -_PERIOD_S
        self._configured = False
        self._active = False
        self.finished = False
        self.failed = False
        self.refused = ""
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        # Watchdogs run on the steady clock: they must not stop with the simulated one.
        self.create_timer(self.check_period_s, self._check, clock=self.steady_clock)
        self.add_on_set_parameters_callback(self._judge)
        for service in self.services:
            service.callback = self._answering(service)

    def destroy_node(self) -> None:
        """Destroy the node with what rclpy leaves of it: while a handle of it lives, others see it in the graph."""
        for waitable in list(self.waitables):
            if isinstance(waitable, ActionServer):
                waitable.destroy()
        super().destroy_node()
        self._state_machine.destroy_when_not_in_use()

    # Implemented by subclasses.

    def configure(self) -> None:
        """Read parameters, load resources; reject with a ValueError, OSError or ImportError that has a remedy."""

    def activate(self) -> None:
        """Subscribe and start working; push the inverse of each step on `undo`."""

    def deactivate(self) -> None:
        """Stop what is not on `undo`."""

    def cleanup(self) -> None:
        """Free what was loaded."""

    def diagnose(self) -> Iterable[DiagnosticStatus]:
        """Report the node's health, every `check_period_s` while it is active."""
        return ()

    # Used by subclasses.

    @property
    def state(self) -> tuple[int, str]:
        """Number (`lifecycle_msgs/msg/State`) and name of the state that the node is in."""
        number, label = self._state_machine.current_state
        return number, label

    def create_subscription(self, message_type: Any, topic: str, callback: Any, *args: Any, **options: Any) -> Any:
        """As of every node; what the callback raises is reported here, also beside other nodes.

        It is not called once the subscription is destroyed: a message may still wait in the executor then.
        """
        create = functools.partial(super().create_subscription, message_type, topic)
        return self._served(create, callback, *args, **options)

    def create_polled_subscription(
        self, message_type: Any, topic: str, callback: Any, *args: Any, **options: Any
    ) -> Any:
        """A subscription that the executor leaves alone: its owner takes the messages.

        At 200 messages a second, waking the executor for each of them takes twice the time of taking them together.
        """
        subscription = self.create_subscription(message_type, topic, callback, *args, **options)
        self._polled.add(subscription)
        return subscription

    @property
    def subscriptions(self) -> Iterator[Any]:
        """As of every node, without the polled ones: those that an executor serves."""
        return (subscription for subscription in super().subscriptions if subscription not in self._polled)

    def create_timer(self, period_s: float, callback: Any, *args: Any, **options: Any) -> Any:
        """As of every node; for the callback, see `create_subscription`."""
        create = functools.partial(super().create_timer, period_s)
        return self._served(create, callback, *args, **options)

    def create_output(self, message_type: Any, topic: str) -> Output[Any]:
        """A lifecycle publisher that can hand messages over to nodes of the same process."""
        self.outputs.append(Output(self, message_type, topic))
        return self.outputs[-1]

    def create_input(self, message_type: Any, topic: str, callback: Any) -> Input[Any]:
        """A subscription, to be opened, that can be served by a node of the same process."""
        self.inputs.append(Input(self, message_type, topic, self._reporting(callback)))
        return self.inputs[-1]

    def serve(self, service_type: Any, name: str, callback: Callable[[Any, Any], Any]) -> None:
        """Serve requests; after an unexpected error the response is empty."""
        service = self.create_service(service_type, name, callback)
        service.callback = self._answering(service)

    def require_topic(self, parameter: str, topic: str) -> None:
        """Refuse a name that no topic can have, before the node subscribes to it.

        Raises:
            ParameterError: The parameter is such a name.
        """
        try:
            self.resolve_topic_name(topic)
        except RuntimeError as error:  # rclpy's RCLError
            reason = str(error).partition(", at ")[0]
            raise ParameterError(f"parameter {parameter} is {topic!r}: {reason}") from None

    def load(self, what: str, act: Callable[[], None]) -> bool:
        """Whether something succeeds that may take long: diagnostics say so meanwhile, and `refused` why it failed."""
        with self._busy():
            return self._attempt(what, act)

    def status(self, name: str, problem: Problem, **values: Any) -> DiagnosticStatus:
        """A status "<node>: <name>", see `diagnostics.status`."""
        return status(f"{self.get_name()}: {name}", problem, self.get_fully_qualified_name(), **values)

    def log_throttled(self, key: str, message: str) -> None:
        """Log a warning, cut to a readable length, at most every 5 s for the same key."""
        now = time.monotonic()
        if now - self._logged.get(key, -LOG_PERIOD_S) >= LOG_PERIOD_S:
            self._logged[key] = now
            self.get_logger().warning(shorten(message))

    def report_worker_error(self, error: Exception) -> None:
        """Log an exception of a job: bad data by its text, anything else as `report_error` does."""
        if isinstance(error, ValueError):
            self.log_throttled("worker", f"Processing failed, skipping this input: {error}")
        else:
            self.report_error(error)

    def report_error(self, error: BaseException) -> None:
        """Count an unexpected exception of a callback or a job; log it, once for each place with its traceback."""
        self._errors += 1
        self._last_error = f"{type(error).__name__}: {error}"
        frames = traceback.extract_tb(error.__traceback__)
        place = f"{type(error).__name__} in {frames[-1].filename}:{frames[-1].lineno}" if frames else self._last_error
        if place in self._logged:
            self.log_throttled(place, f"again: {self._last_error}")
            return
        self._logged[place] = time.monotonic()
        trace = "".join(traceback.format_tb(error.__traceback__))
        self.get_logger().error(f"{shorten(self._last_error)}; the node continues\n{trace}")

    def repeat(self, record: logging.LogRecord) -> None:
        """Forward a log record of a subpackage without ROS."""
        self._last_log = shorten(record.getMessage())
        if record.levelno >= logging.WARNING:
            self.get_logger().warning(self._last_log)
        else:
            self.get_logger().info(self._last_log)

    def finish(self) -> None:
        """Report that the node has completed its task: its process then ends. Callable from any thread."""
        self.finished = True

    def publish_diagnostics(self) -> None:
        """Publish `diagnose` on /diagnostics, the errors of callbacks if there were any, and what is `OVER`."""
        if self._active:
            self._publish_statuses(self._statuses())

    def _check(self) -> None:
        """Publish the diagnostics once a second, and at once if a fault appears or is over."""
        if not self._active:
            return
        statuses = self._statuses()
        codes = {status.name: status.values[0].value for status in statuses}
        if codes != self._codes or time.monotonic() - self._published_s >= _PERIOD_S - self.check_period_s / 2:
            self._codes, self._published_s = codes, time.monotonic()
            self._publish_statuses(statuses)

    def _statuses(self) -> list[DiagnosticStatus]:
        statuses: list[DiagnosticStatus] = []
        over = self._status_names
        self.simulated_time.read()
        try:
            statuses += self.diagnose()
        except Exception as error:  # must not silence the other statuses and nodes
            self.report_error(error)
            over = set()
        if self._errors:
            text = f"{self._errors} unexpected errors, the last one: {self._last_error}"
            statuses.append(self.status("errors", (FaultCode.EXCEPTION, text), errors=self._errors))
        if self._unknown:
            text = f"ignored: {'; '.join(self._unknown)}"
            statuses.append(self.status("parameters", (FaultCode.UNKNOWN_PARAMETER, text)))
        # diagnostic_aggregator takes a status that stops coming for an error.
        for name in sorted(over - {known.name for known in statuses}):
            statuses.append(status(name, (FaultCode.NONE, OVER), self.get_fully_qualified_name()))
        return statuses

    def _publish_statuses(self, statuses: list[DiagnosticStatus]) -> None:
        self._status_names.update(known.name for known in statuses)
        message = DiagnosticArray(status=statuses)
        message.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(message)

    # Lifecycle.

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Configure; on bad parameters or a bad model log why and stay unconfigured."""
        for text in self._unknown:
            self.get_logger().warning(f"ignored: {text}")
        if not self.load("configure", self.configure):
            return TransitionCallbackReturn.FAILURE
        self._configured = True
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Activate; if that fails, roll back and stay inactive."""
        self._errors = 0
        if not self._attempt("activate", self.activate):
            self.undo.close()
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

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """After an unexpected failure of a transition: free everything, so that the node can be configured again."""
        self._active = False
        self._configured = False
        for free in (self.undo.close, self.cleanup):
            try:
                free()
            except Exception as error:
                self.report_error(error)
        super().on_deactivate(state)  # publishers that were activated already
        return super().on_error(state)

    def _attempt(self, what: str, act: Callable[[], None]) -> bool:
        """Run a transition; log why it failed, since rclpy would not."""
        try:
            act()
        except (ValueError, OSError, ImportError) as error:
            self.refused = shorten(f"cannot {what}: {reason(error)}")
            self.get_logger().error(self.refused)
            return False
        except Exception as error:
            self.refused = shorten(f"cannot {what}, {type(error).__name__}: {error}")
            self.get_logger().error(f"{self.refused}\n{traceback.format_exc()}")
            raise
        return True

    def _stop(self) -> None:
        if self._active:
            self.publish_diagnostics()
            self._active = False
            self.deactivate()
            self.undo.close()

    @contextlib.contextmanager
    def _busy(self) -> Iterator[None]:
        """Publish progress on /diagnostics, from the second second on: the executor is blocked meanwhile."""
        done = threading.Event()
        start = time.monotonic()
        self._last_log = ""

        def say() -> None:
            while not done.wait(1.0):
                text = f"configuring for {time.monotonic() - start:.0f} s"
                text += f": {self._last_log}" if self._last_log else ""
                self._publish_statuses([self.status(BUSY, (FaultCode.NONE, text))])

        thread = threading.Thread(target=say, name="busy", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _served(self, create: Callable[..., Any], callback: Callable[..., Any], *args: Any, **options: Any) -> Any:
        """A new subscription or timer; its callback is called until it is destroyed."""
        node: Any = super()

        @functools.wraps(callback)  # rclpy looks at its signature
        def call(*arguments: Any) -> None:
            if entity in (*node.subscriptions, *node.timers):
                callback(*arguments)

        entity = create(self._reporting(call), *args, **options)
        return entity

    def _reporting(self, callback: Callable[..., Any]) -> Callable[..., None]:
        """Wrap a callback, so that an exception of it is reported and goes no further."""

        @functools.wraps(callback)  # rclpy looks at its signature
        def call(*arguments: Any) -> None:
            try:
                callback(*arguments)
            except Exception as error:
                self.report_error(error)

        return call

    def _answering(self, service: Service) -> Callable[[Any, Any], Any]:
        """Wrap a service's callback, so that it responds to any request and after any error."""
        callback = service.callback

        def answer(request: Any, response: Any) -> Any:
            if service.srv_type is ChangeState and not self._is_available(request.transition):
                return response  # `success` is false
            try:
                return callback(request, response)
            except Exception as error:
                self.report_error(error)
                return service.srv_type.Response()

        return answer

    def _is_available(self, transition: Transition) -> bool:
        """Whether the state machine has this transition now: rclpy raises otherwise."""
        available = {number: label for number, label, *_ in self._state_machine.available_transitions}
        asked = transition.label or transition.id
        if asked in available or asked in available.values():
            return True
        self.log_throttled(
            "transition",
            f"transition {asked!r} rejected: in state {self.state[1]} there are {', '.join(available.values())}",
        )
        return False

    def _judge(self, parameters: Sequence[Any]) -> SetParametersResult:
        """Reject invalid values, and changes that would take effect at the next configure only."""
        for parameter in parameters:
            try:
                if self.has_parameter(parameter.name):  # one that is being declared is checked when it is read
                    self.values.check(parameter.name, parameter.value)
            except ParameterError as error:
                return SetParametersResult(successful=False, reason=shorten(str(error)))
        if self._configured and any(p.name != "use_sim_time" for p in parameters):
            name = parameters[0].name
            return SetParametersResult(
                successful=False,
                reason=f"{name} is read when the node is configured: deactivate and clean up, set it, configure again",
            )
        return SetParametersResult(successful=True)
