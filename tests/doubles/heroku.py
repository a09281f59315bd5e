"""A stand-in for Heroku: requests and answers held against Heroku's own schema, and apps that run from the sent source.

`tests/fixtures/heroku/schema.json` is Heroku's description of its Platform API, cut to what is used. A request that it
does not allow is answered with 500 and kept in `wrong`, so that a test fails whatever becomes of it. A build unpacks the
source that was put where `POST /sources` said, and checks its checksum; what a release answers is what the WSGI
application in it says that the Procfile names.
"""

import hashlib
import io
import json
import re
import tarfile
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from jsonschema import Draft4Validator

from doubles.github import CUT, SLOW, SLOW_SECONDS, WRONG_KINDS, quiet_server

SCHEMA = Path(__file__).parents[1] / "fixtures" / "heroku" / "schema.json"
TOKEN = "HRKU-" + "canary0-" * 5
Json = dict[str, Any]


class Schema:
    """Heroku's description of its API."""

    def __init__(self) -> None:
        self.links: list[Json] = json.loads(SCHEMA.read_text())["links"]

    def link(self, method: str, path: str) -> Json | None:
        """Return what is said of a request; None where there is no such one."""
        for link in self.links:
            shape = re.sub(r"\\{[\w-]+\\}", "[^/]+", re.escape(link["href"]))
            if link["method"] == method and re.fullmatch(shape, path):
                return link
        return None

    def faults(self, method: str, path: str, body: Any) -> list[str]:
        """Return what is wrong with a request; a member that is not described is wrong too."""
        link = self.link(method, path)
        if link is None:
            return [f"there is no {method} {path}"]
        if link["schema"] is None:
            return [f"{path} takes no body"] * (body is not None)
        return against(link["schema"], body) + unknown(link["schema"], body, path)

    def whole(self, method: str, path: str, said: Any) -> Any:
        """Return an answer with these members, filled up with the description's examples and held against it."""
        link = self.link(method, path)
        assert link is not None
        target = link["targetSchema"]
        listed = "items" in target
        schema = target["items"] if listed else target
        found = [example(schema) | each for each in (said if listed else [said])]
        assert [fault for each in found for fault in against(schema, each)] == []
        return found if listed else found[0]


def against(schema: Json, value: Any) -> list[str]:
    """Return what a schema has against a value."""
    validator: Any = Draft4Validator(schema)
    return [error.message for error in validator.iter_errors(value)]


def unknown(schema: Json, value: Any, where: str) -> list[str]:
    """Return the members that a schema does not describe."""
    known: Json = schema.get("properties", {})
    if not known or not isinstance(value, dict):
        return []
    given = cast("Json", value)
    faults = [f"{where} takes no {name}" for name in given.keys() - known.keys()]
    for name in given.keys() & known.keys():
        faults += unknown(known[name], given[name], f"{where} {name}")
    return faults


def example(schema: Json) -> Any:
    """Return the example that a schema gives, member by member."""
    if "example" in schema:
        return schema["example"]
    if "anyOf" in schema:
        return example(schema["anyOf"][0])
    if "properties" in schema:
        return {name: example(each) for name, each in schema["properties"].items()}
    return [] if "array" in schema.get("type", []) else None


def wrong_ones(schema: Schema, method: str, path: str, body: Any) -> Iterator[tuple[str, str, Any]]:
    """Yield a request made wrong in each way that the schema can tell of: path, body, and each member."""
    yield method, f"/no{path}", body
    yield "PUT", path, body
    link = schema.link(method, path)
    assert link is not None
    described: Json | None = link["schema"]
    if described is None:
        yield method, path, {"x": 1}
        return
    yield method, path, ["no object"]
    yield method, path, body | {"unknown": 1}
    for name in described.get("required", []):
        yield method, path, {key: value for key, value in body.items() if key != name}
    for name, member in described["properties"].items():
        for value in WRONG_KINDS:
            if against(member, value) or unknown(member, value, name):
                yield method, path, body | {name: value}


@dataclass
class App:
    """One app: its builds, its releases, oldest first, and the source of each slug."""

    name: str
    builds: list[Json] = field(default_factory=list[Json])
    releases: list[Json] = field(default_factory=list[Json])
    slugs: dict[str, dict[str, bytes]] = field(default_factory=dict[str, dict[str, bytes]])
    quantity: int | None = None
    """Of web processes; None before the first build."""

    def release(self, slug: str | None) -> Json:
        """Make another release the current one."""
        for each in self.releases:
            each["current"] = False
        version = len(self.releases) + 1
        made = {
            "id": f"release-{self.name}-{version}", "version": version, "current": True, "status": "succeeded",
            "slug": {"id": slug} if slug else None, "output_stream_url": None,
        }  # fmt: skip
        self.releases.append(made)
        return made

    def runs(self) -> dict[str, bytes]:
        """Return the files of the current release."""
        slug = self.releases[-1]["slug"]
        return self.slugs[slug["id"]] if slug else {}


