"""What a model is estimated to take, beside the peak of its worker: `make bench NAME=memory-estimates MODELS="A.gguf ..."`.

Each model is loaded on the CPU with 1 and 4 slots and with both types of key/value cache, at a context of 4,096, as the
scheduler would load it; then every slot reads a prompt of `TOKENS` (512) tokens at once. The peak is what the kernel says of the
worker's process (VmHWM). The prompt cache, which fills as it is used, is left out of both. Rows go to
`build/bench/memory-estimates.json`.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import anyio

from atos_protocol.settings import Settings
from atos_scheduler.catalogue.contracts import deployment_of
from atos_scheduler.catalogue.entries import ModelEntry
from atos_scheduler.engines.gguf_header import read_header
from atos_scheduler.engines.llama_cpp import LlamaCpp
from atos_scheduler.engines.protocol import InstalledModel, Request

OUT = Path("build/bench/memory-estimates.json")
CONTEXT = 4096
TOKENS = int(os.environ.get("TOKENS", "512"))
SHAPES = [(slots, cache) for cache in ("f16", "q8_0") for slots in (1, 4)]


@dataclass(frozen=True, slots=True)
class Row:
    """One cell of the table, in bytes."""

    model: str
    slots: int
    cache: str
    estimate: int
    peak: int

    @property
    def off(self) -> float:
        """By how much the estimate differs from the peak, as a share of the peak."""
        return self.estimate / self.peak - 1


def peak_of(pid: int) -> int:
    """Return the most bytes that a process has had in memory at once."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(pid)


async def measure(path: Path, slots: int, cache: str, home: Path) -> Row:
    """Load a model, let every slot read a prompt, and end it again."""
    engine = LlamaCpp(Settings(home=home, workspaces=home, gguf=(path,)))
    header = read_header(path)
    installed = InstalledModel(path.stem, header.size, header.details(), header.context)
    entry = ModelEntry.model_validate({"context": CONTEXT, "slots": slots, "cache": cache})
    found = deployment_of(engine, installed, entry, "cpu")
    await engine.load(replace(found.spec, prompt_cache=0))
    try:

        async def read(number: int) -> None:
            prompt = f"{number}" + " word" * TOKENS
            request = Request(path.stem, prompt=prompt, max_tokens=2, deadline=600)
            async for _chunk in engine.answer(request):
                pass

        async with anyio.create_task_group() as group:
            for number in range(slots):
                group.start_soon(read, number)
        model = engine.model(path.stem)
        assert model is not None
        estimate = found.candidate.bytes - found.spec.prompt_cache
        return Row(path.stem, slots, cache, estimate, peak_of(model.engine_pid))
    finally:
        await engine.close()


async def table(paths: list[Path]) -> list[Row]:
    """Measure every cell, one after the other."""
    rows = list[Row]()
    with tempfile.TemporaryDirectory(prefix="atos") as home:
        for path in paths:
            for slots, cache in SHAPES:
                rows.append(row := await measure(path, slots, cache, Path(home)))
                sizes = f"{row.estimate / 2**20:6.0f} / {row.peak / 2**20:6.0f} MiB"
                print(f"{row.model:22} {slots} x {cache:5} {sizes}  {row.off:+.1%}", flush=True)
    return rows


def main() -> None:
    """Print the table, and keep its rows."""
    rows = anyio.run(table, [Path(path).resolve() for path in os.environ["MODELS"].split()])
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


if __name__ == "__main__":
    main()
