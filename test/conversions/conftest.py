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

from __future__ import annotations

import importlib.util
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mumu_ros.conversions import RosTypes
from mumu_ros.recordings.typestore import BagTypes


class PlainTypes:
    """Messages as bare namespaces: conversions may rely on field names alone."""

    def message(self, _type_name: str, **fields: Any) -> Any:
        return SimpleNamespace(**fields)

    def sequence(self, values: np.ndarray) -> Any:
        return values.copy()


class SerialisedBagTypes(BagTypes):
    """Messages of rosbags after serialisation, the way they come out of a bag."""

    def message(self, type_name: str, **fields: Any) -> Any:
        built = super().message(type_name, **fields)
        store = self.typestore
        return store.deserialize_cdr(store.serialize_cdr(built, type_name), type_name)


def _factory(name: str) -> Any:
    if name == "plain":
        return PlainTypes()
    if name == "bag":
        return SerialisedBagTypes()
    if importlib.util.find_spec("sensor_msgs") is None:
        pytest.skip("no ROS message packages here")
    return RosTypes()


@pytest.fixture(params=["plain", "bag", "ros"])
def types(request: pytest.FixtureRequest) -> Any:
    """Each source of standard messages."""
    return _factory(request.param)


@pytest.fixture(params=["plain", "bag", "ros"])
def own_types(request: pytest.FixtureRequest) -> Any:
    """Each source of this package's own messages."""
    if request.param == "ros":
        try:
            importlib.import_module("mumu_ros.msg")
        except ModuleNotFoundError:
            pytest.skip("mumu_ros's messages are not built here")
    return _factory(request.param)


@pytest.fixture
def image_message() -> Any:
    """Build an Image from a (rows, row bytes) table of bytes as a driver would."""

    def build(table: np.ndarray, encoding: str, height: int, width: int, bigendian: int = 0) -> Any:
        return SimpleNamespace(
            height=height,
            width=width,
            encoding=encoding,
            is_bigendian=bigendian,
            step=table.shape[1],
            data=table.reshape(-1).tobytes(),
        )

    return build
