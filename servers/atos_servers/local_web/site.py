"""The HTTP side of a served release: who may ask, what answers, and the stamp on every answer."""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from atos_protocol.errors import AtosError
from atos_servers.code_runner.requests import Script
from atos_servers.code_runner.runner import Runner
from atos_servers.local_web.application import Application
from atos_servers.local_web.entry import Entry
from atos_servers.local_web.functions import Function, public_functions
from atos_servers.local_web.installed import Packages, nothing
from atos_servers.local_web.pages import Called, Stamp, command_page, toolkit_page
from atos_servers.local_web.release import sources_of

HEALTH = "/.well-known/atos"
CALL = Path(__file__).parent / "call.py"
CALL_SECONDS = 15.0
BODY_BYTES = 8 * 2**20
FIELDS = 100
POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'"
HOP_BY_HOP = frozenset(
    [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "content-length",
    ]
)


@dataclass(frozen=True, slots=True)
class Served:
    """One release and how it is served."""

    release: Path
    """An absolute folder without links, which nobody changes."""
    entry: Entry
    digest: str
    """sha256 of the release's files."""
    title: str
    commit: str = ""
    packages: Packages = nothing
    """Returns the folders of the packages that its functions or its command may import."""

    @property
    def stamp(self) -> Stamp:
        """What its pages say about it."""
        return Stamp(self.title, self.commit)


