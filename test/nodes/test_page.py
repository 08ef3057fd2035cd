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

import urllib.error
import urllib.request
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from mumu_ros.nodes.page import Page

TIMEOUT_S = 20.0


@pytest.fixture
def page() -> Iterator[Page]:
    value = Page()
    yield value
    value.close()


def test_the_page_shows_the_newest_picture_and_each_that_follows(page: Page) -> None:
    page.show(b"old")
    page.show(b"first")
    with urllib.request.urlopen(page.url, timeout=TIMEOUT_S) as answer:
        assert b'<img src="stream"' in answer.read()
    with urllib.request.urlopen(f"{page.url}stream", timeout=TIMEOUT_S) as stream:
        assert stream.headers["Content-Type"].startswith("multipart/x-mixed-replace")
        pictures = (line for line in map(bytes.strip, stream) if line in (b"old", b"first", b"second"))
        assert next(pictures) == b"first"
        page.show(b"second")
        assert next(picture for picture in pictures if picture != b"first") == b"second"


def test_nobody_without_the_address_sees_anything(page: Page) -> None:
    parts = urlsplit(page.url)
    assert parts.hostname == "127.0.0.1"
    root = f"{parts.scheme}://{parts.netloc}"
    for path in ("/", "/stream", "/guess/", "/guess/stream", parts.path.rstrip("/"), f"{parts.path}../"):
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(root + path, timeout=TIMEOUT_S)
        assert error.value.code == 404


def test_two_pages_have_different_addresses(page: Page) -> None:
    other = Page()
    try:
        assert urlsplit(other.url).path != urlsplit(page.url).path
    finally:
        other.close()
