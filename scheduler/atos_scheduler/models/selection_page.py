"""Writes docs/model_selection.md from the catalogue: `python -m atos_scheduler.models.selection_page`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from atos_scheduler.catalogue.contracts import samples_of
from atos_scheduler.catalogue.entries import Entries, ModelEntry, load_entries
from atos_scheduler.models.sizes import bytes_text
from atos_scheduler.models.survey import POOLS, needed

GIB = 1 << 30
RESERVE = 384 << 20
"""Of a card, as the NVML device keeps it back."""
MACHINES = (
    ("no GPU", "cpu", 16 * GIB),
    ("4 GB", "cuda", 4 * GIB - RESERVE),
    ("6 GB", "cuda", 6 * GIB - RESERVE),
    ("8 GB", "cuda", 8 * GIB - RESERVE),
    ("12 GB", "cuda", 12 * GIB - 12 * GIB // 20),
)
HEAD = """\
# Which model for which machine

Made from `scheduler/atos_scheduler/defaults/*.yaml` by
`python -m atos_scheduler.models.selection_page > docs/model_selection.md`; a test holds it.

Every model of the default pools is under a licence that lets anybody use it for any purpose, comes from
its maker's own repository at a pinned commit, and is accepted only with the sha256 below, whatever the
source. **Measured** was seen by us with the embedded engine; **published** is what others say. Memory is
the estimate for 4096 tokens in each slot, weights included.
"""


def page() -> str:
    """Return the page."""
    parts = [HEAD, "## Pools", *_pools(), "", "## What fits", *_fits(), "", "## The models"]
    parts += [*_models(), "", "## The set of the first sketch", *_seed(), "", FOOT]
    return "\n".join(parts)


def _entries(kind: str, budget: int, model_set: str = "default") -> Entries:
    return load_entries(Path("/nonexistent"), kind, budget, model_set)


def _default_models() -> dict[str, ModelEntry]:
    """Return the models of the default pools on any machine, smallest first."""
    found: dict[str, ModelEntry] = {}
    for _, kind, budget in MACHINES:
        entries = _entries(kind, budget)
        for pool in POOLS:
            found |= {name: entries.models[name] for name in entries.pools[pool].members}
    return dict(sorted(found.items(), key=lambda item: item[1].weights))


def _pools() -> Iterator[str]:
    yield "\nFirst choice first; a model that is already here is preferred to one that would be fetched.\n"
    yield "| memory | orchestrator | simple | medium | complex | samples |"
    yield "|---|---|---|---|---|---|"
    for label, kind, budget in MACHINES:
        pools = _entries(kind, budget).pools
        names = ("orchestrator", "simple", "medium", "complex")
        cells = [", ".join(pools[name].members[:2]) for name in names]
        weights = _entries(kind, budget).models[pools["complex"].members[0]].weights
        yield f"| {label} | {' | '.join(cells)} | {samples_of(pools['complex'], weights)} |"


def _fits() -> Iterator[str]:
    labels = [label for label, _, _ in MACHINES]
    yield f"\n| model | {' | '.join(labels)} |"
    yield "|---" * (len(labels) + 1) + "|"
    for name in _default_models():
        yield f"| {name} | {' | '.join(_cell(name, kind, size) for _, kind, size in MACHINES)} |"


def _cell(name: str, kind: str, budget: int) -> str:
    entry = _entries(kind, budget).models[name]
    needs, slots = needed(entry, kind), entry.slots or 1
    if needs > budget:
        return "no"
    return f"{bytes_text(needs)}, {slots} slot{'s' * (slots > 1)}"


def _models() -> Iterator[str]:
    for name, entry in _default_models().items():
        assert entry.download is not None
        file = entry.download
        yield f"\n### {name}\n"
        yield f"{entry.why[:1].upper()}{entry.why[1:]}.\n"
        yield f"* {entry.licence}, {bytes_text(file.bytes)}, Q4_K_M"
        yield (
            f"* [{file.repository}](https://huggingface.co/{file.repository}) at"
            f" `{file.revision}`, `{file.file}`"
        )
        yield f"* sha256 `{file.sha256}`"
        for kind, findings in (("measured", entry.measured), ("published", entry.published)):
            for one in findings:
                yield f"* {kind}: {one.what} {one.value} ({one.source})"


def _seed() -> Iterator[str]:
    yield "\n`ATOS_MODEL_SET=seed` lists these. They come by Ollama only, and their bytes are not checked.\n"
    yield "| model | licence |"
    yield "|---|---|"
    entries = _entries("cuda", 8 * GIB, "seed")
    names = {m for pool in POOLS for m in entries.pools[pool].members}
    for name in sorted(names - set(_default_models())):
        yield f"| {name} | {entries.models[name].licence} |"


FOOT = """\
## Rules

* **What is proposed** where no model is here: of the pools complex, orchestrator, medium, simple, in
  their order, the first model that is permissive, has a known sha256 (or Ollama runs), fits the memory
  that is free now, and has room on the disk.
* On the CPU a second model would cost more time to load than it saves, so every pool names the same two.
* On 6 and 8 GB one model does every role, since swapping a 5 GB model costs more than a second opinion
  brings. On 12 GB planner and coder stay in memory side by side.
* The files of 7B and larger, and of Granite, were not fetched by us: their hashes were read in several
  independent public places. A wrong one would make the download fail, never pass.
"""


def main() -> int:
    """Print the page."""
    sys.stdout.write(page())
    return 0


if __name__ == "__main__":
    sys.exit(main())
