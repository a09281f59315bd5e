"""A stand-in for places that serve large files: Hugging Face, a mirror, a package index.

It speaks what their clients ask: HEAD with `ETag`, `X-Repo-Commit` and `X-Linked-Size` under
`/<owner>/<name>/resolve/<revision>/<file>`, GET with `Range`, and `/simple/<package>/`. A file is known
by its last name, whatever stands before it. `hold_at` makes a reply stop at a byte of the file, with
the connection open: the moment at which a test kills the client.

    with FileServer({"model.gguf": data}) as server:
        ... server.url ...
"""

import hashlib
import io
import threading
import zipfile
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

COMMIT = "c" * 40
HELD_SECONDS = 30.0


@dataclass
class FileServer(AbstractContextManager["FileServer"]):
    """The server and, for tests, what was asked of it."""

    files: dict[str, bytes]
    hold_at: int | None = None
    """Byte of a file at which a reply stops until `release`."""
    hold_only: str = ""
    """The file of which replies are held; empty: every file."""
    ranges: bool = True
    asked: list[tuple[str, str, int]] = field(default_factory=list[tuple[str, str, int]])
    """Method, file and first byte of every request for a file."""

    def __enter__(self) -> Self:
        self.held, self._released = threading.Event(), threading.Event()
        self._server = _Quiet(("127.0.0.1", 0), type("Handler", (_Handler,), {"served": self}))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()

    def release(self, hold_at: int | None = None) -> None:
        """Let held replies end; the next ones are held at this byte."""
        self._released.set()
        self._released, self.held = threading.Event(), threading.Event()
        self.hold_at = hold_at

    def hold(self) -> None:
        """Stop here until the test goes on."""
        released = self._released
        self.held.set()
        released.wait(HELD_SECONDS)


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: killed clients are what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    served: FileServer
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self, *, body: bool) -> None:
        name = self.path.rstrip("/").rsplit("/", 1)[-1]
        if self.path.startswith("/simple/"):
            self._send_index(name)
            return
        data = self.served.files.get(name)
        asked = self.headers.get("Range", "") if self.served.ranges else ""
        start = int(asked.removeprefix("bytes=").partition("-")[0]) if asked else 0
        self.served.asked.append((self.command, name, start))
        if data is None:
            self._head(404, 0)
            return
        if start >= len(data):
            self._head(416, 0)
            return
        headers = {
            "ETag": f'"{hashlib.sha256(data).hexdigest()}"',
            "X-Repo-Commit": COMMIT,
            "X-Linked-Size": str(len(data)),
            "Accept-Ranges": "bytes",
        }
        if asked:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self._head(206 if asked else 200, len(data) - start, headers)
        if body:
            self._send(name, data, start)

    def _send(self, name: str, data: bytes, start: int) -> None:
        stop = self.served.hold_at
        if self.served.hold_only not in {"", name}:
            stop = None
        if stop is not None and start < stop < len(data):
            self.wfile.write(data[start:stop])
            self.wfile.flush()
            self.served.hold()
            start = stop
        self.wfile.write(data[start:])

    def _send_index(self, package: str) -> None:
        start = package.replace("-", "_") + "-"
        names = [n for n in self.served.files if n.startswith(start)]
        links = "".join(f'<a href="/files/{n}">{n}</a><br>' for n in names)
        page = f"<!DOCTYPE html><html><body>{links}</body></html>".encode()
        self._head(200, len(page), {"Content-Type": "text/html"})
        self.wfile.write(page)

    def _head(self, status: int, length: int, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()


def wheels_of(package: str, version: str, parts: list[bytes]) -> dict[str, bytes]:
    """Return wheels, by file name, that carry these parts, one each."""
    made: dict[str, bytes] = {}
    for number, part in enumerate(parts, 1):
        name = f"{package.replace('-', '_')}{number}"
        info = f"{name}-{version}.dist-info"
        texts = {
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}{number}\nVersion: {version}\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/RECORD": "",
        }
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(f"{name}/data/part.bin", part)
            for path, text in texts.items():
                archive.writestr(path, text)
        made[f"{name}-{version}-py3-none-any.whl"] = file.getvalue()
    return made
