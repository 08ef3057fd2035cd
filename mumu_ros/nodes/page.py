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

"""A local web page that shows the overlay live, for `mumu demo` on a desktop."""

from __future__ import annotations

import secrets
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["Page"]

BOUNDARY = "picture"
PATIENCE_S = 1.0
"""After this long without a new picture the last one is sent again, to detect a browser that has disconnected."""
HTML = b"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>mumu_ros</title>
<style>
  body { margin: 0; height: 100vh; background: #16191e; display: grid; place-items: center }
  img { width: min(100vw, 133vh); image-rendering: auto }
</style>
<img src="stream" alt="The camera's picture with people and their activities drawn on it">
</html>
"""


class Page:
    """Serves the newest picture to browsers of this machine that have the page's address.

    Attributes:
        url: The address; it contains a token, without which nothing is served.
    """

    def __init__(self) -> None:
        self._token = secrets.token_urlsafe(12)
        self._jpeg = b""
        self._number = 0
        self._changed = threading.Condition()
        self._closed = False
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/{self._token}/"
        threading.Thread(target=self._server.serve_forever, name="page", daemon=True).start()

    def show(self, jpeg: bytes) -> None:
        """Set the picture to show."""
        with self._changed:
            self._jpeg = jpeg
            self._number += 1
            self._changed.notify_all()

    def close(self) -> None:
        """Stop serving."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def _next(self, after: int) -> tuple[int, bytes]:
        """The first picture after the given number; after a timeout the same again; b"": the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._number > after or self._closed, PATIENCE_S)
            return self._number, b"" if self._closed else self._jpeg

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        page = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == f"/{page._token}/":
                    self._answer("text/html; charset=utf-8")
                    self.wfile.write(HTML)
                elif self.path == f"/{page._token}/stream":
                    self._answer(f"multipart/x-mixed-replace; boundary={BOUNDARY}")
                    self._stream()
                else:
                    self.send_error(HTTPStatus.NOT_FOUND)

            def _answer(self, content_type: str) -> None:
                self.send_response(HTTPStatus.OK)
                self.send_header("Content-Type", content_type)
                self.send_header("Cache-Control", "no-store")
                self.end_headers()

            def _stream(self) -> None:
                number = 0
                try:
                    while not page._closed:
                        number, jpeg = page._next(number)
                        if jpeg:
                            head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                            self.wfile.write(head.encode() + jpeg + b"\r\n")
                except OSError:
                    pass  # the browser has gone away

            def log_message(self, *_: object) -> None:
                """Log nothing: the terminal shows the demo."""

        return Handler
