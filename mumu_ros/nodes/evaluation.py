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

"""ActivityRecognitions and ActivityAnnotations in, a report out: `mumu evaluate` for a running system."""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.qos import DurabilityPolicy, QoSProfile

from mumu_ros.conversions import header_stamp_ns, time_to_ns
from mumu_ros.evaluation.decisions import DecisionLog
from mumu_ros.evaluation.live_accuracy import Recognition, Truth, TruthSegment
from mumu_ros.evaluation.output import write_outputs
from mumu_ros.evaluation.results import BagResult, pause_problems, right_activity, true_labels, unknown_names
from mumu_ros.evaluation.stopwatch import Stopwatch
from mumu_ros.evaluation.summary import headline, summarize
from mumu_ros.evaluation.truth import covering, from_annotations, from_labels
from mumu_ros.fault_codes import FaultCode
from mumu_ros.files import check_folder
from mumu_ros.health import ModalityHealth
from mumu_ros.model.checkpoint import read_config
from mumu_ros.msg import ActivityAnnotation, ActivityRecognition
from mumu_ros.nodes.managed import ManagedNode
from mumu_ros.nodes.node_configuration import EvaluationConfig
from mumu_ros.nodes.parameters import EVALUATION, ParameterError
from mumu_ros.nodes.running import main
from mumu_ros.recognition import Decision
from mumu_ros.recordings.annotations import distinct, of_body
from mumu_ros.recordings.label_files import read_labels
from mumu_ros.streams import NS_PER_S
from mumu_ros.text import reason

__all__ = ["Evaluation", "insert_annotation", "latest_annotations"]

_CODES = {code.value: code for code in FaultCode}
"""Fault codes of another version count as a fault, too."""
USUAL_PERIOD_NS = NS_PER_S // 5
OTHER_CLOCK_NS = 60 * NS_PER_S
"""A recognition older than this uses another clock: a bag's, without use_sim_time."""
RECENT = 50
"""Number of recognitions for the accuracy in /diagnostics."""
ABSENT_NS = NS_PER_S
"""A model that was replaced for longer than this begins a new epoch when it returns."""


@dataclass
class _Log:
    """What one model recognised of one body, its number of epochs before this one, and its last stamp."""

    decisions: DecisionLog
    epoch: int = 0
    last_ns: int = 0


