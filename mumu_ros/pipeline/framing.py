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

"""From messages to frames: the same in sensor_sync and in the evaluation of recordings."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mumu_ros.conversions import (
    ConversionError,
    MessageTypes,
    compressed_image_to_array,
    depth_to_millimetres,
    image_to_array,
    samples_to_frame,
    time_to_ns,
    vector_to_array,
)
from mumu_ros.fault_codes import FaultCode
from mumu_ros.model.preprocessing import resize_image
from mumu_ros.pipeline.configuration import StreamConfig
from mumu_ros.streams import NS_PER_S, SynchronizedSet

__all__ = ["Frame", "FrameBuilder", "Habits", "Received", "content", "is_of_stream", "message_to_array"]

_WITHOUT_TURN = 100
"""So many messages of an IMU in a row that shake and do not turn at all are those of an accelerometer alone."""
_GRAVITY = 9.81
_LEAST_ACCELERATION = 3.0
"""m/s²: on average over seconds, what is worn feels about gravity; in g it is 1 to 2."""
_MOST_TURN = 20.0
"""rad/s: on average over seconds, nobody turns a limb three times a second."""
_MEAN_S = 1.5
"""Time constant of these averages: half a second of free fall, or of a swing, is in order."""
_LONGEST_STEP_S = 0.1
"""One sample counts for no longer than this in them."""


class Received:
    """A message that is read when it is used, under a header that is known before: its own or a corrected one.

    Most pictures of a fast camera are in no frame, and reading one takes as long as all else that is done with it.

    Args:
        header: Stamp and frame.
        read: Returns the message.
        size: Of the message in bytes, where it is known.
    """

    def __init__(self, header: Any, read: Callable[[], Any], size: int = 0) -> None:
        self.header = header
        self.size = size
        self._read = read

    @functools.cached_property
    def message(self) -> Any:
        """The message; raises what `read` raises."""
        return self._read()


def content(message: Any) -> Any:
    """Return the message itself, whether it is wrapped in `Received` or not."""
    return message.message if isinstance(message, Received) else message


def is_of_stream(stream: StreamConfig, message: Any) -> bool:
    """Whether a message is meant: not a JointState with none of the joints, as of a gripper beside an arm."""
    if not stream.joints:
        return True
    try:
        return not set(stream.joints).isdisjoint(content(message).name)
    except ConversionError:
        return True  # reported where it is converted


@dataclass(frozen=True, eq=False)
class Frame:
    """Samples of one instant: what a MultimodalFrame holds.

    Attributes:
        stamp_ns: Acquisition time of the reference stream's sample.
        epoch: Number of backward jumps of time so far.
        frame_id: Frame of the reference stream.
        images: Stream name to (stamp_ns, frame_id, pixels).
        series: Stream name to (stamps in nanoseconds, samples), oldest first, at least one.
        missing: Names of the streams without data.
        frame_ids: Stream name to frame of the newest sample, of the series.
    """

    stamp_ns: int
    epoch: int
    frame_id: str
    images: dict[str, tuple[int, str, NDArray[Any]]]
    series: dict[str, tuple[list[int], list[NDArray[np.float32]]]]
    missing: list[str]
    frame_ids: dict[str, str]

    def samples(self) -> Iterator[tuple[str, int, NDArray[Any]]]:
        """Yield every sample as (stream, stamp_ns, array), as `frame_to_samples` does from the message."""
        for name, (stamp_ns, _, pixels) in self.images.items():
            yield name, stamp_ns, pixels
        for name, (stamps_ns, samples) in self.series.items():
            for stamp_ns, sample in zip(stamps_ns, samples, strict=True):
                yield name, stamp_ns, sample

    def message(self, types: MessageTypes) -> Any:
        """The frame as mumu_ros/msg/MultimodalFrame."""
        return samples_to_frame(
            self.stamp_ns,
            self.frame_id,
            self.images,
            self.series,
            types,
            epoch=self.epoch,
            missing=self.missing,
            frame_ids=self.frame_ids,
        )


class FrameBuilder:
    """Turns synchronised messages into frames: converts, crops and resizes.

    A message that cannot be converted is skipped and counted, after any exception; the others are converted. Streams
    are in the synchroniser's order, images first.

    Attributes:
        errors: Messages skipped, by stream.
        last_error: Why the last one was, by stream.
    """

    def __init__(
        self,
        streams: Sequence[StreamConfig],
        on_error: Callable[[StreamConfig, ConversionError], None] | None = None,
        convert: Callable[[StreamConfig, Any], NDArray[Any]] | None = None,
    ) -> None:
        self._streams = tuple(streams)
        self._on_error = on_error
        self._converter = convert or message_to_array
        self.errors: Counter[str] = Counter()
        self.last_error: dict[str, ConversionError] = {}
        self._habits = {stream.name: Habits(stream) for stream in streams}

    def build(self, synchronized: SynchronizedSet) -> Frame:
        """Return what the messages of a set show."""
        images: dict[str, tuple[int, str, NDArray[Any]]] = {}
        series: dict[str, tuple[list[int], list[NDArray[np.float32]]]] = {}
        frame_ids: dict[str, str] = {}
        frame_id = ""
        for stream, item in zip(self._streams, synchronized.items, strict=True):
            if not item:
                continue
            messages = [(time_to_ns(item.header.stamp), item)] if stream.is_image else item
            frame_id = frame_id or messages[-1][1].header.frame_id
            samples = [(stamp, s) for stamp, m in messages if (s := self._convert(stream, m)) is not None]
            if samples and stream.is_image:
                images[stream.name] = (samples[0][0], messages[0][1].header.frame_id, samples[0][1])
            elif samples:
                series[stream.name] = ([stamp for stamp, _ in samples], [sample for _, sample in samples])
                frame_ids[stream.name] = messages[-1][1].header.frame_id
        missing = [s.name for s in self._streams if s.name not in images and s.name not in series]
        return Frame(synchronized.stamp_ns, synchronized.epoch, frame_id, images, series, missing, frame_ids)

    def _convert(self, stream: StreamConfig, message: Any) -> NDArray[Any] | None:
        try:
            array = self._converter(stream, message)
            self._habits[stream.name].check(message, array)
            return array
        except ConversionError as error:
            problem = error
        except Exception as error:  # of a decoder, for instance: it must not cost the other streams anything
            problem = ConversionError(f"cannot be converted, {type(error).__name__}: {error}")
        self.last_error[stream.name] = problem  # first: a reader of the count asks for the text next
        self.errors[stream.name] += 1
        if self._on_error:
            self._on_error(stream, problem)
        return None


class Habits:
    """Properties that one stream's messages have had so far, to detect faults that a single message does not show."""

    def __init__(self, stream: StreamConfig) -> None:
        self._stream = stream
        self._joints: list[str] | None = None
        self._acceleration: NDArray[Any] | None = None
        self._without_turn = 0
        self._stamp_ns = 0
        self._mean_acceleration, self._mean_turn = _GRAVITY, 0.0

    def check(self, message: Any, array: NDArray[Any]) -> None:
        """Add a converted message.

        Raises:
            ConversionError: It is a JointState whose joints are not those of the first one, an Imu whose angular
                velocity has been exactly 0 for long, though it shakes, or one that is not in m/s² with gravity and
                rad/s, by the averages of its messages.
        """
        inner = content(message)
        if self._stream.type == "sensor_msgs/msg/JointState" and not self._stream.joints:
            names = list(inner.name)
            self._joints = names if self._joints is None else self._joints
            if names != self._joints:
                raise ConversionError(
                    f"joints are {names}, and were {self._joints} before; name those that are meant, in their order: "
                    f"{self._stream.name}.joints"
                )
        if self._stream.type == "sensor_msgs/msg/Imu":
            shakes = self._acceleration is not None and bool((array[0] != self._acceleration).any())
            self._acceleration = array[0]
            self._without_turn = 0 if array[1].any() else self._without_turn + shakes
            if self._without_turn > _WITHOUT_TURN:
                raise ConversionError(
                    "angular_velocity is always exactly 0: the topic carries an accelerometer only; name the "
                    f"gyroscope's in {self._stream.name}.angular_velocity_topic, or use one that carries both "
                    "(RealSense: unite_imu_method)"
                )
            self._check_units(time_to_ns(message.header.stamp), array)

    def _check_units(self, stamp_ns: int, array: NDArray[Any]) -> None:
        weight = min(max((stamp_ns - self._stamp_ns) / NS_PER_S, 0.0), _LONGEST_STEP_S) / _MEAN_S
        self._stamp_ns = stamp_ns
        acceleration, turn = (math.hypot(*row) for row in array.tolist())
        self._mean_acceleration += weight * (acceleration - self._mean_acceleration)
        self._mean_turn += weight * (turn - self._mean_turn)
        if self._mean_acceleration < _LEAST_ACCELERATION:
            raise ConversionError(
                f"linear_acceleration is {self._mean_acceleration:.2g} m/s² on average, far less than gravity: is it "
                "in g, or without gravity? Publish it in m/s² with gravity (REP 145), or name the topic that has it: "
                f"{self._stream.name}.topic",
                FaultCode.IMPLAUSIBLE,
            )
        if self._mean_turn > _MOST_TURN:
            raise ConversionError(
                f"angular_velocity is {self._mean_turn:.3g} rad/s on average, which nobody turns at for long: is it in "
                "degrees a second? Publish it in rad/s (REP 145)",
                FaultCode.IMPLAUSIBLE,
            )


