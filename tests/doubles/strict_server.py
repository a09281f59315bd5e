"""A chat server that knows OpenAI's own fields only, and refuses a request with any other."""

import json
import threading
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

KNOWN = {"model", "messages", "max_tokens", "temperature", "stream", "stream_options", "top_p", "seed", "stop"}  # fmt: skip


class StrictServer(AbstractContextManager["StrictServer"]):
    """The server, its address and every body that it was sent."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        bodies = self.bodies

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._send(200, json.dumps({"data": [{"id": "m"}]}))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                bodies.append(body)
                if unknown := set(body) - KNOWN:
                    message = f"Unrecognized request argument supplied: {min(unknown)}"
                    self._send(400, json.dumps({"error": {"message": message}}))
                    return
                events: list[dict[str, Any]] = [
                    {"choices": [{"delta": {"content": "hello"}}]},
                    {"choices": [{"delta": {}, "finish_reason": "stop"}]},
                ]
                lines = [*(f"data: {json.dumps(event)}" for event in events), "data: [DONE]", ""]
                self._send(200, "\n\n".join(lines))

            def _send(self, status: int, text: str) -> None:
                self.send_response(status)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: Any) -> None:
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
