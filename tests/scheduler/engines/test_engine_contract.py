"""One contract for every engine: load, answer, stream, cancel, unload, errors.

It runs against llama.cpp with weights made here, embedded and as a `llama-server`, an Ollama client against a faithful fake (and
against a real server where `ATOS_TEST_OLLAMA` names a small model), an OpenAI-compatible server
(llama.cpp again), and the simulated engine.
"""

import json
import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import pytest

from atos_protocol.errors import (
    AtosError,
    BadRequestError,
    ContextError,
    DeadlineError,
    LengthError,
    LoadFailedError,
    NoModelError,
)
from atos_protocol.settings import Settings
from atos_scheduler.engines.llama_cpp import LlamaCpp
from atos_scheduler.engines.llama_server import LlamaServer
from atos_scheduler.engines.ollama import Ollama
from atos_scheduler.engines.openai import OpenAi
from atos_scheduler.engines.protocol import Chunk, Engine, ModelSpec, Request
from atos_scheduler.engines.simulated import Simulated, SimulatedModel
from doubles.fake_ollama import FakeModel, FakeOllama
from doubles.llama_server import llama_server
from doubles.llama_server_binary import write as write_binary
from doubles.tiny_gguf import SMALL, write_random

pytestmark = pytest.mark.timeout(60)

ASKED = ({"role": "user", "content": "say something"},)
BEGUN = {"role": "assistant", "content": "{"}
SCHEMA = {
    "type": "object",
    "properties": {
        "ok": {"type": "boolean"},
        "kind": {"enum": ["a", "b"]},
        "words": {"type": "array", "items": {"type": "string", "maxLength": 8}, "maxItems": 3},
    },
    "required": ["ok", "kind", "words"],
}


@dataclass(frozen=True)
class Bench:
    """An engine under test, and the names that its contract needs."""

    engine: Engine
    spec: ModelSpec
    broken: str
    """A model that is there and can't be loaded; "" where none can be made."""


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gguf")
    write_random(folder / "small.gguf", SMALL)
    (folder / "broken.gguf").write_bytes(b"junk" * 100)
    return folder


@pytest.fixture(
    params=[
        "llama_cpp",
        "llama_server",
        "ollama",
        "openai",
        "simulated",
        pytest.param("real", marks=pytest.mark.ollama),
    ]
)
async def bench(request: pytest.FixtureRequest) -> AsyncGenerator[Bench]:
    match request.param:
        case "llama_cpp":
            weights: Path = request.getfixturevalue("weights")
            files = (weights / "small.gguf", weights / "broken.gguf")
            settings = Settings(home=weights, workspaces=weights, gguf=files, cpu_threads=1)
            yield Bench(LlamaCpp(settings), ModelSpec("small", "small", 2048, 2), "broken")
        case "llama_server":
            weights = request.getfixturevalue("weights")
            files = (weights / "small.gguf", weights / "broken.gguf")
            settings = Settings(home=weights, workspaces=weights, gguf=files, cpu_threads=1)
            named = os.environ.get("ATOS_TEST_LLAMA_SERVER") or str(write_binary(weights))
            engine = LlamaCpp(settings, server=LlamaServer(named, ()))
            yield Bench(engine, ModelSpec("small", "small", 2048, 2), "broken")
        case "ollama":
            refusal = "llama runner process has terminated: error loading model"
            slow = FakeModel("slow:3b", token_seconds=0.002)
            broken = FakeModel("broken:latest", refusal=refusal)
            reply = " ".join(str(n) for n in range(2000))
            with FakeOllama([slow, broken], reply=lambda _: reply, unload_seconds=0.1) as fake:
                spec = ModelSpec("slow:3b", "slow:3b", 2048, 2)
                yield Bench(Ollama(fake.url), spec, "broken")
        case "openai":
            weights = request.getfixturevalue("weights")
            with llama_server(weights / "small.gguf", "remote") as url:
                yield Bench(OpenAi(url), ModelSpec("remote", "remote", 2048, 2), "")
        case "simulated":
            slow = SimulatedModel("simulated:slow", 10**9, 0.01, 0.01, tokens_per_second=500)
            broken = SimulatedModel("simulated:broken", refusal="told to fail")
            spec = ModelSpec("simulated:slow", "", 2048, 2)
            yield Bench(Simulated([slow, broken]), spec, "simulated:broken")
        case _:
            if not (name := os.environ.get("ATOS_TEST_OLLAMA")):
                pytest.skip("ATOS_TEST_OLLAMA names no model of a running Ollama")
            engine = Ollama(os.environ.get("ATOS_OLLAMA_URL") or "http://127.0.0.1:11434")
            yield Bench(engine, ModelSpec(name, name, 2048, 1), "")


@pytest.fixture
async def loaded(bench: Bench) -> AsyncGenerator[Bench]:
    await bench.engine.load(bench.spec)
    yield bench
    await bench.engine.unload(bench.spec.name)
    await bench.engine.close()


