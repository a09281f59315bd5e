"""Connections to the host's socket: the opening line, both protocol eras, and every kind of bad line."""

import json
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import UNIXSocketStream
from fastmcp import Client, FastMCP
from fastmcp.client.transports import FastMCPTransport
from mcp.server.lowlevel import Server

from atos.transport import SocketTransport
from atos_daemon.idle_shutdown import IdleShutdown
from atos_protocol.errors import NotFoundError
from atos_protocol.host_protocol import MAX_LINE_BYTES, SERVERS
from atos_servers.host.connection import client, roots
from atos_servers.host.connections import Connections, HostControl
from atos_servers.host.goal_worker_process import GoalWorkerProcess
from atos_servers.host.http_server import HttpStatus
from atos_servers.host.line_stream import LineStream
from atos_servers.host.manifest import describe
from atos_servers.host.mcp_session import low_level
from atos_servers.host.services import EventNotifier
from atos_servers.host.suite import Suite, running
from atos_servers.host.worker_supervisor import WorkerSupervisor

HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}
INITIALIZE = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


class House:
    """Connections to one small server under all five names."""

    def __init__(self) -> None:
        self.lifespans: list[str] = []
        self.server = FastMCP("house", lifespan=self.lifespan)
        self.cancelled = anyio.Event()
        self.hanging = anyio.Event()
        self.stopped: list[str] = []
        self.server.tool(self.where)
        self.server.tool(self.hang)
        self.server.tool(self.flood)
        self.idle = IdleShutdown()
        worker = WorkerSupervisor(_no_worker, EventNotifier())
        control = HostControl(
            self.idle,
            worker,
            HttpStatus(url="http://x"),
            {"database": lambda: {"state": "ok"}},
            lambda: self.stopped.append("now"),
            lambda: "a code",
        )
        self.suite: Suite = dict.fromkeys(SERVERS, self.server)
        self.connections = Connections(self.suite, self.idle, control, "digest")

    @asynccontextmanager
    async def lifespan(self, _: FastMCP[Any]) -> AsyncGenerator[None]:
        """Write down when it begins and ends."""
        self.lifespans.append("begun")
        yield
        self.lifespans.append("ended")

    async def where(self) -> dict[str, Any]:
        """Tell whom the call comes from."""
        return {"roots": [str(path) for path in roots()], "client": client()}

    async def flood(self) -> str:
        """Return more than a line may hold."""
        return "x" * (MAX_LINE_BYTES // 2)

    async def hang(self) -> str:
        """Never end."""
        self.hanging.set()
        try:
            await anyio.sleep_forever()
        finally:
            self.cancelled.set()
        return ""

    @asynccontextmanager
    async def connect(self) -> AsyncGenerator[LineStream]:
        """Open a connection that has said nothing yet."""
        ours, theirs = socket.socketpair()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.connections.serve, await UNIXSocketStream.from_socket(theirs))
            async with await UNIXSocketStream.from_socket(ours) as stream:
                with anyio.fail_after(10):
                    yield LineStream(stream, limit=1 << 30)

    @asynccontextmanager
    async def opened(self, **opening: Any) -> AsyncGenerator[Callable[..., Any]]:
        """Open a connection to a server; yields what sends one object and returns the answer."""
        async with self.connect() as wire:
            await say(wire, {"atos": 1, "server": "vram", "client": "python", **opening})

            async def ask(message: Any, *, answered: bool = True) -> Any:
                await say(wire, message)
                return await hear(wire) if answered else None

            yield ask


def _no_worker() -> GoalWorkerProcess:
    raise AssertionError


async def say(wire: LineStream, message: Any) -> None:
    await wire.send(message if isinstance(message, bytes) else json.dumps(message).encode())


async def hear(wire: LineStream) -> Any:
    return json.loads(await wire.receive() or b"")


def call(tool: str, identity: Any = 2, **meta: Any) -> dict[str, Any]:
    params: dict[str, Any] = {"name": tool, "arguments": {}}
    return {
        "jsonrpc": "2.0",
        "id": identity,
        "method": "tools/call",
        "params": params | ({"_meta": meta} if meta else {}),
    }


MODERN = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
}


async def test_a_connection_speaks_the_handshake_era() -> None:
    async with House().opened() as ask:
        hello = await ask(INITIALIZE)
        await ask(INITIALIZED, answered=False)
        called = await ask(call("where"))
    assert hello["result"]["protocolVersion"] == "2025-11-25"
    assert called["result"]["structuredContent"]["client"] == "python"


async def test_a_connection_speaks_the_modern_era_without_a_handshake() -> None:
    async with House().opened() as ask:
        called = await ask(call("where", **MODERN))
    assert called["result"]["resultType"] == "complete"


async def test_tools_see_the_directories_and_the_client_of_their_own_connection() -> None:
    house = House()
    async with (
        house.opened(roots=["/a", "/b"], client="shim") as first,
        house.opened(roots=["/c"], client="worker") as second,
    ):
        answers = [await ask(call("where", **MODERN)) for ask in (first, second, first)]
    assert [answer["result"]["structuredContent"] for answer in answers] == [
        {"roots": ["/a", "/b"], "client": "shim"},
        {"roots": ["/c"], "client": "worker"},
        {"roots": ["/a", "/b"], "client": "shim"},
    ]


