"""What every tool call passes through: errors a model can act on, extras dropped, a time limit."""

import errno
import logging
import re
from collections.abc import Sequence

import anyio
import pytest
from fastmcp import Client, FastMCP
from fastmcp.exceptions import ToolError
from fastmcp.server.middleware import Middleware
from fastmcp.tools import Tool
from mcp import MCPError
from pydantic import Field

from atos_protocol.errors import MCP_META_KEY, BusyError, ConflictError
from atos_servers.host.connection import Connection, connected
from atos_servers.host.suite import quiet_fastmcp
from atos_servers.host.tool_middleware import ToolMiddleware


def make_server(seconds: float = 5) -> FastMCP:
    server = FastMCP("boundary")

    @server.tool
    async def greet(name: str, times: int = Field(1, ge=1)) -> dict[str, str]:
        """Greet."""
        return {"text": f"hello {name}" * times}

    @server.tool
    async def keep(action: str) -> dict[str, str]:
        """Take an argument that n8n would add by itself."""
        return {"action": action}

    @server.tool
    async def conflict() -> str:
        """Fail in a way that somebody foresaw."""
        raise ConflictError("goal g1 exists already", next_step="Ask for it with get_goal.")

    @server.tool
    def crash() -> str:
        """Fail in a way that nobody foresaw."""
        raise ZeroDivisionError("secret /home/somebody")

    @server.tool
    async def linger() -> str:
        """Never end."""
        await anyio.sleep_forever()
        return ""

    @server.tool
    def starve(number: int) -> str:
        """Fail because the machine is short of something."""
        raise OSError(number, "words of the system", "/home/somebody")

    @server.resource("thing://{name}")
    async def thing(name: str) -> str:
        """Fail in the way that is named."""
        if name == "crash":
            raise ZeroDivisionError("secret /home/somebody")
        raise ConflictError(f"{name} changes now", next_step="Read it again.")

    server.add_middleware(ToolMiddleware(server, seconds=seconds))
    return server


async def failure(tool: str, seconds: float = 5, **arguments: object) -> str:
    async with Client(make_server(seconds)) as client:
        with pytest.raises(ToolError) as caught:
            await client.call_tool(tool, arguments)
    return str(caught.value)


async def test_an_error_says_what_happened_and_what_to_do_next() -> None:
    assert await failure("conflict") == (
        "conflict: goal g1 exists already Next: Ask for it with get_goal."
    )


async def test_an_unforeseen_error_is_masked_under_an_id_that_stands_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    text = await failure("crash")
    found = re.fullmatch(
        r"internal: crash failed with an internal error Next: Look for (\w{8}) in logs/servers.log\.",
        text,
    )
    assert found, text
    (record,) = [r for r in caplog.records if found[1] in r.getMessage()]
    assert record.exc_info
    assert record.exc_info[0] is ZeroDivisionError


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.ENOSPC, "no_space"), (errno.EMFILE, "busy"), (errno.EIO, "internal")],
)
async def test_a_machine_that_is_short_of_something_is_no_bug_that_a_person_must_mend(
    number: int, code: str
) -> None:
    text = await failure("starve", number=number)
    assert text.startswith(f"{code}: ")
    assert "somebody" not in text


async def test_a_resource_fails_in_the_same_words() -> None:
    async with Client(make_server()) as client:
        with pytest.raises(MCPError, match=r"^conflict: goal1 changes now Next: Read it again\.$"):
            await client.read_resource("thing://goal1")
        with pytest.raises(
            MCPError, match=r"^internal: thing://crash failed with an internal error Next: Look for"
        ):
            await client.read_resource("thing://crash")
        with pytest.raises(MCPError, match="Resource not found"):
            await client.read_resource("nothing://here")


async def test_wrong_arguments_are_reported_in_one_line() -> None:
    text = await failure("greet", times=0)
    assert text.startswith("bad_request: greet can't be called like that: ")
    assert "name: Missing required argument" in text
    assert "times: Input should be greater than or equal to 1" in text
    assert "\n" not in text


async def test_an_unknown_tool_is_answered_with_the_known_ones() -> None:
    assert await failure("gret") == (
        "not_found: there is no tool 'gret' Next: Use: greet, keep, conflict, crash, linger, starve."
    )


async def test_a_call_that_does_not_end_is_cancelled_at_the_ceiling() -> None:
    text = await failure("linger", seconds=0.05)
    assert text.startswith("deadline: linger did not end within 0 s and was cancelled Next: ")


async def test_arguments_that_n8n_adds_are_dropped() -> None:
    extras = {"toolCallId": "t1", "sessionId": "s", "action": "sendMessage", "chatInput": "hi"}
    async with Client(make_server()) as client:
        result = await client.call_tool("greet", {"name": "n8n", **extras})
    assert result.data == {"text": "hello n8n"}


async def test_an_argument_of_that_name_that_the_tool_has_is_kept() -> None:
    async with Client(make_server()) as client:
        result = await client.call_tool("keep", {"action": "deploy", "sessionId": "s"})
    assert result.data == {"action": "deploy"}


async def test_other_unknown_arguments_are_refused() -> None:
    assert "sesion: Unexpected keyword argument" in await failure("greet", name="x", sesion="s")


@pytest.mark.parametrize(("who", "cut"), [("shim", True), ("http", True), ("worker", False)])
async def test_a_model_gets_a_bounded_reply_and_a_program_the_whole(who: str, cut: bool) -> None:
    with connected(Connection(client=who)):  # pyright: ignore[reportArgumentType]
        async with Client(make_server()) as client:
            result = await client.call_tool("greet", {"name": "x", "times": 10_000})
    assert (len(result.data["text"]) < 32_000) is cut


async def test_fastmcp_does_not_log_what_the_middleware_reports(
    caplog: pytest.LogCaptureFixture,
) -> None:
    quiet_fastmcp()
    with caplog.at_level(logging.WARNING):
        await failure("conflict")
        await failure("greet")
    assert caplog.records == []


async def test_a_list_that_needs_what_the_machine_lacks_is_to_be_asked_for_again() -> None:
    class Starving(Middleware):
        async def on_list_tools(self, context: object, call_next: object) -> Sequence[Tool]:
            raise OSError(errno.EMFILE, "words of the system", "/home/somebody/module.py")

    server = make_server()
    server.add_middleware(Starving())
    async with Client(server) as client:
        with pytest.raises(MCPError) as caught:
            await client.list_tools()

    assert caught.value.data == {
        MCP_META_KEY: BusyError(
            "this machine has run out of something: [Errno 24] Too many open files"
        ).to_wire()
    }
