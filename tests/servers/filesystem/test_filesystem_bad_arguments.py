"""Generated bad arguments, tool by tool: a closed error or an answer, and the event loop stays free.

200 of them for each tool; 10,000 in `make test-long`.
"""

import gc
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import anyio
import jsonschema  # noqa: F401 # pyright: ignore[reportUnusedImport] - see below
import psutil
import pytest
from fastmcp import Client, FastMCP

from atos_protocol.settings import load_settings
from atos_servers.filesystem import grep, quotas
from atos_servers.filesystem.quotas import Limits
from atos_servers.host.connection import Connection, connected
from atos_servers.host.reply_limit import LIMIT
from atos_servers.host.services import Services
from atos_servers.host.suite import build_suite
from doubles.attack_ground import SECRET, AttackGround
from doubles.bad_arguments import bad_arguments
from doubles.loop_watchdog import watched_loop

CODES = {
    "bad_path", "outside", "not_found", "exists", "not_a_file", "hardlink", "protected", "changed", "not_text",
    "no_match", "not_unique", "too_big", "disk_full", "busy", "io", "bad_request", "quota", "conflict",
}  # fmt: skip
TOOLS = [
    "append_file", "create_directory", "delete_file", "diff", "directory_tree", "edit_file", "get_file_info",
    "glob", "grep", "history", "list_allowed_directories", "list_directory", "list_directory_with_sizes",
    "move_file", "read_file", "read_media_file", "read_multiple_files", "read_text_file", "search_files", "undo",
    "write_file",
]  # fmt: skip
BUSY_SECONDS = 0.1
"""The client in this process imports `jsonschema` at its first answer, which takes seconds: so it is imported above."""
GROWTH = 20 << 20
CALL_SECONDS = 1.0


async def _wake(message: dict[str, Any]) -> None:
    """There is no worker here."""


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[AttackGround]:
    ground = AttackGround(tmp_path / "ground")
    ground.lay_out()
    (ground.inside / "big").write_text("same line\n" * 200_000)
    (ground.inside / "many").mkdir()
    for number in range(1_500):
        (ground.inside / "many" / f"f{number}").touch()
    deep = ground.inside / "deep" / "/".join(["d"] * 50)
    deep.mkdir(parents=True)
    yield ground
    ground.check_untouched()


@pytest.fixture
def server(atos_home: Path, monkeypatch: pytest.MonkeyPatch) -> FastMCP:
    del atos_home
    monkeypatch.setattr(quotas, "Limits", lambda: Limits(0, 0, 0))
    monkeypatch.setattr(grep, "SECONDS", CALL_SECONDS)
    return build_suite(Services(load_settings(), _wake), ("filesystem",))["filesystem"]


async def attack(client: Client[Any], tool: str, schema: dict[str, Any], seeds: range) -> None:
    """Call one tool with the arguments of these seeds."""
    for seed in seeds:
        arguments = bad_arguments(random.Random(f"{tool} {seed}"), schema)
        try:
            text = json.dumps(arguments)
            arguments = cast("dict[str, Any]", json.loads(text.encode()))
        except (ValueError, UnicodeError):
            continue  # no JSON: it can't reach the server
        with anyio.fail_after(30 * CALL_SECONDS):
            result = await client.call_tool(tool, arguments, raise_on_error=False)
        told = f"{tool} {text[:500]}"
        if result.is_error:
            assert (result.meta or {})["atos/error"]["code"] in CODES, f"{told}: {result.content}"
            continue
        shown = "".join(getattr(block, "text", "") for block in result.content)
        assert SECRET.decode() not in shown, told
        assert len(shown.encode()) <= LIMIT, told


async def attack_all(server: FastMCP, ground: AttackGround, tools: list[str], seeds: range) -> None:
    with connected(Connection("shim", (ground.inside,))):
        async with Client(server) as client:
            schemas = {tool.name: tool.input_schema for tool in await client.list_tools()}
            assert sorted(schemas) == TOOLS
            for tool in tools:
                await attack(client, tool, schemas[tool], seeds)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("tool", TOOLS)
async def test_bad_arguments_get_a_closed_error_and_the_loop_stays_free(
    server: FastMCP, ground: AttackGround, tool: str
) -> None:
    with watched_loop() as busiest:
        await attack_all(server, ground, [tool], range(200))
    assert busiest.seconds < BUSY_SECONDS, busiest.callback


@pytest.mark.long
@pytest.mark.timeout(7_200)
@pytest.mark.parametrize("tool", TOOLS)
async def test_ten_thousand_bad_arguments_a_tool_leave_the_loop_free_and_no_memory_behind(
    server: FastMCP, ground: AttackGround, tool: str
) -> None:
    process = psutil.Process()
    with watched_loop() as busiest:
        await attack_all(server, ground, [tool], range(1_000))
        gc.collect()
        warm = process.memory_info().rss
        await attack_all(server, ground, [tool], range(1_000, 10_000))
    gc.collect()
    grown = process.memory_info().rss - warm
    print(f"{tool}: busiest {busiest.seconds * 1000:.0f} ms, grown by {grown / 2**20:.1f} MiB")
    assert busiest.seconds < BUSY_SECONDS, busiest.callback
    assert grown < GROWTH
