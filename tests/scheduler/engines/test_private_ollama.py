"""An Ollama of our own: started on demand, used like any other, and never left behind."""

import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import psutil
import pytest

from atos_protocol.settings import Settings
from atos_scheduler.daemon import make_engines
from atos_scheduler.engines.private_ollama import PrivateOllama
from atos_scheduler.engines.protocol import ModelSpec, Request
from doubles.ollama_binary import write

pytestmark = pytest.mark.timeout(180)  # seconds of wall on a loaded machine


@asynccontextmanager
async def private(folder: Path) -> AsyncGenerator[PrivateOllama]:
    engine = PrivateOllama(folder / "sockets", path=str(folder))
    try:
        yield engine
    finally:
        await engine.close()


async def until_gone(pid: int) -> None:
    with anyio.fail_after(30):
        while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:  # noqa: ASYNC110
            await anyio.sleep(0.02)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atos_scheduler.engines.private_ollama.START_SECONDS", 60.0)


async def test_it_is_started_at_the_first_look_and_gone_with_its_engine(tmp_path: Path) -> None:
    write(tmp_path)
    async with private(tmp_path) as engine:
        assert engine.pid == 0
        assert await engine.health() == ""
        first = engine.pid
        assert await engine.health() == ""
        assert engine.pid == first
        assert [model.name for model in await engine.installed()] == ["a:latest"]
        await engine.load(ModelSpec("a:latest", "", 2048, 1))
        request = Request("a:latest", ({"role": "user", "content": "hi"},))
        chunks = [chunk async for chunk in engine.answer(request)]
    assert chunks[-1].done
    await until_gone(first)


async def test_one_that_was_killed_is_started_again_at_the_next_look(tmp_path: Path) -> None:
    write(tmp_path)
    async with private(tmp_path) as engine:
        assert await engine.health() == ""
        first = engine.pid
        os.kill(first, signal.SIGKILL)
        await until_gone(first)
        with anyio.fail_after(60):
            while engine.pid == first:  # noqa: ASYNC110 - its worker reports the end
                await anyio.sleep(0.02)
        assert await engine.health() == ""
        assert engine.pid not in {0, first}


async def test_one_that_does_not_start_says_why(tmp_path: Path) -> None:
    write(tmp_path, broken=True)
    async with private(tmp_path) as engine:
        assert "could not create the models folder" in await engine.health()


async def test_without_the_program_the_reason_names_it(tmp_path: Path) -> None:
    async with private(tmp_path) as engine:
        assert await engine.health() == (
            "there is no `ollama` on PATH: install it, or name a server in ATOS_OLLAMA_URL"
        )


def test_the_setting_asks_for_it(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, workspaces=tmp_path, ollama_url="private")
    assert any(isinstance(engine, PrivateOllama) for engine in make_engines(settings))
