"""What the debug graph does next: a pure function of what is known about the candidates.

Where tests were handed in, or examples are law, candidates are drawn one by one and the first that meets
them goes on to the final test; a stated error that no example shows gets rows of its own first. Where there is
neither, all candidates of a pool are drawn, testers write assertions, and `selection` picks. A file of several
functions is judged function by function too (`by_function`): what is right in several candidates is put together,
and a further sample writes only what is missing. What does not raise an error that the goal asks for is not
accepted. If nobody can be picked: a repair of a mechanical fault, the
next pool, and in the end a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from atos_orchestrator.debugging.agreement import by_agreement
from atos_orchestrator.debugging.by_function import (
    backed,
    error_rows_of,
    next_focus,
    picked_by_examples,
    unbacked,
    unshown,
)
from atos_orchestrator.debugging.error_translation import may_translate
from atos_orchestrator.debugging.facts import Facts, read_state
from atos_orchestrator.debugging.moves import MORE_FOR_ERRORS, Move, Node, is_new, more, stated
from atos_orchestrator.debugging.refusals import refuse, unconfirmed
from atos_orchestrator.debugging.second_opinion import Opinion, opinion_of
from atos_orchestrator.debugging.selection import meeting
from atos_orchestrator.debugging.state import DebugState
from atos_orchestrator.strategies.strategy import SamplingPlan
from atos_protocol.goals import Proof

MORE_FOR_UNBACKED = 2
"""Samples that a function without an example is worth which no tester and no other candidate backs."""
MORE_FOR_SLIPS = 1
"""Samples that it is worth if the first good candidate crashes on something empty, or changes its argument."""

MORE_FOCUSED = 5
"""Samples on top where some functions are right and only the others are written anew: short ones, which examples judge."""


def next_move(
    state: DebugState,
    plans: Sequence[SamplingPlan],
    *,
    supplied: bool,
    judged: bool,
    stated_errors: bool = False,
    functions: Sequence[str] = (),
    required: frozenset[tuple[str, str]] = frozenset(),
) -> Move:
    """Decide what comes next.

    Args:
        state: the graph's state.
        plans: what may be spent, pool by pool.
        supplied: whether test files decide that no model wrote.
        judged: whether there is anything that can be run; a page of documentation can't.
        stated_errors: whether the goal asks for an error that none of its examples shows.
        functions: the functions of the task's file; none where it is not made of functions.
        required: stated errors that what is accepted must raise: clause and function.
    """
    facts, plan = read_state(state), plans[state["stage"]]
    if not judged or supplied:
        if usable := [at for at in facts.usable if facts.candidates[at].passed < 0]:
            node: Node = "test" if supplied else "accept"
            proof: Proof = "tests" if supplied else "unproven"
            return Move(node, usable[0], proof)
        return more(state, facts, plans)
    testers = testers_wanted(facts, plan, functions, stated_errors=stated_errors)
    if facts.decided:
        move = _by_examples(state, facts, plans, functions, testers)
    elif state["sampled"] < plan.samples:
        return Move("sample")
    elif state["asked"] < testers:
        return Move("testers")
    else:
        move = by_agreement(state, facts, plans, functions, testers)
    return _confirmed(state, facts, plans, move, required)


def _confirmed(
    state: DebugState,
    facts: Facts,
    plans: Sequence[SamplingPlan],
    move: Move,
    required: frozenset[tuple[str, str]],
) -> Move:
    """Return a move to the final test as it is, unless the candidate does not raise an error that it must raise."""
    rows = unconfirmed(facts, move.candidate, required) if move.node == "test" else []
    if not rows:
        return move
    if state["stage"] + 1 < len(plans):
        return Move("escalate", evidence=move.evidence)
    return replace(move, node="ask", proof="", row=rows[0], rival=-1)


def testers_wanted(
    facts: Facts, plan: SamplingPlan, functions: Sequence[str], *, stated_errors: bool
) -> int:
    """Return how many testers are asked.

    Where examples decide: one for each function without an example, and one at least where a stated error lacks
    one. Else each function has one at least.
    """
    if not plan.testers:
        return 0
    if facts.decided:
        return max(len(unshown(facts, functions)), int(stated_errors))
    return max(plan.testers, len(functions))


def _by_examples(
    state: DebugState,
    facts: Facts,
    plans: Sequence[SamplingPlan],
    functions: Sequence[str],
    testers: int,
) -> Move:
    """Take a candidate that meets the examples (the first, or one of two that agree: `second_opinion`), unless it lacks something that examples don't show.

    A row that a rule has begun for a stated error is valid in three of five cases, but a candidate without
    the check passes none. So one that shows each stated error is worth a few more samples.
    """
    good = meeting(facts.columns, facts.examples)
    if good and len(functions) == 1:
        opinion = _opinion(facts, good)
        if opinion.is_open and state["sampled"] < plans[state["stage"]].samples:
            return Move("sample")
        if opinion.rival >= 0:
            return _contested(state, facts, plans, opinion)
        good = [at for at in good if _agree(facts, opinion.candidate, at)]
    best_at = max(good, key=lambda at: _merit(facts, functions, at, good[0]), default=-1)
    if good and state["asked"] < testers:
        return Move("testers")
    picks = picked_by_examples(facts, functions)
    if picks and is_new(facts, picks) and _gains(facts, functions, picks, best_at):
        return Move("combine", picks=picks)
    if best_at < 0:
        focus = next_focus(facts, functions, -1)
        if focus.functions and state["sampled"] < plans[state["stage"]].samples + MORE_FOCUSED:
            return Move("sample", focus=focus)
        return replace(more(state, facts, plans), focus=focus)
    shown = facts.errors_shown(best_at)
    extra = _worth_more(facts, functions, best_at, facts.errors - shown)
    if facts.errors - shown and may_translate(facts, best_at, functions):
        return Move("translate", best_at)
    if check := refuse(facts, best_at, functions):
        return check
    samples = plans[state["stage"]].samples
    # unusable replies count as well, or a model that writes nothing usable would be asked for ever
    turn = sum(not each.derived for each in facts.candidates[good[0] + 1 :])
    # what the search for the examples has cost leaves enough for what they don't show
    if turn < min(samples, extra) and state["sampled"] < samples + MORE_FOCUSED + MORE_FOR_ERRORS:
        return Move("sample", focus=next_focus(facts, functions, best_at, turn))
    kept = tuple(row for row in range(len(facts.assertions)) if facts.columns[best_at].passes(row))
    words = f"{len(facts.examples)} of {len(facts.examples)} examples{_without(facts, functions)}"
    if facts.errors:
        words += (
            f", {stated(facts.errors_confirmed(best_at))} of {stated(facts.errors)} stated errors"
        )
    return Move("test", best_at, "examples", words, kept)


def _opinion(facts: Facts, good: Sequence[int]) -> Opinion:
    """Return which of the candidates that meet the examples is taken; in a file of one function."""
    drawn = [at for at in good if not facts.candidates[at].derived] or list(good)
    earlier = [at for at in facts.drawn if at < drawn[0] and facts.columns[at].loads]
    failed = [
        at for at in earlier if facts.candidates[at].model
    ]  # whoever hands code in has no say about the model

    def agree(one: int, other: int) -> bool:
        return _agree(facts, one, other)

    return opinion_of(drawn, agree, failed_before=bool(failed))


def _agree(facts: Facts, one: int, other: int) -> bool:
    """Tell whether two candidates do the same, but for stated errors or slips that one of them has mended."""
    same = facts.columns[one].values == facts.columns[other].values
    return same or facts.only_adds(one, other) or facts.only_adds(other, one)


def _contested(
    state: DebugState, facts: Facts, plans: Sequence[SamplingPlan], opinion: Opinion
) -> Move:
    """Return the next pool, or the question on which input two candidates differ that meet the examples."""
    if state["stage"] + 1 < len(plans):
        return Move("escalate")
    words = f"{len(facts.examples)} of {len(facts.examples)} examples, which candidates meet that differ elsewhere"
    return Move("ask", opinion.candidate, "", words, (), opinion.rival)


def _worth_more(
    facts: Facts, functions: Sequence[str], at: int, lacking: frozenset[tuple[str, str]]
) -> int:
    """Return how many further samples it is worth what a candidate that meets the examples lacks."""
    errors = max(MORE_FOR_ERRORS, len({name for _, name in lacking})) if lacking else 0
    unproven = MORE_FOR_UNBACKED * len(unbacked(facts, functions))
    slips = facts.crashes(at) or facts.columns[at].spoiled
    return errors + unproven + (MORE_FOR_SLIPS if slips else 0)


def _merit(
    facts: Facts, functions: Sequence[str], at: int, first: int
) -> tuple[int, int, bool, int]:
    """Order candidates that meet the examples: by error rows, by what is backed, by what they only add, the first.

    A later one was written with the clause of a stated error above its code. Where the rows don't tell the two
    apart, because they are wrong, it is the likelier one, as long as it does nothing else otherwise.
    """
    known = backed(facts, functions, (at,) * len(functions))
    return facts.error_rows(at), known, at != first and facts.only_adds(at, first), -at


def _gains(facts: Facts, functions: Sequence[str], picks: tuple[int, ...], best_at: int) -> bool:
    """Tell whether a combination is worth a look: nobody meets the examples, or more of it is shown or backed."""
    if best_at < 0:
        return True
    made = error_rows_of(facts, functions, picks), backed(facts, functions, picks)
    whole = (best_at,) * len(functions)
    return made > (facts.error_rows(best_at), backed(facts, functions, whole))


def _without(facts: Facts, functions: Sequence[str]) -> str:
    """Say of which functions there is no example: of them nothing was proven, at most agreed."""
    missing = unshown(facts, functions)
    return f" (none of {', '.join(missing)})" if missing else ""