class HerokuDouble:
    """One Heroku, with the apps of one account.

    Attributes:
        wrong: requests that Heroku's description does not allow.
        asked: requests that it does, as method, path and body.
        writes: requests that changed something, `METHOD path`.
        trouble: what the next requests of a kind are answered with instead: `(method, end of path)` -> statuses.
        build: status of the builds that are started.
        theirs: names that others have.
    """

    def __init__(self) -> None:
        self.schema, self.url, self.token = Schema(), "", TOKEN
        self.apps: dict[str, App] = {}
        self.sources: dict[str, bytes] = {}
        self.theirs: set[str] = set()
        self.wrong: list[str] = []
        self.asked: list[tuple[str, str, Any]] = []
        self.writes: list[str] = []
        self.trouble: dict[tuple[str, str], list[int]] = {}
        self.build = "succeeded"
        self.uploads_with_token = 0
        self.over = threading.Event()

    def finish(self, name: str, status: str = "succeeded") -> None:
        """End the last build of an app."""
        app = self.apps[name]
        self._finish(app, app.builds[-1], status)

    def _finish(self, app: App, build: Json, status: str) -> None:
        build["status"] = status
        if status == "succeeded":
            slug = build["slug"] = {"id": f"slug-{build['id']}"}
            blob = self.sources[build["source_blob"]["url"].rpartition("/")[2]]
            app.slugs[slug["id"]] = unpacked(blob)
            build["release"] = {"id": app.release(slug["id"])["id"]}
            app.quantity = 1 if app.quantity is None else app.quantity

    def app(self, environ: Json, start: Any) -> Iterable[bytes]:
        """Answer one request."""
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        status = next(
            (found.pop(0) for (kind, end), found in self.trouble.items() if kind == method and path.endswith(end) and found),
            None,
        )  # fmt: skip
        if status == CUT:
            start("200 OK", [("content-type", "application/json"), ("content-length", "1000")])
            return [b"{"]
        if status == SLOW:
            self.over.wait(SLOW_SECONDS)
        if path.startswith("/site/"):
            return self._site(path, start)
        raw = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if status is not None:
            return _json(
                start,
                max(status, 504 if status == SLOW else 0),
                {"id": "trouble", "message": "trouble"},
            )
        if path.startswith("/stored/"):
            return self._stored(method, path, environ, raw, start)
        if path.startswith("/said/"):
            return _text(start, "200 OK", b"-----> Python app detected\n !     Push rejected\n")
        return _json(start, *self._asked(method, path, environ, raw))

    def _stored(
        self, method: str, path: str, environ: Json, raw: bytes, start: Any
    ) -> Iterable[bytes]:
        """Keep a source; like the real one, the place knows nothing of tokens."""
        assert method == "PUT"
        self.uploads_with_token += "HTTP_AUTHORIZATION" in environ
        self.sources[path.rpartition("/")[2]] = raw
        return _text(start, "200 OK", b"")

    def _site(self, path: str, start: Any) -> Iterable[bytes]:
        app = self.apps[path.split("/")[2]]
        if not app.quantity:
            return _text(start, "503 Service Unavailable", b"no web processes running")
        return answered(app.runs(), start)

    def _asked(self, method: str, path: str, environ: Json, raw: bytes) -> tuple[int, Any]:
        if environ.get("HTTP_AUTHORIZATION") != f"Bearer {self.token}":
            sent = environ.get("HTTP_AUTHORIZATION")  # careless, as some servers are
            return 401, {"id": "unauthorized", "message": f"Invalid credentials provided: {sent}"}
        body = json.loads(raw) if raw else None
        version = environ.get("HTTP_ACCEPT") == "application/vnd.heroku+json; version=3"
        if faults := self.schema.faults(method, path, body) + ["no version"] * (not version):
            self.wrong += faults
            return 500, {"id": "wrong", "message": "; ".join(faults)}
        self.asked.append((method, path, body))
        status, said = self._found(method, path, body or {})
        self.writes += [f"{method} {path}"] * (method != "GET" and status < 300)
        if status >= 300:
            return status, {"id": "refused", "message": said}
        whole: Any = self.schema.whole(method, path, said)
        if "web_url" in whole:  # the description knows herokuapp.com only
            whole["web_url"] = f"{self.url}/site/{said['name']}/"
        return status, whole

    def _found(self, method: str, path: str, body: Json) -> tuple[int, Any]:
        match [method, *path.strip("/").split("/")]:
            case ["POST", "sources"]:
                where = f"{self.url}/stored/{len(self.sources)}"
                return 201, {"source_blob": {"put_url": where, "get_url": where}}
            case ["POST", "apps"]:
                if body["name"] in self.apps.keys() | self.theirs:
                    return 422, f"Name {body['name']} is already taken"
                made = self.apps[body["name"]] = App(body["name"])
                made.release(None)
                return 201, {"name": made.name}
            case [_, "apps", name, *_] if name in self.theirs:
                return 403, "You do not have access to the app."
            case [_, "apps", name, *_] if name not in self.apps:
                return 404, "Couldn't find that app."
            case [_, "apps", name, *rest]:
                return self._of_app(method, self.apps[name], rest, body)
            case _:
                return 404, "Not found"

    def _of_app(self, method: str, app: App, rest: list[str], body: Json) -> tuple[int, Any]:
        match [method, *rest]:
            case ["GET"]:
                return 200, {"name": app.name}
            case ["GET", "builds"]:
                return 200, app.builds
            case ["GET", "builds", identity]:
                found = [each for each in app.builds if each["id"] == identity]
                return (200, found[0]) if found else (404, "Couldn't find that build.")
            case ["POST", "builds"]:
                return self._built(app, body["source_blob"])
            case ["GET", "releases"]:
                return 206, [*reversed(app.releases)]
            case ["POST", "releases"]:
                found = [each for each in app.releases if each["id"] == body["release"]]
                return (201, app.release(found[0]["slug"]["id"])) if found else (404, "No release.")
            case ["GET", "formation"]:
                web = {"type": "web", "quantity": app.quantity}
                return 200, [] if app.quantity is None else [web]
            case ["PATCH", "formation", "web"]:
                app.quantity = body["quantity"]
                return 200, {"type": "web", "quantity": app.quantity}
            case ["POST", "log-sessions"]:
                return 201, {"logplex_url": f"{self.url}/said/log"}
            case _:
                return 404, "Not found"

    def _built(self, app: App, blob: Json) -> tuple[int, Any]:
        data = self.sources.get(blob["url"].rpartition("/")[2], b"")
        if blob["checksum"] != f"SHA256:{hashlib.sha256(data).hexdigest()}":
            return 422, "Checksum mismatch"
        made = {
            "id": f"build-{app.name}-{len(app.builds) + 1}", "status": "pending", "source_blob": blob, "release": None,
            "slug": None, "output_stream_url": f"{self.url}/said/build",
        }  # fmt: skip
        app.builds.append(made)
        self._finish(app, made, self.build)
        return 201, made


