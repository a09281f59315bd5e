"""A stand-in for Cloudflare's API, as far as wrangler asks it on a deployment; wrangler itself is the real one."""

import base64
import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

TOKEN, TEMPORARY = "cf-canary-" + "t0ken" * 6, "cf-temporary-token"
CLAIM = "https://dash.cloudflare.example/claim?token=once"
TROUBLE = {
    429: (971, "Please wait and consider throttling your request speed"),
    500: (10013, "An unknown error has occurred."),
}
"""What Cloudflare says with a status: its code and its words."""
Json = dict[str, Any]


class CloudflareDouble:
    """One account `me`, and a temporary one.

    Attributes:
        workers: the files of each Worker, by path.
        asked: every request, `METHOD path`.
        trouble: statuses that the next requests are answered with instead; 0 cuts the connection.
    """

    def __init__(self) -> None:
        self.url = ""
        self.token = TOKEN
        self.asked: list[str] = []
        self.workers: dict[str, dict[str, bytes]] = {}
        self.trouble: list[int] = []
        self._manifest: dict[str, str] = {}
        self._blobs: dict[str, bytes] = {}

    @property
    def changes(self) -> list[str]:
        """Requests that put or take away something."""
        return [
            each
            for each in self.asked
            if each.startswith(("PUT", "DELETE", "PATCH")) or each.endswith("/versions")
        ]

    def answer(self, method: str, path: str, token: str, kind: str, body: bytes) -> tuple[int, Any]:
        """Answer one request with its status and result."""
        self.asked.append(f"{method} {path}")
        match path.strip("/").split("/"):
            case ["provisioning", "previews", "challenge"]:
                return 200, {"challengeToken": "c", "seed": "A" * 43, "k": 2, "g": 2}
            case ["provisioning", "previews"]:
                ends = "2036-12-01T10:00:00Z"
                account = {
                    "id": "acc",
                    "name": "temporary",
                    "apiToken": TEMPORARY,
                    "expiresAt": ends,
                }
                return 200, {"account": account, "claim": {"url": CLAIM, "expiresAt": ends}}
            case ["accounts", _, "workers", "assets", "upload"]:
                self._keep(kind, body)
                return 201, {"jwt": "uploaded"}
            case _ if token not in {self.token, TEMPORARY}:
                return 401, (10000, "Authentication error")
            case ["accounts"]:
                return 200, [{"id": "acc", "name": "me"}]
            case ["memberships"]:
                return 200, [{"id": "m", "account": {"id": "acc", "name": "me"}}]
            case ["accounts", _, "workers", *rest]:
                return self._of_workers(method, rest, body)
            case _:
                return 200, []

    def _of_workers(self, method: str, rest: list[str], body: bytes) -> tuple[int, Any]:
        match [method, *rest]:
            case ["GET", "services", name] if name not in self.workers:
                return 404, (10090, "This Worker does not exist on your account.")
            case ["GET", "services", _]:
                script = {"last_deployed_from": "wrangler", "tag": "tag"}
                return 200, {"default_environment": {"environment": "production", "script": script}}
            case ["DELETE", "services", name]:
                return (
                    (200, None)
                    if self.workers.pop(name, None)
                    else (404, (10090, "This Worker does not exist."))
                )
            case ["GET", "subdomain"]:
                return 200, {"subdomain": "me"}
            case [_, "scripts", _, "subdomain"] | [_, "workers", _]:
                on = {"enabled": True, "previews_enabled": True}
                return 200, {**on, "subdomain": on}
            case ["POST", "scripts", _, "assets-upload-session"]:
                manifest: Json = json.loads(body)["manifest"]
                self._manifest = {path: about["hash"] for path, about in manifest.items()}
                missing = [each for each in self._manifest.values() if each not in self._blobs]
                return 200, {"jwt": "session", "buckets": [missing] if missing else []}
            case ["PUT", "scripts", name] | ["POST", "scripts", name, "versions"]:
                self.workers[name] = {
                    path: self._blobs[each] for path, each in self._manifest.items()
                }
                script: Json = {"etag": "e", "handlers": []}
                made = {"id": name, "startup_time_ms": 1, "metadata": {"hasPreview": False}}
                return 200, {**made, "number": 1, "resources": {"script": script}}
            case ["GET", "scripts", _, "deployments"]:
                return 200, {"deployments": []}
            case _:
                return 200, []

    def _keep(self, kind: str, body: bytes) -> None:
        """Keep the files of an upload, which come in base64 under their hashes."""
        whole = message_from_bytes(f"content-type: {kind}\r\n\r\n".encode() + body)
        for part in cast("list[Message]", whole.get_payload()):
            name = str(part.get_param("name", header="content-disposition"))
            self._blobs[name] = base64.b64decode(cast("bytes", part.get_payload(decode=True)))


@contextmanager
def cloudflare() -> Generator[CloudflareDouble]:
    """Serve a Cloudflare on loopback."""
    double = CloudflareDouble()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            path = self.path.partition("?")[0]
            if double.trouble and (status := double.trouble.pop(0)) != 200:
                if not status:
                    self.connection.close()
                    return
                result: Any = TROUBLE.get(status, (status, "trouble"))
            else:
                token = (self.headers.get("authorization") or "").removeprefix("Bearer ")
                kind = self.headers.get("content-type") or ""
                status, result = double.answer(self.command, path, token, kind, body)
            self._send(status, result)

        def _send(self, status: int, result: Any) -> None:
            ok = status < 400
            errors = [] if ok else [{"code": result[0], "message": result[1]}]
            said = {
                "success": ok,
                "errors": errors,
                "messages": [],
                "result": result if ok else None,
            }
            data = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    double.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
