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

"""The label page's server: accessible to one user of this machine only."""

from __future__ import annotations

import hmac
import json
import os
import secrets
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass, field
from functools import partial
from hashlib import sha256
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from mumu_ros.conversions import ConversionError
from mumu_ros.labelling.footage import Footage
from mumu_ros.reading import MAX_TEXT, parse_json
from mumu_ros.recordings import RecordingError
from mumu_ros.recordings.label_files import Label, LabelError, beyond, outside, read_labels, write_labels
from mumu_ros.streams import NS_PER_S
from mumu_ros.text import composed, reason, shorten

__all__ = ["LabelServer", "Session"]

_STATIC = Path(__file__).parent / "static"
_PAGES = {
    "/": ("label.html", "text/html; charset=utf-8"),
    "/label.css": ("label.css", "text/css; charset=utf-8"),
    "/label.js": ("label.js", "text/javascript; charset=utf-8"),
}
_CONTENT = "default-src 'self'; img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_SHOWN_PERCENTILES = (0.1, 99.9)
_MAX_BINS = 4000
_DIGITS = 9
_PATIENCE_S = 60.0
"""For the rest of a request."""


class _OutdatedError(LabelError):
    """The labels have been changed elsewhere since the page was loaded."""


@dataclass
class Session:
    """What one label page is about. Several pages and requests may use it at once.

    Attributes:
        name: Of the recording.
        footage: What it shows.
        labels: The segments when they were read or saved last.
        target: The label file; other programs may change it, too.
        groups: Activities to choose from, by group, beside those of the labels.
        problems: What is wrong with the recording, a sentence each.
        version: How many times the labels have been changed since the start, here and elsewhere.
    """

    name: str
    footage: Footage
    labels: Sequence[Label]
    target: Path
    groups: Mapping[str, Sequence[str]]
    problems: Sequence[str]
    version: int = field(default=0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def describe(self) -> dict[str, Any]:
        """All but the pictures and traces, as JSON; times in seconds from the first sample.

        Raises:
            LabelError: The label file has been changed, and is none any more.
            OSError: It cannot be read.
        """
        footage = self.footage
        with self._lock:
            self._refresh()
            labels, version = self.labels, self.version
        recorded = footage.start_ns, footage.end_ns
        misplaced = outside(labels, *recorded) or beyond(labels, *recorded)
        return {
            "name": self.name,
            "start_ns": str(footage.start_ns),  # more digits than a number of JavaScript has
            "version": version,
            # The key of what the browser keeps unsaved: a digest, because another server at this port can read it.
            "place": sha256(os.fsencode(os.path.realpath(self.target))).hexdigest(),
            "target": self.target.name,
            "saved": self.target.exists(),
            "duration": self._seconds(footage.end_ns),
            "cameras": [
                {"topic": camera.topic, "stamps": [self._seconds(int(t)) for t in camera.stamps_ns]}
                for camera in footage.cameras
            ],
            "traces": [
                {"name": trace.name, "low": low, "high": high}
                for trace in footage.traces
                # A spike shall not flatten all the rest.
                for low, high in (trace.percentiles(_SHOWN_PERCENTILES),)
            ],
            "groups": self.groups,
            "problems": [*self.problems, *([misplaced] if misplaced else [])],
            "labels": [
                {"start": self._seconds(start_ns), "end": self._seconds(end_ns), "group": group, "activity": activity}
                for start_ns, end_ns, group, activity in map(astuple, labels)
            ],
        }

    def save(self, content: Any) -> dict[str, int]:
        """Write the label file from the page's `labels`, which were made from those of `version`.

        Labels equal to those saved last are written again, whatever their version: a button was pressed twice.

        Returns:
            How many labels were `saved`, and their `version`.

        Raises:
            _OutdatedError: The label file has other labels than that version, or is none; nothing is written.
            LabelError: The content is no labels, or there is none.
            OSError: The file cannot be read or written.
        """
        try:
            version, labels = int(content["version"]), [self._label(row) for row in content["labels"]]
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise LabelError(f"the page sent no labels: {error!r}") from error
        if not labels:
            raise LabelError("there is no segment to save")
        labels.sort(key=lambda label: label.start_ns)
        with self._lock:
            self._refresh()
            is_new = labels != list(self.labels)
            if is_new and version != self.version:
                raise _OutdatedError(
                    f"{self.target.name} has been changed elsewhere since this page was loaded; reload this page to go "
                    "on from what is there"
                )
            write_labels(self.target, labels)
            self.labels, self.version = labels, self.version + is_new
            return {"saved": len(labels), "version": self.version}

    def trace(self, index: int, start_s: float, end_s: float, bins: int) -> list[list[tuple[int, float, float]]]:
        """See `Trace.envelope`."""
        return self.footage.traces[index].envelope(self._stamp_ns(start_s), self._stamp_ns(end_s), bins)

    def _refresh(self) -> None:
        """Take up what another program has written; a file that is gone is no change, since nothing can be lost."""
        if not self.target.exists():
            return
        try:
            labels = read_labels(self.target)
        except LabelError as error:
            raise _OutdatedError(f"the label file has been changed elsewhere: {error}; mend or remove it") from error
        if labels != list(self.labels):
            self.labels, self.version = labels, self.version + 1

    def _label(self, row: Any) -> Label:
        start_ns, end_ns = self._stamp_ns(row["start"]), self._stamp_ns(row["end"])
        # As they are read back.
        group, activity = (composed(str(row[name]).strip()) for name in ("group", "activity"))
        return Label(start_ns, end_ns, group, activity)

    def _seconds(self, stamp_ns: int) -> float:
        return (stamp_ns - self.footage.start_ns) / NS_PER_S

    def _stamp_ns(self, seconds: float) -> int:
        return self.footage.start_ns + round(seconds * NS_PER_S)


class LabelServer(ThreadingHTTPServer):
    """Serves a session on this machine, at `port` (0: any that is free), to clients that have its address;
    `serve_forever` runs it.

    Attributes:
        address: Of the page; it holds a random token, without which nothing is answered.

    Raises:
        OSError: The port is taken.
    """

    def __init__(self, session: Session, port: int) -> None:
        token = secrets.token_urlsafe(24)
        try:
            super().__init__(("127.0.0.1", port), partial(_Handler, session, token))
        except OSError as error:
            raise OSError(error.errno, f"{error.strerror}; choose another --port", f"port {port}") from error
        self.address = f"http://127.0.0.1:{self.server_port}/{token}/"


class _Handler(BaseHTTPRequestHandler):
    server_version = "mumu"
    timeout = _PATIENCE_S

    def __init__(self, session: Session, token: str, *args: Any) -> None:
        self._session = session
        self._token = token
        super().__init__(*args)

    def do_GET(self) -> None:
        if (path := self._path()) is None:
            return
        try:
            query = {key: values[-1] for key, values in parse_qs(self.path.partition("?")[2]).items()}
            if path in _PAGES:
                name, kind = _PAGES[path]
                self._send((_STATIC / name).read_bytes(), kind)
            elif path == "/recording":
                self._send_json(self._session.describe())
            elif path == "/frame":
                camera = self._session.footage.cameras[int(query["camera"])]
                self._send(self._session.footage.frame(camera, int(query["index"])), "image/jpeg")
            elif path == "/trace":
                bins = min(max(int(query["bins"]), 1), _MAX_BINS)
                self._send_json(
                    self._session.trace(int(query["trace"]), float(query["start"]), float(query["end"]), bins)
                )
            else:
                self._fail(HTTPStatus.NOT_FOUND, f"there is no {path}")
        except (ConversionError, LabelError, RecordingError, OSError) as error:
            self._fail(HTTPStatus.UNPROCESSABLE_ENTITY, shorten(reason(error)))
        except (KeyError, IndexError, ValueError, OverflowError) as error:
            self._fail(HTTPStatus.BAD_REQUEST, shorten(f"{path}: {error!r}"))

    def do_POST(self) -> None:
        if (path := self._path()) is None or (body := self._body()) is None:
            return
        # Other sites can post forms and text without asking, but not JSON.
        if self.headers.get_content_type() != "application/json" or path != "/labels":
            self._fail(HTTPStatus.BAD_REQUEST, "expected labels as JSON")
            return
        try:
            self._send_json(self._session.save(parse_json(body)))
        except _OutdatedError as error:
            self._fail(HTTPStatus.CONFLICT, shorten(str(error)))
        except ValueError as error:
            self._fail(HTTPStatus.BAD_REQUEST, shorten(str(error)))
        except OSError as error:
            self._fail(HTTPStatus.INSUFFICIENT_STORAGE, f"{error.filename}: {error.strerror}")

    def log_message(self, *_: object) -> None:
        """Requests are no news."""

    def _path(self) -> str | None:
        """The path below the token; None, and the request is refused, where it does not come from our page.

        Without the token it comes from somebody else on this machine. A page of another site may have given its own
        name our address, or guess: browsers say where a request comes from.
        """
        token, _, path = self.path.partition("?")[0].removeprefix("/").partition("/")
        hosts = [f"{name}:{self.connection.getsockname()[1]}" for name in ("127.0.0.1", "localhost")]
        site = self.headers.get("Sec-Fetch-Site", "none")
        # The page is opened from a file; what it asks for then, it asks for itself.
        is_opened = not path and self.headers.get("Sec-Fetch-Mode") == "navigate"
        if (
            hmac.compare_digest(token.encode(), self._token.encode())
            and self.headers.get("Host") in hosts
            and self.headers.get("Origin") in [None, *(f"http://{host}" for host in hosts)]
            and (site in ("none", "same-origin") or is_opened)
        ):
            return f"/{path}"
        self._fail(HTTPStatus.FORBIDDEN, "open the address that mumu label prints")
        return None

    def _body(self) -> bytes | None:
        """What was sent; None, and the request is refused, where its length is not said, or too much."""
        match self.headers.get_all("Content-Length", []):
            case [length] if length.isascii() and length.isdecimal():
                if len(length) > _DIGITS or int(length) > MAX_TEXT:
                    self._fail(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"{length[:40]} bytes; at most {MAX_TEXT}")
                    return None
                return self.rfile.read(int(length))
            case lengths:
                self._fail(HTTPStatus.LENGTH_REQUIRED, f"Content-Length is {lengths!r}; expected one whole number")
                return None

    def _send_json(self, content: Any) -> None:
        self._send(json.dumps(content, allow_nan=False).encode(), "application/json")

    def _fail(self, status: HTTPStatus, reason: str) -> None:
        self._send(json.dumps({"error": reason}).encode(), "application/json", status)

    def _send(self, body: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", _CONTENT)
        self.send_header("Referrer-Policy", "same-origin")
        with suppress(ConnectionError):  # the page was closed meanwhile
            self.end_headers()
            self.wfile.write(body)
