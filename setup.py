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

"""Installs mumu_ros without ROS: `pip install .[train]` on a training server. With ROS, colcon uses CMakeLists.txt."""

from pathlib import Path
from xml.etree import ElementTree

from setuptools import find_packages, setup

ROOT = Path(__file__).parent


def requirements(name: str) -> list[str]:
    """Lines of requirements/<name>.txt without comments."""
    lines = (ROOT / "requirements" / f"{name}.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def shared_files() -> list[tuple[str, list[str]]]:
    """msg/, config/, launch/ and models/ go where a ROS installation has them too: share/mumu_ros."""
    folders: dict[str, list[str]] = {}
    for top in ("msg", "config", "launch", "models"):
        for path in sorted((ROOT / top).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                relative = path.relative_to(ROOT)
                folders.setdefault(f"share/mumu_ros/{relative.parent}", []).append(str(relative))
    return list(folders.items())


PACKAGE = ElementTree.parse(ROOT / "package.xml").getroot()
"""The one place of version, description and maintainer."""
MAINTAINER = PACKAGE.find("maintainer")

setup(
    name="mumu_ros",
    version=PACKAGE.findtext("version"),
    description=PACKAGE.findtext("description"),
    author=MAINTAINER.text,
    author_email=MAINTAINER.get("email"),
    project_urls={"Paper": PACKAGE.findtext("url")},
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Topic :: Scientific/Engineering :: Image Recognition",
    ],
    long_description=(ROOT / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=["mumu_ros", "mumu_ros.*"]),
    package_data={"mumu_ros": ["py.typed", "evaluation/report.html", "labelling/static/*"]},
    data_files=shared_files(),
    install_requires=requirements("base"),
    extras_require={
        name: requirements(name)
        for name in ("train", "people", "vision", "openvino", "onnx", "lerobot", "rerun", "test", "fuzz")
    },
    entry_points={"console_scripts": ["mumu = mumu_ros.cli:main"]},
)
