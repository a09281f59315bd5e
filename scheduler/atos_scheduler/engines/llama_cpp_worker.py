"""The process that holds one GGUF model: `python -m atos_scheduler.engines.llama_cpp_worker`.

    stdin   one JSON line {path, key, slots, context, threads, prompt_cache},
            then nothing: when it is closed we exit
    stdout  one JSON line {"url", "version"} when the model answers HTTP, nothing else
    stderr  llama.cpp's errors, lines with ` E `: the only place with the reason of a failed load

One process per model makes a crash in C++ an `EngineError` instead of the scheduler's end, and the
model's memory exactly that of the process. The API key comes by stdin, because every user of the
machine can read a command line.
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
from typing import Any

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Load the model, report its address, and run until stdin is closed."""
    _die_with_parent()
    report = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever C++ prints must not fill the pipe that nobody reads any more
    config = json.loads(sys.stdin.buffer.readline())
    watcher = threading.Thread(target=_end_with_stdin, daemon=True)
    watcher.start()
    server = _serve(config)
    ready = {"url": server.listening_address, "version": importlib.metadata.version("xllamacpp")}
    with report:
        report.write(json.dumps(ready) + "\n")
    watcher.join()


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


def _serve(config: dict[str, Any]) -> Any:
    """Start llama.cpp's server; it listens on a free loopback port when this returns."""
    engine = importlib.import_module(
        "xllamacpp"
    )  # no type information; only this process imports it
    params = engine.CommonParams()
    params.model.path = config["path"]
    params.n_parallel = config["slots"]
    params.n_ctx = config["context"] * config["slots"]  # n_ctx is the total, split over the slots
    params.cpuparams.n_threads = config["threads"]
    params.cpuparams_batch.n_threads = config["threads"]
    params.kv_unified = False  # each slot has its own part of the context
    params.fit_params = False  # no automatic sizing: the budget has fixed it
    # what the budget allows, and not the default of 8 GiB
    params.cache_ram_mib = config["prompt_cache"] >> 20
    # 0: whatever the slot holds is kept in the cache before another prompt takes its place
    params.slot_prompt_similarity = 0.0
    params.n_ctx_checkpoints = 0  # memory that the budget does not know
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [config["key"]]
    params.warmup = False
    params.ui = False
    params.verbosity = 1  # errors; 0 would hide the reason of a failed load
    return engine.Server(params)


if __name__ == "__main__":
    main()
