"""What the debug graph does next: a pure function of what is known about the candidates.

Where tests were handed in, or examples are law, candidates are drawn one by one and the first that meets
them goes on to the final test; a stated error that no example shows gets rows of its own first. Where there is
neither, all candidates of a pool are drawn, testers write assertions, and `selection` picks. A file of several
functions is judged function by function too (`by_function`): what is right in several candidates is put together,
and a further sample writes only what is missing. If nobody can be picked: a repair of a mechanical fault, the
next pool, and in the end a person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from atos_orchestrator.debugging.by_function import (
    WHOLE_FILE,
    Focus,
    agreed_by_function,
    backed,
    error_rows_of,
    next_focus,
    picked_by_examples,
    unbacked,
    unshown,
)
from atos_orchestrator.debugging.facts import Facts, read_state
from atos_orchestrator.debugging.selection import Choice, Column, choose, is_enough, meeting
from atos_orchestrator.debugging.state import DebugState
from atos_orchestrator.strategies.strategy import SamplingPlan
from atos_protocol.goals import Proof

MORE_FOR_ERRORS = 3
"""Samples that stated errors are worth which the first good candidate does not raise; one for each function
where more functions lack one. Each writes one function, so all of them cost less than one whole file."""

MORE_FOR_UNBACKED = 2
"""Samples that a function without an example is worth which no tester and no other candidate backs."""
MORE_FOR_SLIPS = 1
"""Samples that it is worth if the first good candidate crashes on something empty, or changes its argument."""

MORE_UNDECIDED = 3
"""Samples on top where no group of candidates is enough; each writes only what is undecided."""

MORE_FOCUSED = 3
"""Samples on top where some functions are right and only the others are written anew."""

Node = Literal[
    "sample", "combine", "testers", "evaluate", "repair", "escalate", "test", "accept", "ask"
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
    """With `ask`: the function on which `candidate` and `rival` differ; empty for the whole file."""
    focus: Focus = WHOLE_FILE
    """With `sample`: what is to be written."""


def next_move(
    state: DebugState,
    plans: Sequence[SamplingPlan],
    *,
    supplied: bool,
    judged: bool,
    stated_errors: bool = False,
    functions: Sequence[str] = (),
) -> Move:
    """Decide what comes next.

    Args:
        state: the graph's state.
        plans: what may be spent, pool by pool.
        supplied: whether test files decide that no model wrote.
        judged: whether there is anything that can be run; a page of documentation can't.
        stated_errors: whether the goal asks for an error that none of its examples shows.
        functions: the functions of the task's file; none where it is not made of functions.
    """
    facts, plan = read_state(state), plans[state["stage"]]
    if not judged or supplied:
        if usable := [at for at in facts.usable if facts.candidates[at].passed < 0]:
            node: Node = "test" if supplied else "accept"
            proof: Proof = "tests" if supplied else "unproven"
            return Move(node, usable[0], proof)
        return _more(state, facts, plans)
    testers = testers_wanted(facts, plan, functions, stated_errors=stated_errors)
    if facts.decided:
        return _by_examples(state, facts, plans, functions, testers)
    if state["sampled"] < plan.samples:
        return Move("sample")
    if state["asked"] < testers:
        return Move("testers")
    return _agreed(state, facts, plans, functions)


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
    """Take the first candidate that meets the examples, unless it lacks something that examples don't show.

    A row that a rule has begun for a stated error is valid in three of five cases, but a candidate without
    the check passes none. So one that shows each stated error is worth a few more samples.
    """
    good = meeting(facts.columns, facts.examples)
    best_at = max(good, key=lambda at: _merit(facts, functions, at, good[0]), default=-1)
    if good and state["asked"] < testers:
        return Move("testers")
    picks = picked_by_examples(facts, functions)
    if picks and _is_new(facts, picks) and _gains(facts, functions, picks, best_at):
        return Move("combine", picks=picks)
    if best_at < 0:
        focus = next_focus(facts, functions, -1)
        if focus.functions and state["sampled"] < plans[state["stage"]].samples + MORE_FOCUSED:
            return Move("sample", focus=focus)
        return replace(_more(state, facts, plans), focus=focus)
    shown = facts.errors_shown(best_at)
    extra = _worth_more(facts, functions, best_at, facts.errors - shown)
    samples = plans[state["stage"]].samples
    # unusable replies count as well, or a model that writes nothing usable would be asked for ever
    turn = sum(not each.parts for each in facts.candidates[good[0] + 1 :])
    if turn < min(samples, extra) and state["sampled"] < samples + MORE_FOR_ERRORS:
        return Move("sample", focus=next_focus(facts, functions, best_at, turn))
    kept = tuple(row for row in range(len(facts.assertions)) if facts.columns[best_at].passes(row))
    words = f"{len(facts.examples)} of {len(facts.examples)} examples{_without(facts, functions)}"
    if facts.errors:
        words += f", {_stated(shown)} of {_stated(facts.errors)} stated errors"
    return Move("test", best_at, "examples", words, kept)


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


def _stated(errors: frozenset[tuple[str, str]]) -> int:
    return len({clause for clause, _ in errors})


def _is_new(facts: Facts, picks: tuple[int, ...]) -> bool:
    """Tell whether a combination takes from several candidates, and was not made before."""
    return len(set(picks)) > 1 and all(each.parts != picks for each in facts.candidates)


def _agreed(
    state: DebugState, facts: Facts, plans: Sequence[SamplingPlan], functions: Sequence[str]
) -> Move:
    plan = plans[state["stage"]]
    may_draw = state["sampled"] < plan.samples + MORE_UNDECIDED
    if len(functions) > 1:
        choices = agreed_by_function(facts, functions)
        open_ones = [
            name
            for name, each in choices.items()
            if not is_enough(each, further=facts.tries(name) > plan.samples)
        ]
        if open_ones and may_draw:
            return Move("sample", focus=_undecided(choices, open_ones))
        accepted = None if open_ones else list(choices.values())
        move = _put_together(facts, accepted, _said(choices)) if accepted else None
        move = move or _more(state, facts, plans)
        return _asking_by_function(move, choices, open_ones) if move.node == "ask" else move
    choice, enough = _first_agreed(facts, plan)
    if enough:
        return _with_stated_errors(state, facts, plan, choice)
    if may_draw:
        return Move("sample")
    move = _more(state, facts, plans)
    if move.node == "ask" and choice.candidate >= 0:
        return Move("ask", choice.candidate, "", described(choice), choice.kept, choice.rival)
    return move


def _first_agreed(facts: Facts, plan: SamplingPlan) -> tuple[Choice, bool]:
    """Return the first choice that was enough as the candidates came, or that of all which is not.

    Candidates that were drawn later were told more, or are one more look: they don't undo what was agreed.
    """
    choice, every = Choice(), len(facts.columns)
    for count in range(min(plan.samples, every), every + 1):
        columns = [*facts.columns[:count], *[Column(loads=False)] * (every - count)]
        choice = choose(columns, facts.examples, facts.written, decisive=False)
        if is_enough(choice, further=count > plan.samples):
            return choice, True
    return choice, False


def _with_stated_errors(
    state: DebugState, facts: Facts, plan: SamplingPlan, choice: Choice
) -> Move:
    """Take what was agreed, or one that only adds stated errors to it, for which a few more samples are drawn."""
    agreed = choice.candidate
    adding = [at for at in facts.drawn if at == agreed or facts.only_adds(at, agreed)]
    best_at = max(adding, key=lambda at: (facts.error_rows(at), at == agreed, -at))
    shown = facts.errors_shown(best_at)
    lacking = tuple(dict.fromkeys(clause for clause, _ in sorted(facts.errors - shown)))
    if lacking and plan.testers and state["sampled"] < plan.samples + MORE_FOR_ERRORS:
        return Move("sample", focus=Focus(clauses=lacking))
    kept = tuple(row for row in facts.written if facts.columns[best_at].passes(row))
    words = described(choice)
    if facts.errors:
        words += f", {_stated(shown)} of {_stated(facts.errors)} stated errors"
    return Move("test", best_at, "agreed", words, kept, choice.rival)


def _undecided(choices: Mapping[str, Choice], open_ones: Sequence[str]) -> Focus:
    """Return what a further sample is to write: the first undecided function, beside what is decided."""
    picks = {name: each.candidate for name, each in choices.items() if name not in open_ones}
    if not picks:
        return WHOLE_FILE
    base = next(iter(picks.values()))
    return Focus(tuple(open_ones), tuple(picks.get(name, base) for name in choices))


def _put_together(facts: Facts, choices: Sequence[Choice], evidence: str) -> Move | None:
    """Return the move to the module of the picked functions; None where they don't fit together."""
    picks = tuple(each.candidate for each in choices)
    if _is_new(facts, picks):
        return Move("combine", picks=picks)
    made = [at for at in facts.usable if facts.candidates[at].parts == picks]
    whole = picks[0] if len(set(picks)) == 1 else made[0] if made else -1
    if whole < 0:
        return None
    kept = tuple(row for row in facts.written if facts.columns[whole].passes(row))
    good = all(facts.columns[whole].passes(row) for each in choices for row in each.kept)
    return Move("test", whole, "agreed", evidence, kept) if good else None


def _asking_by_function(
    move: Move, choices: Mapping[str, Choice], open_ones: Sequence[str]
) -> Move:
    """Return the question to a person, about the first function that is open."""
    about = open_ones[0] if open_ones else ""
    known = [each for each in choices.values() if each.candidate >= 0]
    if not about or len(known) < len(choices):
        return replace(move, evidence=_said(choices))
    best, rival = choices[about].candidate, choices[about].rival
    picks = tuple(each.candidate for each in known)
    return Move("ask", best, "", _said(choices), (), rival, picks, about)


def _said(choices: Mapping[str, Choice]) -> str:
    return "; ".join(f"{name}: {described(choice)}" for name, choice in choices.items())


def described(choice: Choice) -> str:
    """Return in words what agreement there is."""
    if not choice.of:
        return "no assertion"
    if not choice.passed:
        return f"{choice.group} of {choice.of} candidates give the same values"
    rows = "1 assertion" if choice.passed == 1 else f"{choice.passed} assertions"
    if choice.inputs:
        others = f"another of {choice.of} candidates gives the same"
        return f"{rows}, and on {choice.shared} of {choice.inputs} inputs {others}"
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
