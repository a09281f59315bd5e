"""A served release as a browser and a program meet it; calls run in the real sandbox."""

import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx
import pytest
from starlette.types import ASGIApp

from atos_servers.code_runner.runner import Runner
from atos_servers.local_web.application import Application
from atos_servers.local_web.entry import entry_of
from atos_servers.local_web.installed import nothing
from atos_servers.local_web.release import digest_of, files_of, sources_of
from atos_servers.local_web.site import HEALTH, Guard, Served, site

pytestmark = pytest.mark.anyio
PORT = 4711
URL = f"http://127.0.0.1:{PORT}"
CLOSED = ("PermissionError", "FileNotFoundError")
"""What opening a file outside ends in: under Landlock it is refused, in bubblewrap it is not there."""
COUNTING = """
import os, sys, time
seen = 0
def app(environ, start_response):
    global seen
    seen += 1
    path = environ["PATH_INFO"]
    if path == "/raise": raise KeyError("secret <b>")
    if path == "/exit": os._exit(3)
    if path == "/sleep": time.sleep(60)
    if path == "/outside": open("/etc/passwd")
    if path == "/network":
        import socket
        socket.create_connection(("127.0.0.1", int(environ["QUERY_STRING"]))).close()
    print("printed", path)
    body = environ["wsgi.input"].read()
    start_response("201 Made", [("X-Seen", str(seen)), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")])
    return [environ["REQUEST_METHOD"].encode(), b" ", path.encode("latin-1"), b" ", body]
"""


def _served(folder: Path) -> Served:
    entry = entry_of(sources_of(folder), frozenset(files_of(folder)))
    assert entry is not None
    return Served(folder, entry, digest_of(folder), "a <title>", "0123456789abcdef")


@asynccontextmanager
async def _client(app: ASGIApp, served: Served) -> AsyncGenerator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(Guard(app, served, PORT), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url=URL, timeout=60) as client:
        yield client


@asynccontextmanager
async def _page(folder: Path, **files: str) -> AsyncGenerator[httpx.AsyncClient]:
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    served = _served(folder)
    if served.entry.kind != "app":
        async with _client(site(served, None, Runner()), served) as client:
            yield client
        return
    application = Application(folder, served.entry, nothing)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(application.run)
        async with _client(site(served, application, Runner()), served) as client:
            yield client
        tasks.cancel_scope.cancel()


async def _until(
    client: httpx.AsyncClient, path: str, holds: Callable[[httpx.Response], bool]
) -> httpx.Response:
    with anyio.fail_after(60):
        while True:
            if holds(reply := await client.get(path)):
                return reply
            await anyio.sleep(0.05)


async def test_a_static_site_is_its_files_and_nothing_beside_them(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("beside")
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "other")
    async with _page(folder, index__html="<h1>here</h1>") as client:
        root = await client.get("/")
        assert (root.status_code, root.text) == (200, "<h1>here</h1>")
        assert root.headers["atos-digest"] == digest_of(folder)
        assert root.headers["atos-commit"] == "0123456789abcdef"
        for path in ("/link", "/../other", "/%2e%2e/other", "/nothing"):
            assert (await client.get(path)).status_code == 404


async def test_pages_elsewhere_reach_it_neither_by_a_name_nor_by_a_form(tmp_path: Path) -> None:
    async with _page(tmp_path, index__html="x") as client:
        asked = [
            ({"host": "evil.example"}, 403),
            ({"host": f"127.0.0.1:{PORT + 1}"}, 403),
            ({"origin": "http://evil.example"}, 403),
            ({"origin": "null"}, 403),
            ({"origin": URL}, 200),
            ({"host": f"localhost:{PORT}"}, 200),
        ]
        got = [(await client.get("/", headers=headers)).status_code for headers, _ in asked]
        assert got == [status for _, status in asked]


async def test_a_function_is_called_from_its_form_and_by_a_program(tmp_path: Path) -> None:
    text = (
        "def join(parts: list, by: str = '-') -> str:\n    '''Join <parts>.'''\n    return by.join(parts)\n"
        "def fail():\n    raise ValueError('a <b> failed')\n"
    )
    async with _page(tmp_path, tools__py=text) as client:
        page = (await client.get("/")).text
        assert "Join &lt;parts&gt;." in page
        assert "a &lt;title&gt;" in page
        called = await client.post("/call/tools/join", data={"parts": "['a', 'b']", "by": ""})
        assert "&#x27;a-b&#x27;" in called.text
        assert "script" not in called.headers["content-security-policy"]
        wants = {"accept": "application/json"}
        replies = [
            (await client.post("/call/tools/join", json=given, headers=wants)).json()
            for given in ({"parts": ["a", "b"], "by": "+"}, {"parts": "[1]"}, {})
        ]
        assert replies[0] == {"value": "'a+b'"}
        assert replies[1]["raised"].startswith("TypeError")
        assert replies[2]["raised"].startswith("TypeError: join() missing 1 required")
        failed = await client.post("/call/tools/fail", headers=wants)
        assert (failed.status_code, failed.json()) == (
            422,
            {"raised": "ValueError: a <b> failed", "place": "tools.py, line 5"},
        )
        assert "a &lt;b&gt; failed" in (await client.post("/call/tools/fail")).text
        assert (await client.post("/call/os/system", data={"command": "id"})).status_code == 404