async def drain(engine: Engine, request: Request) -> tuple[str, Chunk]:
    with anyio.fail_after(30):
        chunks = [chunk async for chunk in engine.answer(request)]
    assert [chunk.done for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    return "".join(chunk.text for chunk in chunks), chunks[-1]


async def test_an_engine_is_healthy_and_lists_what_it_could_load(bench: Bench) -> None:
    assert await bench.engine.health() == ""
    found = {m.name: m for m in await bench.engine.installed()}
    if bench.engine.caps.load:
        assert found[bench.spec.name].size > 0
        assert found[bench.spec.name].context >= 2048
    await bench.engine.close()


async def test_a_loaded_model_is_listed_with_its_bytes_and_gone_after_unload(bench: Bench) -> None:
    engine = bench.engine
    footprint = await engine.load(bench.spec)
    assert footprint.name == bench.spec.name
    assert (footprint.bytes > 0) == engine.caps.reports_memory
    assert bench.spec.name in [m.name for m in await engine.loaded()]

    await engine.unload(bench.spec.name)

    assert bench.spec.name not in [m.name for m in await engine.loaded()]
    await engine.close()


async def test_loading_the_same_spec_again_changes_nothing(loaded: Bench) -> None:
    again = await loaded.engine.load(loaded.spec)
    assert again.name == loaded.spec.name
    assert len(await loaded.engine.loaded()) == 1


async def test_unloading_what_is_not_loaded_is_no_error(bench: Bench) -> None:
    await bench.engine.unload(bench.spec.name)
    await bench.engine.close()


async def test_a_reply_is_streamed_in_pieces_and_counted(loaded: Bench) -> None:
    _text, last = await drain(loaded.engine, Request(loaded.spec.name, ASKED, max_tokens=5))
    assert last.tokens == 5
    assert last.prompt_tokens > 0
    assert last.reason == "length"


async def test_a_raw_prompt_is_answered_too(loaded: Bench) -> None:
    request = Request(loaded.spec.name, prompt="say something", max_tokens=4)
    _text, last = await drain(loaded.engine, request)
    assert last.tokens == 4


async def test_a_begun_reply_is_part_of_the_prompt_and_is_not_sent_back(loaded: Bench) -> None:
    begun = "```python\ndef add(a, b):\n"
    plain = Request(loaded.spec.name, ASKED, max_tokens=6)
    _text, before = await drain(loaded.engine, plain)
    messages = (*ASKED, {"role": "assistant", "content": begun})

    text, last = await drain(loaded.engine, replace(plain, messages=messages))

    assert last.prompt_tokens > before.prompt_tokens
    assert last.tokens == 6
    assert begun not in text


async def test_the_same_request_at_temperature_zero_gives_the_same_reply(loaded: Bench) -> None:
    request = Request(loaded.spec.name, ASKED, max_tokens=8, seed=1)
    first, _ = await drain(loaded.engine, request)
    assert (await drain(loaded.engine, request))[0] == first


async def test_a_schema_is_kept(loaded: Bench) -> None:
    request = Request(loaded.spec.name, ASKED, schema=SCHEMA, temperature=1.0, seed=7)
    text, last = await drain(loaded.engine, request)
    found = json.loads(text)
    assert sorted(found) == ["kind", "ok", "words"]
    assert last.reason == "stop"


async def test_two_replies_run_at_once(loaded: Bench) -> None:
    if loaded.spec.slots < 2:
        pytest.skip("this engine was given one slot")
    request = Request(loaded.spec.name, ASKED, max_tokens=10)
    async with anyio.create_task_group() as group:
        group.start_soon(drain, loaded.engine, request)
        group.start_soon(drain, loaded.engine, request)


async def test_closing_a_stream_cancels_it_and_its_slot_is_free_again(loaded: Bench) -> None:
    request = Request(loaded.spec.name, ASKED, max_tokens=1500)
    for _ in range(loaded.spec.slots * 2):
        stream = loaded.engine.answer(request)
        assert not (await anext(stream)).done
        await stream.aclose()
    _text, last = await drain(loaded.engine, Request(loaded.spec.name, ASKED, max_tokens=3))
    assert last.tokens == 3


async def test_cancelling_the_task_that_reads_cancels_the_work(loaded: Bench) -> None:
    request = Request(loaded.spec.name, ASKED, max_tokens=1500)
    for _ in range(loaded.spec.slots * 2):
        with anyio.CancelScope() as scope:
            async for _chunk in loaded.engine.answer(request):
                scope.cancel()
        assert scope.cancelled_caught
    _text, last = await drain(loaded.engine, Request(loaded.spec.name, ASKED, max_tokens=3))
    assert last.tokens == 3


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"model": "nobody:1b"}, NoModelError),
        ({"messages": ()}, BadRequestError),
        ({"prompt": "both"}, BadRequestError),
        ({"schema": {"type": "string"}}, BadRequestError),
        ({"schema": {"type": "nonsense"}}, BadRequestError),
        ({"schema": SCHEMA, "messages": (*ASKED, BEGUN)}, BadRequestError),
        ({"schema": SCHEMA, "max_tokens": 1}, LengthError),
        ({"max_tokens": 1500, "deadline": 0.02}, DeadlineError),
        ({"messages": ({"role": "user", "content": "x " * 5000},)}, ContextError),
    ],
)
async def test_every_wrong_request_has_its_own_error(
    loaded: Bench, change: dict[str, object], error: type[AtosError]
) -> None:
    request = replace(Request(loaded.spec.name, ASKED), **change)
    with pytest.raises(error):
        await drain(loaded.engine, request)
    # and the engine is none the worse for it
    _text, last = await drain(loaded.engine, Request(loaded.spec.name, ASKED, max_tokens=2))
    assert last.tokens == 2


async def test_a_model_that_nobody_has_is_no_model(bench: Bench) -> None:
    with pytest.raises(NoModelError):
        await bench.engine.load(ModelSpec("nobody:1b", "nobody:1b", 512, 1))
    await bench.engine.close()


async def test_a_model_that_can_not_be_loaded_says_why_and_leaves_nothing(bench: Bench) -> None:
    if not bench.broken:
        pytest.skip("there is no broken model here")
    with pytest.raises(LoadFailedError, match=r"magic|error loading|told to fail"):
        await bench.engine.load(ModelSpec(bench.broken, bench.broken, 512, 1))
    assert await bench.engine.loaded() == []
    await bench.engine.close()
