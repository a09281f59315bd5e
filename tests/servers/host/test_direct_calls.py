"""Direct calls answer as the SDK's way does, can be cancelled, and leave what is odd to the SDK."""

import json
import os
import socket
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import anyio
import pytest
from anyio.abc import UNIXSocketStream
from fastmcp import FastMCP
from fastmcp.server.middleware import CallNext, Middleware, MiddlewareContext
from fastmcp.tools import ToolResult
from inline_snapshot import snapshot
from mcp.types import CallToolRequestParams

from atos_protocol.settings import load_settings
from atos_servers.filesystem import server as filesystem
from atos_servers.filesystem.pages import Reply
from atos_servers.filesystem.reading import Reads
from atos_servers.host import direct_calls
from atos_servers.host.connection import Connection, connected
from atos_servers.host.line_stream import LineStream
from atos_servers.host.mcp_session import serve_mcp
from atos_servers.host.services import EventNotifier, Services
from atos_servers.host.tool_middleware import ToolMiddleware

HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "test", "version": "1"},
}
Way = Literal["direct", "sdk"]


class Counted(Middleware):
    """Counts the calls that come through fastmcp."""

    def __init__(self) -> None:
        self.calls = 0

    async def on_call_tool(
        self,
        context: MiddlewareContext[CallToolRequestParams],
        call_next: CallNext[CallToolRequestParams, ToolResult],
    ) -> ToolResult:
        self.calls += 1
        return await call_next(context)


@dataclass
class Wire:
    """A client's end of a connection to the filesystem server."""

    lines: LineStream
    counted: Counted
    number: int = 10

    async def say(self, message: dict[str, Any] | bytes) -> None:
        line = message if isinstance(message, bytes) else json.dumps(message).encode()
        await self.lines.send(line)

    async def hear(self) -> dict[str, Any]:
        return json.loads(await self.lines.receive() or b"")

    async def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self.number += 1
        await self.say({"jsonrpc": "2.0", "id": self.number, "method": method, "params": params})
        answer = await self.hear()
        assert answer.pop("id") == self.number
        return answer

    async def call(self, name: Any, arguments: Any) -> dict[str, Any]:
        return await self.ask("tools/call", {"name": name, "arguments": arguments})


async def _no_worker(_: dict[str, Any]) -> None:
    raise AssertionError


def built(home: Path) -> tuple[FastMCP, Counted]:
    settings = load_settings({"ATOS_HOME": str(home), "HOME": str(home)})
    server = filesystem.build(Services(settings, _no_worker, EventNotifier()))
    server.add_middleware(ToolMiddleware(server))
    counted = Counted()
    server.add_middleware(counted)
    return server, counted


@asynccontextmanager
async def opened(home: Path, folder: Path, way: Way) -> AsyncGenerator[Wire]:
    """Open a connection whose calls go one of the two ways: the direct one begins with a handshake."""
    server, counted = built(home)
    ours, theirs = socket.socketpair()
    async with anyio.create_task_group() as tasks:

        async def serve() -> None:
            with connected(Connection("shim", (folder,))):
                stream = await UNIXSocketStream.from_socket(theirs)
                async with stream:
                    await serve_mcp(server, LineStream(stream))

        tasks.start_soon(serve)
        async with await UNIXSocketStream.from_socket(ours) as stream:
            with anyio.fail_after(15):
                wire = Wire(LineStream(stream), counted)
                if way == "sdk":
                    await wire.ask("ping", {})
                await wire.ask("initialize", HELLO)
                await wire.say({"jsonrpc": "2.0", "method": "notifications/initialized"})
                yield wire