async def test_half_a_character_breaks_no_page_and_no_reply(tmp_path: Path) -> None:
    text = "def fail():\n    'Fail with \\ud800.'\n    raise ValueError('\\ud800')\n"
    async with _page(tmp_path, tools__py=text) as client:
        assert "Fail with \\ud800." in (await client.get("/")).text
        failed = await client.post("/call/tools/fail", headers={"accept": "application/json"})
        assert failed.json() == {"raised": "ValueError: \\ud800", "place": "tools.py, line 3"}


async def test_a_call_runs_in_the_sandbox_and_has_an_end(tmp_path: Path) -> None:
    text = "import os\ndef read(): return open('/etc/shadow').read()\ndef leave(): os._exit(0)\n"
    async with _page(tmp_path, tools__py=text) as client:
        wants = {"accept": "application/json"}
        read = (await client.post("/call/tools/read", headers=wants)).json()
        left = (await client.post("/call/tools/leave", headers=wants)).json()
        assert read["raised"].startswith(CLOSED)
        assert left["raised"].startswith("the call gave no value")


async def test_a_command_runs_with_arguments_and_input(tmp_path: Path) -> None:
    text = "import sys\nif __name__ == '__main__':\n    print(sys.argv[1:], sys.stdin.read()); sys.exit(2)\n"
    async with _page(tmp_path, run__py=text) as client:
        shown = (await client.post("/run", data={"arguments": "-n 'a b'", "stdin": "<in>"})).text
        assert "[&#x27;-n&#x27;, &#x27;a b&#x27;] &lt;in&gt;" in shown
        assert "(exit code 2)" in shown
        assert "No closing quotation" in (await client.post("/run", data={"arguments": "'"})).text


async def test_an_application_lives_on_between_requests_and_is_started_anew_when_it_ends(
    tmp_path: Path,
) -> None:
    async with _page(tmp_path, app__py=COUNTING) as client:
        seen = [
            (reply.status_code, reply.headers["x-seen"], reply.text)
            for path in ("/a%20b?q=1", "/two")
            if (reply := await client.post(path, content=b"body"))
        ]
        assert seen == [(201, "1", "POST /a b body"), (201, "2", "POST /two body")]
        assert (await client.get("/")).headers.get_list("set-cookie") == ["a=1", "b=2"]
        raised = await client.get("/raise")
        assert (raised.status_code, raised.text) == (
            500,
            "the application failed: KeyError: 'secret <b>'\n",
        )
        assert raised.headers["content-type"] == "text/plain; charset=utf-8"
        assert (await client.get("/exit")).status_code == 503
        reply = await _until(client, "/", lambda reply: reply.status_code != 503)
        assert reply.headers["x-seen"] == "1"
        health = (await client.get(HEALTH)).json()
        assert (health["state"], health["starts"]) == ("up", 2)


async def test_an_application_has_the_sandbox_around_it(tmp_path: Path) -> None:
    async with _page(tmp_path, app__py=COUNTING) as client:
        outside = (await client.get("/outside")).text
        assert outside.removeprefix("the application failed: ").startswith(CLOSED)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            refused = await client.get(f"/network?{listener.getsockname()[1]}")
        assert refused.status_code == 500
        assert any(
            error in refused.text
            for error in ("PermissionError", "OSError", "ConnectionRefusedError")
        )


async def test_an_application_that_does_not_answer_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atos_servers.local_web.site.CALL_SECONDS", 8.0)
    async with _page(tmp_path, app__py=COUNTING) as client:
        assert (await client.get("/")).status_code == 201
        late = await client.get("/sleep")
        assert (late.status_code, "did not answer within 8 s" in late.text) == (504, True)
        reply = await _until(client, "/", lambda reply: reply.status_code != 503)
        assert reply.headers["x-seen"] == "1"


async def test_an_application_that_cannot_be_loaded_says_why(tmp_path: Path) -> None:
    text = "import nosuch\ndef app(environ, start_response): ...\n"
    async with _page(tmp_path, app__py=text) as client:
        health = (await _until(client, HEALTH, lambda r: r.json()["state"] == "waiting")).json()
        assert "No module named 'nosuch'" in health["reason"]
        assert "No module named 'nosuch'" in (await client.get("/")).text


async def test_an_asgi_application_has_its_lifespan_and_its_headers(tmp_path: Path) -> None:
    text = """
ready = False
async def app(scope, receive, send):
    global ready
    if scope["type"] == "lifespan":
        assert (await receive())["type"] == "lifespan.startup"
        ready = True
        await send({"type": "lifespan.startup.complete"})
        await receive()
        return
    body = (await receive())["body"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-ready", str(ready).encode())]})
    await send({"type": "http.response.body", "body": scope["path"].encode() + b" ", "more_body": True})
    await send({"type": "http.response.body", "body": body})
"""
    async with _page(tmp_path, app__py=text) as client:
        reply = await client.post("/ä", content=b"body")
        assert (reply.status_code, reply.headers["x-ready"], reply.text) == (200, "True", "/ä body")


async def test_a_body_beyond_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atos_servers.local_web.site.BODY_BYTES", 1000)
    async with _page(tmp_path, tools__py="def f(a): return a\n") as client:
        assert (await client.post("/call/tools/f", content=b"a=" + b"1" * 1000)).status_code == 413
