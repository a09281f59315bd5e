"""What it costs a worker that it can embed as well: `make bench NAME=embeddings-cost MODELS=A.gguf`.

The engine's worker is started as it is, and as it would be without embeddings; in turn, three times each, it reads a prompt of
`TOKENS` (256) tokens and writes 24, with one thread. Rows (seconds of processor time, the least of three, and the peak of memory)
go to `build/bench/embeddings-cost.json`.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import tempfile
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import psutil

from atos_scheduler.engines.llama_cpp_model import batch_of
from atos_scheduler.engines.llama_cpp_worker import _serve  # pyright: ignore[reportPrivateUsage]
from bench.memory_estimates import peak_of

OUT = Path("build/bench/embeddings-cost.json")
TOKENS = int(os.environ.get("TOKENS", "256"))
WRITTEN = 24
TURNS = 3


def work(path: str, socket: str, ready: Connection, *, embeds: bool) -> None:
    """Serve a model until the parent ends this process."""
    xllamacpp: Any = import_module("xllamacpp")

    def serve(params: Any) -> Any:
        params.embedding = embeds
        return xllamacpp.Server(params)

    config = {
        "path": path, "socket": socket, "slots": 1, "context": 4096, "cache": "f16",
        "threads": 1, "batch": batch_of(Path(path).stat().st_size),
        "pooling": embeds, "prompt_cache": 0, "key": "k",
    }  # fmt: skip
    engine = SimpleNamespace(**(vars(xllamacpp) | {"Server": serve}))
    server = _serve(engine, config)
    ready.send(True)
    ready.recv()
    del server


def measure(path: Path, folder: Path, *, embeds: bool) -> dict[str, float]:
    """Return the processor time of a request in seconds, and the peak of memory in MiB."""
    here, there = multiprocessing.get_context("spawn").Pipe()
    socket = folder / f"{embeds}.sock"
    process = multiprocessing.get_context("spawn").Process(
        target=work, args=(str(path), str(socket), there), kwargs={"embeds": embeds}
    )
    process.start()
    here.recv()
    body = {"prompt": " word" * TOKENS, "n_predict": WRITTEN, "ignore_eos": True, "temperature": 0}
    transport = httpx.HTTPTransport(uds=str(socket))
    before = _spent(process.pid)
    with httpx.Client(transport=transport, base_url="http://llama", timeout=300) as http:
        http.headers["authorization"] = "Bearer k"
        http.post("/completion", json=body).raise_for_status()
    found = {
        "cpu_s": _spent(process.pid) - before,
        "peak_mib": peak_of(process.pid or 0) / 2**20,
    }
    process.kill()
    process.join()
    socket.unlink(missing_ok=True)
    return found


def _spent(pid: int | None) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def main() -> None:
    """Print both rows, and keep them."""
    path = Path(os.environ["MODELS"].split()[0]).resolve()
    turns: dict[str, list[dict[str, float]]] = {"with embeddings": [], "without": []}
    with tempfile.TemporaryDirectory(prefix="atos") as folder:
        for _ in range(TURNS):
            for name, found in turns.items():
                found.append(row := measure(path, Path(folder), embeds=name != "without"))
                print(name, {key: round(value, 2) for key, value in row.items()}, flush=True)
    best = {
        name: {key: min(r[key] for r in rows) for key in rows[0]} for name, rows in turns.items()
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(best, indent=1) + "\n")
    print(best)


if __name__ == "__main__":
    main()
