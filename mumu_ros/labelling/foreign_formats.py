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

"""Labels for other programs: ELAN, Audacity, BORIS, Label Studio, CVAT."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mumu_ros.files import replacing
from mumu_ros.labelling.boris import write_boris
from mumu_ros.labelling.cvat import write_cvat
from mumu_ros.labelling.delimited import write_audacity
from mumu_ros.labelling.elan import write_elan
from mumu_ros.labelling.label_studio import write_label_studio
from mumu_ros.labelling.marks import Timeline
from mumu_ros.recordings.label_files import Label, LabelError

__all__ = ["export_labels"]

_WRITERS: Mapping[str, Callable[[Sequence[Label], Timeline], str]] = {
    ".txt": write_audacity,
    ".eaf": write_elan,
    ".boris": write_boris,
    ".json": write_label_studio,
    ".xml": write_cvat,
}


def export_labels(path: str | Path, labels: Sequence[Label], timeline: Timeline) -> None:
    """Write labels, in order of time, for the program that the suffix says; `import_labels` reads them back, to the
    resolution of the format.

    Raises:
        LabelError: The file exists, the suffix is unknown, or the format cannot hold the labels.
        OSError: It cannot be written.
    """
    path = Path(path)
    if path.suffix not in _WRITERS:
        raise LabelError(f"{path}: labels are exported to {', '.join(_WRITERS)}, not {path.suffix!r}")
    if path.exists():
        raise LabelError(f"{path} exists already; remove it, or choose another name")
    text = _WRITERS[path.suffix](labels, timeline)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
