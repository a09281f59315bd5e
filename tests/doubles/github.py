"""A stand-in for GitHub: real git behind it, every request and answer held against GitHub's own OpenAPI.

`tests/fixtures/github/openapi.json` is GitHub's description (@octokit/openapi, MIT), cut to the paths that are used. A
request that it does not allow is answered with 500 and kept in `wrong`, so that a test fails whatever becomes of it.
"""

import json
import re
import threading
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any, cast
from urllib.parse import parse_qs
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from jsonschema import Draft4Validator

from doubles.git_http import copy_repository, head, make_repository, password_of, served

OPENAPI = Path(__file__).parents[1] / "fixtures" / "github" / "openapi.json"
TOKEN = "ghp_" + "canary0" * 6
EXAMPLES: dict[str, Any] = {
    "string": "text",
    "integer": 1,
    "boolean": False,
    "array": [],
    "null": None,
    "number": 1,
}
REASONS = {200: "OK", 201: "Created", 202: "Accepted", 401: "Unauthorized", 403: "Forbidden"}
CUT, SLOW = 0, 1
"""In place of a status: the answer ends in its middle, or does not come while the test lasts."""
SLOW_SECONDS = 20.0
Json = dict[str, Any]
Request = tuple[str, str, Json, Any]
WRONG_KINDS: tuple[Any, ...] = (7, "text", True, ["x"], {"x": 1}, None)


def example(schema: Any) -> Any:
    """Return the least that a schema asks for."""
    schema = schema or {}
    for many in ("anyOf", "oneOf"):
        if many in schema and "type" not in schema:
            return example(schema[many][0])
    if "allOf" in schema:
        return {name: value for each in schema["allOf"] for name, value in example(each).items()}
    if "enum" in schema:
        return schema["enum"][0]
    kinds: str | list[str] = schema.get("type", "object")
    kind = kinds if isinstance(kinds, str) else kinds[0]
    if kind != "object":
        return EXAMPLES[kind]
    known = schema.get("properties", {})
    return {name: example(known.get(name)) for name in schema.get("required", [])}


def against(schema: Json, value: Any) -> list[str]:
    """Return what a schema has against a value."""
    validator: Any = Draft4Validator(schema)
    return [error.message for error in validator.iter_errors(value)]


class OpenApi:
    """GitHub's description of its API."""

    def __init__(self) -> None:
        self.paths: Json = json.loads(OPENAPI.read_text())["paths"]

    def operation(self, method: str, path: str) -> Json | None:
        """Return what is said of a request; None where there is no such path."""
        for template, methods in self.paths.items():
            shape = re.sub(r"\\{ref\\}$", ".+", re.escape(template))
            shape = re.sub(r"\\{\w+\\}", "[^/]+", shape)
            if re.fullmatch(shape, path) and method.lower() in methods:
                return methods[method.lower()]
        return None

    def faults(self, method: str, path: str, query: Json, body: Any) -> list[str]:
        """Return what is wrong with a request."""
        operation = self.operation(method, path)
        if operation is None:
            return [f"there is no {method} {path}"]
        known = {each["name"]: each for each in operation["parameters"] if each["in"] == "query"}
        faults = [f"{path} takes no {name}" for name in query.keys() - known.keys()]
        for name in query.keys() & known.keys():
            faults += against(known[name]["schema"], query[name])
        if operation["requestBody"] is None:
            return faults + [f"{path} takes no body"] * (body is not None)
        return faults + against(operation["requestBody"], body)

    def answer(self, method: str, path: str, status: int, said: Any) -> Any:
        """Return a whole answer with these members, held against the description."""
        operation = self.operation(method, path)
        assert operation is not None
        schema = operation["responses"][str(status)]
        whole = example(schema) | said if isinstance(said, dict) else said
        assert against(schema or {}, whole) == []
        return whole


