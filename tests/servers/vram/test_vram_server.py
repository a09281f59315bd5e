"""The vram server, in memory, on a real scheduler whose engine follows a script."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from fastmcp import Client
from fastmcp.exceptions import ToolError
from inline_snapshot import snapshot

from atos_protocol.errors import LoadFailedError
from atos_servers.host.services import Services
from atos_servers.host.suite import build_suite
from atos_servers.vram import server as vram
from doubles.running_scheduler import GIB, Running, scheduler
from doubles.scripted_engine import Script, ScriptedEngine

SMALL, CODER = "qwen2.5-coder:1.5b", "qwen2.5-coder:7b"


async def _tell_nobody(message: dict[str, Any]) -> None:
    raise AssertionError(message)


@asynccontextmanager
async def served(
    *, budget: int = 4 * GIB, **scripts: Script
) -> AsyncGenerator[tuple[Client[Any], ScriptedEngine, Running]]:
    named = {SMALL: scripts.get("small", Script()), CODER: scripts.get("coder", Script())}
    engine = ScriptedEngine(named)
    async with scheduler([engine], budget=budget) as running:
        services = Services(running.settings, notify_worker=_tell_nobody)
        server = build_suite(services, ("vram",))["vram"]
        async with Client(server) as client:
            yield client, engine, running


async def ask(client: Client[Any], tool: str, **arguments: Any) -> dict[str, Any]:
    return (await client.call_tool(tool, arguments)).structured_content or {}


async def test_its_tools_say_what_they_are_for_and_what_they_do() -> None:
    async with served() as (client, _, _):
        tools = await client.list_tools()
    assert {
        tool.name: (tool.annotations.read_only_hint, tool.annotations.destructive_hint)
        for tool in tools
        if tool.annotations
    } == {
        "vram_status": (True, False),
        "list_models": (True, False),
        "load_model": (False, False),
        "unload_model": (False, False),
    }
    for tool in tools:
        assert tool.description
        assert tool.output_schema
        assert "$ref" not in str(tool.output_schema)
        assert "anyOf" not in str(tool.input_schema)


async def test_status_shows_budget_residents_and_pools() -> None:
    async with served() as (client, _, _):
        await ask(client, "load_model", model=SMALL)
        status = await ask(client, "vram_status")
    assert status["summary"].split("; ") == snapshot(
        [
            "simulated:0: 1.0 of 4.0 GiB committed",
            "loaded: qwen2.5-coder:1.5b",
            "no requests waiting",
            "usable pools: atos/orchestrator, atos/simple, atos/medium, atos/complex",
        ]
    )
    assert status["devices"] == snapshot(
        [
            {
                "name": "simulated:0",
                "kind": "simulated",
                "total": 4294967296,
                "budget": 4294967296,
                "committed": 1073741824,
                "foreign": 0,
            }
        ]
    )
    assert status["residents"] == snapshot(
        [
            {
                "model": "qwen2.5-coder:1.5b",
                "engine": "scripted",
                "device": "simulated:0",
                "state": "resident",
                "bytes": 1073741824,
                "measured": True,
                "leases": 0,
            }
        ]
    )
    assert {pool["name"]: pool["members"] for pool in status["pools"]} == snapshot(
        {
            "orchestrator": ["qwen2.5-coder:1.5b"],
            "simple": ["qwen2.5-coder:1.5b"],
            "medium": ["qwen2.5-coder:1.5b"],
            "complex": ["qwen2.5-coder:1.5b"],
            "mini": [],
        }
    )
    assert status["engines"] == snapshot(
        [{"name": "scripted", "ok": True, "models": 2, "reason": ""}]
    )
    assert (status["leases"], status["waiting"]) == ([], 0)


async def test_the_status_is_a_resource_as_well() -> None:
    async with served() as (client, _, _):
        (listed,) = await client.list_resources()
        (content,) = await client.read_resource("vram://status")
        status = await ask(client, "vram_status")
    assert str(listed.uri) == "vram://status"
    assert json.loads(getattr(content, "text", "")) == status


async def test_models_are_listed_with_their_pools_and_whether_they_are_loaded() -> None:
    async with served(small=Script(details={"parameter_size": "3B"})) as (client, _, _):
        await ask(client, "load_model", model=SMALL)
        models = (await ask(client, "list_models"))["models"]
    assert models == snapshot(
        [
            {
                "name": "qwen2.5-coder:1.5b",
                "bytes": 1073741824,
                "parameters": "3B",
                "quantization": "",
                "loaded": True,
                "pools": ["atos/orchestrator", "atos/simple", "atos/medium", "atos/complex"],
            },
            {
                "name": "qwen2.5-coder:7b",
                "bytes": 1073741824,
                "parameters": "",
                "quantization": "",
                "loaded": False,
                "pools": [],
            },
        ]
    )


async def test_a_pool_is_loaded_by_its_first_choice() -> None:
    async with served() as (client, engine, _):
        loaded = await ask(client, "load_model", model="atos/complex")
    assert loaded == {"model": SMALL, "state": "resident", "next": ""}
    assert engine.log[0] == f"load {SMALL}"


async def test_a_load_that_takes_long_goes_on_and_a_second_call_finds_it_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = anyio.Event()
    monkeypatch.setattr(vram, "LOAD_SECONDS", 0.1)
    async with served(small=Script(loads=gate)) as (client, engine, _):
        first = await ask(client, "load_model", model=SMALL)
        during = await ask(client, "vram_status")
        gate.set()
        second = await ask(client, "load_model", model=SMALL)
    assert (first["state"], bool(first["next"])) == ("loading", True)
    assert [one["state"] for one in during["residents"]] == ["loading"]
    assert second["state"] == "resident"
    assert engine.log.count(f"load {SMALL}") == 1


async def test_an_unloaded_model_leaves_the_budget() -> None:
    async with served() as (client, engine, _):
        await ask(client, "load_model", model=SMALL)
        assert await ask(client, "unload_model", model=SMALL) == {
            "model": SMALL,
            "state": "unloaded",
        }
        status = await ask(client, "vram_status")
    assert status["residents"] == []
    assert engine.log[:2] == [f"load {SMALL}", f"unload {SMALL}"]


async def test_errors_of_the_scheduler_reach_the_model_as_they_are() -> None:
    reason = LoadFailedError("the file is cut short", next_step="Pull it again.")
    async with served(coder=Script(load_error=reason)) as (client, _, _):
        with pytest.raises(ToolError, match=r"^load_failed: .*cut short"):
            await ask(client, "load_model", model=CODER)
        with pytest.raises(ToolError, match=r"^no_model: .* Next: "):
            await ask(client, "load_model", model="nobody:1b")
        with pytest.raises(ToolError, match=r"^bad_request: load_model can't be called like that"):
            await ask(client, "load_model", model="")


async def test_a_model_over_the_budget_is_refused_with_numbers() -> None:
    async with served(budget=GIB // 2) as (client, _, _):
        with pytest.raises(ToolError, match=r"^refused: .*\d"):
            await ask(client, "load_model", model=SMALL)


async def test_status_names_who_is_answered_and_who_waits() -> None:
    gate = anyio.Event()
    status: dict[str, Any] = {}
    async with (
        served(small=Script(answers=gate)) as (client, engine, running),
        anyio.create_task_group() as tasks,
    ):
        await ask(client, "load_model", model=SMALL)
        tasks.start_soon(running.client.chat, SMALL, [{"role": "user", "content": "first"}])
        await engine.until(f"ask {SMALL}")
        status = await ask(client, "vram_status")
        gate.set()
    (lease,) = status["leases"]
    assert lease.pop("seconds") >= 0
    assert lease == {"state": "held", "model": SMALL, "pool": "", "goal": "", "task": ""}
    assert (status["waiting"], status["residents"][0]["leases"]) == (0, 1)
