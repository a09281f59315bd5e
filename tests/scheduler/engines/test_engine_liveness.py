"""A worker that is stopped, or busy with a prompt that nobody wants any more, holds up nobody."""

import os
import signal
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import anyio
import psutil
import pytest

from atos_protocol.errors import DeadlineError, EngineError, LoadFailedError
from atos_protocol.settings import Settings
from atos_scheduler.engines.engine_socket import sweep
from atos_scheduler.engines.llama_cpp import LlamaCpp
from atos_scheduler.engines.llama_cpp_model import LlamaModel, batch_of
from atos_scheduler.engines.protocol import Chunk, ModelSpec, Request
from doubles.tiny_gguf import SMALL, write_random

pytestmark = pytest.mark.timeout(120)

LONG = Request("small", ({"role": "user", "content": "x"},), max_tokens=1500)

ENDLESS = (
    "{% if messages[0]['content'] == 'x' %}{% for a in range(99999) %}{% for b in range(99999) %}"
    "{% endfor %}{% endfor %}{% endif %}{{ messages[0]['content'] }}"
)
"""A chat template that is quick for what llama.cpp tries at a load, and takes hours for LONG."""


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncGenerator[LlamaCpp]:
    model = write_random(tmp_path / "small.gguf", SMALL)
    engine = LlamaCpp(Settings(home=tmp_path, workspaces=tmp_path, gguf=(model,), cpu_threads=1))
    yield engine
    await engine.close()


async def worker_of(engine: LlamaCpp, slots: int = 1) -> LlamaModel:
    await engine.load(ModelSpec("small", "small", 4096, slots))
    model = engine.model("small")
    assert model is not None
    return model


async def test_a_stopped_worker_is_found_by_one_probe_and_its_reader_gets_an_engine_error(
    engine: LlamaCpp,
) -> None:
    worker = await worker_of(engine)
    stream = engine.answer(LONG)
    await anext(stream)
    await stop(worker.pid)

    await engine.probe()

    assert await engine.loaded() == []
    with pytest.raises(EngineError, match="killed by SIGKILL"):
        async for _chunk in stream:
            pass
    assert (await worker_of(engine)).alive, "and the model can be loaded again"


async def test_a_worker_that_hangs_before_it_takes_a_slot_costs_its_caller_the_deadline(
    engine: LlamaCpp,
) -> None:
    worker = await worker_of(engine)
    await stop(worker.pid)
    with pytest.raises(DeadlineError):
        await anext(engine.answer(replace(LONG, deadline=0.3)))
    os.kill(worker.pid, signal.SIGCONT)
    last = [chunk async for chunk in engine.answer(replace(LONG, max_tokens=3))][-1]
    assert last.tokens == 3, "and no slot was lost by it"


async def test_a_chat_template_that_does_not_end_costs_its_caller_the_deadline(
    tmp_path: Path,
) -> None:
    path = write_random(tmp_path / "small.gguf", SMALL, template=ENDLESS)
    engine = LlamaCpp(Settings(home=tmp_path, workspaces=tmp_path, gguf=(path,), cpu_threads=1))
    worker = await worker_of(engine)
    with pytest.raises(DeadlineError):
        await anext(engine.answer(replace(LONG, deadline=0.5)))
    raw = Request("small", prompt="x", max_tokens=3)
    assert [chunk async for chunk in engine.answer(raw)][-1].tokens == 3
    await engine.close()
    assert not worker.alive


async def stop(pid: int) -> None:
    """Stop a process and return when its last thread stands: one that still computes is given more time."""
    os.kill(pid, signal.SIGSTOP)
    while running_threads(pid):  # noqa: ASYNC110
        await anyio.sleep(0.001)


def running_threads(pid: int) -> list[str]:
    states = [
        stat.read_text().rpartition(")")[2].split()[0]
        for stat in Path(f"/proc/{pid}/task").glob("*/stat")
    ]
    return [state for state in states if state != "T"]


async def test_a_worker_that_answers_passes_its_probe_also_while_it_computes(
    engine: LlamaCpp,
) -> None:
    worker = await worker_of(engine)
    stream = engine.answer(LONG)
    await anext(stream)
    await engine.probe()
    assert worker.alive
    await stream.aclose()


async def test_a_reader_that_leaves_while_the_prompt_is_read_frees_the_slot_before_it_is_read(
    engine: LlamaCpp,
) -> None:
    """The prompt has 3,900 tokens: read to its end it would be remembered, and is not."""
    worker = await worker_of(engine)
    prompt = "abcdefgh" * 487
    request = Request("small", prompt=prompt, max_tokens=2)
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(cancel_when_busy, worker, scope)
            async for _chunk in engine.answer(request):
                pytest.fail("the whole prompt was read before it was cancelled")
    assert scope.cancelled_caught
    if worker.alive:  # else a reload was cheaper
        last = [chunk async for chunk in engine.answer(request)][-1]
        assert last.reused_tokens < last.prompt_tokens - 1
    else:
        assert await engine.loaded() == []


async def cancel_when_busy(worker: LlamaModel, scope: anyio.CancelScope) -> None:
    while not (await worker.client.get("/slots")).json()[0]["is_processing"]:  # noqa: ASYNC110
        await anyio.sleep(0.001)
    scope.cancel()


async def test_a_worker_that_is_stopped_while_it_loads_is_a_failed_load(
    engine: LlamaCpp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atos_scheduler.engines.engine_process.STALL_SECONDS", 0.5)
    children = set(psutil.Process().children())
    async with anyio.create_task_group() as group:
        group.start_soon(stop_new_child, children)
        with pytest.raises(LoadFailedError, match="stood still") as caught:
            await worker_of(engine)
        assert caught.value.retry
    assert set(psutil.Process().children()) <= children


async def test_a_worker_that_is_killed_while_it_loads_is_a_load_to_be_tried_again(
    engine: LlamaCpp,
) -> None:
    children = set(psutil.Process().children())
    async with anyio.create_task_group() as group:
        group.start_soon(kill_new_child, children)
        with pytest.raises(LoadFailedError, match="killed by SIGKILL") as caught:
            await worker_of(engine)
        assert caught.value.retry
    assert (await worker_of(engine)).alive


async def kill_new_child(known: set[psutil.Process]) -> None:
    while not (new := set(psutil.Process().children()) - known):  # noqa: ASYNC110
        await anyio.sleep(0.001)
    new.pop().kill()


async def stop_new_child(known: set[psutil.Process]) -> None:
    while not (new := set(psutil.Process().children()) - known):  # noqa: ASYNC110
        await anyio.sleep(0.001)
    new.pop().suspend()


async def test_a_worker_that_a_killed_scheduler_left_stopped_is_ended_by_the_next_one(
    engine: LlamaCpp,
) -> None:
    worker = await worker_of(engine)
    os.kill(worker.pid, signal.SIGSTOP)
    sweep(worker.socket.parents[1])
    await engine.probe()
    assert not worker.alive
    assert not worker.socket.exists()


def test_a_batch_is_smaller_for_a_larger_model() -> None:
    sizes = [1, 253_000_000, 491_400_064, 1_117_320_768, 4_680_000_000]
    assert [batch_of(size) for size in sizes] == [128, 128, 64, 16, 16]


def test_progress_lines_are_no_text() -> None:
    from atos_scheduler.engines import llama_cpp_wire as wire

    assert wire.is_progress({"content": "", "prompt_progress": {"total": 9}, "stop": False})
    assert not wire.is_progress({"content": "a", "stop": False})
    assert wire.chunk({"content": "a"}) == Chunk("a")