def wrong_ones(
    openapi: OpenApi, method: str, path: str, query: Json, body: Any
) -> Iterator[Request]:
    """Yield a request made wrong in each way that a description can tell of: path, query, body, and each member."""
    yield method, f"/no{path}", query, body
    yield "PUT", path, query, body
    yield method, path, query | {"unknown": "x"}, body
    operation = openapi.operation(method, path)
    assert operation is not None
    schema: Json | None = operation["requestBody"]
    if schema is None:
        yield method, path, query, {"x": 1}
        return
    yield method, path, query, ["no object"]
    for name in schema.get("required", []):
        yield method, path, query, {key: value for key, value in body.items() if key != name}
    for name, member in schema["properties"].items():
        for value in WRONG_KINDS:
            if against(member, value):
                yield method, path, query, body | {name: value}


class GitHubDouble:
    """One GitHub, with a user `me`.

    Attributes:
        wrong: requests that GitHub's description does not allow.
        asked: requests that it does, as method, path, query and body.
        writes: requests that changed something, `METHOD path`.
        trouble: what the next requests of a kind are answered with instead: `(method, end of path)` -> statuses;
            of `("PUSH", "")`: the next pushes with git.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.openapi, self.url = root, OpenApi(), ""
        self.token, self.user = TOKEN, "me"
        self.repositories: dict[str, Json] = {}
        self.pages: dict[str, Json] = {}
        self.pulls: list[Json] = []
        self.statuses: list[Json] = []
        self.wrong: list[str] = []
        self.asked: list[Request] = []
        self.writes: list[str] = []
        self.pushes = 0
        self.trouble: dict[tuple[str, str], list[int]] = {}
        self.over = threading.Event()
        self.build = "built"
        self.site = ""

    def add(self, name: str, *, push: bool = True) -> Path:
        """Make a repository, as the web page would."""
        self.repositories[name] = {
            "full_name": name, "name": name.partition("/")[2], "private": False, "default_branch": "main",
            "html_url": f"{self.url}/{name}", "clone_url": f"{self.url}/{name}.git",
            "owner": {"login": name.partition("/")[0]}, "permissions": {"push": push},
        }  # fmt: skip
        return make_repository(self.root, name)

    def _status(self, status: Json) -> Json:
        """Return a status as it is listed."""
        path = "/repos/{owner}/{repo}/commits/{ref}/status"
        listed = self.openapi.paths[path]["get"]["responses"]["200"]["properties"]["statuses"][
            "items"
        ]
        return example(listed) | {"context": status["context"], "state": "success"}

    def app(self, environ: Json, start: Any) -> Iterable[bytes]:
        """Answer one request."""
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if ".git/" in path:
            return self._git(environ, start)
        if path.startswith("/sites/") or (method == "GET" and path.strip("/") in self.repositories):
            return self._page(path, start)
        status, said = self._asked(method, path, environ)
        if status == CUT:
            start("200 OK", [("content-type", "application/json"), ("content-length", "1000")])
            return [b"{"]
        if status == SLOW:
            self.over.wait(SLOW_SECONDS)
            status = 504
        start(f"{status} {REASONS.get(status, 'Said')}", [("content-type", "application/json")])
        return [json.dumps(said).encode()]

    def _git(self, environ: Json, start: Any) -> Iterable[bytes]:
        if password_of(environ) != self.token:
            start("401 Unauthorized", [("www-authenticate", 'Basic realm="GitHub"')])
            return [b"no: " + password_of(environ).encode()]
        push = environ["PATH_INFO"].endswith("/git-receive-pack")
        troubles = self.trouble.get(("PUSH", ""), []) if push else []
        status = troubles.pop(0) if troubles else None
        if status:
            return self._no_push(status, start)
        self.pushes += push
        answer = served(environ, start, self.root)
        return (
            [b"".join(answer)[:4]] if status == CUT else answer
        )  # git has taken it, and its answer is lost

    def _no_push(self, status: int, start: Any) -> Iterable[bytes]:
        """Answer a push with trouble, before git has seen it."""
        if status == SLOW:
            self.over.wait(SLOW_SECONDS)
            status = 504
        start(f"{status} {REASONS.get(status, 'Said')}", [("content-type", "text/plain")])
        return [b"trouble"]

    def _page(self, path: str, start: Any) -> Iterable[bytes]:
        """Answer anybody: a site that it serves, or the page of a repository."""
        start("200 OK", [("content-type", "text/html")])
        return [(self.site if path.startswith("/sites/") else f"<h1>{path}</h1>").encode()]

    def _asked(self, method: str, path: str, environ: Json) -> tuple[int, Any]:
        query = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
        raw = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        body = json.loads(raw) if raw else None
        for (kind, end), statuses in self.trouble.items():
            if kind == method and path.endswith(end) and statuses:
                return statuses.pop(0), {"message": "trouble"}
        if environ.get("HTTP_AUTHORIZATION") != f"Bearer {self.token}":
            sent = environ.get("HTTP_AUTHORIZATION")  # careless, as some servers are
            return 401, {"message": f"Bad credentials: {sent}"}
        if faults := self.openapi.faults(method, path, query, body):
            self.wrong += faults
            return 500, {"message": "; ".join(faults)}
        self.asked.append((method, path, query, body))
        self.writes += [f"{method} {path}"] * (method != "GET")
        status, said = self._found(method, path, query, body or {})
        if status >= 300:
            return status, {"message": said}
        if isinstance(said, list):
            return status, cast("Any", said)
        return status, self.openapi.answer(method, path, status, said)

    def _found(self, method: str, path: str, query: Json, body: Json) -> tuple[int, Any]:
        match [method, *path.strip("/").split("/")]:
            case ["GET", "user"]:
                return 200, {"login": self.user}
            case ["POST", "user", "repos"]:
                name = f"{self.user}/{body['name']}"
                if name in self.repositories:
                    return 422, "name already exists on this account"
                self.add(name)
                return 201, self.repositories[name]
            case [_, "repos", owner, short, *rest]:
                name = f"{owner}/{short}"
                if name not in self.repositories:
                    return 404, "Not Found"
                return self._of_repository(method, name, rest, query, body)
            case _:
                return 404, "Not Found"

    def _of_repository(
        self, method: str, name: str, rest: list[str], query: Json, body: Json
    ) -> tuple[int, Any]:
        match [method, *rest]:
            case ["GET"]:
                return 200, self.repositories[name]
            case ["GET", "git", "ref", "heads", *branch]:
                commit = head(self.root, name, "/".join(branch))
                said = {"object": {"sha": commit, "type": "commit", "url": self.url}}
                return (200, said) if commit else (404, "Not Found")
            case ["POST", "forks"]:
                fork = f"{self.user}/{name.partition('/')[2]}"
                if fork not in self.repositories:
                    self.add(fork)
                    copy_repository_over(self.root, name, fork)
                return 202, self.repositories[fork]
            case ["GET", "pulls"]:
                return 200, [each for each in self.pulls if each["_head"] == query["head"]]
            case ["POST", "pulls"]:
                made = {
                    "html_url": f"{self.url}/{name}/pull/1",
                    "_head": body["head"],
                    "_base": body["base"],
                }
                self.pulls.append(made)
                return 201, made
            case ["POST", "statuses", commit]:
                self.statuses.append({"sha": commit, "context": body["context"]})
                return 201, body
            case ["GET", "commits", commit, "status"]:
                found = [self._status(each) for each in self.statuses if each["sha"] == commit]
                return 200, {"statuses": found, "sha": commit, "total_count": len(found)}
            case ["GET", "pages"]:
                return (200, self.pages[name]) if name in self.pages else (404, "Not Found")
            case ["POST", "pages"]:
                self.pages[name] = {"html_url": f"{self.url}/sites/{name}"}
                return 201, self.pages[name]
            case ["GET", "pages", "builds", "latest"]:
                commit = head(self.root, name, "main")
                return 200, {
                    "status": self.build,
                    "commit": commit,
                    "error": {"message": "bad front matter"},
                }
            case _:
                return 404, "Not Found"


def copy_repository_over(root: Path, name: str, fork: str) -> None:
    """Make a fork in place of the empty repository of its name."""
    import shutil

    shutil.rmtree(root / f"{fork}.git")
    copy_repository(root, name, fork)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def quiet_server(app: Any) -> Generator[str]:
    """Serve a WSGI application on loopback; give its address."""
    server = make_server("127.0.0.1", 0, app, server_class=_Server, handler_class=_Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def github(root: Path) -> Generator[GitHubDouble]:
    """Serve a GitHub on loopback."""
    double = GitHubDouble(root)
    with quiet_server(double.app) as double.url:
        try:
            yield double
        finally:
            double.over.set()
