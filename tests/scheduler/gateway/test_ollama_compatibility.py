"""The `ollama` package, unchanged, as a client of the gateway."""
# pyright: reportUnknownMemberType=false
# (the package's own annotation of `tools` is incomplete)

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import ollama
import pytest

from atos_protocol.errors import EngineError
from doubles.running_scheduler import scheduler
from doubles.scripted_engine import Script, ScriptedEngine, models

HI = [{"role": "user", "content": "hi"}]


@asynccontextmanager
async def package(engine: ScriptedEngine) -> AsyncGenerator[ollama.AsyncClient]:
    """The package's own client, over the scheduler's socket."""
    async with scheduler([engine]) as running:
        transport = httpx.AsyncHTTPTransport(uds=str(running.settings.scheduler_socket))
        client = ollama.AsyncClient(host="http://atos", transport=transport)
        yield client
        await transport.aclose()


async def test_it_chats_whole_and_streamed() -> None:
    async with package(ScriptedEngine(models("a"))) as client:
        whole = await client.chat("a", HI)
        pieces = [part async for part in await client.chat("a", HI, stream=True)]
    assert whole.message.content == "Hello there"
    assert "".join(p.message.content or "" for p in pieces) == "Hello there"
    assert (pieces[-1].done, pieces[-1].done_reason, pieces[-1].eval_count) == (True, "stop", 2)


async def test_it_generates_with_a_schema() -> None:
    engine = ScriptedEngine({"a": Script(reply=('{"x": 1}',))})
    schema: dict[str, Any] = {"type": "object", "properties": {"x": {"type": "integer"}}}
    async with package(engine) as client:
        reply = await client.generate("a", "hi", format=schema, options={"temperature": 0})
    assert reply.response == '{"x": 1}'
    assert engine.requests[0].schema == schema


async def test_it_lists_shows_and_sees_what_runs() -> None:
    details: dict[str, object] = {"family": "llama", "parameter_size": "1B"}
    engine = ScriptedEngine({"a:latest": Script(details=details)})
    async with package(engine) as client:
        listed = (await client.list()).models
        await client.generate("a", "hi")
        running = (await client.ps()).models
        shown = await client.show("a")
    assert [(m.model, m.details.family if m.details else "") for m in listed] == [
        ("a:latest", "llama")
    ]
    assert [m.name for m in running] == ["a:latest"]
    assert shown.modelinfo is not None
    assert shown.modelinfo["llama.context_length"] == 4096
    assert shown.capabilities == ["completion", "tools", "embedding"]


async def test_it_loads_and_unloads() -> None:
    engine = ScriptedEngine(models("a"))
    async with package(engine) as client:
        assert (await client.generate("a", keep_alive="5m")).done_reason == "load"
        assert (await client.generate("a", keep_alive=0)).done_reason == "unload"
    assert engine.log[:2] == ["load a", "unload a"]


async def test_it_understands_the_errors() -> None:
    engine = ScriptedEngine({"a": Script(answer_error=EngineError("broken"), error_after=1)})
    async with package(engine) as client:
        with pytest.raises(ollama.ResponseError, match="model 'nope' not found") as missing:
            await client.chat("nope", HI)
        with pytest.raises(ollama.ResponseError, match="broken"):
            async for _ in await client.chat("a", HI, stream=True):
                pass
    assert missing.value.status_code == 404
