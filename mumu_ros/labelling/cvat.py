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

"""CVAT's XML (1.1): tags of frames, and tracks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from mumu_ros.labelling.elan import parse_xml
from mumu_ros.labelling.marks import Mark, Timeline, mark_text
from mumu_ros.recordings.label_files import Label, LabelError

__all__ = ["read_cvat", "write_cvat"]


def read_cvat(path: Path, timeline: Timeline) -> Iterable[Mark]:
    """Read tags and tracks; a frame of CVAT is that frame of the recording's camera, counted from 0.

    A tag lasts as long as neighbouring frames have it, a track from its first frame until it is outside.

    Raises:
        LabelError: It is no such file, or counts more frames than the camera has.
    """
    root = parse_xml(path, "CVAT")
    if root.tag != "annotations":
        raise LabelError(f"{path} is no CVAT file: its root is {root.tag!r}; expected 'annotations' (CVAT 1.1)")
    for first, after, text in (*_tagged(path, root), *_tracked(path, root)):
        where = f"{path}: {text!r} from frame {first}"
        yield Mark(where, timeline.of_frame(where, first), timeline.of_frame(where, after), text)


def write_cvat(labels: Sequence[Label], timeline: Timeline) -> str:
    """Tags of every frame, as "CVAT for images 1.1"; datumaro wants `meta` with the labels before them.

    Raises:
        LabelError: The recording has no camera.
    """
    if not len(timeline.frames_ns):
        raise LabelError("CVAT labels frames, and the recording has no camera; export to .eaf, .txt, .boris or .json")
    tags = {frame: label for label in labels for frame in range(*timeline.frames_of(label))}
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    task = SubElement(SubElement(root, "meta"), "task")
    SubElement(task, "size").text = str(len(timeline.frames_ns))
    SubElement(task, "mode").text = "annotation"
    names = SubElement(task, "labels")
    for name in sorted({mark_text(label) for label in labels}):
        SubElement(SubElement(names, "label"), "name").text = name
    for frame in range(len(timeline.frames_ns)):
        image = SubElement(root, "image", id=str(frame), name=f"frame_{frame:06d}")
        if frame in tags:
            SubElement(image, "tag", label=mark_text(tags[frame]), source="file")
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _tagged(path: Path, root: Element) -> Iterator[tuple[int, int, str]]:
    runs: list[tuple[int, str]] = []
    for image in root.iterfind("image"):
        frame = _frame(path, image.get("id"))
        names = [tag.get("label", "") for tag in image.iterfind("tag")]
        if len(names) > 1:
            raise LabelError(f"{path}: frame {frame} has the tags {', '.join(map(repr, names))}; expected one at most")
        text = "".join(names)
        if not runs or runs[-1][1] != text:
            runs.append((frame, text))
        last = frame
    if runs:
        runs.append((last + 1, ""))
    for (first, text), (after, _) in pairwise(runs):
        if text:
            yield first, after, text


def _tracked(path: Path, root: Element) -> Iterator[tuple[int, int, str]]:
    for track in root.iterfind("track"):
        first: int | None = None
        last = 0
        for shape in track:
            last = _frame(path, shape.get("frame"))
            if shape.get("outside") != "1":
                first = last if first is None else first
            elif first is not None:
                yield first, last, track.get("label", "")
                first = None
        if first is not None:
            yield first, last + 1, track.get("label", "")


def _frame(path: Path, text: str | None) -> int:
    if text is None or not text.isdecimal() or len(text) > 9:
        raise LabelError(f"{path}: a frame is {str(text)[:40]!r}; expected a whole number")
    return int(text)
