"""The embedded engine beyond the contract: its processes, its slots, its files."""

import hashlib
import os
import signal
import socket
import stat
import sys
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import psutil
import pytest
from inline_snapshot import snapshot

from atos_protocol.errors import (
    BadConfigError,
    BusyError,
    ConflictError,
    ContextError,
    EngineError,
    LoadFailedError,
)
from atos_protocol.settings import Settings
from atos_scheduler.engines.confinement import landlock_version
from atos_scheduler.engines.llama_cpp import SHIPPED, LlamaCpp, check_sha256
from atos_scheduler.engines.llama_cpp_model import LlamaModel
from atos_scheduler.engines.protocol import ModelSpec, Request
from doubles.tiny_gguf import SMALL, write_random, write_scripted

pytestmark = pytest.mark.timeout(60)

CODE = "def add(a, b):\n    return a + b\n# für später, 加法\n"
ASKED = ({"role": "system", "content": "be brief"}, {"role": "user", "content": "add two numbers"})
LONG = Request("small", ASKED, max_tokens=1500)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    folder = tmp_path_factory.mktemp("weights")
    scripted = write_scripted(folder / "scripted-code.gguf", CODE)
    return scripted, write_random(folder / "small.gguf", SMALL)


@pytest.fixture
async def engine(files: tuple[Path, ...]) -> AsyncGenerator[LlamaCpp]:
    settings = Settings(home=files[0].parent, workspaces=files[0].parent, gguf=files, cpu_threads=1)
    engine = LlamaCpp(settings)
    yield engine
    await engine.close()


async def worker_of(engine: LlamaCpp, name: str = "small", slots: int = 2) -> LlamaModel:
    await engine.load(ModelSpec(name, name, 1024, slots))
    model = engine.model(name)
    assert model is not None
    return model


async def read(engine: LlamaCpp, request: Request) -> str:
    return "".join([chunk.text async for chunk in engine.answer(request)])


def of_process(pid: int, what: str) -> str:
    return Path(f"/proc/{pid}/{what}").read_text()


def exists(pid: int) -> bool:
    try:
        return of_process(pid, "stat").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def until_gone(pid: int) -> None:
    with anyio.fail_after(10):
        while exists(pid):  # noqa: ASYNC110  (a process that is not our child tells nobody)
            await anyio.sleep(0.01)


@pytest.fixture
async def free_engine(
    files: tuple[Path, ...], monkeypatch: pytest.MonkeyPatch
) -> AsyncGenerator[LlamaCpp]:
    """An engine that chooses the threads itself, of two cores, and found one of them busy at first."""
    monkeypatch.setattr("atos_scheduler.engines.llama_cpp.usable_cores", lambda: 2)
    monkeypatch.setattr("atos_scheduler.engines.llama_cpp.threads_now", lambda: 1)
    engine = LlamaCpp(Settings(home=files[0].parent, workspaces=files[0].parent, gguf=files))
    yield engine
    await engine.close()


