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

"""Services of inference: pause, reset, load another model."""

from __future__ import annotations

from collections.abc import Callable

from lifecycle_msgs.msg import State
from rclpy.parameter import Parameter
from std_srvs.srv import SetBool, Trigger

from mumu_ros.nodes.managed import ManagedNode
from mumu_ros.srv import SetModel

__all__ = ["serve_controls"]

_CONFIGURED = (State.PRIMARY_STATE_INACTIVE, State.PRIMARY_STATE_ACTIVE)


def serve_controls(node: ManagedNode, reset: Callable[[], None], prepare: Callable[[str], str]) -> None:
    """Serve ~/pause, ~/reset and ~/set_model. They use lifecycle transitions: a lifecycle manager sees the state.

    Args:
        node: A configured one has a model.
        reset: Drops all inputs.
        prepare: Loads another model, which the next configure takes; returns its id.
    """
    controls = _Controls(node, reset, prepare)
    node.serve(SetBool, "~/pause", controls.pause)
    node.serve(Trigger, "~/reset", controls.reset)
    node.serve(SetModel, "~/set_model", controls.set_model)


class _Controls:
    def __init__(self, node: ManagedNode, reset: Callable[[], None], prepare: Callable[[str], str]) -> None:
        self._node = node
        self._reset = reset
        self._prepare = prepare

    def pause(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        """Deactivate, or with false activate; the model stays loaded."""
        wanted = State.PRIMARY_STATE_INACTIVE if request.data else State.PRIMARY_STATE_ACTIVE
        state, label = self._node.state
        if state not in _CONFIGURED:
            response.message = f"the node is {label}: configure it"
            return response
        if state != wanted:
            (self._node.trigger_deactivate if request.data else self._node.trigger_activate)()
        state, label = self._node.state
        response.success = state == wanted
        response.message = label if response.success else self._node.refused
        return response

    def reset(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Drop all inputs."""
        state, label = self._node.state
        response.success = state == State.PRIMARY_STATE_ACTIVE
        if response.success:
            self._reset()
        else:
            response.message = f"the node is {label}: it remembers nothing"
        return response

    def set_model(self, request: SetModel.Request, response: SetModel.Response) -> SetModel.Response:
        """Load another model beside the one that runs, and only then replace it."""
        node = self._node
        state, label = node.state
        if state not in _CONFIGURED:
            response.message = f"the node is {label}: set its parameter model, and configure it"
            return response

        def prepare() -> None:
            response.message = self._prepare(request.model)

        try:
            response.success = node.load("set the model", prepare)
        except Exception as error:  # of a library that the model runs on
            node.report_error(error)
        if response.success:
            self._replace(request.model)
        else:
            response.message = node.refused
        return response

    def _replace(self, model: str) -> None:
        node, (state, _) = self._node, self._node.state
        if state == State.PRIMARY_STATE_ACTIVE:
            node.trigger_deactivate()
        node.trigger_cleanup()
        node.set_parameters([Parameter("model", value=model)])
        node.trigger_configure()
        if state == State.PRIMARY_STATE_ACTIVE:
            node.trigger_activate()