def unpacked(archive: bytes) -> dict[str, bytes]:
    """Return the files of an archive."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        return {each.name: cast("Any", tar.extractfile(each)).read() for each in tar.getmembers()}


def answered(files: dict[str, bytes], start: Any) -> Iterable[bytes]:
    """Answer with the application that the Procfile names; one that fails is answered for as Heroku does."""
    named = re.search(rb"^web: gunicorn .* (\w+):(\w+)$", files.get("Procfile", b""), re.MULTILINE)
    if named is None or b"gunicorn" not in files["requirements.txt"]:
        return _text(start, "503 Service Unavailable", b"Application error")
    module, name = (part.decode() for part in named.groups())
    space: dict[str, Any] = {"__name__": module}
    try:
        exec(compile(files[f"{module}.py"], module, "exec"), space)  # noqa: S102 - the test's own application
        application: Callable[..., Iterable[bytes]] = space[name]
        return application({"PATH_INFO": "/", "REQUEST_METHOD": "GET"}, start)
    except Exception:  # noqa: BLE001 - whatever the application raises
        return _text(start, "503 Service Unavailable", b"Application error")


def _text(start: Any, status: str, text: bytes) -> Iterable[bytes]:
    start(status, [("content-type", "text/plain"), ("content-length", str(len(text)))])
    return [text]


def _json(start: Any, status: int, said: Any) -> Iterable[bytes]:
    start(f"{status} Said", [("content-type", "application/json")])
    return [json.dumps(said).encode()]


@contextmanager
def heroku() -> Generator[HerokuDouble]:
    """Serve a Heroku on loopback."""
    double = HerokuDouble()
    with quiet_server(double.app) as url:
        double.url = url
        try:
            yield double
        finally:
            double.over.set()
