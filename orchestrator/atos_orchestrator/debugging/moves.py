"""A decision of the debug graph, and what is common to all ways to it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from atos_orchestrator.debugging.by_function import WHOLE_FILE, Focus
from atos_orchestrator.debugging.facts import Facts
from atos_orchestrator.debugging.state import DebugState
from atos_orchestrator.strategies.strategy import SamplingPlan
from atos_protocol.goals import Proof

MORE_FOR_ERRORS = 3
"""Samples that stated errors are worth which the first good candidate does not raise; one for each function
where more functions lack one. Each writes one function, so all of them cost less than one whole file."""

Node = Literal[
    "sample",
    "combine",
    "translate",
    "refuse",
    "testers",
    "evaluate",
    "repair",
    "escalate",
    "test",
    "accept",
    "ask",
]


@dataclass(frozen=True, slots=True)
class Move:
    """The next node, and the candidate that it is about."""

    node: Node
    candidate: int = -1
    proof: Proof = ""
    evidence: str = ""
    kept: tuple[int, ...] = ()
    """Assertions that stay, by index."""
    rival: int = -1
    """The best candidate that behaves otherwise; -1 where there is none."""
    picks: tuple[int, ...] = ()
    """For each function of the task the candidate that it is taken from; with `combine` and `ask`."""
    about: str = ""
    """With `testers`: the function that too few assertions are about. With `ask`: the function on which `candidate` and `rival` differ; empty for the whole file."""
    focus: Focus = WHOLE_FILE
    """With `sample`: what is to be written. With `refuse`: the function, and the clause about its error."""
    row: int = -1
    """With `ask`: the row about a stated error that the candidate does not raise; -1 where that is not the question."""


def more(state: DebugState, facts: Facts, plans: Sequence[SamplingPlan]) -> Move:
    """Go on without a candidate that can be taken."""
    plan = plans[state["stage"]]
    if state["sampled"] < plan.samples:
        return Move("sample")
    if not state["repaired"] and (at := _repairable(facts, reflect=plan.reflect)) >= 0:
        return Move("repair", at)
    if state["stage"] + 1 < len(plans):
        return Move("escalate")
    return Move("ask", best(facts))


def _repairable(facts: Facts, *, reflect: bool) -> int:
    """Return the candidate to repair: one with a mechanical fault, or the best where models can reflect."""
    for at, candidate in enumerate(facts.candidates):
        if candidate.mechanical and candidate.draft:
            return at
    return best(facts) if reflect else -1


def best(facts: Facts) -> int:
    """Return the candidate that passes most, -1 where there is none."""

    def score(at: int) -> tuple[int, int, int]:
        column = facts.columns[at]
        passed = sum(column.passes(row) for row in range(len(facts.assertions)))
        return passed, facts.candidates[at].passed, -at

    drafts = [at for at, candidate in enumerate(facts.candidates) if candidate.draft]
    return max(drafts, key=score, default=-1)


def is_new(facts: Facts, picks: tuple[int, ...]) -> bool:
    """Tell whether a combination takes from several candidates, and was not made before."""
    return len(set(picks)) > 1 and all(each.parts != picks for each in facts.candidates)


def with_untested(
    move: Move,
    facts: Facts,
    errors: frozenset[tuple[str, str]],
    required: frozenset[tuple[str, str]],
) -> Move:
    """Return a move whose evidence says how many of the goal's stated errors have no row.

    Args:
        move: the move.
        facts: what is known.
        errors: errors that no example shows: clause, and a function that may raise it.
        required: those of which the goal clearly says which function raises them.
    """
    if move.node != "test" or not move.evidence:
        return move
    tested = {clause for clause, _ in facts.errors}
    silent = {clause for clause, _ in errors} - tested
    partly = {each for each in (errors & required) - facts.errors if each[0] in tested and each[1]}
    if not (count := len(silent) + len(partly)):
        return move
    words = "1 stated error" if count == 1 else f"{count} stated errors"
    return replace(move, evidence=f"{move.evidence}, {words} untested")


def stated(errors: frozenset[tuple[str, str]]) -> int:
    """Return how many clauses there are among errors of single functions."""
    return len({clause for clause, _ in errors})
