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

"""MMAct: 37 actions by 20 subjects, with a phone, a watch and four cameras.

Kong, Wu, Deng, Klinkigt, Tong and Murakami: MMAct: A large-scale dataset for cross modal human action understanding,
ICCV 2019. Its authors give it out on request: https://mmact19.github.io/2019/

We have no copy. The layout is that which published readers of MMAct expect, and is described in docs/datasets.md.
The units are taken to be those of Android's sensor events, which recorded them: m/s² (gravity included) for the
accelerometers, rad/s for the gyroscope, degrees for the orientation (azimuth, pitch, roll), which become radians here.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from mumu_ros.datasets.clips import Clip, ClipInfo, DatasetError, Segment, Stream
from mumu_ros.datasets.file_reading import START_NS, Video, prepare_all, read_text, select_clips, wanted_streams
from mumu_ros.files import expanded
from mumu_ros.model.preprocessing import Preprocessing
from mumu_ros.streams import NS_PER_S

__all__ = ["MmactDataset", "repair_stamps"]

_SENSORS: Mapping[str, float] = MappingProxyType(
    {"acc_phone": 1.0, "acc_watch": 1.0, "gyro": 1.0, "orientation": math.pi / 180}
)
"""Sensor to the factor that makes its values SI units; its folder is called <sensor>_clip."""
_SENSOR_ROOTS = ("", "Sensor_trimmed")
_VIDEO_ROOTS = ("video", "Video_trimmed")
_SENSOR_FILE = re.compile(r"subject(\d+)/scene(\d+)/session(\d+)/([^/]+)\.csv")
_VIDEO_FILE = re.compile(r"subject(\d+)/cam(?:era)?(\d+)/scene(\d+)/session(\d+)/([^/]+)\.(?:mp4|avi)")
_INVALID_LIST = "invalid_files.txt"
_STAMP = re.compile(r"(\d{4})(\d\d)(\d\d)_(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_DESK_SCENE = 3
_VIDEO_RATE_HZ = 30.0

_Key = tuple[int, int, int, str]
"""Subject, scene, session, activity."""


class MmactDataset:
    """One clip for each performance and camera that saw it; performances that none saw have camera 0.

    Streams: acc_phone, acc_watch, gyro and orientation, (1, 3) each, and rgb. A sensor whose file is not there, empty
    or listed as invalid is absent from the clip. Videos have no stamps: they begin with the first sensor sample.

    Attributes:
        clips: Named like "subject1_scene2_session3_cam4_carrying". Activities are the file names in lower case; in
            scene 3, at the desk, using_phone and talking_on_phone become using_phone_desk and talking_on_phone_desk.
        streams: Those of which there is a file.
        repaired: File to the number of its stamps that were moved, of the clips read so far.
    """

    def __init__(self, root: str, subjects: Collection[int] | None) -> None:
        """List the clips.

        Args:
            root: Folder with acc_phone_clip, acc_watch_clip, gyro_clip and orientation_clip, or some of them, itself
                or in its folder Sensor_trimmed, and the videos in its folder video or Video_trimmed.
            subjects: Whose; None: everybody's.

        Raises:
            DatasetError: The dataset is not there, or no clip of these subjects is.
        """
        place = expanded(root)
        self.repaired: dict[Path, int] = {}
        self._sensors: dict[_Key, dict[str, Path]] = defaultdict(dict)
        self._videos: dict[_Key, dict[int, Path]] = defaultdict(dict)
        folders = [(sensor, place / top / f"{sensor}_clip") for sensor in _SENSORS for top in _SENSOR_ROOTS]
        for sensor, folder in folders:
            for key, path in _sensor_files(folder):
                self._sensors[key][sensor] = path
        for folder in (place / top for top in _VIDEO_ROOTS):
            for key, camera, path in _video_files(folder):
                self._videos[key][camera] = path
        if not self._sensors and not self._videos:
            raise DatasetError(
                f"MMAct is not in {str(place)!r}: expected acc_watch_clip/subject1/scene1/session1/carrying.csv and "
                "its siblings, there or in Sensor_trimmed. Request it from https://mmact19.github.io/2019/"
            )
        self._keys: dict[str, _Key] = {}
        self.clips = select_clips("MMAct", self._list(), subjects)
        sensors = {sensor for files in self._sensors.values() for sensor in files}
        self.streams = (*(s for s in _SENSORS if s in sensors), *(("rgb",) if self._videos else ()))

    def _list(self) -> Iterator[ClipInfo]:
        for key in {*self._sensors, *self._videos}:
            subject, scene, session, activity = key
            for camera in self._videos.get(key, {0: None}):
                name = f"subject{subject}_scene{scene}_session{session}_cam{camera}_{activity}"
                self._keys[name] = key
                yield ClipInfo(name, subject, activity, session, scene, camera)

    def read(self, clip: ClipInfo, preprocessing: Preprocessing) -> Clip:
        """Read the files of the model's modalities; see `Dataset.read`."""
        files = self._sensors.get(self._keys[clip.id], {})
        video = self._videos.get(self._keys[clip.id], {}).get(clip.camera)
        wanted = wanted_streams(clip.id, (*files, *(("rgb",) if video else ())), preprocessing)
        streams: dict[str, Stream] = {}
        for name in wanted:
            if name != "rgb" and (stream := self._read_sensor(name, files[name], preprocessing)):
                streams[name] = stream
        _require_overlap(clip.id, streams)
        start_ns = min((int(stream.stamps_ns[0]) for stream in streams.values()), default=START_NS)
        if video and "rgb" in wanted:
            streams["rgb"] = _read_video(video, start_ns, preprocessing)
        if not streams:
            raise DatasetError(f"{clip.id}: empty: {', '.join(str(files[name]) for name in wanted)}")
        end_ns = 1 + max(int(stream.stamps_ns[-1]) for stream in streams.values())
        return Clip(streams, (Segment(start_ns, end_ns, clip.activity),), clip.subject, clip.id)

    def _read_sensor(self, sensor: str, path: Path, preprocessing: Preprocessing) -> Stream | None:
        rows = [
            _parse(path, number, line) for number, line in enumerate(read_text(path).splitlines(), 1) if line.strip()
        ]
        if not rows:
            return None
        stamps_ns, whole, values = (np.array(column) for column in zip(*rows, strict=True))
        order, stamps_ns, self.repaired[path] = repair_stamps(stamps_ns, whole)
        samples = values[order].reshape(-1, 1, 3) * _SENSORS[sensor]
        return Stream(stamps_ns, prepare_all(sensor, samples, preprocessing, path))


