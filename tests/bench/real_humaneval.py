"""`make bench NAME=real-humaneval`: policies over recorded replies of real models, without any model.

Replays every `tests/data/<model>-outcomes.jsonl.gz`, prints the tables and writes
`build/bench/real-humaneval.json`. `LIVE=1 MODEL=... DATA=...` records and judges first.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict
from pathlib import Path

import anyio

from bench import outcomes, record_replies
from bench.humaneval_table import ceiling, figures, groups, tables
from bench.outcomes import Unit, read_units
from bench.table import BUILD

DATA = Path(__file__).parent.parent / "data"
REPLIES, OUTCOMES = "-replies.jsonl.gz", "-outcomes.jsonl.gz"


def models(data: Path = DATA) -> dict[str, list[Unit]]:
    """Return the recorded models and their problems."""
    found = sorted(data.glob(f"*{OUTCOMES}"))
    return {path.name.removesuffix(OUTCOMES): read_units(path) for path in found}


def page(recorded: dict[str, list[Unit]]) -> list[str]:
    """Return the tables of all models as Markdown."""
    lines: list[str] = []
    for model, units in recorded.items():
        lines += ["", f"**{model}**, {len(units)} problems", "", *tables(units)]
    return lines[1:]


def report(recorded: dict[str, list[Unit]]) -> None:
    """Print the tables and write the file."""
    print("\n".join(page(recorded)))
    body = {
        model: {
            title: {
                "problems": len(some),
                "ceiling": asdict(ceiling(some)),
                "arms": [asdict(arm) for arm in figures(some)],
            }
            for title, some in groups(units).items()
            if some
        }
        for model, units in recorded.items()
    }
    BUILD.mkdir(parents=True, exist_ok=True)
    (BUILD / "real-humaneval.json").write_text(json.dumps(body, indent=2), encoding="utf-8")


async def live() -> None:
    """Record a model and judge its replies, both from where an earlier call broke off.

    Raises:
        SystemExit: MODEL or DATA is not set.
    """
    model, data = os.environ.get("MODEL"), os.environ.get("DATA")
    if not model or not data:
        message = "LIVE=1 needs MODEL=path of a GGUF file and DATA=path of HumanEval.jsonl.gz"
        raise SystemExit(message)
    name, count = Path(model).stem, int(os.environ.get("PROBLEMS", str(record_replies.PROBLEMS)))
    replies = DATA / f"{name}{REPLIES}"
    given = argparse.Namespace(
        model=Path(model), data=Path(data), out=replies, problems=count, threads=0
    )
    await record_replies.main(given)
    judged = argparse.Namespace(data=Path(data), replies=replies, out=DATA / f"{name}{OUTCOMES}")
    await outcomes.main(judged)


def main() -> None:
    """Record if asked to, then replay."""
    if os.environ.get("LIVE"):
        anyio.run(live)
    recorded = models()
    if not recorded:
        message = f"nothing is recorded in {DATA.name}/; set LIVE=1 MODEL=... DATA=..."
        raise SystemExit(message)
    report(recorded)


if __name__ == "__main__":
    main()
