"""Every path argument of every tool, over stdio and HTTP with a named token: no byte outside the caller's directories."""

import json
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastmcp import Client
from fastmcp.client.client import CallToolResult
from fastmcp.client.transports import ClientTransport, StdioTransport, StreamableHttpTransport
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atos_protocol.host_protocol import WITH_DIRECTORIES
from atos_protocol.tokens import add_token
from atos_servers.host.manifest import PATH
from doubles.attack_ground import SECRET, AttackGround
from doubles.host_process import HostProcess, host_process
from doubles.path_attacks import GOOD, TEXT, Attack, lay_out_anew

SHIM = Path(__file__).parents[3] / "servers" / "atos_servers" / "shim" / "main.py"
ATTACKS = [
    Attack(server, tool["name"], argument, tool["inputSchema"])
    for server, held in json.loads(PATH.read_bytes())["servers"].items()
    if server != "all"  # it runs the same tools as the five
    for tool in held["handshake"]["answers"]["tools/list"]["tools"]
    for argument in tool["inputSchema"].get("properties", {})
    if argument in GOOD and (server, argument) != ("orchestrate", "tests")  # that one is a text
]
"""Of which arguments are paths, `test_path_arguments` keeps the list."""
EXAMPLES = 60

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def host() -> Iterator[HostProcess]:
    with host_process() as host:
        host.ensure()
        yield host


def transport(host: HostProcess, kind: str, server: str, inside: Path) -> ClientTransport:
    if kind == "stdio":
        environment = {"HOME": str(host.person), "PATH": "/usr/bin:/bin"}
        directories = [str(inside)] if server in WITH_DIRECTORIES else []
        arguments = ["-S", "-I", str(SHIM), server, *directories]
        return StdioTransport(sys.executable, arguments, environment, "/", keep_alive=False)
    token = add_token(host.settings, f"{server.replace('_', '-')}-client", [inside])
    return StreamableHttpTransport(host.url(server, "mcp"), auth=token)


@asynccontextmanager
async def clients(
    host: HostProcess, kind: str, grounds: dict[str, AttackGround]
) -> AsyncGenerator[dict[str, Client[Any]]]:
    async with AsyncExitStack() as stack:
        yield {
            server: await stack.enter_async_context(
                Client(transport(host, kind, server, ground.inside))
            )
            for server, ground in grounds.items()
        }


def test_the_attacks_are_on_every_server_that_takes_paths() -> None:
    assert {attack.server for attack in ATTACKS} == {
        "orchestrate", "filesystem", "code_runner", "workflow", "n8n",
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["stdio", "http"])
def test_no_tool_reads_or_changes_a_byte_outside(
    host: HostProcess, tmp_path: Path, kind: str
) -> None:
    grounds = {server: AttackGround(tmp_path / server) for server in {a.server for a in ATTACKS}}
    for ground in grounds.values():
        lay_out_anew(ground)
    before = names_below(host.person)

    def attack(
        portal: BlockingPortal, opened: dict[str, Client[Any]], it: Attack, text: str
    ) -> None:
        ground, client = grounds[it.server], opened[it.server]
        if it.server != "orchestrate":  # a goal that was accepted writes on for a while
            lay_out_anew(ground)

        async def call() -> CallToolResult:
            given = it.arguments(text, ground)
            result = await client.call_tool(it.tool, given, raise_on_error=False)
            if it.server == "orchestrate" and not result.is_error:
                goal = (result.structured_content or {})["id"]
                await client.call_tool("cancel_goal", {"goal_id": goal})
            return result

        assert SECRET.decode() not in str(portal.call(call))
        ground.check_untouched()

    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(clients(host, kind, grounds)) as opened,
    ):

        @settings(
            deadline=None, max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow]
        )
        @given(it=st.sampled_from(ATTACKS), text=TEXT)
        def attempt(it: Attack, text: str) -> None:
            attack(portal, opened, it, text)

        attempt()
    for ground in grounds.values():
        ground.check_untouched()
    assert names_below(host.person) == before


def names_below(person: Path) -> set[str]:
    """What lies in the home directory, ATOS's own and the default place of goals left out."""
    return {path.name for path in person.iterdir()} - {".atos", "atos"}
