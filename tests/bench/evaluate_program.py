"""One program against rows and calls, in code_runner's sandbox: the programs are a model's.

This is the place to switch to the product's own evaluation of candidates.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from atos_protocol.verdicts import CandidateOutcome
from atos_servers.code_runner.requests import Script
from atos_servers.code_runner.runner import Runner

CELLS = (Path(__file__).parent / "judge_cells.py").read_text(encoding="utf-8")
SECONDS = 38.0
LOST = "error: SystemExit: the process ended"

Row = tuple[str, float]
"""Source, and the seconds of CPU that it may use."""


async def evaluate_program(
    runner: Runner, program: str, name: str, rows: Sequence[Row], calls: Sequence[str]
) -> CandidateOutcome:
    """Return how a program loads, what each row says of it, and each call's value.

    Args:
        runner: where to run it.
        program: its source.
        name: what it must define.
        rows: assertions, which may use `raises(error, call)` and `same_(a, b)`.
        calls: expressions.
    """
    job = {"program": program, "name": name, "rows": rows, "calls": calls}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "job.json").write_text(json.dumps(job), encoding="utf-8")
        ran = await runner.script(root, [root], Script(code=CELLS), seconds=SECONDS)
    return outcome_of(ran.outcome.stdout.text, len(rows), len(calls))


def outcome_of(printed: str, rows: int, calls: int) -> CandidateOutcome:
    """Read what the cells printed; what a dead process did not say is an error."""
    lines = [json.loads(line) for line in printed.splitlines() if line.endswith('"')]
    whole = [*map(str, lines), *[LOST] * (1 + rows + calls)]
    return CandidateOutcome(
        load=whole[0],
        rows=tuple(whole[1 : 1 + rows]),
        values=tuple(whole[1 + rows : 1 + rows + calls]),
    )
