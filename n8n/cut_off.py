"""A way to ATOS that fails as a network does: what starts a goal is first not let through, then its answer is lost.

Standard library only.
"""

from __future__ import annotations

import itertools
import threading
import urllib.error
import urllib.request
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECONDS = 60.0
NOT_SENT = ("host", "content-length", "connection", "accept-encoding")


class _Handler(BaseHTTPRequestHandler):
    to: str
    starts: Iterator[int]

    def do_GET(self) -> None:
        self._pass_on(None)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        begins = self.headers["mcp-name"] == "start_goal"
        number = next(self.starts) if begins else None
        if number == 0:
            self.close_connection = True
            return
        self._pass_on(body, lost=number == 1)

    def _pass_on(self, body: bytes | None, *, lost: bool = False) -> None:
        sent = {name: value for name, value in self.headers.items() if name.lower() not in NOT_SENT}
        asked = urllib.request.Request(self.to + self.path, body, sent)
        try:
            with urllib.request.urlopen(asked, timeout=SECONDS) as answer:
                status, kind, data = answer.status, answer.headers["content-type"], answer.read()
        except urllib.error.HTTPError as error:
            status, kind, data = error.code, error.headers["content-type"], error.read()
        if lost:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("content-type", kind or "text/plain")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def cut_off(to: str) -> Generator[str]:
    """Serve a way to an address for the time of the block; yields its own address."""
    handler = type("Bound", (_Handler,), {"to": to, "starts": itertools.count()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
