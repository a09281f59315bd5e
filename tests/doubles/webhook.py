"""A real HTTP server on loopback that answers as webhooks do, and as they should not."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Received:
    """One request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Webhook:
    """Answers each request by `respond`; keeps what came in."""

    respond: Callable[[Handler], None] = lambda handler: handler.send(200, b'{"done":true}')
    received: list[Received] = field(default_factory=list[Received])
    closing: threading.Event = field(default_factory=threading.Event)
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    """One request; the tests' `respond` writes the answer with `send`."""

    webhook: Webhook

    def _serve(self) -> None:
        size = int(self.headers.get("content-length", "0"))
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(size)
        self.webhook.received.append(Received(self.command, self.path, headers, body))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it has seen enough
            self.webhook.respond(self)

    do_GET = do_POST = do_PUT = do_PATCH = _serve

    def send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def hang(self) -> None:
        """Give no answer until the test is over."""
        self.webhook.closing.wait(15)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def webhook_server() -> Generator[Webhook]:
    """Serve on a free loopback port until the block ends."""
    webhook = Webhook()
    handler = type("BoundHandler", (Handler,), {"webhook": webhook})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        webhook.url = f"http://127.0.0.1:{server.server_address[1]}/webhook/report"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield webhook
        finally:
            webhook.closing.set()
            server.shutdown()
            thread.join()
