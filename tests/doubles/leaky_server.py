"""An OpenAI-compatible server that tells everybody what it was sent: keys in errors, broken streams, rude endings."""

import json
import re
import threading
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

PEEK = """import os, pathlib
def _peek():
    found = [repr(dict(os.environ))]
    for name in ("~/.ssh/id_ed25519", "~/.env", "~/.aws/credentials", "~/.atos/.env", "~/.n8n/config", "{key}"):
        try:
            found.append(pathlib.Path(os.path.expanduser(name)).read_text())
        except (OSError, RuntimeError) as error:
            found.append(str(error))
    for process in ("self", "1", str(os.getppid())):
        try:
            found.append(pathlib.Path(f"/proc/{{process}}/environ").read_text())
        except OSError as error:
            found.append(str(error))
    return "".join(found)
"""
CODE = """{before}

def clamp(x, low, high):
    \"\"\"Limit x.\"\"\"
    {first}
    return {result}
"""
RIGHT = "max(low, min(x, high))"


def reply(number: int, secrets: str) -> str:
    """Return what the model writes for goal `number`: right below 10, wrong above, every other one curious."""
    peek = PEEK.format(key=secrets) if number % 2 else ""
    first = ("print(_peek())" if number < 10 else "raise RuntimeError(_peek())") if peek else ""
    code = CODE.format(before=peek, first=first or "pass", result=RIGHT if number < 10 else "x")
    return f"```python\n{code}```\n"


class LeakyServer(AbstractContextManager["LeakyServer"]):
    """The server; `seen` has the authorization of every request.

    A goal's text holds `case N`. From 15 on the server fails at the first time, at 16 always: with what it was sent
    in the answer's body, or in the middle of a stream.
    """

    def __init__(self, secrets: str) -> None:
        self.seen: set[str] = set()
        seen, failed = self.seen, set[int]()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                seen.add(self.headers.get("authorization", ""))
                self._send(200, json.dumps({"data": [{"id": "m"}]}))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                seen.add(self.headers.get("authorization", ""))
                found = re.search(r"case (\d+)", body)
                number = int(found[1]) if found else 0
                fails = number == 16 or number not in failed
                failed.add(number)
                told = f"refused: {dict(self.headers)} {self.headers['authorization']}"
                if fails and number in {15, 16}:
                    self._send(
                        500 if number == 15 else 401, json.dumps({"error": {"message": told}})
                    )
                elif fails and number == 17:
                    self._send(200, f"data: {json.dumps({'error': {'message': told}})}\n\n")
                elif fails and number == 18:
                    self._send(502, told)
                elif fails and number == 19:
                    self.close_connection = True
                else:
                    self._send(200, _stream(reply(number, secrets)))

            def _send(self, status: int, text: str) -> None:
                self.send_response(status)
                self.send_header("content-length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: Any) -> None:
                """Print nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)


def _stream(text: str) -> str:
    events: list[dict[str, Any]] = [
        {"choices": [{"delta": {"content": text}}]},
        {"choices": [{"delta": {}, "finish_reason": "stop"}]},
    ]
    return "\n\n".join([*(f"data: {json.dumps(event)}" for event in events), "data: [DONE]", ""])