Call = tuple[Any, Any]
CALLS: dict[str, list[Call]] = {
    "reads": [
        ("read_text_file", {"path": "a.txt"}),
        ("read_text_file", {"path": "a.txt", "head": 1, "tail": None}),
        ("read_text_file", {"path": "long.txt"}),
        ("read_file", {"path": "a.txt"}),
        ("read_media_file", {"path": "p.png"}),
        ("read_multiple_files", {"paths": ["a.txt", "nowhere.txt"]}),
        ("list_directory", {"path": "."}),
        ("directory_tree", {"path": "."}),
        ("search_files", {"path": ".", "pattern": "**/*.txt"}),
        ("grep", {"pattern": "alpha"}),
        ("list_allowed_directories", {}),
    ],
    "changes": [
        ("write_file", {"path": "n.txt", "content": "é\n"}),
        ("edit_file", {"path": "n.txt", "edits": [{"oldText": "é", "newText": "\U0001f600"}]}),
        ("append_file", {"path": "n.txt", "content": "more\n"}),
        ("move_file", {"source": "n.txt", "destination": "m.txt"}),
        ("delete_file", {"path": "m.txt"}),
    ],
    "failures": [
        ("read_text_file", {"path": "nowhere.txt"}),
        ("read_text_file", {"path": "../outside"}),
        ("read_text_file", {}),
        ("read_text_file", {"path": 7}),
        ("read_text_file", {"path": "a.txt", "head": -1}),
        ("read_text_file", {"path": "a.txt", "unknown": 1}),
        ("read_text_file", {"path": "a.txt", "toolCallId": "n8n", "sessionId": "n8n"}),
        ("write_file", {"path": "conftest.py", "content": ""}),
        ("edit_file", {"path": "a.txt", "edits": []}),
        ("no_such_tool", {}),
    ],
    "odd requests": [
        ("read_text_file", None),
        ("read_text_file", []),
        (7, {}),
        (None, {}),
    ],
}


def filled(folder: Path) -> Path:
    folder.mkdir()
    (folder / "a.txt").write_text("alpha\nbeta\n")
    (folder / "long.txt").write_text("line\n" * 20_000)
    (folder / "p.png").write_bytes(b"\x89PNG")
    return folder


@pytest.mark.parametrize("calls", CALLS.values(), ids=CALLS)
async def test_both_ways_answer_alike(calls: list[Call], tmp_path: Path) -> None:
    answers: dict[Way, list[dict[str, Any]]] = {"direct": [], "sdk": []}
    for way, told in answers.items():
        folder = filled(tmp_path / "folder")
        async with opened(tmp_path / way, folder, way) as wire:
            told += [await wire.call(name, arguments) for name, arguments in calls]
        folder.rename(tmp_path / f"{way} done")
    assert answers["direct"] == answers["sdk"]


async def test_well_formed_calls_do_not_pass_through_fastmcp_and_others_do(tmp_path: Path) -> None:
    folder = filled(tmp_path / "folder")
    seen = list[int]()
    async with opened(tmp_path / "home", folder, "direct") as wire:
        unknown: Call = ("no_such_tool", {})
        for name, arguments in (*CALLS["reads"], *CALLS["changes"], unknown):
            await wire.call(name, arguments)
            seen.append(wire.counted.calls)
    assert seen == [0] * (len(seen) - 1) + [1]


@pytest.mark.parametrize("way", ["direct", "sdk"])
async def test_a_cancelled_call_is_not_answered_and_others_are(way: Way, tmp_path: Path) -> None:
    folder = filled(tmp_path / "folder")
    (folder / "slow.txt").write_text("a" * 40 + "!")
    async with opened(tmp_path / "home", folder, way) as wire:
        slow = {"name": "grep", "arguments": {"pattern": "(a+)+$", "path": "slow.txt"}}
        await wire.say({"jsonrpc": "2.0", "id": "slow", "method": "tools/call", "params": slow})
        cancelled = {"requestId": "slow", "reason": "test"}
        await wire.say({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled})
        answer = await wire.call("read_text_file", {"path": "a.txt"})
        assert answer["result"]["content"][0]["text"] == "alpha\nbeta\n"


