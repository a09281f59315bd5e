"""The host as a process: every server over every transport, the guard in front of HTTP."""

import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastmcp import Client
from fastmcp.client.transports import (
    ClientTransport,
    SSETransport,
    StdioTransport,
    StreamableHttpTransport,
)
from mcp import ClientSession, StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from atos_protocol.host_protocol import SERVERS
from doubles.host_process import HostProcess, host_process

pytestmark = pytest.mark.timeout(60)

SHIM = Path(__file__).parents[3] / "servers" / "atos_servers" / "shim" / "main.py"
TRANSPORTS = ("stdio", "sse", "mcp")

CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "orchestrate": ("list_goals", {}),
    "filesystem": ("list_allowed_directories", {}),
    "code_runner": ("check_syntax", {"source": "x = 1"}),
    "workflow": ("list_workflows", {}),
    "vram": ("vram_status", {}),
}
"""A harmless call of each server."""

WORKFLOWS = """\
workflows:
  - name: report
    url: http://127.0.0.1:5678/webhook/report
"""


@pytest.fixture(scope="module")
def host() -> Iterator[HostProcess]:
    with host_process() as host:
        (host.settings.home / "workflows.yaml").write_text(WORKFLOWS, encoding="utf-8")
        host.ensure()
        yield host


def shim(host: HostProcess, server: str) -> dict[str, Any]:
    """Return how a host starts the shim: six environment variables at most, and no site-packages."""
    environment = {"HOME": str(host.person), "PATH": "/usr/bin:/bin"}
    arguments = ["-S", "-I", str(SHIM), server]
    return {"command": sys.executable, "args": arguments, "env": environment, "cwd": "/"}


def transport(host: HostProcess, server: str, kind: str) -> ClientTransport:
    if kind == "stdio":
        return StdioTransport(**shim(host, server), keep_alive=False)
    over = SSETransport if kind == "sse" else StreamableHttpTransport
    return over(host.url(server, kind), auth=host.token)


@asynccontextmanager
async def low_level(host: HostProcess, server: str, kind: str) -> AsyncGenerator[ClientSession]:
    """Connect with the mcp package alone."""
    headers = {"authorization": f"Bearer {host.token}"}
    async with httpx2.AsyncClient(headers=headers) as http:
        if kind == "stdio":
            streams = stdio_client(StdioServerParameters(**shim(host, server)))
        elif kind == "sse":
            streams = sse_client(host.url(server, kind), headers=headers)
        else:
            streams = streamable_http_client(host.url(server, kind), http_client=http)
        async with streams as (reads, writes, *_), ClientSession(reads, writes) as session:
            yield session


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("kind", TRANSPORTS)
async def test_fastmcp_lists_and_calls_every_server(
    host: HostProcess, server: str, kind: str
) -> None:
    tool, arguments = CALLS[server]
    async with Client(transport(host, server, kind)) as client:
        assert client.protocol_version == ("2025-11-25" if kind == "sse" else "2026-07-28")
        assert tool in [known.name for known in await client.list_tools()]
        result = await client.call_tool(tool, arguments)
    assert result.structured_content


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("kind", TRANSPORTS)
async def test_the_low_level_client_lists_and_calls_every_server(
    host: HostProcess, server: str, kind: str
) -> None:
    tool, arguments = CALLS[server]
    async with low_level(host, server, kind) as session:
        await session.initialize()
        listed = await session.list_tools()
        result = await session.call_tool(tool, arguments)
    assert tool in [known.name for known in listed.tools]
    assert result.structured_content


@pytest.mark.parametrize("server", SERVERS)
async def test_the_tools_are_the_same_over_every_transport(host: HostProcess, server: str) -> None:
    listed: list[Any] = []
    for kind in TRANSPORTS:
        async with Client(
            transport(host, server, kind), mode="legacy" if kind == "sse" else "auto"
        ) as client:
            tools = await client.list_tools()
        listed.append([tool.model_dump(exclude={"meta"}) for tool in tools])
    assert listed[0] == listed[1] == listed[2]
    assert listed[0]


@pytest.mark.parametrize("place", [".ssh", ".config/autostart", ".atos/run", "src", "atos/../src"])
@pytest.mark.parametrize("kind", TRANSPORTS)
async def test_no_client_has_a_repository_made_outside_its_directories(
    host: HostProcess, kind: str, place: str
) -> None:
    wanted = {
        "goal": "Write a Python function to add two numbers",
        "into": f"{host.person}/{place}",
    }
    async with Client(transport(host, "orchestrate", kind)) as client:
        refused = await client.call_tool("start_goal", wanted, raise_on_error=False)
        goals = await client.call_tool("list_goals", {})
    assert refused.is_error
    assert (refused.meta or {})["atos/error"]["code"] == "workspace"
    assert (goals.structured_content or {})["goals"] == []


@pytest.mark.parametrize("path", ["vram/mcp", "vram/sse", "vram/messages/", "healthz", "nowhere"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": "Bearer wrong"}, 401),
        ({}, 401),
        ({"host": "evil.example"}, 421),
        ({"origin": "http://evil.example"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
    ],
    ids=["wrong token", "no token", "host", "origin", "cross-site"],
)
async def test_every_route_refuses_strangers(
    host: HostProcess, path: str, headers: dict[str, str], status: int
) -> None:
    token = {} if status == 401 else {"authorization": f"Bearer {host.token}"}
    async with httpx2.AsyncClient() as http:
        reply = await http.get(f"{host.status()['http']['url']}/{path}", headers=token | headers)
    assert reply.status_code == status
    assert reply.json()["error"]["next"]


async def test_health_is_reported_to_those_with_the_token(host: HostProcess) -> None:
    headers = {"authorization": f"Bearer {host.token}"}
    url = host.status()["http"]["url"]
    async with httpx2.AsyncClient(headers=headers) as http:
        assert (await http.get(f"{url}/healthz")).text == "ok"
        assert (await http.get(f"{url}/elsewhere")).status_code == 404


async def test_a_plain_post_calls_a_tool_without_a_session(host: HostProcess) -> None:
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "curl", "version": "1"},
    }
    call = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "check_syntax", "arguments": {"source": "x ="}, "_meta": meta},
    }
    headers = {
        "authorization": f"Bearer {host.token}",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": "check_syntax",
    }
    async with httpx2.AsyncClient(headers=headers) as http:
        reply = await http.post(host.url("code_runner", "mcp"), json=call)
    assert reply.headers["content-type"] == "application/json"
    assert reply.json()["result"]["structuredContent"]["ok"] is False


async def test_the_socket_is_for_its_owner_alone(host: HostProcess) -> None:
    assert host.settings.servers_socket.stat().st_mode & 0o777 == 0o600
    assert host.settings.run.stat().st_mode & 0o777 == 0o700
    assert host.settings.token_file.stat().st_mode & 0o777 == 0o600