async def test_a_model_is_loaded_anew_with_more_threads_when_the_machine_is_quiet_again(
    free_engine: LlamaCpp, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await worker_of(free_engine)
    monkeypatch.setattr(before.others, "look", lambda: 0.1)
    assert await read(free_engine, Request("small", ASKED, max_tokens=2))
    after = free_engine.model("small")
    assert after is not None
    assert (before.threads, after.threads) == (1, 2)
    assert not exists(before.pid)


async def test_a_model_that_is_answering_is_not_loaded_anew(
    free_engine: LlamaCpp, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = await worker_of(free_engine)
    running = free_engine.answer(LONG)
    await anext(running)
    monkeypatch.setattr(model.others, "look", lambda: 0.1)
    assert await read(free_engine, Request("small", ASKED, max_tokens=2))
    assert free_engine.model("small") is model
    await running.aclose()
    assert await read(free_engine, Request("small", ASKED, max_tokens=2))
    assert free_engine.model("small") is not model


async def test_scripted_weights_give_their_reply_to_the_byte(engine: LlamaCpp) -> None:
    await engine.load(ModelSpec("scripted-code", "scripted-code", 512, 1))
    assert await read(engine, Request("scripted-code", ASKED)) == CODE
    assert await read(engine, Request("scripted-code", ASKED, temperature=0.8)) == CODE


async def test_a_begun_reply_ends_the_prompt_and_the_model_goes_on_from_there(
    engine: LlamaCpp,
) -> None:
    await engine.load(ModelSpec("scripted-code", "scripted-code", 512, 1))
    begun = "# a newline is where the script begins\n"
    plain = Request("scripted-code", ASKED)
    begins = Request("scripted-code", (*ASKED, {"role": "assistant", "content": begun}))

    before = [chunk async for chunk in engine.answer(plain)][-1]
    chunks = [chunk async for chunk in engine.answer(begins)]

    assert "".join(chunk.text for chunk in chunks) == CODE
    assert chunks[-1].prompt_tokens - before.prompt_tokens == len(begun), "a token is a byte"


async def test_what_a_slot_remembers_of_a_prompt_is_counted_as_reused(engine: LlamaCpp) -> None:
    await worker_of(engine, slots=1)
    words = Request("small", prompt="a b c d e f g", max_tokens=1)
    longer = Request("small", prompt="a b c d e f g h i", max_tokens=1)
    ends = [[c async for c in engine.answer(asked)][-1] for asked in (words, longer)]
    assert [(end.prompt_tokens, end.reused_tokens) for end in ends] == [(13, 0), (17, 13)]
    assert all(end.prompt_seconds > 0 and end.seconds > 0 for end in ends)


async def test_a_prompt_whose_place_others_took_is_remembered_in_the_prompt_cache(
    engine: LlamaCpp,
) -> None:
    await engine.load(ModelSpec("small", "small", 1024, 1, prompt_cache=16 << 20))
    goal, other = "a goal and its files " * 8, "nothing that was seen before " * 6

    async def read_anew(prompt: str) -> int:
        asked = Request("small", prompt=prompt, max_tokens=1)
        last = [chunk async for chunk in engine.answer(asked)][-1]
        return 100 * (last.prompt_tokens - last.reused_tokens) // last.prompt_tokens

    sample, tester = goal + "write code", goal + "write tests for it all, and more of them"
    prompts = (sample, sample, tester, sample, other, sample)
    assert [await read_anew(prompt) for prompt in prompts] == snapshot([100, 0, 16, 0, 100, 0])


async def test_the_prompt_cache_is_charged_before_it_is_filled(engine: LlamaCpp) -> None:
    worker = await worker_of(engine, slots=1)
    plain = worker.footprint().bytes
    await engine.unload("small")
    found = await engine.load(ModelSpec("small", "small", 1024, 1, prompt_cache=256 << 20))
    assert found.bytes > plain + (200 << 20)


async def test_the_footprint_is_the_resident_memory_of_the_worker(
    engine: LlamaCpp, files: tuple[Path, ...]
) -> None:
    worker = await worker_of(engine)
    rows = of_process(worker.pid, "status").splitlines()
    resident = next(int(row.split()[1]) * 1024 for row in rows if row.startswith("VmRSS"))
    assert worker.footprint().bytes == pytest.approx(resident, rel=0.1)
    assert worker.footprint().bytes > files[1].stat().st_size


async def test_a_worker_killed_in_the_middle_of_a_reply_is_an_engine_error(
    engine: LlamaCpp,
) -> None:
    worker = await worker_of(engine)
    stream = engine.answer(LONG)
    await anext(stream)

    os.kill(worker.pid, signal.SIGKILL)

    with pytest.raises(EngineError, match="killed by SIGKILL"):
        async for _chunk in stream:
            pass
    assert await engine.loaded() == []
    assert (await worker_of(engine)).alive, "and the model can be loaded again"


async def test_a_worker_killed_while_idle_is_noticed_by_loaded(engine: LlamaCpp) -> None:
    worker = await worker_of(engine)
    os.kill(worker.pid, signal.SIGKILL)
    with anyio.fail_after(10):
        while await engine.loaded():  # noqa: ASYNC110  (nobody is told, the scheduler asks)
            await anyio.sleep(0.01)


async def test_unloading_under_a_reply_ends_it_with_an_engine_error(engine: LlamaCpp) -> None:
    await worker_of(engine)
    stream = engine.answer(LONG)
    await anext(stream)
    await engine.unload("small")
    with pytest.raises(EngineError):
        async for _chunk in stream:
            pass


async def test_unload_returns_when_the_process_is_gone(engine: LlamaCpp) -> None:
    worker = await worker_of(engine)
    await engine.unload("small")
    assert not exists(worker.pid)


async def test_cancelling_a_load_leaves_no_process(engine: LlamaCpp) -> None:
    before = children()
    with anyio.move_on_after(0.02):
        await worker_of(engine)
    assert children() <= before
    assert await engine.loaded() == []


def children() -> set[str]:
    task = Path(f"/proc/self/task/{os.getpid()}/children")
    return set(task.read_text().split())


async def test_no_worker_outlives_a_scheduler_that_was_killed(files: tuple[Path, ...]) -> None:
    script = f"""
import anyio, pathlib
from atos_scheduler.engines.llama_cpp import LlamaCpp
from atos_scheduler.engines.protocol import ModelSpec
from atos_protocol.settings import Settings
async def main():
    home = pathlib.Path({str(files[0].parent)!r})
    engine = LlamaCpp(Settings(home=home, workspaces=home, gguf=(home / "small.gguf",)))
    await engine.load(ModelSpec("small", "small", 512, 1))
    print(engine.model("small").pid, flush=True)
    await anyio.sleep_forever()
anyio.run(main)
"""
    async with await anyio.open_process([sys.executable, "-c", script], stderr=None) as scheduler:
        assert scheduler.stdout is not None
        worker = int(await scheduler.stdout.receive())
        assert exists(worker)
        scheduler.kill()
        await scheduler.wait()
    await until_gone(worker)


async def test_a_cancelled_reply_frees_its_slot_in_llama_cpp_itself(engine: LlamaCpp) -> None:
    worker = await worker_of(engine, slots=1)
    stream = engine.answer(LONG)
    await anext(stream)
    assert await busy_slots(worker) == 1

    await stream.aclose()

    assert await busy_slots(worker) == 0


async def busy_slots(worker: LlamaModel) -> int:
    slots = (await worker.client.get("/slots")).json()
    return sum(slot["is_processing"] for slot in slots)


async def test_a_reply_beyond_the_slots_is_refused_not_queued_silently(engine: LlamaCpp) -> None:
    await worker_of(engine, slots=1)
    stream = engine.answer(LONG)
    await anext(stream)
    with pytest.raises(BusyError, match="all 1 slots"):
        await read(engine, LONG)
    await stream.aclose()


async def test_each_slot_has_the_whole_context_that_was_asked_for(engine: LlamaCpp) -> None:
    await worker_of(engine, slots=2)
    request = Request("small", prompt="x" * 1000, max_tokens=1)
    assert [chunk.prompt_tokens async for chunk in engine.answer(request)][-1] == 1000
    with pytest.raises(ContextError, match="1100 tokens, the model's context 1024"):
        await read(engine, Request("small", prompt="x" * 1100, max_tokens=1))


async def test_a_loaded_model_is_never_reshaped_by_a_second_load(engine: LlamaCpp) -> None:
    await worker_of(engine)
    with pytest.raises(ConflictError, match="another context"):
        await engine.load(ModelSpec("small", "small", 4096, 2))


async def test_a_worker_listens_on_a_private_unix_socket_and_on_nothing_else(
    engine: LlamaCpp,
) -> None:
    worker = await worker_of(engine)
    process = psutil.Process(worker.pid)
    assert [c.laddr for c in process.net_connections("all") if c.laddr] == [str(worker.socket)]
    modes = [stat.filemode(path.stat().st_mode) for path in (worker.socket, worker.socket.parent)]
    assert modes == ["srw-------", "drwx------"]
    await engine.unload("small")
    assert not worker.socket.parent.exists()


@pytest.mark.skipif(not landlock_version(), reason="no Landlock here")
async def test_a_worker_is_confined_before_it_parses_its_model(engine: LlamaCpp) -> None:
    worker = await worker_of(engine)
    assert worker.confined.startswith("landlock ")
    assert "NoNewPrivs:\t1" in of_process(worker.pid, "status")


async def test_callers_that_say_half_of_a_request_do_not_starve_the_model(
    engine: LlamaCpp,
) -> None:
    worker = await worker_of(engine)
    silent = [socket.socket(socket.AF_UNIX) for _ in range(100)]
    try:
        for number, caller in enumerate(silent):
            caller.connect(str(worker.socket))
            if number % 2:
                caller.sendall(
                    b"POST /completion HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"
                )
        assert await read(engine, Request("small", ASKED, max_tokens=2, deadline=30))
    finally:
        for caller in silent:
            caller.close()


async def test_the_workers_socket_refuses_who_has_no_key(engine: LlamaCpp) -> None:
    worker = await worker_of(engine)
    reply = await worker.client.post(
        "/completion", json={"prompt": "x"}, headers={"authorization": "Bearer guess"}
    )
    assert reply.status_code == 401


async def test_the_key_is_not_on_the_command_line(engine: LlamaCpp) -> None:
    worker = await worker_of(engine)
    key = worker.client.headers["authorization"].removeprefix("Bearer ")
    assert key not in of_process(worker.pid, "cmdline")
    assert key not in of_process(worker.pid, "environ")


@pytest.mark.parametrize(
    ("cut", "reason"), [(0, "magic"), (100, "key-value"), (200_000, "file bounds|tensor")]
)
async def test_a_damaged_file_fails_with_the_engines_reason(
    engine: LlamaCpp, files: tuple[Path, ...], tmp_path: Path, cut: int, reason: str
) -> None:
    damaged = tmp_path / "cut.gguf"
    damaged.write_bytes(files[1].read_bytes()[:cut] or b"no model at all")
    with pytest.raises(LoadFailedError, match=reason):
        await engine.load(ModelSpec("cut", str(damaged), 512, 1))


async def test_installed_leaves_out_what_can_not_be_read(files: tuple[Path, ...]) -> None:
    junk = files[0].parent / "junk.gguf"
    junk.write_text("junk")
    settings = Settings(home=junk.parent, workspaces=junk.parent, gguf=(files[1], junk))
    found = await LlamaCpp(settings, shipped=Path("/nowhere")).installed()
    assert [(m.name, m.context, m.details) for m in found] == snapshot(
        [
            (
                "small",
                4096,
                {
                    "parent_model": "",
                    "format": "gguf",
                    "family": "llama",
                    "families": ["llama"],
                    "parameter_size": "9.60M",
                    "quantization_level": "F16",
                    "context_length": 4096,
                    "embedding_length": 384,
                    "block_count": 6,
                    "head_count": 6,
                    "head_count_kv": 2,
                    "kv_bytes_per_token": 3072,
                    "vocabulary": 260,
                    "merges": 1,
                },
            )
        ]
    )


async def test_a_file_that_changed_is_read_again_and_a_truncated_one_hides_no_other(
    files: tuple[Path, ...], tmp_path: Path
) -> None:
    whole, changing = files[1], tmp_path / "changing.gguf"
    changing.write_bytes(whole.read_bytes()[:300])
    settings = Settings(home=tmp_path, workspaces=tmp_path, gguf=(changing, whole))
    engine = LlamaCpp(settings, shipped=Path("/nowhere"))
    assert [m.name for m in await engine.installed()] == ["small"]
    changing.write_bytes(whole.read_bytes())
    assert [m.name for m in await engine.installed()] == ["changing", "small"]


def test_two_files_of_one_name_are_a_configuration_error(files: tuple[Path, ...]) -> None:
    twice = (files[1], Path("/elsewhere/small.gguf"))
    settings = Settings(home=files[0].parent, workspaces=files[0].parent, gguf=twice)
    with pytest.raises(BadConfigError, match="two models 'small'"):
        LlamaCpp(settings)


async def test_the_shipped_model_is_checked_against_its_checksum_once(
    files: tuple[Path, ...], tmp_path: Path
) -> None:
    mini = tmp_path / "atos-mini.gguf"
    mini.write_bytes(files[1].read_bytes())
    checksum = mini.with_name(f"{mini.name}.sha256")
    engine = LlamaCpp(Settings(home=tmp_path, workspaces=tmp_path), shipped=tmp_path)
    spec = ModelSpec("atos-mini", "", 512, 1)

    checksum.write_text("0" * 64 + "  atos-mini.gguf\n")
    with pytest.raises(LoadFailedError, match="damaged"):
        await engine.load(spec)

    checksum.write_text(hashlib.sha256(mini.read_bytes()).hexdigest() + "  atos-mini.gguf\n")
    await engine.load(spec)
    assert [m.name for m in await engine.loaded()] == ["atos-mini"]
    await engine.close()


@pytest.mark.skipif(
    not list(SHIPPED.glob("*.gguf")), reason="the shipped weights are not in this checkout"
)
async def test_the_shipped_model_is_sound_and_answers(tmp_path: Path) -> None:
    engine = LlamaCpp(Settings(home=tmp_path, workspaces=tmp_path, cpu_threads=1))
    (mini,) = await engine.installed()
    assert (mini.name, mini.size <= 8_000_000, len(mini.digest)) == ("atos-mini", True, 64)
    await engine.load(ModelSpec("atos-mini", "atos-mini", mini.context, 1))
    assert await read(engine, Request("atos-mini", ASKED, max_tokens=16)) != ""
    await engine.close()


def test_a_checksum_that_is_missing_is_not_passed_over(tmp_path: Path) -> None:
    weights = tmp_path / "w.gguf"
    weights.write_bytes(b"weights")
    with pytest.raises(LoadFailedError, match="not unknown"):
        check_sha256(weights)


async def test_a_worker_that_never_gets_ready_is_given_up(
    engine: LlamaCpp, files: tuple[Path, ...], tmp_path: Path
) -> None:
    fifo = files[0].parent / f"never-{time.monotonic_ns()}.gguf"
    os.mkfifo(fifo)
    before = children()
    with pytest.raises(LoadFailedError, match="not ready within"):
        await LlamaModel.load(ModelSpec("fifo", "", 512, 1), str(fifo), 1, tmp_path, seconds=0.5)
    assert children() <= before
