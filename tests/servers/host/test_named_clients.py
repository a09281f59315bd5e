"""Two named clients over real HTTP: neither sees, follows, steers or ends what is the other's."""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx2
import pytest
from fastmcp import Client
from fastmcp.client.client import CallToolResult
from fastmcp.client.transports import SSETransport, StreamableHttpTransport
from mcp import MCPError

from atos.transport import SocketTransport
from atos_protocol.tokens import add_token, revoke_token, rotate_token
from doubles.host_process import HostProcess, host_process

pytestmark = pytest.mark.timeout(90)

ADD = "Write a Python function to add two numbers"
SUBTRACT = "Write a Python function to subtract two numbers"


@pytest.fixture(scope="module")
def host() -> Iterator[HostProcess]:
    with host_process() as host:
        host.ensure()
        yield host


@pytest.fixture(scope="module")
def tokens(host: HostProcess) -> dict[str, str]:
    tokens = {name: add_token(host.settings, name) for name in ("editor", "n8n")}
    return tokens | {"default": host.token}


@asynccontextmanager
async def calling(
    host: HostProcess, token: str, kind: str = "mcp", server: str = "orchestrate"
) -> AsyncGenerator[Client[Any]]:
    over = SSETransport if kind == "sse" else StreamableHttpTransport
    async with Client(over(host.url(server, kind), auth=token)) as client:
        yield client


@asynccontextmanager
async def the_person(host: HostProcess) -> AsyncGenerator[Client[Any]]:
    transport = SocketTransport(host.settings.servers_socket, "orchestrate", client="cli")
    async with Client(transport) as client:
        yield client


async def called(client: Client[Any], tool: str, **arguments: Any) -> CallToolResult:
    return await client.call_tool(tool, arguments, raise_on_error=False)


async def ids(client: Client[Any]) -> list[str]:
    found = await called(client, "list_goals")
    return [goal["id"] for goal in (found.structured_content or {})["goals"]]


async def started(client: Client[Any], tool: str = "start_goal", **arguments: Any) -> str:
    found = await called(client, tool, **arguments)
    assert not found.is_error, found
    return (found.structured_content or {})["id"]


@pytest.mark.parametrize("kind", ["mcp", "sse"])
async def test_neither_client_sees_or_steers_the_goals_of_the_other_and_the_person_sees_all(
    host: HostProcess, tokens: dict[str, str], kind: str
) -> None:
    async with (
        calling(host, tokens["editor"], kind) as editor,
        calling(host, tokens["n8n"], kind) as n8n,
        calling(host, tokens["default"], kind) as default,
        the_person(host) as person,
    ):
        mine = await started(editor, goal=ADD, examples=["add(1, 2) == 3"])
        theirs = await started(n8n, goal=SUBTRACT, examples=["subtract(3, 2) == 1"])
        owned = await started(person, goal=ADD, examples=["add(1, 2) == 3"])

        assert mine in await ids(editor)
        assert not {theirs, owned} & set(await ids(editor))
        assert not {mine, owned} & set(await ids(n8n))
        assert not {mine, theirs, owned} & set(await ids(default))
        assert {mine, theirs, owned} <= set(await ids(person))

        refused = {
            tool: await called(n8n, tool, goal_id=mine, **arguments)
            for tool, arguments in {
                "get_goal": {},
                "wait_goal": {"timeout_s": 0},
                "cancel_goal": {},
                "pause_goal": {},
                "resume_goal": {},
                "retry_goal": {},
                "get_task": {"task_id": "T1"},
                "answer_question": {"task_id": "T1", "answer": "3"},
                "submit_fix": {"task_id": "T1", "files": {"a.py": "x = 1\n"}},
            }.items()
        }
        refused["aggregate_results"] = await called(n8n, "aggregate_results", ids=[mine, theirs])
        unknown = await called(n8n, "get_goal", goal_id="g0000000000")
        assert {tool: code(result) for tool, result in refused.items()} == dict.fromkeys(
            refused, "not_found"
        )
        assert said(refused["get_goal"]).replace(mine, "ID") == said(unknown).replace(
            "g0000000000", "ID"
        ), "somebody else's goal is answered like one that does not exist"
        with pytest.raises(MCPError, match="no goal"):
            await n8n.read_resource(f"goal://{mine}")

        for client, goal in ((editor, mine), (person, theirs), (person, owned)):
            assert not (await called(client, "cancel_goal", goal_id=goal)).is_error


