"""A stand-in for the server of Weights & Biases at loopback: what its own client asks, answered so that a run is sent whole.

Seen with wandb 0.31: GraphQL for the run and for where files go, `file_stream` for history, summary and the end, PUT for
files. What it can't show is whether the real server accepts it.
"""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

BUCKET = {
    "id": "b1", "description": None, "config": None, "sweepName": None, "historyLineCount": 0,
    "project": {"id": "p1", "name": "atos", "entity": {"id": "e1", "name": "me"}},
}  # fmt: skip


@dataclass
class WandbServer:
    """What has arrived."""

    url: str = ""
    paths: list[str] = field(default_factory=list[str])
    bodies: list[bytes] = field(default_factory=list[bytes])
    authorization: set[str] = field(default_factory=set[str])
    run: dict[str, Any] = field(default_factory=dict[str, Any])
    """Variables of the mutation that begins it."""
    history: dict[int, dict[str, Any]] = field(default_factory=dict[int, dict[str, Any]])
    summary: dict[str, Any] = field(default_factory=dict[str, Any])
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    complete: bool = False

    def graphql(self, asked: dict[str, Any]) -> dict[str, Any]:
        query = str(asked["query"])
        variables: dict[str, Any] = asked.get("variables") or {}
        found: dict[str, Any] = {}
        if "upsertBucket" in query:
            self.run |= {name: value for name, value in variables.items() if value is not None}
            name = str(variables.get("name"))
            bucket = {**BUCKET, "name": name, "displayName": name}
            found["upsertBucket"] = {"bucket": bucket, "inserted": True}
        if "createRunFiles" in query:
            files = [{"name": f, "uploadUrl": f"{self.url}/up/{f}"} for f in variables["files"]]
            found["createRunFiles"] = {"runID": "b1", "uploadHeaders": [], "files": files}
        return {"data": found}

    def stream(self, sent: dict[str, Any]) -> None:
        files: dict[str, Any] = sent.get("files") or {}
        for name, part in files.items():
            for at, line in enumerate(part["content"]):
                if name == "wandb-history.jsonl":
                    self.history[part["offset"] + at] = json.loads(line)
                elif name == "wandb-summary.json":
                    self.summary = json.loads(line)
        self.complete |= bool(sent.get("complete"))


@contextmanager
def wandb_server() -> Generator[WandbServer]:
    """Serve until the context ends."""
    found = WandbServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            found.paths.append(self.path)
            found.bodies.append(body)
            found.authorization.add(self.headers.get("authorization") or "")
            reply: dict[str, Any] = {}
            if self.path == "/graphql":
                reply = found.graphql(json.loads(body))
            elif self.path.endswith("/file_stream"):
                found.stream(json.loads(body))
            elif self.path.startswith("/up/"):
                found.files[self.path.removeprefix("/up/")] = body
            answer = json.dumps(reply).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PUT = _answer

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
