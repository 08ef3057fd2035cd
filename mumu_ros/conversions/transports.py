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

"""Topics and messages of image_transport."""

from __future__ import annotations

from typing import Any

__all__ = ["picture_kind", "raw_topic"]

_TRANSPORTS = ("compressed", "compressedDepth")
_DEPTH_ENCODINGS = ("16UC1", "32FC1", "mono16")
_ZSTD = "zstd"
"""The format of zstd_image_transport, which is not decoded: it could hold colour or depth."""


def picture_kind(message: Any) -> str:
    """What an Image or a CompressedImage shows: rgb or depth; empty where it cannot be decoded."""
    encoding = getattr(message, "encoding", "") or getattr(message, "format", "")
    if encoding == _ZSTD:
        return ""
    return "depth" if encoding.startswith(_DEPTH_ENCODINGS) or "compressedDepth" in encoding else "rgb"


def raw_topic(topic: str) -> str:
    """The topic of the picture that one of image_transport is a compressed copy of; any other as it is."""
    raw, _, transport = topic.rpartition("/")
    return raw if transport in _TRANSPORTS else topic
