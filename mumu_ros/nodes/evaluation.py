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

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.qos import DurabilityPolicy, QoSProfile

from mumu_ros.conversions import header_stamp_ns, time_to_ns
from mumu_ros.evaluation.decisions import DecisionLog
from mumu_ros.evaluation.live_accuracy import Recognition, Truth, TruthSegment, accuracy
from mumu_ros.evaluation.output import write_outputs
from mumu_ros.evaluation.results import BagResult, true_labels
from mumu_ros.evaluation.stopwatch import Stopwatch
from mumu_ros.evaluation.summary import summarize
from mumu_ros.evaluation.truth import from_annotations, from_labels
from mumu_ros.fault_codes import FaultCode
from mumu_ros.health import ModalityHealth
from mumu_ros.model.checkpoint import read_config
from mumu_ros.msg import ActivityAnnotation, ActivityRecognition
from mumu_ros.nodes.managed import ManagedNode
from mumu_ros.nodes.node_configuration import EvaluationConfig
from mumu_ros.nodes.parameters import EVALUATION, ParameterError
from mumu_ros.nodes.running import main
from mumu_ros.recognition import Decision
from mumu_ros.recordings.label_files import read_labels
from mumu_ros.streams import NS_PER_S

__all__ = ["Evaluation"]

_CODES = {code.value: code for code in FaultCode}
"""Fault codes of another version count as a fault, too."""
USUAL_PERIOD_NS = NS_PER_S // 5
OTHER_CLOCK_NS = 60 * NS_PER_S
"""A recognition older than this uses another clock: a bag's, without use_sim_time."""
RECENT = 50
"""Number of recognitions for the accuracy in /diagnostics."""


class Evaluation(ManagedNode):
    """Compares `activity` with `annotation`, reports the accuracy in /diagnostics and writes a report at the end.

    The end is when it is deactivated or interrupted. A stamp that is not after the previous one begins a new epoch: a
    bag that loops or seeks back.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__("evaluation", EVALUATION, **options)

    def configure(self) -> None:
        """Read the model's labels, and the label file if there is one."""
        self._config = EvaluationConfig.read(self.values)
        self._model = read_config(self._config.model)
        labels = self._config.labels
        self._labels = None if labels is None else from_labels(read_labels(labels))
        if self._config.out.exists() and not self._config.out.is_dir():
            raise ParameterError(f"parameter out is {str(self._config.out)!r}, which is no folder")

    def activate(self) -> None:
        """Subscribe."""
        self._stopwatch = Stopwatch()
        self._log = DecisionLog(self._model.taxonomy, self._model.names)
        self._annotations: list[ActivityAnnotation] = []
        self._recent: list[Recognition] = []
        self._epoch = 0
        self._last_ns = 0
        self._strange = ""
        self._identity = ""
        self.failed = False
        self._subscriptions_made = [
            self.create_subscription(ActivityRecognition, "activity", self._on_recognition, 100)
        ]
        # Transient local delivers earlier messages, but only of publishers that keep them; duplicates count once.
        for durability in (DurabilityPolicy.TRANSIENT_LOCAL, DurabilityPolicy.VOLATILE):
            qos = QoSProfile(depth=100, durability=durability)
            self._subscriptions_made.append(
                self.create_subscription(ActivityAnnotation, "annotation", self._annotations.append, qos)
            )

    def deactivate(self) -> None:
        """Unsubscribe and write the report."""
        for subscription in self._subscriptions_made:
            self.destroy_subscription(subscription)
        result = self._result()
        if not len(result.decisions):
            self._fail("no recognition was received: no report is written")
            return
        out = self._config.out
        try:
            summary, timing = summarize([result], self._model), {"stages": self._stopwatch.summary()}
            write_outputs(out, self._identity, [result], self._model, summary, timing=timing)
        except OSError as error:
            self._fail(f"cannot write the report: {error}")
            return
        self.get_logger().info(f"{len(result.decisions)} recognitions evaluated; see {out / 'report.html'}")

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
        if stamp_ns <= self._last_ns:
            self._epoch += 1
        self._last_ns = stamp_ns
        self._identity = message.model
        start_ns = time_to_ns(message.window_start)
        self._stopwatch.add("recognise", 1e3 * message.processing_time_s)
        latency_ns = self.get_clock().now().nanoseconds - stamp_ns
        if 0 <= latency_ns < OTHER_CLOCK_NS:
            self._stopwatch.add("latency", latency_ns * 1e-6)
        self._log.append(self._epoch, _decision(message, start_ns, stamp_ns))
        self._recent = [*self._recent[1 - RECENT :], Recognition(start_ns, stamp_ns, message.activity)]

    def _truth(self, problems: list[str]) -> list[TruthSegment]:
        return self._labels if self._labels is not None else from_annotations(self._annotations, problems)

    def _result(self) -> BagResult:
        decisions = self._log.table()
        problems: list[str] = []
        truth = self._truth(problems)
        steps = np.diff(decisions.stamp_ns)
        steps = steps[steps > 0]
        return BagResult(
            name="live",
            start_ns=int(decisions.start_ns.min(initial=self._last_ns)),
            end_ns=int(decisions.stamp_ns.max(initial=0)),
            period_ns=int(np.median(steps)) if len(steps) else USUAL_PERIOD_NS,
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
        right = accuracy(self._recent, Truth(self._truth([])))
        if self._strange:
            code, text = FaultCode.OTHER_MODEL, self._strange
        elif not self._recent:
            code, text = FaultCode.WAITING, "no recognition yet: is inference active?"
        elif right is None:
            code, text = FaultCode.UNLABELLED, "no annotation covers the stamps of the recognitions"
        else:
            code, text = FaultCode.NONE, f"{right:.0%} of the last {len(self._recent)} right"
        yield self.status(
            "accuracy",
            (code, text),
            epoch=self._epoch,
            annotations=len(self._annotations),
            recent_accuracy=float("nan") if right is None else right,
        )


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
    )


if __name__ == "__main__":
    main(Evaluation)
