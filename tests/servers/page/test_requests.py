"""What the page answers to whom: other hosts, other sites, other methods, no session, unfit bodies."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastmcp import FastMCP
from inline_snapshot import snapshot

from atos_daemon.idle_shutdown import IdleShutdown
from atos_protocol.errors import BadRequestError
from atos_protocol.settings import load_settings
from atos_protocol.tokens import default_token
from atos_servers.host.http_guard import Message, Receive, Send
from atos_servers.host.tool_middleware import ToolMiddleware
from atos_servers.page.access import PageAccess
from atos_servers.page.application import Page

PORT = 8756
BASE = f"http://127.0.0.1:{PORT}"


def list_goals(limit: int = 20) -> dict[str, Any]:
    """Stand for the tool of that name."""
    if limit > 100:
        raise BadRequestError(f"{limit} is too many", next_step="Ask for 100 at most.")
    return {"goals": [], "cursor": ""}


def delete_everything() -> dict[str, Any]:
    """Stand for a tool that the page must not reach."""
    raise AssertionError


async def others(scope: Message, receive: Receive, send: Send) -> None:
    """Stand for the guarded MCP routes."""
    await send({"type": "http.response.start", "status": 418, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def browser(*, known: bool = True) -> AsyncGenerator[httpx.AsyncClient]:
    """Give a client of the page; a known one has exchanged a code."""
    settings = load_settings()
    settings.prepare()
    default_token(settings.token_file)
    server = FastMCP("orchestrate")
    server.tool(list_goals)
    server.tool(delete_everything)
    server.add_middleware(ToolMiddleware(server))
    access = PageAccess(settings)
    page = Page(others, {"orchestrate": server}, settings, access, PORT, IdleShutdown())
    transport = httpx.ASGITransport(page)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        if known:
            reply = await client.post("/page/session", json={"code": access.new_code()})
            client.headers["x-atos-page"] = reply.json()["secret"]
        yield client
    await page.aclose()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATOS_HOME", str(tmp_path / "atos"))


def asking(tool: str = "list_goals", **arguments: Any) -> dict[str, Any]:
    return {"server": "orchestrate", "tool": tool, "arguments": arguments}


async def test_a_known_browser_calls_tools() -> None:
    async with browser() as client:
        reply = await client.post("/page/call", json=asking(limit=5))
    assert (reply.status_code, reply.json()) == (200, {"goals": [], "cursor": ""})


async def test_an_error_of_a_tool_keeps_its_code_and_next_step() -> None:
    async with browser() as client:
        reply = await client.post("/page/call", json=asking(limit=101))
    assert (reply.status_code, reply.json()["error"]) == (
        400,
        snapshot(
            {
                "code": "bad_request",
                "message": "101 is too many",
                "next": "Ask for 100 at most.",
                "status": 400,
                "retry": False,
                "data": {},
            }
        ),
    )


async def test_the_page_reaches_no_other_tools() -> None:
    async with browser() as client:
        replies = [
            await client.post("/page/call", json=asking("delete_everything")),
            await client.post("/page/call", json=asking() | {"server": "filesystem"}),
        ]
    assert [reply.json()["error"]["code"] for reply in replies] == ["not_found"] * 2


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/page/call"),
        ("GET", "/page/feed"),
        ("GET", "/page/changes?goal=g&task=T1"),
        ("GET", "/page/decision?seq=1"),
    ],
)
async def test_a_browser_without_a_session_is_told_how_to_get_one(method: str, path: str) -> None:
    async with browser(known=False) as client:
        reply = await client.request(method, path)
    assert reply.status_code == 401
    assert "atos-client open" in reply.json()["error"]["next"]


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example:8756"},
        {"host": "127.0.0.1:9999"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "null"},
        {"origin": "https://evil.example"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site"},
    ],
)
async def test_other_hosts_and_other_sites_are_refused_even_with_a_session(
    headers: Mapping[str, str],
) -> None:
    async with browser() as client:
        replies = [
            await client.post("/page/call", json=asking(), headers=headers),
            await client.get("/page/feed", headers=headers),
        ]
    assert [reply.status_code for reply in replies] == [401, 401]


LED_HERE = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}


@pytest.mark.parametrize(
    ("path", "kind", "status"),
    [("/", "document", 200), ("/", "iframe", 401), ("/page/app.js", "document", 401)],
)
async def test_a_tab_is_led_to_the_document_from_a_file_and_to_nothing_else(
    path: str, kind: str, status: int
) -> None:
    async with browser(known=False) as client:
        reply = await client.get(path, headers=LED_HERE | {"sec-fetch-dest": kind})
        elsewhere = await client.get("/", headers=LED_HERE | {"host": "evil.example:8756"})
    assert (reply.status_code, elsewhere.status_code) == (status, 401)


async def test_a_cookie_without_its_secret_is_nobody() -> None:
    async with browser() as client:
        del client.headers["x-atos-page"]
        reply = await client.post("/page/call", json=asking())
    assert reply.status_code == 401


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"arguments": 3}', b"[" * 100_000, b"\xff"])
async def test_an_unfit_body_is_a_bad_request(body: bytes) -> None:
    async with browser() as client:
        reply = await client.post("/page/call", content=body)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "bad_request")


async def test_a_body_over_a_mebibyte_is_refused() -> None:
    async with browser() as client:
        reply = await client.post("/page/call", content=b" " * (2**20 + 1))
    assert (reply.status_code, reply.json()["error"]["message"]) == (
        400,
        "a request may have 1048576 bytes at most",
    )


async def test_the_cookie_is_closed_to_scripts_and_other_sites() -> None:
    async with browser(known=False) as client:
        reply = await client.post("/page/session", json={"code": "no such code"})
        assert reply.status_code == 401
    async with browser() as client:
        cookie = next(iter(client.cookies.jar))
    assert (cookie.path, cookie.has_nonstandard_attr("HttpOnly"), cookie.get_nonstandard_attr("SameSite")) == (
        "/page", True, "Strict",
    )  # fmt: skip


@pytest.mark.parametrize("path", ["/", "/page/app.js", "/page/app.css", "/page/icon.svg"])
async def test_static_files_allow_nothing_of_another_origin(path: str) -> None:
    async with browser(known=False) as client:
        reply = await client.get(path)
    assert reply.status_code == 200
    assert reply.headers["content-security-policy"].startswith(
        "default-src 'self'; base-uri 'none'"
    )
    assert "http:" not in reply.text.replace("http://www.w3.org", "").replace(
        "http://127.0.0.1", ""
    )
    assert "https:" not in reply.text


async def test_every_other_route_is_somebody_elses() -> None:
    async with browser() as client:
        replies = [await client.get(path) for path in ("/vram/mcp", "/healthz", "/page")]
    assert [reply.status_code for reply in replies] == [418] * 3


async def test_an_unknown_page_says_where_to_go() -> None:
    async with browser() as client:
        reply = await client.get("/page/nothing")
    assert json.loads(reply.text)["error"]["code"] == "not_found"
