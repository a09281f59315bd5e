"""The outcome matrix: what every recorded program does with every row and call, computed once.

    PYTHONPATH=tests python -m bench.outcomes --data HumanEval.jsonl.gz \
        --replies M-replies.jsonl.gz --out M-outcomes.jsonl.gz

`Facts` is all that a policy may see. `Score` holds what the hidden tests and the right solution say, and
is read by the table alone.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import anyio

from atos_protocol.verdicts import CandidateOutcome
from atos_servers.code_runner.runner import Runner
from bench.evaluate_program import Row, evaluate_program
from bench.humaneval import Answers, read_problems
from bench.recorded import RecordedProblem, read_lines, read_recording, write_lines
from bench.row_rules import assertions_of, calls_of, examples_in, program_of, tolerant

IMPORTS = "from typing import *\nimport math\n"
"""What the problems' own heads give."""
MOST_CALLS = 40
ROW_SECONDS = 1.0
HIDDEN_SECONDS = 12.0


@dataclass(frozen=True, slots=True)
class Spent:
    """What a reply cost."""

    tokens: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a problem without its tests."""

    id: str
    rows: tuple[str, ...]
    """Assertions, each judged on its own."""
    examples: tuple[int, ...]
    """Rows that the problem's text gives."""
    suites: tuple[tuple[int, ...], ...]
    """Rows of each tester, in order."""
    calls: tuple[str, ...]
    candidates: tuple[CandidateOutcome, ...]
    """The first is the greedy one."""
    programs: tuple[Spent, ...]
    """Cost of each candidate."""
    testers: tuple[Spent, ...]
    """Cost of each suite."""

    @property
    def written(self) -> list[int]:
        """Rows that a tester wrote and no example says."""
        return [row for row in range(len(self.rows)) if row not in set(self.examples)]


@dataclass(frozen=True, slots=True)
class Score:
    """What is true, for the table only."""

    right: tuple[bool, ...]
    """For each candidate: the hidden tests pass."""
    valid: tuple[bool, ...]
    """For each row: the right solution passes it."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A problem with all that was found out about its replies."""

    model: str
    facts: Facts
    score: Score


def read_units(path: Path) -> list[Unit]:
    """Read a matrix that was computed before."""
    return [unit_of(json.loads(line)) for line in read_lines(path)]


def unit_of(data: dict[str, Any]) -> Unit:
    """Build a unit from its line."""
    facts = data["facts"]
    candidates = tuple(
        CandidateOutcome(c["load"], tuple(c["rows"]), tuple(c["values"]))
        for c in facts["candidates"]
    )
    return Unit(
        data["model"],
        Facts(
            id=facts["id"],
            rows=tuple(facts["rows"]),
            examples=tuple(facts["examples"]),
            suites=tuple(map(tuple, facts["suites"])),
            calls=tuple(facts["calls"]),
            candidates=candidates,
            programs=tuple(Spent(**spent) for spent in facts["programs"]),
            testers=tuple(Spent(**spent) for spent in facts["testers"]),
        ),
        Score(tuple(data["score"]["right"]), tuple(data["score"]["valid"])),
    )


async def unit(runner: Runner, recorded: RecordedProblem, answers: Answers) -> Unit:
    """Judge every program of a problem."""
    name = recorded.problem.name
    coders, testers = recorded.of("coder"), recorded.of("tester")
    written = [assertions_of(reply.text, name) for reply in testers]
    examples = examples_in(recorded.problem.text, name)
    rows = list(dict.fromkeys([*examples, *(row for suite in written for row in suite)]))
    calls = calls_of(rows, name)[:MOST_CALLS]
    cells: list[Row] = [(tolerant(row), ROW_SECONDS) for row in rows]
    outcomes: list[CandidateOutcome] = []
    right: list[bool] = []
    for reply in coders:
        program = IMPORTS + program_of(reply.text)
        outcomes.append(await evaluate_program(runner, program, name, cells, calls))
        right.append(await _passes(runner, program, name, answers.tests))
    solution = await evaluate_program(runner, answers.solution, name, cells, ())
    return Unit(
        recorded.model,
        Facts(
            id=recorded.problem.id,
            rows=tuple(rows),
            examples=tuple(map(rows.index, examples)),
            suites=tuple(tuple(map(rows.index, suite)) for suite in written),
            calls=tuple(calls),
            candidates=tuple(outcomes),
            programs=tuple(Spent(reply.tokens, reply.seconds) for reply in coders),
            testers=tuple(Spent(reply.tokens, reply.seconds) for reply in testers),
        ),
        Score(tuple(right), tuple(row == "pass" for row in solution.rows)),
    )


async def _passes(runner: Runner, program: str, name: str, tests: str) -> bool:
    """Run the hidden tests by themselves: a program that is late elsewhere may still be right."""
    found = await evaluate_program(runner, program, name, [(tests, HIDDEN_SECONDS)], ())
    return found.rows == ("pass",)


async def compute(
    recording: Sequence[RecordedProblem], answers: dict[str, Answers], out: Path
) -> None:
    """Write the matrix of a whole recording; what an earlier, broken-off call computed is kept."""
    part = out.with_name(f"{out.name}.part")
    done = part.read_text(encoding="utf-8").splitlines(keepends=True) if part.exists() else []
    lines = [line for line in done if line.endswith("\n")]
    part.write_text("".join(lines), encoding="utf-8")
    runner = Runner()
    for number, recorded in enumerate(recording[len(lines) :], len(lines) + 1):
        found = await unit(runner, recorded, answers[recorded.problem.id])
        with part.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps(asdict(found))}\n")
        right = sum(found.score.right)
        print(f"{number} of {len(recording)}, {found.facts.id}: {right} right", flush=True)
    write_lines(out, part.read_text(encoding="utf-8").splitlines())
    part.unlink()


async def main(given: argparse.Namespace) -> None:
    """Compute what the command line asks for."""
    problems = read_problems(given.data, 10**6)
    answers = {problem.id: answer for problem, answer in problems}
    await compute(read_recording(given.replies), answers, given.out)


def options() -> argparse.Namespace:
    """Read the command line."""
    read = argparse.ArgumentParser(description=__doc__)
    data = os.environ.get("ATOS_BENCH_DATA")
    read.add_argument("--data", type=Path, default=data, required=not data)
    read.add_argument("--replies", type=Path, required=True)
    read.add_argument("--out", type=Path, required=True)
    return read.parse_args()


if __name__ == "__main__":
    anyio.run(main, options())
