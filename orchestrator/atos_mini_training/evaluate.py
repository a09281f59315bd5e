"""Scores atos-mini: ``python -m atos_mini_training.evaluate GGUF --held-out TSV --near-misses TXT``.

Prints the two tables of ``docs/atos_mini.md``: the model alone, on prompts as they are; and the shipped
path, where the scope check decides and maps a goal to its canonical wording before the model sees it.
Answers run in a subprocess of their own, isolated from the environment, with a deadline.
"""

import argparse
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from atos_mini_training.corpus import Split, example, toolkit_example
from atos_mini_training.engine import open_model
from atos_orchestrator.strategies.mini import dialect
from atos_orchestrator.strategies.mini.catalogue import (
    call_text,
    expected,
    families,
    function,
    module_name,
)
from atos_orchestrator.strategies.mini.family import Function, Wanted
from atos_orchestrator.strategies.mini.scope import Refusal, check, wanted

PROMPTS = 300
DEADLINE_S = 5.0

Ask = Callable[[str], str]


@dataclass(slots=True)
class Tally:
    """Counts of one row, and the prompts that came out wrong."""

    name: str
    counts: Counter[str] = field(default_factory=Counter[str])
    wrong: list[str] = field(default_factory=list[str])

    def add(self, prompt: str, outcome: str) -> None:
        """Count one outcome: right, refused or wrong."""
        self.counts[outcome] += 1
        if outcome == "wrong":
            self.wrong.append(prompt)

    def row(self) -> str:
        """Write the row as Markdown."""
        total = self.counts.total()
        right, refused, wrong = (self.counts[key] for key in ("right", "refused", "wrong"))
        return f"| {self.name} | {total} | {right} ({right / total:.1%}) | {refused} | {wrong} |"


@dataclass(frozen=True, slots=True)
class HeldOut:
    """A wording written down before training, and the module that a person would expect."""

    module: str
    goal: str


def main(argv: list[str] | None = None) -> None:
    """Evaluate the model file named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gguf", type=Path)
    parser.add_argument("--held-out", type=Path, required=True)
    parser.add_argument("--near-misses", type=Path, required=True)
    arguments = parser.parse_args(argv)
    held_out = read_held_out(arguments.held_out)
    near_misses = arguments.near_misses.read_text().splitlines()
    with open_model(arguments.gguf) as ask:
        report(sys.stdout, "The model alone", list(alone(ask, held_out)))
        report(sys.stdout, "The shipped path", [shipped(ask, held_out), refused(near_misses)])


def report(out: TextIO, title: str, tallies: list[Tally]) -> None:
    """Write a table, and below it what came out wrong."""
    out.write(
        f"\n{title}\n\n| prompts | asked | right | refused | wrong |\n|---|---|---|---|---|\n"
    )
    out.writelines(tally.row() + "\n" for tally in tallies)
    for tally in tallies:
        out.writelines(f"wrong ({tally.name}): {prompt}\n" for prompt in tally.wrong)


def read_held_out(path: Path) -> list[HeldOut]:
    """Read the wordings: module and goal, separated by a tab."""
    return [HeldOut(*line.split("\t")) for line in path.read_text().splitlines() if line]


def alone(ask: Ask, held_out: list[HeldOut]) -> Iterator[Tally]:
    """Score the model without the scope check, on prompts as they are."""
    splits: tuple[tuple[str, Split], ...] = (
        ("sentence templates never trained", "templates"),
        ("combinations never trained", "combinations"),
    )
    for name, split in splits:
        yield _drawn(ask, name, split)
    yield _plans(ask)
    tally = Tally("held-out wordings, as they are")
    by_module = {module_name(one): one for one in every_wanted(held_out)}
    for one in held_out:
        tally.add(one.goal, outcome(ask(one.goal), by_module[one.module], any_name=True))
    yield tally


def shipped(ask: Ask, held_out: list[HeldOut]) -> Tally:
    """Score the path that goals take: scope check, canonical wording, model, reference."""
    tally = Tally("held-out wordings")
    for one in held_out:
        scope = check(one.goal)
        if isinstance(scope, Refusal):
            tally.add(one.goal, "refused")
        elif [module_name(found) for found in scope.wanted] != [one.module]:
            tally.add(one.goal, "wrong")
        else:
            found = scope.wanted[0]
            tally.add(one.goal, outcome(ask(dialect.code_prompt(found)), found))
    return tally


def refused(near_misses: list[str]) -> Tally:
    """Score goals that must be refused: an accepted one is wrong whatever the model answers."""
    tally = Tally("near misses")
    for goal in near_misses:
        tally.add(goal, "refused" if isinstance(check(goal), Refusal) else "wrong")
    return tally


def outcome(reply: str, one: Wanted, *, any_name: bool = False) -> str:
    """Hold a code reply against the reference of what was wanted."""
    found = function(one)
    try:
        code = dialect.parse_code(reply).code
    except dialect.ReplyError:
        return "wrong"
    return "right" if _holds(code + _proof(found, any_name=any_name)) else "wrong"


def every_wanted(held_out: list[HeldOut]) -> Iterator[Wanted]:
    """Yield what the held-out file names: every family without a number, and the numbered ones in it."""
    numbers = {int(part) for one in held_out for part in one.module.split("_") if part.isdecimal()}
    for family in families():
        if family.numbers is None:
            yield wanted(family)
        else:
            yield from (wanted(family, k) for k in numbers)


def _drawn(ask: Ask, name: str, split: Split) -> Tally:
    rng = random.Random(f"evaluate {split}")
    tally = Tally(name)
    for _ in range(PROMPTS):
        drawn = example(rng, split)
        tally.add(drawn.prompt, outcome(ask(drawn.prompt), drawn.wanted[0]))
    return tally


def _plans(ask: Ask) -> Tally:
    rng = random.Random("evaluate plans")
    tally = Tally("plans of toolkits, drawn anew")
    for _ in range(PROMPTS):
        drawn = toolkit_example(rng)
        tally.add(drawn.prompt, "right" if ask(drawn.prompt) == drawn.answer else "wrong")
    return tally


def _proof(found: Function, *, any_name: bool) -> str:
    """Write the checks of a reference as plain statements; `any_name` takes whatever was defined."""
    rename = (
        f"\n{found.name} = [v for v in list(globals().values()) if type(v) is type(lambda: 0)][-1]"
        if any_name
        else ""
    )
    lines = [
        f"assert alike({call_text(found, arguments)}, {expected(found, arguments)!r})"
        for arguments in found.cases
    ]
    alike = (
        "\ndef alike(a, b):\n    return abs(a - b) <= 1e-6 * max(1, abs(b)) "
        "if type(b) is float else a == b\n"
    )
    return "\n".join((rename, alike, *lines)) + "\n"


def _holds(program: str) -> bool:
    command = [sys.executable, "-I", "-S", "-c", program]
    try:
        done = subprocess.run(  # our interpreter, a fixed shape
            command, capture_output=True, timeout=DEADLINE_S, env={}, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


if __name__ == "__main__":
    main()
