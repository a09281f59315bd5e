"""OpenAI-compatible servers that can load and unload, as their documentation has the shapes: router, LM Studio, vLLM."""

import json
import threading
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self

Kind = Literal["router", "lm_studio", "vllm", "other"]


class LoadingServer(AbstractContextManager["LoadingServer"]):
    """A server of one kind with one model, `m`; a router reports a new state one look later."""

    def __init__(self, kind: Kind, *, broken: bool = False) -> None:
        self.kind, self.broken = kind, broken
        self.loaded, self._next = False, None if not broken else False
        self.posts: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = server.answer(self.path)
                self._send(200 if body is not None else 404, body or {"error": "no such route"})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])) or b"{}")
                server.posts.append(f"{self.path} {json.dumps(body)}")
                server.change(self.path)
                self._send(200, {"success": True})

            def _send(self, status: int, body: dict[str, Any]) -> None:
                text = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *args: Any) -> None:
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, path: str) -> dict[str, Any] | None:
        """Return what a route says, None where this kind has none."""
        match self.kind, path:
            case "router", "/v1/models":
                return {"data": [{"id": "m", "status": self._status()}]}
            case _, "/v1/models":
                return {"data": [{"id": "m"}]}
            case "lm_studio", "/api/v1/models":
                instances = [{"id": "m:1"}] if self.loaded else []
                return {"models": [{"type": "llm", "key": "m", "loaded_instances": instances}]}
            case "vllm", "/is_sleeping":
                return {"is_sleeping": not self.loaded}
            case _:
                return None

    def _status(self) -> dict[str, Any]:
        if self._next is not None and not self.broken:
            self.loaded, self._next = self._next, None
            return {"value": "loading"}
        if self.broken and self.posts:
            return {"value": "unloaded", "failed": True, "exit_code": 1}
        return {"value": "loaded" if self.loaded else "unloaded"}

    def change(self, path: str) -> None:
        """Load or unload."""
        wanted = path.endswith(("/load", "/wake_up"))
        if self.kind == "router":
            self._next = wanted
        else:
            self.loaded = wanted

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)
