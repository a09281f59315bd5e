"""Runs inside the sandbox: answers requests from standard input with a WSGI or ASGI application's replies.

Staged as a script beside the release, so it uses the standard library only. A request is one line of JSON
(method, path, query, headers, body as base64), a reply one line (status, headers, body, or error). It never
listens anywhere: the sandbox has no network. What the application prints goes to standard error, the log.
"""

from __future__ import annotations

import asyncio  # noqa: TID251 - it is the application's own loop, in the sandbox
import base64
import importlib
import io
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterable, MutableMapping
from typing import IO, Any
from urllib.parse import unquote_to_bytes

MOST_BODY = 16 * 2**20
"""Bytes of a reply; what is longer is an error, never cut."""


def _environ(request: dict[str, Any], body: bytes) -> dict[str, Any]:
    """Return the WSGI environment of a request (PEP 3333)."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(request["path"]).decode("latin-1"),
        "QUERY_STRING": request["query"],
        "SERVER_NAME": request["host"],
        "SERVER_PORT": str(request["port"]),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in request["headers"]:
        key = name.upper().replace("-", "_")
        environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    return environ


def _wsgi(application: Callable[..., Iterable[bytes]], request: dict[str, Any]) -> dict[str, Any]:
    started: dict[str, Any] = {}
    body = io.BytesIO()

    def start_response(status: str, headers: list[Any], _failure: object = None) -> Any:
        started.update(status=int(status.split()[0]), headers=[list(pair) for pair in headers])
        return body.write

    replied = application(_environ(request, base64.b64decode(request["body"])), start_response)
    try:
        for part in replied:
            body.write(part)
    finally:
        getattr(replied, "close", lambda: None)()
    return started | {"body": body.getvalue()}


class _Asgi:
    """An ASGI application with one event loop of its own; its lifespan is begun once."""

    def __init__(self, application: Callable[..., Any]) -> None:
        self._application = application
        self._loop = asyncio.new_event_loop()
        self._loop.run_until_complete(self._begin())

    async def _begin(self) -> None:
        self._ended = asyncio.Event()
        ready = asyncio.Event()
        told = iter([{"type": "lifespan.startup"}])

        async def receive() -> dict[str, str]:
            for message in told:
                return message
            await self._ended.wait()
            return {"type": "lifespan.shutdown"}

        async def send(_message: MutableMapping[str, Any]) -> None:
            ready.set()

        async def live() -> None:
            try:
                await self._application(
                    {"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send
                )
            except Exception:  # noqa: BLE001, S110 - applications that know no lifespan may raise
                pass
            finally:
                ready.set()

        self._lifespan = asyncio.ensure_future(live())
        await ready.wait()

    def __call__(self, request: dict[str, Any]) -> dict[str, Any]:
        return self._loop.run_until_complete(self._answer(request))

    async def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        reply: dict[str, Any] = {"status": 500, "headers": []}
        body = io.BytesIO()
        whole = base64.b64decode(request["body"])
        asked = iter([{"type": "http.request", "body": whole, "more_body": False}])

        async def receive() -> dict[str, Any]:
            return next(asked, {"type": "http.disconnect"})

        async def send(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                pairs = message.get("headers", [])
                shown = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in pairs]
                reply.update(status=message["status"], headers=shown)
            elif message["type"] == "http.response.body":
                body.write(message.get("body", b""))

        await self._application(_scope(request), receive, send)
        return reply | {"body": body.getvalue()}


def _scope(request: dict[str, Any]) -> dict[str, Any]:
    named = [[n.lower().encode("latin-1"), v.encode("latin-1")] for n, v in request["headers"]]
    return {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1",
        "method": request["method"], "scheme": "http",
        "path": unquote_to_bytes(request["path"]).decode("utf-8", "replace"),
        "raw_path": request["path"].encode("latin-1"), "query_string": request["query"].encode(),
        "root_path": "", "headers": named, "client": ["127.0.0.1", 0],
        "server": [request["host"], request["port"]], "state": {},
    }  # fmt: skip


def _loaded(module: str, name: str, interface: str, factory: bool) -> Callable[..., Any]:
    found = getattr(importlib.import_module(module), name)
    application = found() if factory else found
    if interface == "asgi":
        return _Asgi(application)

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        return _wsgi(application, request)

    return answer


def _reply(answer: Callable[..., dict[str, Any]], line: str) -> dict[str, Any]:
    try:
        made = answer(json.loads(line))
    except Exception:  # noqa: BLE001 - whatever the application raises is its answer
        traceback.print_exc()
        return {"error": traceback.format_exc(limit=-3)[-2000:]}
    if "status" not in made:
        return {"error": "the application returned without calling start_response"}
    if len(made["body"]) > MOST_BODY:
        return {"error": f"the reply has {len(made['body'])} bytes, more than {MOST_BODY}"}
    return made | {"body": base64.b64encode(made["body"]).decode()}


def _say(replies: IO[str], message: dict[str, Any]) -> None:
    replies.write(json.dumps(message) + "\n")
    replies.flush()


def main(module: str, name: str, interface: str, factory: str) -> None:
    """Load the application, say so, and answer until standard input ends."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.path[:0] = [os.getcwd(), os.path.join(os.getcwd(), "src")]  # noqa: PTH109, PTH118
    try:
        answer = _loaded(module, name, interface, factory == "factory")
        ready: dict[str, Any] = {"ready": True}
    except BaseException:  # noqa: BLE001 - SystemExit at import is a failure to start as well
        traceback.print_exc()
        answer, ready = None, {"ready": False, "error": traceback.format_exc(limit=-3)[-2000:]}
    _say(replies, ready)
    if answer is not None:
        for line in sys.stdin:
            _say(replies, _reply(answer, line))


if __name__ == "__main__":
    main(*sys.argv[1:5])
