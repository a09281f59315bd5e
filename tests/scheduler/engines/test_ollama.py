"""The Ollama engine beyond the contract: what it sends, and how it meets a server's moods."""

import socket
import time
from collections.abc import AsyncGenerator, Generator
from dataclasses import replace
from typing import Any

import anyio
import httpx
import pytest
from inline_snapshot import snapshot
from ollama import ResponseError

from atos_protocol.errors import (
    AtosError,
    BusyError,
    EngineError,
    LoadFailedError,
    UnreachableError,
)
from atos_scheduler.engines.ollama import Ollama
from atos_scheduler.engines.ollama_wire import failure
from atos_scheduler.engines.protocol import LoadedModel, ModelSpec, Request
from doubles.fake_ollama import FakeModel, FakeOllama

SPEC = ModelSpec("qwen2.5:3b", "qwen2.5:3b", 4096, 1, {"top_k": 20})
ASKED = ({"role": "user", "content": "hello"},)


@pytest.fixture
def fake() -> Generator[FakeOllama]:
    models = [
        FakeModel("qwen2.5:3b", 2 * 2**30),
        FakeModel("a:latest"),
        FakeModel("big:7b", 7 * 2**30),
    ]
    with FakeOllama(models) as fake:
        yield fake


@pytest.fixture
async def engine(fake: FakeOllama) -> AsyncGenerator[Ollama]:
    engine = Ollama(fake.url)
    yield engine
    await engine.close()


async def read(engine: Ollama, request: Request) -> str:
    return "".join([chunk.text async for chunk in engine.answer(request)])


async def test_a_chat_repeats_the_frozen_options_and_forbids_truncation(
    engine: Ollama, fake: FakeOllama
) -> None:
    await engine.load(SPEC)
    await read(engine, Request("qwen2.5:3b", ASKED, max_tokens=9, seed=3, stop=("END",)))
    assert fake.bodies[-1] == snapshot(
        {
            "model": "qwen2.5:3b",
            "options": {
                "top_k": 20,
                "num_ctx": 4096,
                "num_predict": 9,
                "temperature": 0.0,
                "stop": ["END"],
                "seed": 3,
            },
            "stream": True,
            "keep_alive": "30m",
            "truncate": False,
            "shift": False,
            "messages": [{"role": "user", "content": "hello"}],
            "think": False,
        }
    )
    assert fake.loads == [("qwen2.5:3b", 4096)], "no request reloaded the model"


async def test_a_raw_prompt_goes_past_the_template(engine: Ollama, fake: FakeOllama) -> None:
    await engine.load(SPEC)
    await read(engine, Request("qwen2.5:3b", prompt="def add("))
    sent: dict[str, Any] = fake.bodies[-1]
    assert (sent["prompt"], sent["raw"], "messages" in sent) == ("def add(", True, False)


async def test_installed_tells_what_an_estimate_needs(engine: Ollama) -> None:
    found = await engine.installed()
    assert found[0].details == snapshot(
        {
            "parent_model": "",
            "format": "gguf",
            "family": "llama",
            "families": ["llama"],
            "parameter_size": "3.2B",
            "quantization_level": "Q4_K_M",
            "context_length": 32768,
            "embedding_length": 3072,
            "block_count": 28,
            "head_count": 24,
            "head_count_kv": 8,
            "kv_bytes_per_token": 114688,
        }
    )
    assert [m.name for m in found] == ["qwen2.5:3b", "a:latest", "big:7b"]


async def test_unload_returns_only_when_ps_lists_the_model_no_more(
    engine: Ollama, fake: FakeOllama
) -> None:
    fake.unload_seconds = 0.3
    await engine.load(SPEC)
    began = time.monotonic()
    await engine.unload("qwen2.5:3b")
    assert time.monotonic() - began >= 0.3
    assert fake.running() == []


async def test_unload_reaches_a_model_that_somebody_else_loaded(
    engine: Ollama, fake: FakeOllama
) -> None:
    await fake.ensure(fake.models[1], {})
    assert await engine.loaded() == [LoadedModel("a:latest", 2**30, 2**30, 4096)]
    await engine.unload("a")
    assert await engine.loaded() == []


