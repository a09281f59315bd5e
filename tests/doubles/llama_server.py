"""A real OpenAI-compatible server for tests: llama.cpp over a GGUF made here, in its own process."""

import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

SERVER = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.model_alias = sys.argv[1], {sys.argv[2]}
params.n_parallel, params.n_ctx, params.port = 2, 4096, 0
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
params.use_jinja = params.warmup = params.ui = False
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


@contextmanager
def llama_server(weights: Path, name: str) -> Generator[str]:
    """Serve a GGUF file under a name; yield the address."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(weights), name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.kill()
