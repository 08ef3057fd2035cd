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

"""Where the package's data lie: interface definitions, configuration, shipped models."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from mumu_ros.files import expanded

__all__ = ["located", "share_path"]

_PACKAGE = "mumu_ros"


def located(path: str | Path) -> Path:
    """A file that the user names: where it is, else the package's own of that name, such as `config/sim.yaml`.

    A file that is in neither place is returned as it is named, so that the error about it names that, too.
    """
    given = expanded(path)
    if os.path.lexists(given) or given.is_absolute() or ".." in given.parts:
        return given
    try:
        return share_path(*given.parts)
    except OSError:
        return given


def share_path(*parts: str) -> Path:
    """Return the path of a data file or folder, such as `share_path("config", "taxonomies", "sim.yaml")`.

    Looked for in the source tree beside the package, then in share/mumu_ros of the prefix that the package is
    installed in (colcon, pip), of every prefix on AMENT_PREFIX_PATH, and of the interpreter's own.

    Raises:
        FileNotFoundError: it is in none of them; the text lists where it was looked for.
    """
    candidates = [root.joinpath(*parts) for root in _roots()]
    for candidate in candidates:
        if candidate.exists():
            return candidate
    raise FileNotFoundError(
        f"{'/'.join(parts)!r} of {_PACKAGE} is in none of {', '.join(map(str, candidates))}; "
        "build with colcon or install with pip, and source the installation"
    )


def _roots() -> Iterator[Path]:
    package = Path(__file__).parent
    # With colcon's --symlink-install the files of the package are links into the source tree.
    for folder in dict.fromkeys((package, Path(__file__).resolve().parent)):
        if (folder.parent / "pyproject.toml").is_file():
            yield folder.parent
    prefixes = [
        *package.parents,
        *map(Path, filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep))),
    ]
    for prefix in dict.fromkeys((*prefixes, Path(sys.prefix))):
        if (share := prefix / "share" / _PACKAGE).is_dir():
            yield share