class Guard:
    """Answers this machine's own browser only, and stamps every answer with commit and digest.

    A web page elsewhere can reach loopback: by a name that points here (so Host is checked), or by sending a
    form (so Origin is).
    """

    def __init__(self, app: ASGIApp, served: Served, port: int) -> None:
        self._app = app
        names = [f"{host}:{port}" for host in ("127.0.0.1", "localhost")]
        self._hosts = frozenset(name.encode() for name in names)
        self._origins = frozenset(f"http://{name}".encode() for name in names)
        commit, digest = served.commit.encode(), served.digest.encode()
        self._stamp = [(b"atos-commit", commit), (b"atos-digest", digest)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        headers = dict(scope["headers"])
        origin = headers.get(b"origin")
        app = self._app
        if headers.get(b"host", b"").lower() not in self._hosts:
            app = PlainTextResponse("this server answers 127.0.0.1 and localhost only", 403)
        elif origin is not None and origin.lower() not in self._origins:
            app = PlainTextResponse("other pages may not call this server", 403)

        async def stamped(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *self._stamp]
            await send(message)

        await app(scope, receive, stamped)


def site(served: Served, application: Application | None, runner: Runner) -> Starlette:
    """Return what answers for a release.

    Args:
        served: the release.
        application: the running application, where the release is an app.
        runner: calls functions and commands.
    """

    async def health(_request: Request) -> Response:
        state = application.state if application else "up"
        reason = application.reason if application else ""
        shown = {
            "kind": served.entry.kind, "state": state, "reason": reason, "commit": served.commit,
            "digest": served.digest, "starts": application.starts if application else 1,
        }  # fmt: skip
        return JSONResponse(shown, status_code=200 if state == "up" else 503)

    routes: list[Route | Mount] = [Route(HEALTH, health)]
    match served.entry.kind:
        case "static":
            folder = served.release / served.entry.folder
            routes.append(Mount("/", StaticFiles(directory=folder, html=True)))
        case "app":
            assert application is not None
            routes.append(Mount("/", _Forwarded(application)))
        case "toolkit":
            routes += _Toolkit(served, runner).routes()
        case "command":
            routes += _Command(served, runner).routes()
    return Starlette(routes=routes)


class _Forwarded:
    """Hands requests to the application in the sandbox."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        host, _, port = request.headers.get("host", "").partition(":")
        message = {
            "method": request.method,
            "path": scope.get("raw_path", b"/").decode("latin-1"),
            "query": scope["query_string"].decode("latin-1"),
            "headers": [list(pair) for pair in request.headers.items()],
            "body": base64.b64encode(await _body(request)).decode(),
            "host": host, "port": int(port or 80),
        }  # fmt: skip
        await (await self._answer(message))(scope, receive, send)

    async def _answer(self, message: dict[str, Any]) -> Response:
        try:
            reply = await self._application.request(message, CALL_SECONDS)
            return _response(reply)
        except AtosError as error:
            status = 504 if error.code == "deadline" else 503
            return PlainTextResponse(f"{error}\n", status)


def _response(reply: Mapping[str, Any]) -> Response:
    """Turn a bridge's reply into a response; a reply that is none is the application's failure."""
    if "error" in reply:
        last = str(reply["error"]).strip().splitlines()[-1:]
        return PlainTextResponse(f"the application failed: {''.join(last)[:500]}\n", 500)
    try:
        status, body = int(reply["status"]), base64.b64decode(str(reply["body"]))
        pairs = [(str(name), str(value)) for name, value in reply["headers"]]
        made = Response(body, status if 200 <= status <= 599 else 500)
        for name, value in pairs:
            if name.lower() not in HOP_BY_HOP:
                made.raw_headers.append((name.lower().encode("latin-1"), value.encode("latin-1")))
    except (KeyError, TypeError, ValueError):
        return PlainTextResponse("the application's reply can't be read\n", 502)
    return made


async def _body(request: Request) -> bytes:
    """Return the body.

    Raises:
        HTTPException: it is too large.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > BODY_BYTES:
            raise HTTPException(413, f"the body is larger than {BODY_BYTES} bytes")
    return bytes(body)


async def _typed(request: Request) -> dict[str, str]:
    """Return what a form or a JSON object gives; values that are no text as JSON."""
    body = await _body(request)
    if "json" in request.headers.get("content-type", ""):
        try:
            found = json.loads(body)
        except ValueError as error:
            raise HTTPException(400, f"the body is no JSON: {error}") from error
        if not isinstance(found, dict):
            raise HTTPException(400, "the body must be a JSON object with the arguments by name")
        given = cast("dict[str, Any]", found)
        return {name: v if isinstance(v, str) else repr(v) for name, v in given.items()}
    from urllib.parse import parse_qsl

    pairs = parse_qsl(body.decode(errors="replace"), keep_blank_values=True, max_num_fields=FIELDS)
    return dict(pairs)


class _Toolkit:
    """The page of a toolkit: each call is a run of its own in the sandbox."""

    def __init__(self, served: Served, runner: Runner) -> None:
        self._served, self._runner = served, runner
        self._functions = public_functions(sources_of(served.release))

    def routes(self) -> list[Route | Mount]:
        """The page, and the address of each form."""
        call = Route("/call/{module}/{name}", self._call, methods=["POST"])
        return [Route("/", self._page), call]

    async def _page(self, _request: Request) -> Response:
        return _html(toolkit_page(self._served.stamp, self._functions))

    async def _call(self, request: Request) -> Response:
        asked = (request.path_params["module"], request.path_params["name"])
        function = next((f for f in self._functions if (f.module, f.name) == asked), None)
        if function is None:
            raise HTTPException(404, f"there is no function {'.'.join(asked)[:100]}")
        typed = await _typed(request)
        reply = await self._result(function, typed)
        if "json" in request.headers.get("accept", ""):
            return JSONResponse(reply, status_code=200 if "value" in reply else 422)
        text = reply.get("value") or f"{reply.get('raised')} ({reply.get('place')})"
        called = Called(*asked, typed, text, ok="value" in reply)
        return _html(toolkit_page(self._served.stamp, self._functions, called))

    async def _result(self, function: Function, typed: Mapping[str, str]) -> dict[str, str]:
        given = [
            {"name": each.name, "typed": typed[each.name], "is_text": each.is_text}
            for each in function.parameters
            if typed.get(each.name, "") or (each.default is None and each.name in typed)
        ]
        call = {"module": function.module, "function": function.name, "given": given}
        script = Script(code=CALL.read_text(encoding="utf-8"), stdin=json.dumps(call))
        try:
            release, packages = self._served.release, await self._served.packages()
            run = await self._runner.script(
                release, [release], script, seconds=CALL_SECONDS, packages=packages
            )
        except AtosError as error:
            return {"raised": str(error), "place": "ATOS"}
        lines = run.outcome.stdout.text.strip().splitlines()
        try:
            reply = json.loads(lines[-1])
            return {str(name): _sayable(str(value)) for name, value in reply.items()}
        except (ValueError, IndexError, AttributeError):
            why = run.cause or run.outcome.last_line or f"exit code {run.outcome.code}"
            return {"raised": f"the call gave no value: {why}", "place": "the sandbox"}


class _Command:
    """The page of a command: each run is one of its own in the sandbox."""

    def __init__(self, served: Served, runner: Runner) -> None:
        self._served, self._runner = served, runner

    def routes(self) -> list[Route | Mount]:
        """The page, and the address of its form."""
        return [Route("/", self._page), Route("/run", self._run, methods=["POST"])]

    async def _page(self, _request: Request) -> Response:
        return _html(command_page(self._served.stamp, self._served.entry.module))

    async def _run(self, request: Request) -> Response:
        typed = await _typed(request)
        text, ok = await self._result(typed)
        called = Called(self._served.entry.module, "", typed, text, ok)
        return _html(command_page(self._served.stamp, self._served.entry.module, called))

    async def _result(self, typed: Mapping[str, str]) -> tuple[str, bool]:
        try:
            arguments = tuple(shlex.split(typed.get("arguments", "")))
            script = Script(
                file=self._served.entry.module, arguments=arguments, stdin=typed.get("stdin", "")
            )
            release, packages = self._served.release, await self._served.packages()
            run = await self._runner.script(
                release, [release], script, seconds=CALL_SECONDS, packages=packages
            )
        except (AtosError, ValueError) as error:
            return str(error), False
        said = run.outcome.stdout.text + run.outcome.stderr.text
        ended = f"\n({run.cause or f'exit code {run.outcome.code}'})"
        return (said or "(no output)") + ended * bool(run.outcome.code), not run.outcome.code


def _sayable(text: str) -> str:
    """Return a text that can be sent: half a character, which a docstring or an error may hold, as an escape."""
    return text.encode("utf-8", "backslashreplace").decode()


def _html(text: str) -> Response:
    return HTMLResponse(_sayable(text), headers={"content-security-policy": POLICY})
