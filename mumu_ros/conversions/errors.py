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

"""The error that every conversion raises."""

from __future__ import annotations

from mumu_ros.fault_codes import FaultCode
from mumu_ros.text import shorten

__all__ = ["ConversionError"]


class ConversionError(ValueError):
    """A message has invalid contents; the text contains the value and the remedy.

    It does not contain the topic: the subscriber adds it. The text quotes the message, so it is cut (`shorten`).

    Attributes:
        code: The fault code.
    """

    def __init__(self, text: str, code: FaultCode = FaultCode.UNREADABLE) -> None:
        super().__init__(shorten(text))
        self.code = code
