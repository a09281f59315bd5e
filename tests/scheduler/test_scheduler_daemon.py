"""The daemon as a process: started by whoever needs it, alone, and gone without leaving anything."""

import os
import signal
import socket
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pytest

from atos.scheduler_client import SchedulerClient
from atos_protocol.daemons import ensure, is_up, stop
from atos_protocol.errors import LoadFailedError, UnreachableError
from atos_protocol.scheduler_api import Status
from atos_protocol.settings import Settings, load_settings
from atos_scheduler.dispatcher import GRANT_POINTS
from atos_scheduler.model_loader import LOAD_POINTS
from doubles.marked_processes import alive
from doubles.tiny_gguf import SMALL, write_random

HI = [{"role": "user", "content": "hi"}]
DAEMON = [sys.executable, "-m", "atos_scheduler.daemon"]


@pytest.fixture
def settings(atos_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings of a fresh home, with a simulated engine; whatever runs there is stopped."""
    monkeypatch.setenv("ATOS_SIMULATE", "1")
    found = load_settings()
    assert found.home == atos_home
    yield found
    stop("scheduler", found)


@pytest.fixture
def real(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The same home with the embedded engine and a real, random model."""
    weights = write_random(settings.home.parent / "small.gguf", SMALL)
    monkeypatch.setenv("ATOS_SIMULATE", "0")
    monkeypatch.setenv("ATOS_GGUF", str(weights))
    return load_settings()


def until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Wait for something that another process brings about; False if it does not."""
    give_up = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.01)
    return True


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8")
    return [int(child) for child in found.split()]


async def status(settings: Settings) -> Status:
    async with SchedulerClient(settings, start=False) as client:
        return await client.status()


def cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


async def test_ensure_starts_one_daemon_and_a_second_is_refused(settings: Settings) -> None:
    ensure("scheduler", settings)
    first = await status(settings)
    with anyio.fail_after(15):
        second = await anyio.run_process(DAEMON, check=False)
    ensure("scheduler", settings)
    assert second.returncode == 1
    (line,) = second.stderr.decode().splitlines()
    assert "another scheduler daemon already runs" in line
    assert (await status(settings)).pid == first.pid


async def test_the_socket_is_private(settings: Settings) -> None:
    ensure("scheduler", settings)
    assert stat.S_IMODE(settings.scheduler_socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(settings.run.stat().st_mode) == 0o700


async def test_a_stale_socket_is_replaced(settings: Settings) -> None:
    settings.prepare()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(settings.scheduler_socket))
    assert not is_up("scheduler", settings)
    ensure("scheduler", settings)
    assert (await status(settings)).protocol == 1


async def test_the_client_starts_the_daemon_and_survives_its_death(settings: Settings) -> None:
    async with SchedulerClient(settings) as client:
        first = await client.chat("atos/simple", HI)
        os.kill((await client.status()).pid, signal.SIGKILL)
        second = await client.chat("atos/simple", HI)
    assert (first.engine, second.text) == ("simulated", first.text)


@pytest.mark.parametrize("point", [*LOAD_POINTS, *GRANT_POINTS])
async def test_a_request_survives_a_daemon_that_dies_before_the_first_byte(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    monkeypatch.setenv("ATOS_CRASHPOINT", point)
    async with SchedulerClient(settings) as client:
        answer = await client.chat("atos/simple", HI)
    assert answer.reason == "stop"
    assert (settings.run / f"crashed-{point}").exists()


async def test_a_client_that_must_not_start_it_says_that_nobody_answers(settings: Settings) -> None:
    settings.prepare()
    async with SchedulerClient(settings, start=False) as client:
        with pytest.raises(UnreachableError, match="does not answer"):
            await client.status()
    assert not is_up("scheduler", settings)


async def test_a_broken_settings_file_is_one_clear_error(settings: Settings) -> None:
    settings.prepare()
    (settings.home / "models.yaml").write_text("models:\n  a: {slots: 0}\n", encoding="utf-8")
    with pytest.raises(UnreachableError, match=r"models\.yaml, line 2, models\.a\.slots: '0'"):
        ensure("scheduler", settings)
    (settings.home / "models.yaml").unlink()
    ensure("scheduler", settings)


async def test_an_idle_daemon_ends_and_the_next_one_starts(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATOS_IDLE_SECONDS", "0.2")
    ensure("scheduler", settings)
    assert until(lambda: not is_up("scheduler", settings))
    monkeypatch.setenv("ATOS_IDLE_SECONDS", "900")
    ensure("scheduler", settings)
    assert (await status(settings)).uptime < 10


async def test_an_idle_daemon_uses_no_cpu(settings: Settings) -> None:
    async with SchedulerClient(settings) as client:
        await client.chat("atos/simple", HI)
        pid = (await client.status()).pid
    before = cpu_ticks(pid)
    await anyio.sleep(1.5)
    assert cpu_ticks(pid) - before <= 1


@pytest.mark.timeout(60)
async def test_sigterm_ends_it_and_leaves_no_child_and_no_socket(real: Settings) -> None:
    async with SchedulerClient(real) as client:
        await client.load("small")
        pid = (await client.status()).pid
        (child,) = children(pid)
    os.kill(pid, signal.SIGTERM)
    assert until(lambda: not alive(pid))
    assert not alive(child)
    assert not real.scheduler_socket.exists()


@pytest.mark.timeout(60)
async def test_kill_9_leaves_no_engine_child(real: Settings) -> None:
    async with SchedulerClient(real) as client:
        await client.load("small")
        pid = (await client.status()).pid
        (child,) = children(pid)
    os.kill(pid, signal.SIGKILL)
    assert until(lambda: not alive(pid) and not alive(child))


@pytest.mark.timeout(60)
async def test_a_killed_engine_is_loaded_again_for_the_next_request(real: Settings) -> None:
    async with SchedulerClient(real) as client:
        await client.load("small")
        (child,) = children((await client.status()).pid)
        os.kill(child, signal.SIGKILL)
        assert until(lambda: not alive(child))
        answer = await client.chat("small", HI, max_tokens=3)
    assert (answer.engine, answer.tokens) == ("llama_cpp", 3)


@pytest.mark.timeout(60)
async def test_a_real_models_bytes_are_measured_and_given_back(real: Settings) -> None:
    async with SchedulerClient(real) as client:
        answer = await client.chat("atos/simple", HI, max_tokens=5)
        (resident,) = (await client.status()).residencies
        await client.unload("small")
        after = await client.status()
    assert (answer.model, answer.pool, answer.reason) == ("small", "simple", "length")
    assert (resident.measured, resident.leases) == (True, 0)
    assert resident.bytes > 20 << 20
    assert after.devices[0].committed == 0
    assert children(after.pid) == []


@pytest.mark.timeout(60)
async def test_a_truncated_model_fails_with_the_engines_reason(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    junk = write_random(settings.home.parent / "junk.gguf")
    junk.write_bytes(junk.read_bytes()[:60_000])
    monkeypatch.setenv("ATOS_SIMULATE", "0")
    monkeypatch.setenv("ATOS_GGUF", str(junk))
    async with SchedulerClient(load_settings()) as client:
        with pytest.raises(LoadFailedError, match="not within the file bounds"):
            await client.chat("junk", HI)
        assert (await client.status()).devices[0].committed == 0
