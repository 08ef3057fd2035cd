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

"""A model against recordings: run each, find its truth, and write what came out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mumu_ros.conversions import SUPPORTED_TYPES
from mumu_ros.evaluation.decision_features import FeatureLog
from mumu_ros.evaluation.live_accuracy import TruthSegment
from mumu_ros.evaluation.replay import Chain, Replay, SharedConversions, replay
from mumu_ros.evaluation.results import BagResult, pause_problems, true_labels, unknown_names
from mumu_ros.evaluation.stopwatch import Stopwatch
from mumu_ros.evaluation.truth import covering, from_labels, from_runs
from mumu_ros.evaluation.whatif import Alteration, Alterer
from mumu_ros.failures import Fault
from mumu_ros.health import HealthModel, HealthMonitor
from mumu_ros.model.checkpoint import Checkpoint
from mumu_ros.model.config import ModelConfig
from mumu_ros.pipeline.configuration import InferenceConfig, SensorSyncConfig
from mumu_ros.recognition import Recognizer
from mumu_ros.recognition.session import Session, recognizer_settings
from mumu_ros.recordings import Recording, RecordingError
from mumu_ros.recordings.annotations import annotation_topic
from mumu_ros.recordings.label_files import outside, read_labels
from mumu_ros.recordings.stream_topics import guess_streams, resolve_topics
from mumu_ros.streams import NS_PER_S, ns_to_seconds

__all__ = ["Evaluation", "Setup", "evaluate_bag", "open_setup"]


@dataclass(frozen=True)
class Setup:
    """A recording, and how to look at it.

    Attributes:
        path: Of the recording.
        labels: Label file; None: the recording's own annotations.
        sync: As sensor_sync has it.
        topics: Stream name to topic.
        empty: Topics of sensors without any message.
    """

    path: Path
    labels: Path | None
    sync: SensorSyncConfig
    topics: Mapping[str, str]
    empty: tuple[str, ...]


@dataclass(frozen=True)
class Evaluation:
    """What all recordings of an evaluation are looked at with.

    Attributes:
        checkpoint: The model.
        inference: As the inference node has it.
        alterations: What is changed on the way.
        faults: What fails on the way, in seconds since a recording's start.
        health: To flag more than stuck and saturated sensors; None: only those.
    """

    checkpoint: Checkpoint
    inference: InferenceConfig
    alterations: tuple[Alteration, ...] = ()
    faults: tuple[Fault, ...] = ()
    health: HealthModel | None = None

    def session(self) -> Session:
        """A fresh one."""
        settings = recognizer_settings(self.inference, self.checkpoint.config, live=False)
        health = partial(HealthMonitor, self.health) if self.health else None
        return Session(Recognizer(self.checkpoint, settings, health=health), self.inference)


def open_setup(path: Path, labels: Path | None, sync: SensorSyncConfig | None, config: ModelConfig) -> Setup:
    """Open a recording and find its topics; without a parameter file they are guessed.

    Raises:
        RecordingError: It cannot be read, or has no topic that the model could use.
        LabelError: The label file is invalid.
    """
    if labels is not None:
        read_labels(labels)
    with Recording(path) as recording:
        sync = sync or guess_streams(config, recording)
        topics = resolve_topics(sync, recording)
        sensors = (topic for topic in recording.topics.values() if topic.type_name in SUPPORTED_TYPES)
        empty = tuple(topic.name for topic in sensors if not topic.count)
    if not set(topics) & set(config.names):
        raise RecordingError(
            f"{path}: the streams {', '.join(topics)} are none of the model's modalities, {', '.join(config.names)}; "
            "name them alike in --params"
        )
    return Setup(path, labels, sync, topics, empty)


def evaluate_bag(
    evaluation: Evaluation,
    setup: Setup,
    *,
    name: str,
    variants: Sequence[tuple[Alteration, ...]] = ((),),
    stopwatch: Stopwatch | None = None,
    progress: Callable[[int], None] | None = None,
    features: FeatureLog | None = None,
) -> list[BagResult]:
    """Run one recording, once for each variant but reading it once, and compare with the truth.

    The variants are altered besides the evaluation's own alterations; `features` collects those of the first.

    Raises:
        RecordingError: It cannot be read.
        LabelError: The label file is invalid, or of another recording.
    """
    config, faults = evaluation.checkpoint.config, evaluation.faults
    convert = SharedConversions()
    chains: list[Chain] = []
    alterers: list[Alterer | None] = []
    for variant in variants:
        alterations = (*evaluation.alterations, *variant)
        alterers.append(Alterer(alterations, config.sensors, faults) if alterations or faults else None)
        chains.append(
            Chain(
                setup.topics,
                setup.sync,
                evaluation.session(),
                alterer=alterers[-1],
                stopwatch=stopwatch,
                convert=convert,
                features=None if chains else features,
            )
        )
    with Recording(setup.path) as recording:
        notes = None if setup.labels else annotation_topic(recording, setup.topics.values())
        outcomes = replay(recording, setup.topics, chains, annotations=notes, stopwatch=stopwatch, progress=progress)
    idle = (alterer.idle if alterer else () for alterer in alterers)
    return [_result(evaluation, setup, name, *each) for each in zip(outcomes, idle, strict=True)]


def _result(evaluation: Evaluation, setup: Setup, name: str, outcome: Replay, idle: Iterable[Fault]) -> BagResult:
    problems = [*outcome.problems, *(f"{topic} has 0 messages" for topic in setup.empty)]
    lasts_s = ns_to_seconds(outcome.end_ns - outcome.start_ns)
    problems += [
        f"{fault} changes nothing: no message came then; the recording lasts {lasts_s:.1f} s" for fault in idle
    ]
    truth = covering(_truth(setup, outcome, problems), outcome.decisions, problems)
    if outcome.epochs:
        problems.append(f"time jumped back {outcome.epochs} times: several recordings in one, or a loop")
    if not outcome.decisions.decided.any():
        problems.append("no decision: at no moment had a sensor enough samples in the window")
    period_ns = round(NS_PER_S / evaluation.inference.rate_hz)
    taxonomy = evaluation.checkpoint.config.taxonomy
    problems += unknown_names(outcome.decisions, truth, taxonomy)
    problems += pause_problems(outcome.decisions, period_ns)
    return BagResult(
        name=name,
        start_ns=outcome.start_ns,
        end_ns=outcome.end_ns,
        period_ns=period_ns,
        decisions=outcome.decisions,
        truth=truth,
        labels=true_labels(outcome.decisions, truth, taxonomy),
        sensors=outcome.sensors,
        pauses=outcome.pauses,
        waits_ms=outcome.waits_ms,
        problems=problems,
        faults=evaluation.faults,
    )


def _truth(setup: Setup, outcome: Replay, problems: list[str]) -> Sequence[TruthSegment]:
    if setup.labels is None:
        truth = from_runs(outcome.annotations, problems)
        if not truth:
            problems.append("no annotations and no label file: only what needs no truth is measured")
        return truth
    labels = read_labels(setup.labels)
    if text := outside(labels, outcome.start_ns, outcome.end_ns):
        raise RecordingError(f"{setup.labels}: {text}")
    return from_labels(labels)