async def test_without_directories_the_workspaces_stand(atos_home: Path) -> None:
    async with House().opened() as ask:
        called = await ask(call("where", **MODERN))
    assert called["result"]["structuredContent"]["roots"] == [str(atos_home / "goals")]


async def test_a_wrong_opening_line_is_refused_in_one_line_and_closed() -> None:
    async with House().connect() as wire:
        await say(wire, {"atos": 1, "server": "shell", "client": "python"})
        refused = await hear(wire)
        with pytest.raises(anyio.EndOfStream):
            await wire.receive()
    expected = NotFoundError(
        "there is no server 'shell'",
        next_step="The servers are orchestrate, filesystem, code_runner, workflow, vram, all, n8n.",
    )
    assert refused == {"atos": 1, "error": expected.to_wire()}


@pytest.mark.parametrize(
    ("line", "identity", "code"),
    [
        (b"not json", None, -32700),
        (b"\xff\xfe", None, -32700),
        (b"[" * 50_000, None, -32700),
        (b'{"jsonrpc":"2.0"}', None, -32600),
        (b'{"jsonrpc":"1.0","id":"x","method":"ping"}', "x", -32600),
        (b"[]", None, -32600),
        (b"x" * (MAX_LINE_BYTES + 1), None, -32600),
    ],
    ids=["text", "bytes", "deep", "empty", "version", "batch", "long"],
)
async def test_a_bad_line_is_answered_with_an_error_and_the_connection_goes_on(
    line: bytes, identity: Any, code: int
) -> None:
    async with House().opened() as ask:
        error = await ask(line)
        after = await ask(call("where", **MODERN))
    assert (error["id"], error["error"]["code"]) == (identity, code)
    assert "result" in after


async def test_an_answer_that_no_client_could_read_becomes_an_error() -> None:
    async with House().opened() as ask:
        flooded = await ask(call("flood", 5, **MODERN))
        after = await ask(call("where", 6, **MODERN))
    assert flooded["id"] == 5
    assert "more than 16777216: ask for less" in flooded["error"]["message"]
    assert "result" in after


async def test_the_end_of_the_client_cancels_what_runs_for_it() -> None:
    house = House()
    async with house.opened() as ask:
        await ask(call("hang", **MODERN), answered=False)
        await house.hanging.wait()
        assert house.idle.in_use == 1
    with anyio.fail_after(2):
        await house.cancelled.wait()
    assert house.idle.in_use == 0


async def test_the_worker_is_no_reason_to_stay_up() -> None:
    house = House()
    async with house.opened(client="worker") as ask:
        await ask(call("where", **MODERN))
        assert house.idle.in_use == 0


async def test_a_shim_learns_whether_its_manifest_is_the_hosts() -> None:
    house = House()
    async with house.opened(client="shim", manifest="digest") as ask:
        same = await ask(b"\n")
    async with house.opened(client="shim", manifest="old") as ask:
        other = await ask(b"\n")
    assert same == {"atos": 1, "digest": "digest", "answers": None}
    assert other["answers"] == await describe(house.server)


async def test_the_host_reports_its_state_and_accepts_a_shutdown() -> None:
    house = House()
    async with house.opened(server="host") as ask:
        status = await ask({"op": "status"})
        unknown = await ask({"op": "dance"})
        garbage = await ask(b"dance")
        assert house.stopped == []
        assert await ask({"op": "shutdown"}) == {"ok": True}
    assert status.pop("pid") > 0
    assert status.pop("uptime_s") >= 0
    assert status.pop("version")
    assert status == {
        "http": {"url": "http://x", "error": None, "bridge": None},
        "worker": {
            "pid": None,
            "state": "starting",
            "restarts": 0,
            "database": {},
            "version": "",
        },
        "records": {},
        "connections": 0,
        "database": {"state": "ok"},
    }
    assert unknown["error"]["code"] == garbage["error"]["code"] == "bad_request"
    assert house.stopped == ["now"]


async def test_the_pinned_fastmcp_still_has_what_the_bridge_reaches_into() -> None:
    """A contract with two private members: the low-level server, and a lifespan that is counted."""
    house = House()
    assert isinstance(low_level(house.server), Server)
    async with running(house.suite):
        for _ in range(2):
            async with house.opened() as ask:
                await ask(call("where", **MODERN))
        assert house.lifespans == ["begun"]
    assert house.lifespans == ["begun", "ended"]


async def test_a_stock_client_sees_the_same_tools_as_in_memory(tmp_path: Path) -> None:
    house = House()
    path = tmp_path / "s"
    listener = await anyio.create_unix_listener(path)
    async with listener, running(house.suite), anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, house.connections.serve)
        async with Client(SocketTransport(path, "vram")) as over_socket:
            tools = await over_socket.list_tools()
        async with Client(FastMCPTransport(house.server)) as in_memory:
            assert tools == await in_memory.list_tools()
        tasks.cancel_scope.cancel()