async def test_a_name_without_a_tag_means_latest(engine: Ollama) -> None:
    await engine.load(replace(SPEC, name="a", source=""))
    assert await read(engine, Request("a", ASKED)) == "reply of a to a fake"
    await engine.unload("a")
    assert await engine.loaded() == []


async def test_an_error_in_the_middle_of_a_stream_is_raised(
    engine: Ollama, fake: FakeOllama
) -> None:
    await engine.load(SPEC)
    fake.break_after = 2
    with pytest.raises(EngineError, match="an error was encountered"):
        await read(engine, Request("qwen2.5:3b", ASKED))


async def test_a_connection_that_breaks_in_the_middle_is_an_engine_error(
    engine: Ollama, fake: FakeOllama
) -> None:
    await engine.load(SPEC)
    fake.hang_up_after = 2
    with pytest.raises(EngineError, match="connection"):
        await read(engine, Request("qwen2.5:3b", ASKED))


async def test_a_full_queue_is_busy(engine: Ollama, fake: FakeOllama) -> None:
    await engine.load(SPEC)
    fake.busy = True
    with pytest.raises(BusyError):
        await read(engine, Request("qwen2.5:3b", ASKED))


async def test_closing_the_stream_is_seen_by_the_server(fake: FakeOllama) -> None:
    fake.models = [FakeModel("slow:3b", token_seconds=0.02)]
    fake.reply = lambda _: "word " * 500
    engine = Ollama(fake.url)
    await engine.load(ModelSpec("slow:3b", "slow:3b", 2048, 1))
    stream = engine.answer(Request("slow:3b", ASKED))
    await anext(stream)
    assert fake.active == 1

    await stream.aclose()

    with anyio.fail_after(5):
        while fake.active:  # noqa: ASYNC110  (another thread's counter)
            await anyio.sleep(0.01)
    assert fake.cancelled == 1
    await engine.close()


async def test_without_a_url_the_reason_says_so() -> None:
    assert "ATOS_OLLAMA_URL is empty" in await Ollama("").health()


async def test_without_a_server_the_reason_comes_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    engine = Ollama(f"http://127.0.0.1:{port}")
    assert "no Ollama server answers" in await engine.health()
    with pytest.raises(UnreachableError):
        await engine.loaded()
    await engine.close()


async def test_a_server_that_is_silent_costs_a_second_and_no_more() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        engine = Ollama(f"http://127.0.0.1:{silent.getsockname()[1]}")
        with anyio.fail_after(5):
            assert "is silent" in await engine.health()
        await engine.close()


@pytest.mark.parametrize(
    ("status", "text", "code"),
    [
        (404, '{"error":"model \'x\' not found"}', "no_model"),
        (400, '{"error":"the input length exceeds the context length"}', "context"),
        (
            400,
            '{"error":"request (9 tokens) exceeds the available context size (4 tokens)"}',
            "context",
        ),
        (400, '{"error":"invalid model name"}', "bad_request"),
        (401, '{"error":"unauthorized"}', "unauthorized"),
        (
            503,
            '{"error":"server busy, please try again.  maximum pending requests exceeded"}',
            "busy",
        ),
        (500, "<html>proxy</html>", "engine"),
        (500, "[]", "engine"),
    ],
)
def test_every_error_of_ollama_has_its_class(status: int, text: str, code: str) -> None:
    error: AtosError = failure(status, text)
    assert error.code == code


@pytest.mark.parametrize(
    ("error", "again"),
    [(httpx.ReadError("cut off"), True), (ResponseError("out of memory", 500), False)],
)
async def test_a_load_that_the_end_of_the_server_cut_off_may_be_tried_again(
    monkeypatch: pytest.MonkeyPatch, error: Exception, again: bool
) -> None:
    class Server:
        async def generate(self, *_: object, **__: object) -> None:
            raise error

    engine = Ollama("http://127.0.0.1:9")
    monkeypatch.setattr(engine, "_ollama", Server)
    with pytest.raises(LoadFailedError) as failed:
        await engine.load(SPEC)
    assert failed.value.retry is again