def message_to_array(stream: StreamConfig, message: Any) -> NDArray[Any]:
    """Return a message of a stream as an array, cropped and resized.

    Returns:
        rgb: uint8 (H, W, 3); depth: uint16 (H, W) millimetres; vector: float32 of the stream's shape, finite but for
        joints of a skeleton that are not seen.

    Raises:
        ConversionError: It does not fit the stream's configuration.
    """
    inner = content(message)
    if not stream.is_image:
        return vector_to_array(inner, stream.type, stream.shape, stream.joints).astype(np.float32)
    kind: Any = stream.kind
    if stream.type == "sensor_msgs/msg/Image":
        pixels = image_to_array(inner, kind, stream.max_pixels, stream.encoding)
    else:
        pixels = compressed_image_to_array(inner, kind, stream.max_pixels)
    if stream.crop:
        x, y, width, height = stream.crop
        if x + width > pixels.shape[1] or y + height > pixels.shape[0]:
            raise ConversionError(
                f"crop {list(stream.crop)} (x, y, width, height) leaves the image of "
                f"{pixels.shape[1]}×{pixels.shape[0]}"
            )
        pixels = pixels[y : y + height, x : x + width]
    if stream.kind == "depth":
        pixels = depth_to_millimetres(pixels)
    return resize_image(pixels, stream.size)