class Evaluation(ManagedNode):
    """Compares `activity` with `annotation`, reports the accuracy in /diagnostics and writes a report at the end.

    The end is when it is deactivated or interrupted; a further activation has a report of its own. Each body is
    evaluated by itself, like a recording of its own, and so is each model, should another one be set. A stamp that is
    not after the previous one begins a new epoch: a bag that loops or seeks back. So does a model that returns after
    another one: what was done meanwhile it did not miss.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("evaluation", EVALUATION, **options)
        self._written: set[Path] = set()  # folders of reports

    def configure(self) -> None:
        """Read the model's labels, and the label file if there is one; see that the report can be written."""
        self._config = EvaluationConfig.read(self.values)
        self._model = read_config(self._config.model)
        labels = self._config.labels
        self._labels = None if labels is None else from_labels(read_labels(labels))
        try:
            check_folder(self._config.out)
        except OSError as error:
            out = str(self._config.out)
            raise ParameterError(
                f"parameter out is {out!r}, where no report can be written: {reason(error)}; give another folder"
            ) from error

    def activate(self) -> None:
        """Subscribe."""
        self._stopwatch = Stopwatch()
        self._logs: dict[tuple[str, str], _Log] = {}  # by body and model
        self._models: dict[str, str] = {}  # that recognised last, by body
        self._annotations: list[ActivityAnnotation] = []
        self._recent: list[tuple[str, str, Recognition]] = []  # with body and model
        self._strange = ""
        self._identity = ""
        self.failed = False
        self._subscriptions_made = [
            self.create_subscription(ActivityRecognition, "activity", self._on_recognition, 100)
        ]
        # Transient local delivers earlier messages, but only of publishers that keep them; theirs arrive twice.
        for durability in (DurabilityPolicy.TRANSIENT_LOCAL, DurabilityPolicy.VOLATILE):
            qos = QoSProfile(depth=100, durability=durability)
            self._subscriptions_made.append(
                self.create_subscription(ActivityAnnotation, "annotation", self._on_annotation, qos)
            )

    def deactivate(self) -> None:
        """Unsubscribe and write the report."""
        for subscription in self._subscriptions_made:
            self.destroy_subscription(subscription)
        if not self._logs:
            self._fail(f"{self._strange or 'no recognition was received'}: no report is written")
            return
        models = list(dict.fromkeys(model for _, model in self._logs))
        mixed = ""
        if len(models) > 1:
            mixed = f"the numbers of all recordings together are of {len(models)} models: {', '.join(models)}"
            self.get_logger().warning(mixed)
        results = [self._result(body_id, model, log, mixed) for (body_id, model), log in self._logs.items()]
        count = sum(len(result.decisions) for result in results)
        self.get_logger().info(f"writing the report of {count} recognitions")
        out = self._folder()
        try:
            summary, timing = summarize(results, self._model), {"stages": self._stopwatch.summary()}
            write_outputs(out, ", ".join(models), results, self._model, summary, timing=timing)
        except OSError as error:
            self._fail(f"cannot write the report: {error}")
            return
        self._written.add(out)
        self._say_end(results, count, headline(summary)["judged"], out / "report.html")

    @property
    def _annotation_topic(self) -> str:
        return str(self.resolve_topic_name("annotation"))

    def _folder(self) -> Path:
        """Where to write the report: `out`, or beside it if this node has written one there before."""
        out = self._config.out.resolve()
        numbered = (out.with_name(f"{out.name}-{number}") for number in itertools.count(2))
        return out if out not in self._written else next(folder for folder in numbered if not folder.exists())

    def _say_end(self, results: Sequence[BagResult], count: int, judged: int | None, report: Path) -> None:
        """Log what the recognitions were compared with, and where the report is."""
        if judged:
            truth = self._config.labels or f"the annotations on {self._annotation_topic}"
            self.get_logger().info(f"{count} recognitions evaluated, {judged} of them against {truth}; see {report}")
            return
        problems = dict.fromkeys(problem for result in results for problem in result.problems)
        why = (
            "; ".join(problems)
            or f"no annotation was received on {self._annotation_topic}; the parameter labels takes a label file"
        )
        self.get_logger().warning(f"{count} recognitions evaluated, none against ground truth: {why}; see {report}")

    def _fail(self, reason: str) -> None:
        self.failed = True
        self.get_logger().error(reason)

    def _on_recognition(self, message: ActivityRecognition) -> None:
        stamp_ns = header_stamp_ns(message) or 0
        config = self._model
        if (tuple(message.activity_labels), tuple(message.modalities)) != (config.taxonomy.activities, config.names):
            self._strange = f"{message.model} has other activities or sensors than parameter model, {config.name}"
            self.log_throttled("strange", f"{self._strange}; its recognitions are not evaluated")
            return
        body_id, model = message.body_id, message.model
        log = self._logs.get((body_id, model))
        if log is None:
            log = _Log(DecisionLog(config.taxonomy, config.names))
        elif stamp_ns <= log.last_ns or (self._models[body_id] != model and stamp_ns - log.last_ns > ABSENT_NS):
            log.epoch += 1
        log.last_ns = stamp_ns
        self._identity = self._models[body_id] = model
        start_ns = time_to_ns(message.window_start)
        self._stopwatch.add("recognise", 1e3 * message.processing_time_s)
        latency_ns = self.get_clock().now().nanoseconds - stamp_ns
        if 0 <= latency_ns < OTHER_CLOCK_NS:
            self._stopwatch.add("latency", latency_ns * 1e-6)
        try:
            log.decisions.append(log.epoch, _decision(message, start_ns, stamp_ns))
        except ValueError as error:
            self._strange = f"a recognition of {message.model} is damaged ({error})"
            self.log_throttled("strange", f"{self._strange}; it is not evaluated")
            return
        self._strange = ""
        self._logs[body_id, model] = log
        recent = (body_id, model, Recognition(start_ns, stamp_ns, message.activity))
        self._recent = [*self._recent[1 - RECENT :], recent]

    def _on_annotation(self, message: ActivityAnnotation) -> None:
        insert_annotation(self._annotations, message)

    def _truth(self, body_id: str, problems: list[str], since_ns: int | None = None) -> list[TruthSegment]:
        """What a body did, from an instant on; None: all of it."""
        if self._labels is not None:
            if len(self._models) > 1:
                problems.append("the label file names no body: it is used for every one")
            return self._labels
        annotations = of_body(self._annotations, body_id)
        if self._annotations and not annotations:
            others = sorted({message.body_id for message in self._annotations})
            problems.append(f"annotations are of {', '.join(map(repr, others))}, not of {body_id!r}")
        latest = annotations if since_ns is None else latest_annotations(annotations, since_ns)
        return from_annotations(latest, problems)

    def _result(self, body_id: str, model: str, log: _Log, mixed: str) -> BagResult:
        """What a model recognised of a body; `mixed` says so if there are several models."""
        decisions = log.decisions.table()
        problems = [mixed] if mixed else []
        truth = covering(self._truth(body_id, problems), decisions, problems)
        steps = np.diff(decisions.stamp_ns)
        steps = steps[steps > 0]
        period_ns = int(np.median(steps)) if len(steps) else USUAL_PERIOD_NS
        problems += unknown_names(decisions, truth, self._model.taxonomy)
        problems += pause_problems(decisions, period_ns)
        return BagResult(
            name=f"live {body_id}".rstrip() + (f", {model}" if mixed else ""),
            # As in a run after a jump of time; the first window begins before the recording.
            start_ns=int(decisions.stamp_ns.min()) - period_ns,
            end_ns=int(decisions.stamp_ns.max()),
            period_ns=period_ns,
            decisions=decisions,
            truth=truth,
            labels=true_labels(decisions, truth, self._model.taxonomy),
            sensors={},
            pauses=(),
            waits_ms=None,
            problems=problems,
        )

    def diagnose(self) -> Iterable[DiagnosticStatus]:
        """One status: the recent accuracy."""
        right, problems = self._recently_right()
        accuracy = sum(right) / len(right) if right else float("nan")
        if self._strange:
            code, text = FaultCode.OTHER_MODEL, self._strange
        elif not self._recent:
            code, text = FaultCode.WAITING, "no recognition yet: is inference active?"
        elif not right:
            what = ["no annotation covers the stamps of the recognitions", *dict.fromkeys(problems)]
            code, text = FaultCode.UNLABELLED, "; ".join(what)
        else:
            code, text = FaultCode.NONE, f"{accuracy:.0%} of the last {len(right)} right"
        yield self.status(
            "accuracy",
            (code, text),
            bodies=len(self._models),
            epoch=max((log.epoch for log in self._logs.values()), default=0),
            annotations=len(self._annotations),
            recent_accuracy=accuracy,
        )

    def _recently_right(self) -> tuple[list[bool], list[str]]:
        """Whether each of the model's last recognitions that can be judged was right; and what is wrong."""
        problems: list[str] = []
        recent = [(body_id, recognition) for body_id, model, recognition in self._recent if model == self._identity]
        bodies = dict.fromkeys(body_id for body_id, _ in recent)
        since_ns = min((recognition.stamp_ns for _, recognition in recent), default=None)
        truths = {body_id: Truth(self._truth(body_id, problems, since_ns)) for body_id in bodies}
        labels = [(r.activity, truths[body_id].label(r)) for body_id, r in recent]
        taxonomy = self._model.taxonomy
        return [said == right_activity(label, taxonomy) for said, label in labels if label is not None], problems


