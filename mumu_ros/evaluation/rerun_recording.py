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

"""An evaluation as a recording for the viewer of rerun (https://rerun.io): what the model was given and decided."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rerun as rr
import rerun.blueprint as rrb
from numpy.typing import NDArray

from mumu_ros.conversions import ConversionError, header_stamp_ns
from mumu_ros.evaluation.decisions import UNDECIDED
from mumu_ros.evaluation.evaluate import Setup
from mumu_ros.evaluation.results import BagResult
from mumu_ros.files import replacing
from mumu_ros.model.config import ModelConfig
from mumu_ros.pipeline.configuration import StreamConfig
from mumu_ros.pipeline.framing import message_to_array
from mumu_ros.recognition.decision import UNKNOWN
from mumu_ros.recordings import Recording, RecordingError
from mumu_ros.recordings.stamped import read_stamped
from mumu_ros.streams import seconds_to_ns

__all__ = ["write_rerun"]

_TIMELINE = "stamp"
_MM_PER_M = 1000.0


def write_rerun(path: Path, bags: Sequence[BagResult], setups: Mapping[str, Setup], config: ModelConfig) -> None:
    """Write a recording with one branch for each bag: samples, truth, activity, probabilities and attention.

    All is on the time line `stamp`, the header stamps. An existing file is replaced, and a missing folder made.

    Raises:
        RecordingError: A recording cannot be read again.
        OSError: It cannot be written.
    """
    roots = {bag.name: rr.escape_entity_path_part(bag.name) for bag in bags}
    views = [_layout(roots[bag.name], setups[bag.name]) for bag in bags]
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, _os_errors(), rr.RecordingStream("mumu_ros") as stream:
        stream.save(temporary, default_blueprint=rrb.Blueprint(rrb.Tabs(*views)))
        for bag in bags:
            _send_samples(stream, roots[bag.name], setups[bag.name])
            _send_truth(stream, roots[bag.name], bag)
            _send_decisions(stream, roots[bag.name], bag, config)
        stream.flush()
        stream.disconnect()


@contextmanager
def _os_errors() -> Iterator[None]:
    """Raise OSError for what rerun says of the file with a RuntimeError."""
    try:
        yield
    except RuntimeError as error:
        raise OSError(f"rerun cannot write it ({error}); is there room on the disk?") from error


def _layout(name: str, setup: Setup) -> rrb.Vertical:
    pictures = [s.name for s in setup.sync.streams if s.is_image and s.name in setup.topics]
    vectors = [s.name for s in setup.sync.streams if not s.is_image and s.name in setup.topics]
    rows: list[Any] = []
    if pictures:
        rows.append(rrb.Horizontal(*(rrb.Spatial2DView(origin=f"{name}/{x}", name=x) for x in pictures)))
    states = [f"{name}/truth", f"{name}/activity", f"{name}/group"]
    rows.append(rrb.StateTimelineView(origin=name, contents=states, name="activities"))
    series = ("probability", "attention", *vectors)
    rows += [rrb.TimeSeriesView(origin=f"{name}/{x}", name=x) for x in series]
    return rrb.Vertical(*rows, name=name)


def _at(stamps_ns: Any) -> rr.TimeColumn:
    return rr.TimeColumn(_TIMELINE, timestamp=np.asarray(stamps_ns, np.int64).astype("datetime64[ns]"))


def _send_samples(stream: rr.RecordingStream, name: str, setup: Setup) -> None:
    """Pictures as JPEG, depth as PNG, vectors as lines: cropped and resized, as the model is given them."""
    vectors: dict[str, tuple[list[int], list[NDArray[np.float32]]]] = {}
    for config, stamp_ns, sample in _samples(setup):
        if not config.is_image:
            stamps_ns, samples = vectors.setdefault(config.name, ([], []))
            stamps_ns.append(stamp_ns)
            samples.append(sample.reshape(-1))
            continue
        stream.set_time(_TIMELINE, timestamp=np.datetime64(stamp_ns, "ns"))
        if config.kind == "depth":
            data = cv2.imencode(".png", sample)[1].tobytes()
            picture: Any = rr.EncodedDepthImage(blob=data, media_type="image/png", meter=_MM_PER_M)
        else:
            data = cv2.imencode(".jpg", cv2.cvtColor(sample, cv2.COLOR_RGB2BGR))[1].tobytes()
            picture = rr.EncodedImage(contents=data, media_type="image/jpeg")
        stream.log(f"{name}/{config.name}", picture)
    for part, (stamps_ns, samples) in vectors.items():
        stream.send_columns(f"{name}/{part}", [_at(stamps_ns)], rr.Scalars.columns(scalars=np.stack(samples)))


def _samples(setup: Setup) -> Iterator[tuple[StreamConfig, int, NDArray[Any]]]:
    streams: defaultdict[str, list[StreamConfig]] = defaultdict(list)
    for config in setup.sync.streams:
        if config.name in setup.topics:
            streams[setup.topics[config.name]].append(config)
    offsets_ns = {topic: seconds_to_ns(configs[0].offset_s) for topic, configs in streams.items()}
    with Recording(setup.path) as recording:
        for message in read_stamped(recording, list(streams), offsets_ns=offsets_ns):
            for config in streams[message.topic]:
                try:
                    decoded = recording.decode(message.topic, message.data)
                    own_ns = header_stamp_ns(decoded)
                    stamp_ns = message.logged_ns if own_ns is None else own_ns
                    yield config, stamp_ns + seconds_to_ns(config.offset_s), message_to_array(config, decoded)
                except (ConversionError, RecordingError):
                    continue  # the evaluation has counted it


def _send_truth(stream: rr.RecordingStream, name: str, bag: BagResult) -> None:
    changes: dict[int, str] = {}
    for segment in bag.truth:
        changes[segment.start_ns] = segment.activity
        changes.setdefault(segment.end_ns, "")
    _send_states(stream, f"{name}/truth", list(changes.items()))


def _send_decisions(stream: rr.RecordingStream, name: str, bag: BagResult, config: ModelConfig) -> None:
    decisions, taxonomy = bag.decisions, config.taxonomy
    stamps_ns = decisions.stamp_ns.tolist()
    levels = {
        "activity": (decisions.activity, [*taxonomy.activities, UNKNOWN]),
        "group": (decisions.group, [*taxonomy.group_names, UNKNOWN]),
    }
    for part, (found, names) in levels.items():
        said = ["" if index == UNDECIDED else names[index] for index in found.tolist()]
        runs = groupby(zip(stamps_ns, said, strict=True), key=lambda pair: pair[1])
        _send_states(stream, f"{name}/{part}", [next(run) for _, run in runs])
    for part, values, names in (
        ("probability", decisions.activity_probabilities, list(taxonomy.activities)),
        ("attention", decisions.gm_weights, list(config.names)),
    ):
        stream.log(f"{name}/{part}", rr.SeriesLines(names=names), static=True)
        if stamps_ns:
            stream.send_columns(f"{name}/{part}", [_at(stamps_ns)], rr.Scalars.columns(scalars=values))


def _send_states(stream: rr.RecordingStream, entity: str, changes: Sequence[tuple[int, str]]) -> None:
    if changes:
        stamps_ns, states = zip(*changes, strict=True)
        stream.send_columns(entity, [_at(stamps_ns)], rr.StateChange.columns(state=states))
