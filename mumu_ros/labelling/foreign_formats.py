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
    """Write labels for another program; `import_labels` reads them back, to the resolution of the format.

    Args:
        path: The new file; its suffix says for which program.
        labels: In order of time.
        timeline: Of the recording.

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
