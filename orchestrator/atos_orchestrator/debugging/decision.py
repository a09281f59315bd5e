"""What the debug graph does next: a pure function of what is known about the candidates.

Where tests were handed in, or examples are law, candidates are drawn one by one and the first that meets
them goes on to the final test; a stated error that no example shows gets rows of its own first. Where there is neither, all candidates of a pool are drawn, testers write
assertions, and `selection` picks. If nobody can be picked: a repair of a mechanical fault, the
next pool, and in the end a person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from atos_orchestrator.debugging.assertions import Assertion
from atos_orchestrator.debugging.selection import Choice, Column, choose, meeting
from atos_orchestrator.debugging.state import Candidate, DebugState
from atos_orchestrator.durable_json import decode
from atos_orchestrator.strategies.strategy import SamplingPlan
from atos_protocol.goals import Proof

MORE_FOR_ERRORS = 2
"""Samples that a stated error is worth which the first good candidate does not raise."""

Node = Literal["sample", "testers", "evaluate", "repair", "escalate", "test", "accept", "ask"]


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


@dataclass(frozen=True, slots=True)
class Facts:
    """The graph's state, read."""

    candidates: tuple[Candidate, ...]
    assertions: tuple[Assertion, ...]
    columns: tuple[Column, ...]
    """Per candidate; one that can't be used does not load."""
    weak: bool
    calls: tuple[str, ...] = ()
    """Calls on which the candidates' values are compared."""

    @property
    def examples(self) -> list[int]:
        """Assertions that are law, by index."""
        return [at for at, row in enumerate(self.assertions) if row.origin == "example"]

    @property
    def written(self) -> list[int]:
        """Assertions that models wrote, by index."""
        return [at for at, row in enumerate(self.assertions) if row.origin != "example"]

    @property
    def errors(self) -> frozenset[tuple[str, str]]:
        """Stated errors for which there is a row: clause, and the function that is to raise it."""
        return frozenset(
            (row.clause, row.about) for row in self.assertions if row.origin == "error"
        )

    def errors_shown(self, at: int) -> frozenset[tuple[str, str]]:
        """Return the stated errors for which a candidate passes a row."""
        column = self.columns[at]
        return frozenset(
            (row.clause, row.about)
            for number, row in enumerate(self.assertions)
            if row.origin == "error" and column.passes(number)
        )

    @property
    def usable(self) -> list[int]:
        """Candidates that may still be chosen."""
        return [at for at, candidate in enumerate(self.candidates) if candidate.usable]


def read_state(state: DebugState) -> Facts:
    """Read the parts of a state that decide."""
    candidates = tuple(decode(Candidate, each) for each in state["candidates"])
    columns = tuple(
        _column(state, at) if candidate.usable else Column(loads=False)
        for at, candidate in enumerate(candidates)
    )
    assertions = tuple(decode(Assertion, each) for each in state["assertions"])
    return Facts(candidates, assertions, columns, state["weak"], tuple(state["calls"]))


def _column(state: DebugState, at: int) -> Column:
    seen: Mapping[str, Any] = state["outcomes"].get(str(at), {})
    rows, values = seen.get("rows", {}), seen.get("values", {})
    return Column(
        tuple(rows.get(str(row), "") for row in range(len(state["assertions"]))),
        tuple(values.get(call, "") for call in state["calls"]),
        loads=bool(seen.get("loads", True)),
    )


def next_move(
    state: DebugState,
    plans: Sequence[SamplingPlan],
    *,
    supplied: bool,
    judged: bool,
    stated_errors: bool = False,
) -> Move:
    """Decide what comes next.

    Args:
        state: the graph's state.
        plans: what may be spent, pool by pool.
        supplied: whether test files decide that no model wrote.
        judged: whether there is anything that can be run; a page of documentation can't.
        stated_errors: whether the goal asks for an error that none of its examples shows.
    """
    facts, plan = read_state(state), plans[state["stage"]]
    if not judged or supplied:
        if usable := [at for at in facts.usable if facts.candidates[at].passed < 0]:
            node: Node = "test" if supplied else "accept"
            proof: Proof = "tests" if supplied else "unproven"
            return Move(node, usable[0], proof)
        return _more(state, facts, plans)
    if facts.examples and not facts.weak:
        return _by_examples(state, facts, plans, ask_for_errors=stated_errors and plan.testers > 0)
    if state["sampled"] < plan.samples:
        return Move("sample")
    if state["asked"] < plan.testers:
        return Move("testers")
    return _agreed(state, facts, plans)


def _by_examples(
    state: DebugState, facts: Facts, plans: Sequence[SamplingPlan], *, ask_for_errors: bool
) -> Move:
    """Take the first candidate that meets the examples, unless it does not raise what the goal asks for.

    A row that a rule has begun for a stated error is valid in three of five cases, but a candidate without
    the check passes none. So one that passes a row for each stated error is worth two more samples.
    """
    good = meeting(facts.columns, facts.examples)
    if not good:
        return _more(state, facts, plans)
    if ask_for_errors and not state["asked"]:
        return Move("testers")
    best_at = max(good, key=lambda at: (len(facts.errors_shown(at)), -at))
    shown = facts.errors_shown(best_at)
    open_ones = facts.errors - shown
    more = min(plans[state["stage"]].samples, good[0] + 1 + MORE_FOR_ERRORS)
    if open_ones and state["sampled"] < more:
        return Move("sample")
    kept = tuple(row for row in range(len(facts.assertions)) if facts.columns[best_at].passes(row))
    words = f"{len(facts.examples)} of {len(facts.examples)} examples"
    if clauses := {clause for clause, _ in facts.errors}:
        words += f", {len({clause for clause, _ in shown})} of {len(clauses)} stated errors"
    return Move("test", best_at, "examples", words, kept)


def _agreed(state: DebugState, facts: Facts, plans: Sequence[SamplingPlan]) -> Move:
    choice = choose(facts.columns, facts.examples, facts.written, decisive=False)
    if choice.accepted:
        return Move(
            "test", choice.candidate, "agreed", described(choice), choice.kept, choice.rival
        )
    move = _more(state, facts, plans)
    if move.node == "ask" and choice.candidate >= 0:
        return Move("ask", choice.candidate, "", described(choice), choice.kept, choice.rival)
    return move


def described(choice: Choice) -> str:
    """Return in words what agreement there is."""
    if not choice.passed:
        return f"{choice.group} of {choice.of} candidates give the same values"
    rows = "1 assertion" if choice.passed == 1 else f"{choice.passed} assertions"
    return f"{rows} that {choice.group} of {choice.of} candidates pass"


def _more(state: DebugState, facts: Facts, plans: Sequence[SamplingPlan]) -> Move:
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
