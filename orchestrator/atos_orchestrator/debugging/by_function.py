"""Judges the functions of a module one by one. Pure.

A candidate of three functions is seldom right as a whole, and two candidates seldom agree as a whole. Assertions
name the functions that they are about, so each function has candidates and evidence of its own; `combine` then
puts the picked ones into one module, which is judged as a whole like any other candidate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from atos_orchestrator.debugging.facts import Facts, names_in
from atos_orchestrator.debugging.function_evidence import agreed_about, behave_alike, rows_about
from atos_orchestrator.debugging.selection import Choice

MOST_UNMET = 2
"""Examples that stand as comments above the code that is to meet them."""


@dataclass(frozen=True, slots=True)
class Focus:
    """What the next sample is to write anew, and what it is to keep."""

    functions: tuple[str, ...] = ()
    """Functions to write; none: the whole file."""
    picks: tuple[int, ...] = ()
    """For each function of the task the candidate that it is kept from."""
    clauses: tuple[str, ...] = ()
    """What must not be forgotten: stated errors that nobody raises, examples that nobody meets, calls that crash."""


WHOLE_FILE = Focus()


def picked_by_examples(facts: Facts, functions: Sequence[str]) -> tuple[int, ...]:
    """Return for each function the candidate that meets its examples, and most of its error rows.

    One without examples comes from the candidate that testers and other candidates back. A function without rows
    of its own comes from the candidate that most of the others come from. Empty where a function has examples
    that nobody meets, or nothing is known about any.
    """
    found: dict[str, int] = {}
    for function in functions:
        laws, errors = _own_rows(facts, function, functions)
        if not laws and (backed := _backed(facts, function)).candidate >= 0:
            found[function] = backed.candidate
            continue
        if laws or errors:
            good = _meeting(facts, laws)
            if not good:
                return ()
            found[function] = max(good, key=lambda at: _merit(facts, at, errors))
    if not found:
        return ()
    base = Counter(found.values()).most_common(1)[0][0]
    return tuple(found.get(function, base) for function in functions)


def error_rows_of(facts: Facts, functions: Sequence[str], picks: Sequence[int]) -> int:
    """Return how many error rows the picked functions pass, each on its own."""
    return sum(
        facts.columns[at].passes(row)
        for function, at in zip(functions, picks, strict=True)
        for row in _own_rows(facts, function, functions)[1]
    )


def unshown(facts: Facts, functions: Sequence[str]) -> tuple[str, ...]:
    """Return the functions of which there is no example, while there is one of others."""
    sources = [facts.assertions[at].source for at in facts.examples]
    shown = {name for source in sources for name in names_in(source)}
    return tuple(name for name in functions if name not in shown) if sources else ()


def unbacked(facts: Facts, functions: Sequence[str]) -> tuple[str, ...]:
    """Return the functions without an example that testers' assertions and other candidates don't back either.

    One candidate alone is backed by half of the assertions: about as many of a small model's are right.
    """
    found: list[str] = []
    for function in unshown(facts, functions):
        choice = _backed(facts, function)
        alone = (
            choice.of == 1
            and choice.passed
            and 2 * choice.passed >= len(rows_about(facts, function))
        )
        if choice.candidate >= 0 and not (choice.accepted or alone):
            found.append(function)
    return tuple(found)


def backed(facts: Facts, functions: Sequence[str], picks: Sequence[int]) -> int:
    """Return how many of the functions without an example do what is backed, each as its candidate has it."""
    found = 0
    for function, at in zip(functions, picks, strict=True):
        if function in unshown(facts, functions):
            choice = _backed(facts, function)
            found += choice.candidate >= 0 and behave_alike(facts, function, at, choice.candidate)
    return found


def next_focus(facts: Facts, functions: Sequence[str], best: int, turn: int = 0) -> Focus:
    """Return what a further sample is to write: functions whose examples nobody meets, or that lack something else.

    They lack a stated error, somebody who backs them, a value for something empty, or change their arguments. Each
    further sample is about another one: a clause may not be meant for all.

    Args:
        facts: what is known.
        functions: the functions of the task; none where its file is not made of functions.
        best: the candidate that meets all examples; -1 where there is none.
        turn: how many samples were drawn since there is one.
    """
    judged = [best] if best >= 0 else facts.drawn
    open_errors = facts.errors.difference(*map(facts.errors_shown, judged))
    rows = [(row.clause, row.about) for row in facts.assertions if row.origin == "error"]
    missing = [each for each in dict.fromkeys(rows) if each in open_errors]
    if not functions or not facts.drawn:
        return Focus(clauses=_clauses(missing))
    slips = _slips(facts, functions, best) if best >= 0 else {}
    lacking = [each for each in dict.fromkeys(name for _, name in missing) if each in functions]
    if best >= 0:
        lacking = list(dict.fromkeys([*lacking, *unbacked(facts, functions), *slips]))
    about = [lacking[turn % len(lacking)]] if best >= 0 and lacking else lacking
    picks: dict[str, int] = {}
    todo: list[str] = []
    for function in functions:
        laws, errors = _own_rows(facts, function, functions)
        good = _meeting(facts, laws)
        if function in about or (laws and not good):
            todo.append(function)
        elif good and (laws or best >= 0):
            picks[function] = max(good, key=lambda at: _merit(facts, at, errors))
    if not todo or (not picks and not missing and not slips):
        return Focus(clauses=_clauses(missing))
    base = Counter(picks.values()).most_common(1)[0][0] if picks else -1
    kept = tuple(picks.get(name, base) for name in functions)
    open_ones = tuple(name for name in functions if name not in picks)
    first = open_ones[0]
    unmet = _unmet(facts, first, functions) if best < 0 else ()
    clauses = (*_clauses(missing, first), *unmet, *slips.get(first, ()))
    return Focus(open_ones, kept, clauses)


def _unmet(facts: Facts, function: str, functions: Sequence[str]) -> tuple[str, ...]:
    """Return examples of a function that nobody meets; begun like the last time, a reply would be the same again."""
    laws = _own_rows(facts, function, functions)[0]
    unmet = [at for at in laws if not any(facts.columns[each].passes(at) for each in facts.drawn)]
    sources = [facts.assertions[at].source.removeprefix("assert ") for at in unmet]
    return tuple(each for each in sources if "\n" not in each)[:MOST_UNMET]


def _slips(facts: Facts, functions: Sequence[str], at: int) -> dict[str, tuple[str, ...]]:
    """Return what to remember of each function that crashes on something empty, or changes its argument."""
    found: dict[str, tuple[str, ...]] = {}
    said = [(call, f"{call} has a result, too") for call in facts.crashes(at)]
    said += [(call, "The arguments stay as they are") for call in facts.columns[at].spoiled]
    for call, clause in said:
        for name in functions:
            if name in names_in(call):
                found.setdefault(name, (clause,))
    return found


def _clauses(missing: Sequence[tuple[str, str]], function: str = "") -> tuple[str, ...]:
    return tuple(dict.fromkeys(c for c, name in missing if not function or name in {function, ""}))


def _backed(facts: Facts, function: str) -> Choice:
    """Return what testers and the candidates that wrote this function anew favour; nothing without an assertion."""
    asked = rows_about(facts, function)
    return agreed_about(facts, function, facts.wrote(function)) if asked else Choice()


def _own_rows(facts: Facts, function: str, functions: Sequence[str]) -> tuple[list[int], list[int]]:
    """Return the examples and the error rows that are about this function alone."""
    laws: list[int] = []
    errors: list[int] = []
    for at, row in enumerate(facts.assertions):
        if names_in(row.source) & frozenset(functions) == frozenset((function,)):
            if row.origin == "example":
                laws.append(at)
            elif row.origin == "error":
                errors.append(at)
    return laws, errors


def _meeting(facts: Facts, laws: Sequence[int]) -> list[int]:
    return [
        at
        for at in facts.drawn
        if facts.columns[at].loads and all(map(facts.columns[at].passes, laws))
    ]


def _merit(facts: Facts, at: int, errors: Sequence[int]) -> tuple[int, int, int]:
    column = facts.columns[at]
    every = sum(column.passes(row) for row in range(len(facts.assertions)))
    return sum(map(column.passes, errors)), every, -at