def insert_annotation(annotations: list[ActivityAnnotation], message: ActivityAnnotation) -> None:
    """Add an annotation to a list in order of time, unless it is there; its end, once it is known, replaces none."""
    start_ns = time_to_ns(message.start)
    first, last = (bisect(annotations, start_ns, key=_start_ns) for bisect in (bisect_left, bisect_right))
    annotations[first:last] = distinct([*annotations[first:last], message])


def latest_annotations(annotations: Sequence[ActivityAnnotation], since_ns: int) -> Sequence[ActivityAnnotation]:
    """Those of a list in order of time that say what was done from an instant on."""
    begun = bisect_right(annotations, since_ns, key=_start_ns)
    return annotations[max(begun - 1, 0) :]


def _start_ns(message: ActivityAnnotation) -> int:
    return time_to_ns(message.start)


def _decision(message: ActivityRecognition, start_ns: int, stamp_ns: int) -> Decision:
    return Decision(
        start_ns=start_ns,
        stamp_ns=stamp_ns,
        group=message.group,
        activity=message.activity,
        group_probabilities=np.array(message.group_probabilities, np.float32),
        activity_probabilities=np.array(message.activity_probabilities, np.float32),
        present=np.array(message.present, np.bool_),
        coverage=np.array(message.coverage, np.float32),
        ages_s=np.array(message.modality_age_s, np.float32),
        sm_weights=np.array(message.sm_fusion_weights, np.float32),
        gm_weights=np.array(message.gm_fusion_weights, np.float32),
        health=tuple(
            # A fault not found by health, such as silence, has no age.
            ModalityHealth(score)
            if math.isnan(age_s)
            else ModalityHealth(score, _CODES.get(fault, FaultCode.UNLIKE_OTHERS), stamp_ns - round(age_s * NS_PER_S))
            for score, fault, age_s in zip(message.anomaly, message.fault, message.fault_age_s, strict=False)
        ),
        group_confidence=message.group_confidence,
        activity_confidence=message.activity_confidence,
        novelty=message.novelty,
        group_probability=message.group_probability,
        activity_probability=message.activity_probability,
    )


if __name__ == "__main__":
    main(Evaluation)
