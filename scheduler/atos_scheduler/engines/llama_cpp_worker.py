"""The process that holds one GGUF model: `python -m atos_scheduler.engines.llama_cpp_worker`.

    stdin   one JSON line {path, socket, key, slots, context, threads, batch, cache,
            prompt_cache},
            then nothing: when it is closed we exit
    stdout  one JSON line {"version", "confined"} when the model answers HTTP on the socket, nothing else
    stderr  llama.cpp's errors, lines with ` E `: the only place with the reason of a failed load

One process per model makes a crash in C++ an `EngineError` instead of the scheduler's end, and the
model's memory exactly that of the process. The API key comes by stdin, because every user of the
machine can read a command line. The model file is parsed when this process is confined (`confinement`).
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import importlib.metadata
import json
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from atos_scheduler.engines import gpu_driver
from atos_scheduler.engines.confinement import confine

PR_SET_PDEATHSIG = 1
REQUEST_SECONDS = 5
"""How long a request may take to come: llama.cpp's own hour lets one caller that says half of it hold a thread."""
THREADS = 32
"""Threads for callers, of which llama.cpp makes up to four times as many while they are busy."""


def main() -> None:
    """Load the model, report that it answers, and run until stdin is closed."""
    _die_with_parent()
    os.umask(0o177)  # what llama.cpp makes, its socket, is ours alone
    report = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever C++ prints must not fill the pipe that nobody reads any more
    config = json.loads(sys.stdin.buffer.readline())
    # no type information; only this process imports it
    engine = importlib.import_module("xllamacpp")
    version = importlib.metadata.version("xllamacpp")
    if reason := gpu_driver.begin():
        os.write(2, f"atos: no GPU: {reason}\n".encode())
    # Before any thread of ours: what holds for this one, holds for those that it starts.
    confined = confine(Path(config["path"]), Path(config["socket"]).parent)
    watcher = threading.Thread(target=_end_with_stdin, daemon=True)
    watcher.start()
    server = _serve(engine, config)
    with report:
        report.write(json.dumps({"version": version, "confined": confined}) + "\n")
    watcher.join()
    del server


def _die_with_parent() -> None:
    """Ask the kernel for SIGKILL when the scheduler dies, also while C++ holds the interpreter."""
    parent = os.getppid()
    with contextlib.suppress(OSError, AttributeError):  # Linux only; elsewhere stdin is closed
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the call
        os._exit(1)


def _end_with_stdin() -> None:
    """Block until the scheduler closes the pipe or is gone, then end without unwinding C++."""
    while os.read(0, 4096):
        pass
    os._exit(0)


def _serve(engine: Any, config: dict[str, Any]) -> Any:
    """Start llama.cpp's server; it listens on its Unix socket when this returns."""
    params = engine.CommonParams()
    params.model.path = config["path"]
    params.n_parallel = config["slots"]
    params.n_ctx = config["context"] * config["slots"]  # n_ctx is the total, split over the slots
    params.cpuparams.n_threads = config["threads"]
    params.cpuparams_batch.n_threads = config["threads"]
    # Between two batches llama.cpp hears of a cancelled request.
    params.n_batch = params.n_ubatch = config["batch"]
    # Weights in memory of our own, not in pages of the file: what is charged is what is used.
    params.load_mode = engine.llama_load_mode.LLAMA_LOAD_MODE_NONE
    if config["cache"] == "q8_0":
        params.cache_type_k = params.cache_type_v = engine.ggml_type.GGML_TYPE_Q8_0
    params.embedding = True  # the same worker writes, and turns texts into vectors
    if config["pooling"]:  # a model that is made for embeddings knows its own
        params.pooling_type = engine.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    params.kv_unified = False  # each slot has its own part of the context
    params.fit_params = False  # no automatic sizing: the budget has fixed it
    # what the budget allows, and not the default of 8 GiB
    params.cache_ram_mib = config["prompt_cache"] >> 20
    # 0: whatever the slot holds is kept in the cache before another prompt takes its place
    params.slot_prompt_similarity = 0.0
    params.n_ctx_checkpoints = 0  # memory that the budget does not know
    params.hostnames = [config["socket"]]
    params.port = 0
    params.timeout_read = REQUEST_SECONDS
    params.n_threads_http = THREADS
    params.api_keys = [config["key"]]
    params.warmup = False
    params.ui = False
    params.verbosity = 1  # errors; 0 would hide the reason of a failed load
    return engine.Server(params)


if __name__ == "__main__":
    main()
