"""A `llama-server` for tests: the command line of the binary over the library that is installed.

Real weights, real HTTP, real process; only the binary itself is missing. What a real one does is tried by
`make test-long`, where one is built (tests/scheduler/engines/test_llama_server.py).
"""

import argparse
import importlib
import os
import signal
import sys
from pathlib import Path

OPTIONS = (
    "--model", "--host", "--parallel", "--ctx-size", "--threads", "--batch-size", "--ubatch-size",
    "--gpu-layers", "--cache-type-k", "--cache-type-v", "--cache-ram", "--slot-prompt-similarity",
)  # fmt: skip
SWITCHES = ("--no-mmap", "--no-warmup", "--no-webui")


def write(folder: Path, devices: str = "") -> Path:
    """Write an executable `llama-server` that lists these devices, a line each."""
    file = folder / "llama-server"
    file.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        f"from llama_server_binary import main\nmain({devices!r})\n"
    )
    file.chmod(0o755)
    return file


def main(devices: str) -> None:
    if "--list-devices" in sys.argv:
        print("Available devices:\n" + devices)
        return
    if "--help" in sys.argv:
        print("\n".join((*OPTIONS, *SWITCHES)))
        return
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for option in OPTIONS:
        parser.add_argument(option, required=True)
    for switch in SWITCHES:
        parser.add_argument(switch, action="store_true", required=True)
    serve(parser.parse_args())
    signal.pause()


def serve(given: argparse.Namespace) -> object:
    engine = importlib.import_module("xllamacpp")
    params = engine.CommonParams()
    params.model.path, params.hostnames, params.port = given.model, [given.host], 0
    params.n_parallel, params.n_ctx = int(given.parallel), int(given.ctx_size)
    params.n_batch, params.n_ubatch = int(given.batch_size), int(given.ubatch_size)
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = int(given.threads)
    params.cache_ram_mib = int(given.cache_ram)
    params.slot_prompt_similarity = float(given.slot_prompt_similarity)
    params.load_mode = engine.llama_load_mode.LLAMA_LOAD_MODE_NONE
    params.kv_unified, params.fit_params, params.warmup, params.ui = False, False, False, False
    params.api_keys, params.verbosity = [os.environ["LLAMA_API_KEY"]], 1
    global server  # kept alive, as long as the process
    server = engine.Server(params)
    return server


server: object = None
