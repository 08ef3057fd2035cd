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

"""A camera in, everybody in view out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from diagnostic_msgs.msg import DiagnosticStatus

from mumu_ros.conversions import RosTypes, people_to_message
from mumu_ros.fault_codes import FaultCode
from mumu_ros.msg import People as PeopleMessage
from mumu_ros.nodes.camera_source import CameraSource, View
from mumu_ros.nodes.diagnostics import Problem
from mumu_ros.nodes.endpoints import contest, contest_tracked
from mumu_ros.nodes.humans_publisher import HumansPublisher
from mumu_ros.nodes.humans_source import HumansSource
from mumu_ros.nodes.humans_topics import has_hri_msgs
from mumu_ros.nodes.managed import ManagedNode
from mumu_ros.nodes.node_configuration import PeopleConfig
from mumu_ros.nodes.parameters import PEOPLE
from mumu_ros.nodes.running import main
from mumu_ros.nodes.transforms import FrameChanger

__all__ = ["People"]


class People(ManagedNode):
    """Detects people in a camera's pictures and publishes `people`, and REP 155's topics if hri_msgs is installed."""

    def __init__(self, **options: Any) -> None:
        super().__init__("people", PEOPLE, **options)
        self._output = self.create_output(PeopleMessage, "people")
        self._types = RosTypes()
        self._source: CameraSource | HumansSource | None = None
        self._frame_changer: FrameChanger | None = None

    def configure(self) -> None:
        """Read the parameters and load the pose network."""
        config = PeopleConfig.read(self.values)
        self.require_topic("image.topic", config.image.topic)
        self.require_topic("camera_info.topic", config.camera_info_topic)
        if config.depth:
            self.require_topic("depth.topic", config.depth.topic)
        reads_humans = config.source == "hri"
        self._publishes_humans = config.humans and has_hri_msgs() and not reads_humans
        self._source = (HumansSource if reads_humans else CameraSource)(self, config, self._publish)
        # Last, because it subscribes to TF, and nothing is undone where the source is refused.
        self._frame_changer = FrameChanger(self, config.target_frame) if config.target_frame else None

    def cleanup(self) -> None:
        """Free the pose network and unsubscribe from TF."""
        self._source = None
        if self._frame_changer:
            self._frame_changer.close()
            self._frame_changer = None

    def activate(self) -> None:
        """Subscribe and start the worker."""
        assert self._source is not None
        self._published = 0
        if self._frame_changer:
            self._frame_changer.restart()
        self._humans = HumansPublisher(self) if self._publishes_humans else None
        if self._humans:
            self.undo.callback(self._humans.close)
        self._source.start()

    def _publish(self, view: View) -> None:
        picture_frame = view.frame_id
        if self._frame_changer:
            view = self._frame_changer.apply(view)
        self._output.publish(
            people_to_message(
                view.stamp_ns,
                view.frame_id,
                view.width,
                view.height,
                view.layout,
                view.people,
                self._types,
                picture_frame,
            )
        )
        if self._humans:
            self._humans.publish(view, picture_frame)
        self._published += 1

    def diagnose(self) -> Iterable[DiagnosticStatus]:
        """The source's statuses, and one for the output."""
        assert self._source is not None
        yield from self._source.diagnose()
        problem = contest(self, "people", "mumu_ros/msg/People", self._output_problem())
        problem = contest_tracked(self, problem) if self._humans else problem
        yield self.status("output", problem, published=self._published)

    def _output_problem(self) -> Problem:
        if self._frame_changer and (problem := self._frame_changer.problem()):
            return FaultCode.NO_TRANSFORM, problem
        return FaultCode.NONE, ""


if __name__ == "__main__":
    main(People)
