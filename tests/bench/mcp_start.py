"""`make bench NAME=mcp-start`: what a stdio server costs an MCP host at its start, beside the TypeScript reference.

One process of each, asked for `initialize` and `tools/list`, in interleaved rounds; CPU is the kernel's account of
the process (`wait4`), the clock runs until the list is there. The reference is the filesystem server in TypeScript
(REFERENCE=path of its `dist/index.js`); ATOS's host is up, as it is for every client but the first.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from bench.filesystem import SHIM, reference
from bench.shim import cpu_of
from bench.table import report, row

ROUNDS = int(os.environ.get("ROUNDS", "15"))
SHARE = 0.15
"""Of the reference's CPU, the most that is wanted."""


def main() -> None:
    """Measure, print the table and write `build/bench/mcp-start.json`."""
    with tempfile.TemporaryDirectory(prefix="atosfs") as folder:
        commands = {
            "atos": [sys.executable, "-S", "-I", str(SHIM), "all", str(Path(folder).resolve())],
            "reference": ["node", str(reference()), str(Path(folder).resolve())],
        }
        for command in commands.values():
            cpu_of([command], answers=2)  # byte-compiles and warms the page cache
        cpu: dict[str, list[float]] = {name: [] for name in commands}
        clock: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(ROUNDS):
            for name, command in commands.items():
                began = time.perf_counter()
                cpu[name].append(cpu_of([command], answers=2))
                clock[name].append((time.perf_counter() - began) * 1000)
    peer = row("the TypeScript reference: CPU", cpu["reference"], "ms")
    rows = [
        row(f"ATOS's shim: CPU, limit {SHARE} x", cpu["atos"], "ms", SHARE * peer.median),
        peer,
        row("ATOS's shim: start, list, end", clock["atos"], "ms"),
        row("the TypeScript reference: start, list, end", clock["reference"], "ms"),
    ]
    report("mcp-start", rows)


if __name__ == "__main__":
    main()
