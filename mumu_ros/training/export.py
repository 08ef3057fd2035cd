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

"""`mumu export`: prepare a back end ahead of time, so that the inference node starts in seconds."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import numpy as np

from mumu_ros.files import check_folder
from mumu_ros.model.checkpoint import find_model

if TYPE_CHECKING:
    from mumu_ros.model.checkpoint import Checkpoint

__all__ = ["register"]


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "export",
        description=(
            "Prepare a back end in the model's folder, so that the inference node starts in seconds. Compiled code is "
            "kept in the user's own cache instead ($XDG_CACHE_HOME or ~/.cache), and never taken from a model's folder."
        ),
    )
    parser.add_argument("model", help="folder of a model, or the name of a shipped one")
    parser.add_argument(
        "--backend",
        default="auto",
        help="compile, openvino, openvino_int8, onnxruntime, or auto: what the inference node takes here (default)",
    )
    parser.add_argument(
        "--calibrate",
        nargs=2,
        metavar=("DATASET", "ROOT"),
        help="openvino_int8: calibrate on frames of this dataset, preferably of the people and the place where it will "
        "run (see mumu test); '' is the usual ROOT",
    )
    parser.add_argument("--subjects", default="", help="of these people only, such as 1,3,5")
    parser.add_argument("--frames", type=int, default=300, help="how many of each modality (default %(default)s)")
    parser.set_defaults(run=_export)


def _export(arguments: argparse.Namespace) -> int:
    from mumu_ros.model.checkpoint import load_checkpoint
    from mumu_ros.recognition.backends import choose_backend, export_backend

    folder = find_model(arguments.model)
    checkpoint = load_checkpoint(folder)
    name = choose_backend(checkpoint, folder) if arguments.backend == "auto" else arguments.backend
    frames = _frames(checkpoint, arguments) if arguments.calibrate else None
    where = export_backend(name, checkpoint, folder, frames)
    size = sum(path.stat().st_size for path in where.rglob("*") if path.is_file())
    print(f"{where}: {checkpoint.id} for {name}, {size / 1e6:.1f} MB")
    return 0


def _frames(checkpoint: Checkpoint, arguments: argparse.Namespace) -> dict[str, list[np.ndarray]]:
    """Frames from all over the dataset, by modality, whatever is done in them."""
    from mumu_ros.datasets.clips import parse_subjects
    from mumu_ros.training.health import ANY_OVERLAP, healthy_windows
    from mumu_ros.training.settings import Data

    check_folder(find_model(arguments.model))
    if arguments.frames < 1:
        raise ValueError(f"--frames is {arguments.frames}; expected 1 or more")
    dataset, root = arguments.calibrate
    data = Data(dataset, root=root, windows_per_s=0.0, min_overlap=ANY_OVERLAP)
    subjects = parse_subjects(arguments.subjects) if arguments.subjects else ()
    frames = {}
    for name, found in healthy_windows(checkpoint.config, data, subjects).frames.items():
        chosen = np.linspace(0, len(found) - 1, min(arguments.frames, len(found))).round().astype(int)
        dtype = np.uint8 if found.dtype == np.uint8 else np.float32
        frames[name] = [found[index].astype(dtype) for index in chosen]
    return frames
