"""What the debug graph does next where candidates have to agree, as nothing else decides. Pure.

All candidates of a pool are drawn, testers write assertions, `selection` picks. What no group is enough for gets
a few more samples, of the undecided function only; what is agreed but does not raise a stated error, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from atos_orchestrator.debugging.by_function import WHOLE_FILE, Focus
from atos_orchestrator.debugging.error_translation import improved, may_translate
from atos_orchestrator.debugging.facts import Facts
from atos_orchestrator.debugging.function_evidence import agreed_by_function
from atos_orchestrator.debugging.moves import MORE_FOR_ERRORS, Move, is_new, more, stated
from atos_orchestrator.debugging.refusals import refuse
from atos_orchestrator.debugging.selection import (
    MIN_PASSED,
    MIN_TIED,
    Choice,
    Column,
    choose,
    first_enough,
    is_enough,
)
from atos_orchestrator.debugging.state import DebugState
from atos_orchestrator.strategies.strategy import SamplingPlan

MORE_TESTERS = 2
"""Testers on top where too few assertions hold to take anything."""
MORE_UNDECIDED = 3
"""Samples on top where no group of candidates is enough; each writes only what is undecided."""


def by_agreement(
    state: DebugState,
    facts: Facts,
    plans: Sequence[SamplingPlan],
    functions: Sequence[str],
    testers: int,
) -> Move:
    """Return what comes next once all candidates are drawn and so many testers asked."""
    plan = plans[state["stage"]]
    may_ask = bool(testers) and state["asked"] < testers + MORE_TESTERS
    may_draw = state["sampled"] < plan.samples + MORE_UNDECIDED
    if len(functions) > 1:
        choices = agreed_by_function(facts, functions, plan.samples)
        open_ones = [name for name, each in choices.items() if not each.accepted]
        short = [name for name in open_ones if _lacks_assertions(choices[name])]
        if short and may_ask:
            return Move("testers", about=short[0])
        undecided = [name for name in open_ones if not _only_lacks_assertions(choices[name])]
        if undecided and may_draw:
            return Move("sample", focus=_undecided(choices, undecided))
        move = None if open_ones else _put_together(facts, choices)
        if move and move.node == "test" and may_translate(facts, move.candidate, functions):
            return Move("translate", move.candidate)
        if move and move.node == "test" and (check := refuse(facts, move.candidate, functions)):
            return check
        if move and move.node == "test" and state["sampled"] < plan.samples + MORE_FOR_ERRORS:
            move = _for_stated_errors(state, facts, plan, choices, move.candidate) or move
        move = move or more(state, facts, plans)
        return _asking_by_function(move, choices, open_ones) if move.node == "ask" else move
    choice = _first_agreed(facts, plan)
    if choice.accepted:
        return _with_stated_errors(state, facts, plan, choice, functions)
    if may_ask and _lacks_assertions(choice):
        return Move("testers", about=next(iter(functions), ""))
    if may_draw and not _only_lacks_assertions(choice):
        return Move("sample")
    move = more(state, facts, plans)
    if move.node == "ask" and choice.candidate >= 0:
        return Move("ask", choice.candidate, "", described(choice), choice.kept, choice.rival)
    return move


def _lacks_assertions(choice: Choice) -> bool:
    """Tell whether assertions that hold are missing, whatever else is."""
    return choice.candidate >= 0 and choice.passed < MIN_PASSED


def _only_lacks_assertions(choice: Choice) -> bool:
    """Tell whether candidates agree well enough, so that another one would change nothing."""
    agreed = choice.group >= MIN_TIED and choice.group > choice.rivals
    return agreed and _lacks_assertions(choice)


def _first_agreed(facts: Facts, plan: SamplingPlan) -> Choice:
    """Return what was agreed first about the whole file, or what all candidates together favour."""
    every = len(facts.columns)

    def look(count: int) -> Choice:
        columns = [*facts.columns[:count], *[Column(loads=False)] * (every - count)]
        choice = choose(
            columns, facts.examples, facts.testers, decisive=False, stated=facts.error_classes
        )
        return replace(choice, accepted=is_enough(choice, further=count > plan.samples))

    return first_enough(look, plan.samples, every)


def _for_stated_errors(
    state: DebugState,
    facts: Facts,
    plan: SamplingPlan,
    choices: Mapping[str, Choice],
    whole: int,
) -> Move | None:
    """Return the sample of a function that lacks a stated error, with the clause in view; None where none does."""
    lacking = sorted(facts.errors - facts.errors_shown(whole))
    names = [name for name in choices if any(about == name for _, about in lacking)]
    if not names or not plan.testers:
        return None
    name = names[(state["sampled"] - plan.samples) % len(names)]
    clauses = tuple(dict.fromkeys(clause for clause, about in lacking if about == name))
    picks = tuple(each.candidate for each in choices.values())
    return Move("sample", focus=Focus((name,), picks, clauses))


def _with_stated_errors(
    state: DebugState,
    facts: Facts,
    plan: SamplingPlan,
    choice: Choice,
    functions: Sequence[str],
) -> Move:
    """Take what was agreed, or one that only adds stated errors to it, for which a few more samples are drawn."""
    agreed = choice.candidate
    adding = [at for at in facts.drawn if at == agreed or facts.only_adds(at, agreed)]
    best_at = improved(facts, max(adding, key=lambda at: (facts.error_rows(at), at == agreed, -at)))
    shown = facts.errors_shown(best_at)
    lacking = tuple(dict.fromkeys(clause for clause, _ in sorted(facts.errors - shown)))
    if lacking and may_translate(facts, best_at, functions):
        return Move("translate", best_at)
    if check := refuse(facts, best_at, functions):
        return check
    if lacking and plan.testers and state["sampled"] < plan.samples + MORE_FOR_ERRORS:
        return Move("sample", focus=Focus(clauses=lacking))
    kept = tuple(row for row in facts.written if facts.columns[best_at].passes(row))
    words = described(choice)
    words += _errors_said(facts, best_at)
    return Move("test", best_at, "agreed", words, kept, choice.rival)


def _errors_said(facts: Facts, at: int) -> str:
    if not facts.errors:
        return ""
    return f", {stated(facts.errors_confirmed(at))} of {stated(facts.errors)} stated errors"


def _undecided(choices: Mapping[str, Choice], open_ones: Sequence[str]) -> Focus:
    """Return what a further sample is to write: the first undecided function, beside what is decided."""
    picks = {name: each.candidate for name, each in choices.items() if name not in open_ones}
    if not picks:
        return WHOLE_FILE
    base = next(iter(picks.values()))
    return Focus(tuple(open_ones), tuple(picks.get(name, base) for name in choices))


def _put_together(facts: Facts, choices: Mapping[str, Choice]) -> Move | None:
    """Return the move to the module of the picked functions; None where they don't fit together."""
    picks = tuple(each.candidate for each in choices.values())
    if is_new(facts, picks):
        return Move("combine", picks=picks)
    made = [at for at in facts.usable if facts.candidates[at].parts == picks]
    whole = picks[0] if len(set(picks)) == 1 else made[0] if made else -1
    if whole < 0:
        return None
    whole = improved(facts, whole)
    kept = tuple(row for row in facts.written if facts.columns[whole].passes(row))
    held = [row for each in choices.values() for row in each.kept]
    if not all(map(facts.columns[whole].passes, held)):
        return None
    return Move("test", whole, "agreed", _said(choices) + _errors_said(facts, whole), kept)


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
