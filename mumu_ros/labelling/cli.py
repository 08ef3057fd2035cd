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

"""`mumu label`."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from mumu_ros.labelling.footage import Footage
from mumu_ros.labelling.foreign_formats import export_labels
from mumu_ros.labelling.imports import import_labels
from mumu_ros.labelling.marks import FRAME_SUFFIXES, Timeline
from mumu_ros.labelling.server import LabelServer, Session
from mumu_ros.model.taxonomy import find_taxonomy
from mumu_ros.recordings import Recording
from mumu_ros.recordings.label_files import Label, LabelError, beyond, labels_path, outside, read_labels, write_labels
from mumu_ros.recordings.progress import ReadingProgress

__all__ = ["opener", "register"]

PORT = 8047
MAX_PORT = 65535


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the `mumu` parser."""
    parser = commands.add_parser(
        "label",
        description=(
            "Shows a recording on a page of this machine, where segments are set with mouse and keys, and saves them "
            "in a label file beside the recording. Ctrl-C ends it."
        ),
    )
    parser.add_argument("bag", type=Path, metavar="BAG", help="a rosbag2: a folder, or a .mcap or .db3 file")
    parser.add_argument(
        "--taxonomy", metavar="FILE", help="activities to choose from: a YAML file, or the name of a shipped taxonomy"
    )
    parser.add_argument(
        "--import",
        dest="source",
        type=Path,
        metavar="FILE",
        help="write the label file from one of ELAN (.eaf, tab-delimited text), Audacity (.txt), BORIS (.boris, "
        "aggregated events), Label Studio (.json), CVAT (.xml) or a CSV, without a page",
    )
    parser.add_argument(
        "--tier", metavar="NAME", help="which of several in that file to import: tier, observation/subject or task"
    )
    parser.add_argument(
        "--export",
        type=Path,
        metavar="FILE",
        help="write the labels for Audacity (.txt), ELAN (.eaf), BORIS (.boris), Label Studio (.json) or CVAT (.xml), "
        "without a page",
    )
    parser.add_argument(
        "--camera", metavar="TOPIC", help="whose frames CVAT and Label Studio count; needed if there are several"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="label file (default: BAG.labels.csv)")
    parser.add_argument("--port", type=_port, default=PORT, metavar="N", help=f"of the page (default: {PORT}; 0: any)")
    parser.set_defaults(run=_run)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > MAX_PORT:
        raise argparse.ArgumentTypeError(f"{text!r}; expected a number from 0 to {MAX_PORT}")
    return int(text)


def _run(arguments: argparse.Namespace) -> int:
    _check_use(arguments)
    target = arguments.out or labels_path(arguments.bag)
    if target.suffix == ".jsonl" and not arguments.export:
        raise LabelError(f"{target}: labels are saved as CSV; choose an --out that ends in .csv")
    if not arguments.export:
        _check_place(target)
    taxonomy = find_taxonomy(arguments.taxonomy) if arguments.taxonomy else None
    with Recording(arguments.bag) as recording:
        with ReadingProgress(recording) as progress:
            footage = Footage(recording, progress.update)
        for problem in recording.problems:
            print(f"{arguments.bag}: {problem}", file=sys.stderr)
        if arguments.source:
            return _import(arguments, target, footage)
        recorded = footage.start_ns, footage.end_ns
        labels = read_labels(target) if target.exists() else footage.annotations
        if text := outside(labels, *recorded) or beyond(labels, *recorded):
            print(f"{target}: {text}", file=sys.stderr)
        if arguments.export:
            return _export(arguments, labels, footage)
        groups = dict(taxonomy.groups) if taxonomy else {}
        session = Session(arguments.bag.name, footage, labels, target, groups, recording.problems)
        return _serve(session, arguments.port)


def _check_use(arguments: argparse.Namespace) -> None:
    """Refuse options that would do nothing."""
    if arguments.source and arguments.export:
        raise LabelError("--import and --export: one at a time; import first")
    if arguments.tier is not None and not arguments.source:
        raise LabelError(f"--tier {arguments.tier!r} chooses in a file that is imported; add --import FILE")
    file = arguments.source or arguments.export
    if arguments.camera is not None and (file is None or file.suffix not in FRAME_SUFFIXES):
        raise LabelError(
            f"--camera {arguments.camera!r} says whose frames a file counts; add --import or --export with a file that "
            f"does, {' or '.join(FRAME_SUFFIXES)}"
        )


def _check_place(target: Path) -> None:
    """See that a label file can be written, before anything is labelled.

    Raises:
        OSError: It cannot.
    """
    try:
        with tempfile.TemporaryFile(dir=os.path.dirname(os.path.realpath(target))):
            pass
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}; choose another --out", str(target)) from error


def _import(arguments: argparse.Namespace, target: Path, footage: Footage) -> int:
    if target.exists():
        raise LabelError(f"{target} exists already; remove it, or choose another --out")
    report = partial(print, file=sys.stderr)
    labels = import_labels(arguments.source, _timeline(arguments, arguments.source, footage), arguments.tier, report)
    write_labels(target, labels)
    if text := beyond(labels, footage.start_ns, footage.end_ns):
        print(f"{target}: {text}", file=sys.stderr)
    print(f"{target}: {len(labels)} labels of {arguments.source}")
    return 0


def _export(arguments: argparse.Namespace, labels: Sequence[Label], footage: Footage) -> int:
    if not labels:
        raise LabelError(f"{arguments.bag} has no labels: there is no {labels_path(arguments.bag)}, nor annotations")
    export_labels(arguments.export, labels, _timeline(arguments, arguments.export, footage))
    print(f"{arguments.export}: {len(labels)} labels of {arguments.bag}")
    return 0


def _timeline(arguments: argparse.Namespace, file: Path, footage: Footage) -> Timeline:
    """The recording's time, with the frames of the camera that was chosen, if the file counts frames."""
    cameras = {camera.topic: camera.stamps_ns for camera in footage.cameras}
    topic = arguments.camera
    if topic is not None and topic not in cameras:
        raise LabelError(
            f"--camera {topic!r} is no camera of {arguments.bag}, which has {', '.join(cameras) or 'none'}"
        )
    if file.suffix not in FRAME_SUFFIXES or not cameras:
        return Timeline(footage.start_ns, footage.end_ns, np.zeros(0, np.int64))
    if topic is None and len(cameras) > 1:
        raise LabelError(f"{file} counts frames: choose the camera with --camera, one of {', '.join(cameras)}")
    topic = topic or next(iter(cameras))
    return Timeline(footage.start_ns, footage.end_ns, cameras[topic])


def _serve(session: Session, port: int) -> int:
    with LabelServer(session, port) as server, ExitStack() as stack:
        print(f"label {session.name} (Ctrl-C ends): {server.address}", flush=True)
        if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
            webbrowser.open(stack.enter_context(opener(server.address, session.target)).as_uri())
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print(f"\n{session.target}: {'there' if session.target.exists() else 'nothing was saved'}")
    return 0


@contextmanager
def opener(address: str, target: Path) -> Iterator[Path]:
    """A file that leads a browser to an address: others see the arguments of a browser, but not into this file.

    It lies beside the label file, where a browser in a sandbox may read, too.

    Raises:
        OSError: It cannot be written.
    """
    with tempfile.NamedTemporaryFile("w", prefix=f"{target.stem}.", suffix=".html", dir=target.parent) as file:
        file.write(f'<!doctype html><meta http-equiv="refresh" content="0; url={address}">\n')
        file.flush()
        yield Path(file.name).resolve()
