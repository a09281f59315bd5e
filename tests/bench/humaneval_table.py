"""The tables of `real-humaneval`: what each arm delivers, and what it costs. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from bench.arms import ARMS, CEILING
from bench.figures import Paired, Share, paired
from bench.outcomes import Facts, Spent, Unit
from bench.policy import Decision, Policy


@dataclass(frozen=True, slots=True)
class ArmFigures:
    """One arm over a group of problems."""

    arm: str
    solved: Share
    """Delivered and right, of all problems: what is asked or given up counts as wrong."""
    wrong: Share
    """Wrong, of what was accepted."""
    asked: int
    against_greedy: Paired
    against_loads: Paired
    tokens: float
    """Mean of a problem's generated tokens."""
    seconds: float
    """Mean of a problem's seconds of reading and generating."""
    cost: float
    """Tokens as a multiple of greedy's."""


def delivered_right(unit: Unit, decision: Decision) -> bool:
    """Tell whether a policy delivers a right program."""
    return decision.accepted and decision.choice >= 0 and unit.score.right[decision.choice]


def spent(facts: Facts, decision: Decision) -> Spent:
    """Return what a policy would have cost."""
    used = [*facts.programs[: decision.samples], *facts.testers[: decision.testers]]
    return Spent(sum(one.tokens for one in used), sum(one.seconds for one in used))


def without_examples(unit: Unit) -> Unit:
    """Return a problem as if its text had no examples: rows that repeat one are taken away, too."""
    facts, keep = unit.facts, unit.facts.written
    place = {row: at for at, row in enumerate(keep)}
    bare = replace(
        facts,
        rows=tuple(facts.rows[row] for row in keep),
        examples=(),
        suites=tuple(tuple(place[r] for r in suite if r in place) for suite in facts.suites),
        candidates=tuple(
            replace(one, rows=tuple(one.rows[row] for row in keep)) for one in facts.candidates
        ),
    )
    score = replace(unit.score, valid=tuple(unit.score.valid[row] for row in keep))
    return replace(unit, facts=bare, score=score)


def figures(units: Sequence[Unit], arms: Mapping[str, Policy] = ARMS) -> list[ArmFigures]:
    """Return a line for each arm; the first two are those that the others are compared with."""
    decisions = {arm: [policy(unit.facts) for unit in units] for arm, policy in arms.items()}
    right = {
        arm: [delivered_right(unit, one) for unit, one in zip(units, made, strict=True)]
        for arm, made in decisions.items()
    }
    costs = {
        arm: [spent(unit.facts, one) for unit, one in zip(units, made, strict=True)]
        for arm, made in decisions.items()
    }
    greedy, loads = list(arms)[:2]
    plain = sum(one.tokens for one in costs[greedy]) or 1
    return [
        ArmFigures(
            arm,
            Share(sum(right[arm]), len(units)),
            _wrong(units, made),
            sum(one.asked for one in made),
            paired(right[arm], right[greedy]),
            paired(right[arm], right[loads]),
            statistics.mean(one.tokens for one in costs[arm]),
            statistics.mean(one.seconds for one in costs[arm]),
            sum(one.tokens for one in costs[arm]) / plain,
        )
        for arm, made in decisions.items()
    ]


def _wrong(units: Sequence[Unit], made: Sequence[Decision]) -> Share:
    taken = [delivered_right(u, one) for u, one in zip(units, made, strict=True) if one.accepted]
    return Share(taken.count(False), len(taken))


def ceiling(units: Sequence[Unit]) -> Share:
    """Return how many problems have a right program among their candidates."""
    return Share(sum(any(unit.score.right) for unit in units), len(units))


def rows_of(units: Sequence[Unit], which: Callable[[Facts], Sequence[int]]) -> Share:
    """Return how many rows of a kind the right solution passes."""
    found = [unit.score.valid[row] for unit in units for row in which(unit.facts)]
    return Share(sum(found), len(found))


def groups(units: Sequence[Unit]) -> dict[str, list[Unit]]:
    """Return the groups of problems that have a table each."""
    given = [unit for unit in units if unit.facts.examples]
    return {
        "all problems": list(units),
        "problems with an example in their text": given,
        "the same problems, their examples taken away": [without_examples(unit) for unit in given],
    }


def tables(units: Sequence[Unit]) -> list[str]:
    """Return the tables of one model as Markdown."""
    lines: list[str] = []
    for title, some in groups(units).items():
        if some:
            lines += ["", f"*{title}* ({len(some)})", "", *_table(some)]
    valid = rows_of(units, lambda facts: facts.examples), rows_of(units, lambda f: f.written)
    lines += ["", f"Valid rows, %: examples {valid[0]} of {valid[0].of}, "]
    lines[-1] += f"testers' {valid[1]} of {valid[1].of}."
    return lines[1:]


def _table(units: Sequence[Unit]) -> list[str]:
    head = "| arm | solved, % | wrong of accepted, % | asked | against greedy | against first that loads |"
    lines = [f"{head} tokens | x greedy | s |", "|---|---|---|---|---|---|---|---|---|"]
    for one in figures(units):
        cells = [
            one.arm, one.solved, f"{one.wrong} of {one.wrong.of}", one.asked, one.against_greedy,
            one.against_loads, round(one.tokens), f"{one.cost:.1f}", f"{one.seconds:.1f}",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return [*lines, f"| {CEILING} | {ceiling(units)} | | | | | | | |"]
