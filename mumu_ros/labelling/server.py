"""The label page's server: for one person on this machine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np

from mumu_ros.conversions import ConversionError
from mumu_ros.labelling.footage import Footage
from mumu_ros.recordings import RecordingError
from mumu_ros.recordings.labels import Label, LabelError, write_labels
from mumu_ros.streams import NS_PER_S

__all__ = ["Session", "serve"]

_STATIC = Path(__file__).parent / "static"
_PAGES = {
    "/": ("label.html", "text/html; charset=utf-8"),
    "/label.css": ("label.css", "text/css; charset=utf-8"),
    "/label.js": ("label.js", "text/javascript; charset=utf-8"),
}
_SHOWN_PERCENTILES = (0.1, 99.9)
_MAX_BINS = 4000
_MAX_BODY = 16 * 2**20


@dataclass(frozen=True)
class Session:
    """What one label page is about.

    Attributes:
        name: Of the recording.
        footage: What it shows.
        labels: The segments to begin with.
        target: The label file.
        groups: Activities to choose from, by group.
        problems: What is wrong with the recording, a sentence each.
    """

    name: str
    footage: Footage
    labels: Sequence[Label]
    target: Path
    groups: Mapping[str, Sequence[str]]
    problems: Sequence[str]

    def describe(self) -> dict[str, Any]:
        """All but the pictures and traces, as JSON; times in seconds from the first sample."""
        footage = self.footage
        return {
            "name": self.name,
            "target": self.target.name,
            "duration": self._seconds(footage.end_ns),
            "cameras": [
                {"topic": camera.topic, "stamps": [round(self._seconds(int(t)), 4) for t in camera.stamps_ns]}
                for camera in footage.cameras
            ],
            "traces": [
                {"name": trace.name, "low": low, "high": high}
                for trace in footage.traces
                # A spike shall not flatten all the rest.
                for low, high in (np.percentile(trace.values, _SHOWN_PERCENTILES).tolist(),)
            ],
            "groups": self.groups,
            "problems": list(self.problems),
            "labels": [
                {"start": self._seconds(start_ns), "end": self._seconds(end_ns), "group": group, "activity": activity}
                for start_ns, end_ns, group, activity in map(astuple, self.labels)
            ],
        }

    def save(self, rows: Any) -> int:
        """Write the label file; how many labels it has.

        Raises:
            LabelError: The rows are no labels, or there is none.
            OSError: It cannot be written.
        """
        try:
            labels = [
                Label(self._stamp_ns(row["start"]), self._stamp_ns(row["end"]), str(row["group"]), str(row["activity"]))
                for row in rows
            ]
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise LabelError(f"the page sent no labels: {error!r}") from error
        if not labels:
            raise LabelError("there is no segment to save")
        write_labels(self.target, sorted(labels, key=lambda label: label.start_ns))
        return len(labels)

    def trace(self, index: int, start_s: float, end_s: float, bins: int) -> list[list[tuple[int, float, float]]]:
        """See `Trace.envelope`."""
        return self.footage.traces[index].envelope(self._stamp_ns(start_s), self._stamp_ns(end_s), bins)

    def _seconds(self, stamp_ns: int) -> float:
        return (stamp_ns - self.footage.start_ns) / NS_PER_S

    def _stamp_ns(self, seconds: float) -> int:
        return self.footage.start_ns + round(seconds * NS_PER_S)


def serve(session: Session, port: int) -> ThreadingHTTPServer:
    """Bind a server for this machine only; `serve_forever` runs it.

    Args:
        session: What it is about.
        port: Where; 0: any that is free.

    Raises:
        OSError: The port is taken.
    """
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, session))
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror}; choose another --port", f"port {port}") from error


class _Handler(BaseHTTPRequestHandler):
    server_version = "mumu"

    def __init__(self, session: Session, *args: Any) -> None:
        self._session = session
        super().__init__(*args)

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(url.query).items()}
        if not self._is_ours():
            return
        try:
            if url.path in _PAGES:
                name, kind = _PAGES[url.path]
                self._send((_STATIC / name).read_bytes(), kind)
            elif url.path == "/recording":
                self._send_json(self._session.describe())
            elif url.path == "/frame":
                camera = self._session.footage.cameras[int(query["camera"])]
                self._send(self._session.footage.frame(camera, int(query["index"])), "image/jpeg")
            elif url.path == "/trace":
                bins = min(max(int(query["bins"]), 1), _MAX_BINS)
                self._send_json(
                    self._session.trace(int(query["trace"]), float(query["start"]), float(query["end"]), bins)
                )
            else:
                self._fail(HTTPStatus.NOT_FOUND, f"there is no {url.path}")
        except (ConversionError, RecordingError, OSError) as error:
            self._fail(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
        except (KeyError, IndexError, ValueError, OverflowError) as error:
            self._fail(HTTPStatus.BAD_REQUEST, f"{self.path}: {error!r}")

    def do_POST(self) -> None:
        # Other sites can post forms and text without asking, but not JSON.
        if not self._is_ours():
            return
        if self.headers.get_content_type() != "application/json" or self.path != "/labels":
            self._fail(HTTPStatus.BAD_REQUEST, "expected labels as JSON")
            return
        try:
            length = min(int(self.headers.get("Content-Length", 0)), _MAX_BODY)
            self._send_json({"saved": self._session.save(json.loads(self.rfile.read(length)))})
        except ValueError as error:
            self._fail(HTTPStatus.BAD_REQUEST, str(error))
        except OSError as error:
            self._fail(HTTPStatus.INSUFFICIENT_STORAGE, f"{error.filename}: {error.strerror}")

    def log_message(self, *_: object) -> None:
        """Requests are no news."""

    def _is_ours(self) -> bool:
        """A page of another site that has given its name our address does not get the person's pictures."""
        port = self.connection.getsockname()[1]
        if self.headers.get("Host") in (f"127.0.0.1:{port}", f"localhost:{port}"):
            return True
        self._fail(HTTPStatus.FORBIDDEN, "this page is for this machine")
        return False

    def _send_json(self, content: Any) -> None:
        self._send(json.dumps(content).encode(), "application/json")

    def _fail(self, status: HTTPStatus, reason: str) -> None:
        self._send(json.dumps({"error": reason}).encode(), "application/json", status)

    def _send(self, body: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", "default-src 'self'; img-src 'self' data: blob:")
        with suppress(ConnectionError):  # the page was closed meanwhile
            self.end_headers()
            self.wfile.write(body)