async def test_calls_at_once_are_answered_each(tmp_path: Path) -> None:
    folder = filled(tmp_path / "folder")
    answers = list[dict[str, Any]]()
    async with opened(tmp_path / "home", folder, "direct") as wire:
        params = {"name": "read_text_file", "arguments": {"path": "a.txt"}}
        asked = set(range(200))
        async with anyio.create_task_group() as tasks:
            for number in asked:
                request = {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
                tasks.start_soon(wire.say, request)
            answers += [await wire.hear() for _ in asked]
    assert {answer["id"] for answer in answers} == asked
    assert {answer["result"]["content"][0]["text"] for answer in answers} == {"alpha\nbeta\n"}


@pytest.mark.parametrize(
    "line",
    [
        b'{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"read_text_file","arguments":{"path":"\\ud800"}}}',
        b'{"jsonrpc":"1.0","id":3,"method":"tools/call","params":{"name":"read_text_file"}}',
        b'{"id":3,"method":"tools/call","params":{"name":"read_text_file","arguments":{"path":NaN}}}',
        b'["tools/call"]',
        b'"tools/call"',
        b'{"tools/call"',
    ],
)
async def test_a_line_that_is_no_call_is_answered_as_by_the_sdk(
    line: bytes, tmp_path: Path
) -> None:
    answers = list[dict[str, Any]]()
    folder = filled(tmp_path / "folder")
    for way in ("direct", "sdk"):
        async with opened(tmp_path / way, folder, way) as wire:
            await wire.say(line)
            answers.append(await wire.hear())
    assert answers[0] == answers[1]


async def test_a_call_sees_its_own_connections_directories(tmp_path: Path) -> None:
    first, second = filled(tmp_path / "first"), filled(tmp_path / "second")
    ask: Callable[[Wire], Awaitable[dict[str, Any]]] = lambda wire: wire.call(
        "list_allowed_directories", {}
    )
    async with (
        opened(tmp_path / "home", first, "direct") as one,
        opened(tmp_path / "home", second, "direct") as other,
    ):
        told = [(await ask(wire))["result"]["content"][0]["text"] for wire in (one, other, one)]
    heads = [os.fspath(folder) for folder in (first, second, first)]
    assert told == [f"Allowed directories:\n{head}" for head in heads]


async def test_a_call_that_hangs_in_its_thread_is_answered_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a network's file system does not answer; the thread can't be ended."""
    go_on = threading.Event()
    allowed = Reads.allowed

    def hang(reads: Reads) -> Reply:
        go_on.wait()
        return allowed(reads)

    an_hour_later = SimpleNamespace(monotonic=lambda: time.monotonic() + 3600)
    monkeypatch.setattr(direct_calls, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(direct_calls, "time", an_hour_later)
    folder = filled(tmp_path / "folder")
    async with opened(tmp_path / "home", folder, "direct") as wire:
        monkeypatch.setattr(Reads, "allowed", hang)
        late = await wire.call("list_allowed_directories", {})
        monkeypatch.setattr(Reads, "allowed", allowed)
        go_on.set()
        after = await wire.call("read_text_file", {"path": "a.txt"})
    assert late["result"]["isError"]
    assert late["result"]["content"][0]["text"] == snapshot(
        "deadline: list_allowed_directories did not end within 45 s and was cancelled Next: Ask for less at once, or start it as a goal and follow that with wait_goal."
    )
    assert after["result"]["content"][0]["text"] == "alpha\nbeta\n"


async def test_a_client_that_does_not_read_gets_all_of_it_when_it_does(tmp_path: Path) -> None:
    """More answers than a socket holds: what it did not take at once is written later, whole and in order of lines."""
    folder = filled(tmp_path / "folder")
    asked = set(range(60))
    params = {"name": "read_text_file", "arguments": {"path": "long.txt"}}
    async with opened(tmp_path / "home", folder, "direct") as wire:
        for number in asked:
            await wire.say(
                {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}
            )
        await anyio.wait_all_tasks_blocked()
        answers = [await wire.hear() for _ in asked]
        counted = wire.counted.calls
    assert {answer["id"] for answer in answers} == asked
    assert all(len(answer["result"]["content"][0]["text"]) > 20_000 for answer in answers)
    assert counted == 0
