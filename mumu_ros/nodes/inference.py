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

"""MultimodalFrames and People in, ActivityRecognitions and ActivityEvents out."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import torch
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.publisher import Publisher

from mumu_ros.conversions import (
    RosTypes,
    frame_to_samples,
    header_stamp_ns,
    message_to_people,
    ns_to_time,
)
from mumu_ros.health import fault_age_s
from mumu_ros.model.checkpoint import find_model
from mumu_ros.msg import ActivityRecognition, MultimodalFrame, People
from mumu_ros.nodes.activity_events import EVENT, EVENT_TYPE, ActivityEvents
from mumu_ros.nodes.controls import serve_controls
from mumu_ros.nodes.diagnostics import Problem
from mumu_ros.nodes.endpoints import contest
from mumu_ros.nodes.humans_topics import BODIES
from mumu_ros.nodes.inference_watch import InferenceWatch
from mumu_ros.nodes.intents import INTENTS, INTENTS_TYPE, Intents
from mumu_ros.nodes.managed import ManagedNode
from mumu_ros.nodes.parameters import INFERENCE
from mumu_ros.nodes.running import main
from mumu_ros.nodes.worker import Worker
from mumu_ros.pipeline.configuration import InferenceConfig
from mumu_ros.recognition import Decision, NoDecision, Session
from mumu_ros.recognition.events import ENDED_S
from mumu_ros.recognition.session import Answers

__all__ = ["Inference"]

_RECOGNITION_TYPE = "mumu_ros/msg/ActivityRecognition"
_OTHER_NAMES = (
    "such as a launch that still runs: stop all but one, or rename the topics of one by -r (those below /humans cannot "
    "be: set humans: false)"
)
_Loaded: TypeAlias = tuple[Session, Intents | None]


@dataclass(frozen=True)
class _Job:
    """An instant at which a decision may be due."""

    stamp_ns: int
    frame_id: str


class Inference(ManagedNode):
    """Runs a model on `multimodal_frame` and `people` and publishes `activity` and `activity_event`, for each body."""

    def __init__(self, **options: Any) -> None:
        super().__init__("inference", INFERENCE, **options)
        self._frames_input = self.create_input(MultimodalFrame, "multimodal_frame", self._receive)
        self._people_input = self.create_input(People, "people", self._see)
        self._publisher = self.create_lifecycle_publisher(ActivityRecognition, "activity", 10)
        self._types = RosTypes()
        self._events = ActivityEvents(self)
        self._session: Session | None = None
        self._intents: Intents | None = None
        self._next: _Loaded | None = None
        self._deciding = threading.Lock()
        self._of_bodies: dict[str, Publisher[ActivityRecognition]] = {}
        self._publishing = threading.Lock()
        self._drops = 0
        serve_controls(self, self._drop, self._prepare)

    def configure(self) -> None:
        """Load the model, put it on its device and run it once; or take the one that is prepared."""
        prepared, self._next = self._next, None
        self._session, self._intents = prepared or self._load(InferenceConfig.read(self.values))
        checkpoint = self._session.checkpoint
        self._device = next(checkpoint.model.parameters()).device
        self.get_logger().info(
            f"model {checkpoint.id} on {self._device} by {self._session.backend}: "
            f"{len(checkpoint.config.taxonomy.activities)} activities from {', '.join(checkpoint.config.names)}"
        )

    def _load(self, config: InferenceConfig) -> _Loaded:
        torch.set_num_threads(config.threads)
        session = Session.open(config, live=True, on_error=self._note)
        activities = session.checkpoint.config.taxonomy.activities
        return session, Intents(self, config.intents, activities) if config.intents else None

    def _prepare(self, model: str) -> str:
        """Load another model for the next `configure`, with the parameters of this one; gives its id."""
        assert self._session is not None
        config = replace(self._session.config, model=find_model(model))
        with self._deciding:  # CUDA records no graphs while another thread uses the device
            self._next = self._load(config)
        return self._next[0].checkpoint.id

    def cleanup(self) -> None:
        """Free the model and the memory of its device."""
        self._session = None
        if self._intents:
            self._intents.close()
            self._intents = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def activate(self) -> None:
        """Subscribe and start the worker."""
        assert self._session is not None
        self._session.restart()
        self._watch = InferenceWatch(self, self._session, self._frames_input, self._people_input)
        self._answers: dict[str, Decision | NoDecision] = {}
        self._worker: Worker[_Job] = Worker("inference", self._work, self.report_worker_error)
        config = self._session.config
        taxonomy = self._session.checkpoint.config.taxonomy
        self._events.start(taxonomy, config.begin_after, config.end_after, self._intents)
        self.undo.callback(self._follow_bodies, ())
        self.undo.callback(self._events.stop)
        self.undo.callback(self._worker.stop)
        timer = self.create_timer(ENDED_S / 4, self._end, clock=self.steady_clock)
        self.undo.callback(self.destroy_timer, timer)
        for source in self.inputs:
            self.undo.callback(source.close)
            source.open()

    def _drop(self) -> None:
        """Drop all inputs, also those of the decision that is being made, and end ongoing activities."""
        if self._session:
            self._session.restart()
            self._watch.restart()
        with self._publishing:
            self._drops += 1
            self._answers = {}
            self._events.clear()

    def _end(self) -> None:
        """End the activities of people about whom nothing is decided any more, and the topics of those not seen."""
        assert self._session is not None
        now_s = time.monotonic()
        if now_s - self._watch.worked_at > ENDED_S:
            self._events.clear()
        if now_s - self._watch.seen_at > self._session.checkpoint.config.window_s:
            self._follow_bodies(())

    def _receive(self, message: MultimodalFrame) -> None:
        assert self._session is not None
        if self.count_publishers(self._people_input.topic_name):
            self._session.expect_people()
        samples = list(frame_to_samples(message, self._note))
        self._watch.receive([name for name, _, _ in samples])
        stamps_ns = self._session.receive(header_stamp_ns(message) or 0, samples, message.epoch)
        # None once the camera is gone; new ones come with people.
        self._follow_bodies([body for body in self._session.bodies if body in self._of_bodies])
        self._put(stamps_ns, message.header.frame_id)

    def _see(self, message: People) -> None:
        assert self._session is not None
        self._watch.see()
        people = message_to_people(message, partial(self._note, "people"))
        stamps_ns = self._session.see(header_stamp_ns(message) or 0, message.layout, people)
        self._follow_bodies(self._session.bodies)
        self._put(stamps_ns, message.header.frame_id)

    def _note(self, name: str, error: ValueError) -> None:
        """Keep the problem of a part of a message for the diagnostics, by the name of the stream."""
        self.log_throttled("part", f"{self._watch.note(name, error)}; skipped")

    def _put(self, stamps_ns: Sequence[int], frame_id: str) -> None:
        if stamps_ns:
            self._watch.put()
            self._worker.put(_Job(stamps_ns[-1], frame_id))

    def _follow_bodies(self, bodies: Sequence[str]) -> None:
        """Create a publisher for each known body, and destroy the others."""
        assert self._session is not None
        if not self._session.config.humans:
            return
        with self._publishing:
            for body in self._of_bodies.keys() - bodies:
                self.destroy_publisher(self._of_bodies.pop(body))
            for body in bodies:
                if body not in self._of_bodies:
                    self._of_bodies[body] = self.create_publisher(ActivityRecognition, _topic_of(body), 10)

    def _work(self, job: _Job) -> None:
        """Encode new inputs; decide when a decision is due."""
        assert self._session is not None
        drops = self._drops
        try:
            with self._deciding:
                start = time.perf_counter()
                answers = self._session.decide(job.stamp_ns)
                seconds = time.perf_counter() - start
        except Exception as error:
            self._watch.fail(error)
            raise
        self._watch.work(seconds if answers else None)
        with self._publishing:
            if drops == self._drops:
                self._publish(job, answers, seconds)

    def _publish(self, job: _Job, answers: Answers, seconds: float) -> None:
        assert self._session is not None
        present = self._session.present
        latest = {**self._answers, **dict(answers)}
        self._answers = {body: answer for body, answer in latest.items() if body in present}
        for body, answer in answers:
            if isinstance(answer, NoDecision):
                continue
            message = self._message(body, answer, seconds, job.frame_id)
            self._publisher.publish(message)
            if body in self._of_bodies:
                self._of_bodies[body].publish(message)
            self._watch.decisions += 1
        self._events.update(job.stamp_ns, job.frame_id, answers, present)

    def _message(self, body: str, d: Decision, seconds: float, frame_id: str) -> ActivityRecognition:
        assert self._session is not None
        checkpoint = self._session.checkpoint
        types = self._types
        message = ActivityRecognition(
            window_start=ns_to_time(d.start_ns, types),
            body_id=body,
            group=d.group,
            group_probability=d.group_probability,
            activity=d.activity,
            activity_probability=d.activity_probability,
            group_confidence=d.group_confidence,
            activity_confidence=d.activity_confidence,
            novelty=d.novelty,
            group_labels=list(checkpoint.config.taxonomy.group_names),
            group_probabilities=_floats(d.group_probabilities),
            activity_labels=list(checkpoint.config.taxonomy.activities),
            activity_probabilities=_floats(d.activity_probabilities),
            modalities=list(checkpoint.config.names),
            present=d.present.tolist(),
            coverage=_floats(d.coverage),
            sm_fusion_weights=_floats(d.sm_weights),
            gm_fusion_weights=_floats(d.gm_weights),
            modality_age_s=_floats(d.ages_s),
            model=checkpoint.id,
            processing_time_s=seconds,
            anomaly=[h.score for h in d.health],
            fault=d.faults,
            fault_age_s=[fault_age_s(h, d.stamp_ns) for h in d.health],
        )
        message.header.stamp = ns_to_time(d.stamp_ns, types)
        message.header.frame_id = frame_id
        return message

    def diagnose(self) -> Iterable[DiagnosticStatus]:
        """One status: inputs and decisions of the recogniser."""
        assert self._session is not None
        with self._publishing:
            answers = dict(self._answers)
        watch, recognizer = self._watch, self._session.recognizer
        yield self.status(
            "recogniser",
            self._contest(watch.problem(answers, self._worker.dropped)),
            model=recognizer.checkpoint.id,
            device=self._device,
            frames=watch.frames,
            people_messages=watch.views,
            bodies=len(self._session.bodies),
            decisions=watch.decisions,
            waits=self._events.waits,
            not_finite=recognizer.not_finite,
            backend=self._session.backend,
            dropped=self._worker.dropped,
            skipped_frames=recognizer.skipped_frames,
            processing_ms_p50=watch.processing_ms(0.5),
            processing_ms_p99=watch.processing_ms(0.99),
        )

    def _contest(self, problem: Problem) -> Problem:
        """A problem, with the names of the nodes that publish the same topic; of several topics, of the first."""
        with self._publishing:
            of_bodies = [(_topic_of(body), _RECOGNITION_TYPE) for body in self._of_bodies]
        topics = [("activity", _RECOGNITION_TYPE), (EVENT, EVENT_TYPE), *of_bodies]
        if self._intents:
            topics.append((INTENTS, INTENTS_TYPE))
        told = (contest(self, topic, type_name, problem, _OTHER_NAMES) for topic, type_name in topics)
        return next((several for several in told if several != problem), problem)


def _topic_of(body: str) -> str:
    return f"{BODIES}/{body}/activity"


def _floats(values: np.ndarray) -> list[float]:
    return [float(value) for value in values]


if __name__ == "__main__":
    main(Inference)
