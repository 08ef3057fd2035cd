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

"""mumu_ros/msg/People to persons and back."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mumu_ros.conversions.errors import ConversionError
from mumu_ros.conversions.images import image_to_array
from mumu_ros.conversions.messages import MessageTypes, array_to_image, make_header
from mumu_ros.people.person import Person, PositionSource

__all__ = ["is_body_id", "message_to_people", "people_to_message"]

_SOURCES: tuple[PositionSource, ...] = ("depth", "perspective", "nominal")
"""In the order of the message's constants."""
_BODY_ID = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
"""Part of a topic's name, which may not begin with a digit."""
_MAX_JOINTS = 1024
_MAX_DEPTH_PIXELS = 1280 * 960
_FARTHEST_M = 1000.0


def is_body_id(text: str) -> bool:
    """Whether a text can be the id of a body: a letter, then letters, digits and underscores."""
    return _BODY_ID.fullmatch(text) is not None


def people_to_message(
    stamp_ns: int,
    frame_id: str,
    width: int,
    height: int,
    layout: str,
    persons: Sequence[Person],
    types: MessageTypes,
    picture_frame: str = "",
) -> Any:
    """Return everybody in view of a picture of this size as mumu_ros/msg/People.

    `layout` names the joints' order; `picture_frame` is the camera's frame if the joints are in another one.
    """
    return types.message(
        "mumu_ros/msg/People",
        header=make_header(stamp_ns, frame_id, types),
        width=width,
        height=height,
        layout=layout,
        people=[_person_part(stamp_ns, picture_frame or frame_id, person, types) for person in persons],
    )


def message_to_people(msg: Any, on_error: Callable[[ConversionError], None] | None = None) -> tuple[Person, ...]:
    """Return the valid people of a mumu_ros/msg/People.

    `on_error` is called with the error of each invalid entry, which is skipped.

    Raises:
        ConversionError: A person is invalid, and there is no `on_error`; contains the body.
    """
    found: dict[str, Person] = {}
    for part in msg.people:
        try:
            person = _person(part)
            if person.body_id in found:
                raise ConversionError(f"body {person.body_id!r} is there twice; every person needs its own id")
        except ConversionError as error:
            if on_error is None:
                raise
            on_error(error)
        else:
            found[person.body_id] = person
    return tuple(found.values())


def _person_part(stamp_ns: int, picture_frame: str, person: Person, types: MessageTypes) -> Any:
    x, y, width, height = (max(0, round(side)) for side in person.roi)
    roi = types.message(
        "sensor_msgs/msg/RegionOfInterest", x_offset=x, y_offset=y, height=height, width=width, do_rectify=False
    )
    return types.message(
        "mumu_ros/msg/Person",
        body_id=person.body_id,
        confidence=float(person.confidence),
        roi=roi,
        keypoints=_numbers(person.keypoints, types),
        joints=_numbers(person.joints, types),
        visibility=_numbers(person.visibility, types),
        position_source=_SOURCES.index(person.position_source),
        depth=_empty_image(types)
        if person.depth is None
        else array_to_image(person.depth, stamp_ns, picture_frame, types),
        depth_focal=0.0 if person.depth is None else float(person.depth_focal),
    )


def _numbers(array: NDArray[Any], types: MessageTypes) -> Any:
    return types.sequence(np.asarray(array, np.float32).reshape(-1))


def _empty_image(types: MessageTypes) -> Any:
    return types.message(
        "sensor_msgs/msg/Image",
        header=make_header(0, "", types),
        height=0,
        width=0,
        encoding="",
        is_bigendian=0,
        step=0,
        data=types.sequence(np.zeros(0, np.uint8)),
    )


def _person(part: Any) -> Person:
    body_id = str(part.body_id)
    if not is_body_id(body_id):
        raise ConversionError(f"body_id is {body_id[:80]!r}; expected a letter, then letters and digits (REP 155)")
    try:
        return _checked(body_id, part)
    except ConversionError as error:
        raise ConversionError(f"body {body_id!r}: {error}") from None


def _checked(body_id: str, part: Any) -> Person:
    count = len(part.visibility)
    if not 1 <= count <= _MAX_JOINTS or len(part.keypoints) != 2 * count or len(part.joints) != 3 * count:
        raise ConversionError(
            f"{len(part.keypoints)} numbers in keypoints, {len(part.joints)} in joints and {count} in visibility; "
            f"expected 2 × J, 3 × J and J, at most {_MAX_JOINTS}"
        )
    if part.position_source >= len(_SOURCES):
        raise ConversionError(f"position_source is {part.position_source}; expected 0 to {len(_SOURCES) - 1}")
    visibility = np.asarray(part.visibility, np.float32)
    for name, values in (("confidence", np.array([part.confidence])), ("visibility", visibility)):
        if not np.all((values >= 0) & (values <= 1)):
            raise ConversionError(f"{name} is {np.array2string(values, threshold=8)}; expected 0 to 1")
    roi = part.roi
    return Person(
        body_id=body_id,
        confidence=float(part.confidence),
        roi=(float(roi.x_offset), float(roi.y_offset), float(roi.width), float(roi.height)),
        keypoints=_points("keypoints", part.keypoints, 2, math.inf),
        joints=_points("joints", part.joints, 3, _FARTHEST_M),
        visibility=visibility,
        position_source=_SOURCES[part.position_source],
        **_depth(part),
    )


def _points(name: str, values: Any, axes: int, farthest: float) -> NDArray[np.float32]:
    """(J, axes); NaN wholly where any coordinate is."""
    points = np.array(values, np.float32).reshape(-1, axes)
    points[np.isnan(points).any(axis=1)] = np.nan
    if np.isinf(points).any() or (np.abs(points) > farthest).any():
        worst = float(np.nanmax(np.abs(points)))
        raise ConversionError(f"{name} go up to {worst:g}; expected NaN for a joint that is not seen")
    return points


def _depth(part: Any) -> dict[str, Any]:
    image = part.depth
    if not len(image.data):
        return {"depth": None}
    if (
        image.encoding != "16UC1"
        or 3 * image.width != 4 * image.height
        or (image.width * image.height > _MAX_DEPTH_PIXELS)
    ):
        raise ConversionError(
            f"depth is a {image.encoding[:32]!r} picture of {image.width}×{image.height}; expected 16UC1, 4:3, at most "
            f"1280×960"
        )
    if not 0.1 <= part.depth_focal <= 10:
        raise ConversionError(f"depth_focal is {part.depth_focal:g}; expected 0.1 to 10 widths of the picture")
    return {"depth": image_to_array(image, "depth"), "depth_focal": float(part.depth_focal)}