def repair_stamps(
    stamps_ns: NDArray[np.int64], whole: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.int64], int]:
    """Put samples in order and spread those that share a stamp.

    Lines run backwards where the recorder's threads overtook each other, so they are sorted by stamp. Samples share a
    stamp because they came in one batch, or because the fraction of the second is lacking: all are kept, since
    dropping them would change the rate, and spread evenly from their stamp on. They reach as far as the next stamp,
    but not beyond the file's usual step, or beyond the second where the fraction is lacking.

    Args:
        stamps_ns: int64 (N,), N ≥ 1, as read.
        whole: bool (N,), whose fraction is lacking.

    Returns:
        order: (N,) index of the samples in order.
        stamps_ns: int64 (N,), ascending, in that order.
        moved: How many samples have another place or stamp than they had.
    """
    order = np.argsort(stamps_ns, kind="stable")
    unique, first, counts = np.unique(stamps_ns[order], return_index=True, return_counts=True)
    steps = np.diff(unique)
    usual = min(int(np.median(steps)), NS_PER_S) if len(steps) else NS_PER_S
    reach = np.minimum(np.append(steps, NS_PER_S), np.where(whole[order][first], NS_PER_S, usual))
    place = np.arange(len(order)) - np.repeat(first, counts)
    repaired = np.repeat(unique, counts) + place * np.repeat(reach, counts) // np.repeat(counts, counts)
    moved = np.count_nonzero((order != np.arange(len(order))) | (repaired != stamps_ns[order]))
    return order, repaired, int(moved)


def _parse(path: Path, number: int, line: str) -> tuple[int, bool, tuple[float, float, float]]:
    """Stamp in nanoseconds (as if it were UTC), whether its fraction is lacking, and the values of a line."""
    try:
        text, x, y, z = line.split(",")
        match = _STAMP.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{text!r} is no stamp such as 20180101_12:00:00.000")
        *parts, fraction = match.groups()
        year, month, day, hour, minute, second = map(int, parts)
        time = datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)
        seconds = (time - _EPOCH) // timedelta(seconds=1)
        values = (float(x), float(y), float(z))
        if not all(map(math.isfinite, values)):
            raise ValueError("not all values are finite")
    except ValueError as error:
        raise DatasetError(f"{path}:{number}: {line!r} is not timestamp,x,y,z: {error}") from error
    return seconds * NS_PER_S + int((fraction or "").ljust(9, "0")), fraction is None, values


def _read_video(path: Path, start_ns: int, preprocessing: Preprocessing) -> Stream:
    video = Video(path)
    frames = prepare_all("rgb", video, preprocessing, path)
    step_ns = NS_PER_S / (video.rate_hz or _VIDEO_RATE_HZ)
    return Stream(start_ns + (np.arange(len(frames)) * step_ns).astype(np.int64), frames)


def _require_overlap(name: str, streams: Mapping[str, Stream]) -> None:
    begins = {sensor: int(stream.stamps_ns[0]) for sensor, stream in streams.items()}
    ends = {sensor: int(stream.stamps_ns[-1]) for sensor, stream in streams.items()}
    if not streams:
        return
    late, early = max(begins, key=begins.__getitem__), min(ends, key=ends.__getitem__)
    if begins[late] > ends[early]:
        gap_s = (begins[late] - ends[early]) / NS_PER_S
        raise DatasetError(f"{name}: {late} begins {gap_s:.1f} s after {early} ended; their clocks differ")


def _key(subject: str, scene: str, session: str, stem: str) -> _Key:
    activity = stem.strip().lower().replace(" ", "_")
    if int(scene) == _DESK_SCENE and activity in ("using_phone", "talking_on_phone"):
        activity += "_desk"
    return int(subject), int(scene), int(session), activity


def _sensor_files(folder: Path) -> Iterator[tuple[_Key, Path]]:
    """The files of a sensor that its list of invalid ones, a path relative to the folder a line, does not name."""
    listed = folder / _INVALID_LIST
    lines = read_text(listed).splitlines() if listed.is_file() else []
    invalid = {line.strip().replace("\\", "/").removeprefix("./") for line in lines}
    for path in sorted(folder.rglob("*.csv")):
        relative = path.relative_to(folder).as_posix()
        if (match := _SENSOR_FILE.fullmatch(relative)) and relative not in invalid:
            subject, scene, session, stem = match.groups()
            yield _key(subject, scene, session, stem), path


def _video_files(folder: Path) -> Iterator[tuple[_Key, int, Path]]:
    for path in sorted(folder.rglob("*.*")):
        if match := _VIDEO_FILE.fullmatch(path.relative_to(folder).as_posix()):
            subject, camera, scene, session, stem = match.groups()
            yield _key(subject, scene, session, stem), int(camera), path
