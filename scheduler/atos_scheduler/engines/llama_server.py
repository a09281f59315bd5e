"""The `llama-server` binary of the machine: where it is, what it can do, and how it is called.

It speaks the same HTTP as the embedded library, but may have been built for the GPU. It is found as
`ATOS_LLAMA_SERVER`, else on PATH, where a GPU is visible; without a GPU only if it was named. Standard library only: the worker that starts
it imports this.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ASK_SECONDS = 20.0
ALL_LAYERS = 999
DEVICE_LINE = re.compile(r"^\s+(\w+\d+): (.+)$", re.MULTILINE)
OFF = "none"
"""Value of ATOS_LLAMA_SERVER that keeps the one on PATH from being used."""


@dataclass(frozen=True, slots=True)
class LlamaServer:
    """A binary, and the GPUs that it was built for and sees."""

    path: str
    gpus: tuple[str, ...]
    """As it names them, such as `CUDA0`; none for a build for the CPU."""
    trouble: str = ""
    """Why it can't be used, in one line."""


def find(named: str, path: str | None = None) -> str:
    """Return the path of the binary that was named or is on PATH; "" if there is none.

    Args:
        named: `ATOS_LLAMA_SERVER`: a path, a name, `none`, or "".
        path: where to look instead of PATH.
    """
    if named == OFF:
        return ""
    return shutil.which(os.path.expanduser(named or "llama-server"), path=path) or ""  # noqa: PTH111


def inspect(path: str, environ: Mapping[str, str]) -> LlamaServer:
    """Ask a binary which devices it sees."""
    try:
        done = subprocess.run(
            [path, "--list-devices"], env=dict(environ), capture_output=True, text=True,
            timeout=ASK_SECONDS, check=False, errors="replace",
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return LlamaServer(path, (), f"{path} can't be run: {error}")
    if done.returncode:
        last = ([*done.stderr.strip().splitlines(), ""])[0]
        return LlamaServer(path, (), f"{path} ended with {done.returncode}: {last[:200]}")
    found = DEVICE_LINE.findall(done.stdout + done.stderr)
    gpus = tuple(name for name, _about in found if not name.upper().startswith(("CPU", "BLAS")))
    return LlamaServer(path, gpus)


def arguments(config: Mapping[str, Any], known: str) -> list[str]:
    """Return the command line that loads a model as the ledger has it charged.

    Args:
        config: the worker's configuration.
        known: what `llama-server --help` prints: options that a build does not know are left out.
    """
    cache, slots = config["cache"], config["slots"]
    needed = {
        "--model": config["path"],
        "--host": config["socket"],
        "--parallel": slots,
        "--ctx-size": config["context"] * slots,  # the total, split over the slots
        "--threads": config["threads"],
        "--batch-size": config["batch"],
        "--ubatch-size": config["batch"],
        "--gpu-layers": config["gpu_layers"],
    }
    wanted = {
        "--cache-type-k": cache,
        "--cache-type-v": cache,
        "--cache-ram": config["prompt_cache"] >> 20,
        "--slot-prompt-similarity": 0.0,
        "--ctx-checkpoints": 0,
        "--fit": "off",
        "--timeout": 600,
    }
    switches = ("--no-mmap", "--no-kv-unified", "--no-warmup", "--no-webui", "--slots", "--jinja")
    pairs = needed | {name: value for name, value in wanted.items() if _knows(known, name)}
    flat = [text for name, value in pairs.items() for text in (name, str(value))]
    return [*flat, *(name for name in switches if _knows(known, name))]


def _knows(known: str, option: str) -> bool:
    return re.search(rf"(^|[\s,]){re.escape(option)}(?![\w-])", known) is not None