def code(result: CallToolResult) -> str:
    assert result.is_error
    return (result.meta or {})["atos/error"]["code"]


def said(result: CallToolResult) -> str:
    return str((result.meta or {})["atos/error"]["message"])


async def test_the_same_key_of_two_clients_stands_for_two_goals(
    host: HostProcess, tokens: dict[str, str]
) -> None:
    asked: dict[str, Any] = {"task": ADD, "examples": ["add(1, 2) == 3"], "key": "row-7"}
    async with calling(host, tokens["editor"]) as editor, calling(host, tokens["n8n"]) as n8n:
        mine = await started(editor, "run_task", **asked)
        theirs = await started(n8n, "run_task", **asked)
        assert await started(editor, "run_task", **asked) == mine != theirs
        for client, goal in ((editor, mine), (n8n, theirs)):
            await called(client, "cancel_goal", goal_id=goal)


async def test_a_client_reaches_the_directories_of_its_token_alone(host: HostProcess) -> None:
    place = host.person / "n8n-files"
    place.mkdir()
    (place / "mine.txt").write_text("mine")
    host.settings.workspaces.mkdir(exist_ok=True)
    (host.settings.workspaces / "theirs.txt").write_text("theirs")
    token = add_token(host.settings, "confined", [place])
    async with calling(host, token, server="filesystem") as client:
        allowed = await called(client, "list_allowed_directories")
        inside = await called(client, "read_text_file", path=str(place / "mine.txt"))
        outside = await called(
            client, "read_text_file", path=str(host.settings.workspaces / "theirs.txt")
        )
    assert str(place) in str(allowed.content)
    assert str(host.settings.workspaces) not in str(allowed.content)
    assert (inside.is_error, outside.is_error) == (False, True)
    async with calling(host, token) as client:
        into = str(host.settings.workspaces / "elsewhere")
        assert code(await called(client, "start_goal", goal=ADD, examples=[], into=into)) == (
            "workspace"
        )


async def session_of(lines: AsyncIterator[str]) -> str:
    async for line in lines:
        if line.startswith("data: "):
            return line.removeprefix("data: ")
    raise AssertionError


async def test_the_session_of_one_client_takes_no_message_of_another(
    host: HostProcess, tokens: dict[str, str]
) -> None:
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    base = str(host.status()["http"]["url"])
    async with (
        httpx2.AsyncClient(base_url=base, headers=bearer(tokens["editor"])) as editor,
        httpx2.AsyncClient(base_url=base, headers=bearer(tokens["n8n"])) as n8n,
        editor.stream("GET", "/vram/sse") as stream,
    ):
        lines = stream.aiter_lines()
        address = await session_of(lines)
        stolen = await n8n.post(address, json=ping)
        assert (stolen.status_code, stolen.text) == (404, "Could not find session")
        assert (await editor.post(address, json=ping)).status_code == 202


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def test_a_stream_of_a_revoked_token_is_closed_within_a_second_and_no_other(
    host: HostProcess, tokens: dict[str, str]
) -> None:
    base = str(host.status()["http"]["url"])
    gone = add_token(host.settings, "gone")
    async with (
        httpx2.AsyncClient(base_url=base, headers=bearer(gone)) as revoked,
        httpx2.AsyncClient(base_url=base, headers=bearer(tokens["n8n"])) as other,
        revoked.stream("GET", "/vram/sse") as closing,
        other.stream("GET", "/vram/sse") as open_one,
    ):
        lines, others = closing.aiter_lines(), open_one.aiter_lines()
        await session_of(lines)
        address = await session_of(others)
        revoke_token(host.settings, "gone")
        with anyio.fail_after(1.0), pytest.raises(httpx2.RemoteProtocolError):
            async for _ in lines:
                pass
        assert (await revoked.get("/healthz")).status_code == 401
        ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        assert (await other.post(address, json=ping)).status_code == 202


async def test_the_default_token_is_changed_without_a_new_start(host: HostProcess) -> None:
    old, pid = host.token, host.ensure()
    new = rotate_token(host.settings)
    async with httpx2.AsyncClient(base_url=str(host.status()["http"]["url"])) as http:
        statuses = [
            (await http.get("/healthz", headers=bearer(token))).status_code for token in (old, new)
        ]
    assert (statuses, host.token, host.ensure()) == ([401, 200], new, pid)
