"""What the evidence says about one function of a module. Pure.

Assertions and calls name the functions that they are about. So each function has votes of its own: of the
candidates that wrote it anew, by the assertions and calls that name it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from atos_orchestrator.debugging.facts import Facts, names_in
from atos_orchestrator.debugging.selection import (
    Choice,
    Column,
    choose,
    error_of,
    first_enough,
    is_enough,
    same,
)


def agreed_by_function(facts: Facts, functions: Sequence[str], samples: int) -> dict[str, Choice]:
    """Return what the evidence about each function favours, by the votes of those that wrote it.

    As soon as the candidates are enough, in the order in which they came, it is accepted. Of those that do the
    same, the one is taken that raises most of the stated errors.

    Args:
        facts: what is known.
        functions: the functions of the file.
        samples: candidates before which there is no look; each one more is a further look.
    """
    return {function: _first_agreed(facts, function, samples) for function in functions}


def _first_agreed(facts: Facts, function: str, samples: int) -> Choice:
    voters = facts.wrote(function)

    def look(count: int) -> Choice:
        found = agreed_about(facts, function, [at for at in voters if at < count])
        enough = is_enough(found, further=facts.tries(function, count) > samples)
        return replace(found, accepted=enough)

    found = first_enough(look, samples, len(facts.columns))
    if found.candidate < 0:
        return found
    return replace(found, candidate=_adding_errors(facts, function, found.candidate))


def _adding_errors(facts: Facts, function: str, agreed: int) -> int:
    """Return who does the same as the agreed candidate and raises most stated errors; of several the most lenient."""
    rows = rows_about(facts, function)
    errors = [at for at, row in enumerate(facts.assertions) if row.origin == "error"]
    own = [at for at in errors if facts.assertions[at].about == function]
    columns = {at: column_about(facts, function, at) for at in facts.wrote(function)}

    def merit(at: int) -> tuple[int, int, bool, int]:
        refused = sum(error_of(each) in facts.error_classes for each in columns[at].values)
        return sum(map(columns[at].passes, own)), -refused, at == agreed, -at

    alike = [
        at
        for at, each in columns.items()
        if same(each, column_about(facts, function, agreed), rows, facts.error_classes)
    ]
    return max(alike, key=merit, default=agreed)


def calls_of(facts: Facts, function: str) -> list[int]:
    """Return the calls of a function, by index."""
    return [at for at, call in enumerate(facts.calls) if function in names_in(call)]


def behave_alike(facts: Facts, function: str, at: int, other: int) -> bool:
    """Tell whether two candidates can't be told apart by what they do with one function."""
    one, two = (column_about(facts, function, each) for each in (at, other))
    return same(one, two, rows_about(facts, function), facts.error_classes)


def rows_about(facts: Facts, function: str) -> list[int]:
    """Return the assertions about a function's values, by index; a round trip is about the way back."""
    named = [at for at in facts.testers if function in names_in(facts.assertions[at].source)]
    return [at for at in named if facts.assertions[at].about in {"", function}]


def column_about(facts: Facts, function: str, at: int) -> Column:
    """Return what a candidate did with the calls of one function."""
    column = facts.columns[at]
    return replace(
        column,
        values=tuple(column.values[call] for call in calls_of(facts, function) if column.values),
        spoiled=tuple(probe for probe in column.spoiled if function in names_in(probe)),
    )


def agreed_about(facts: Facts, function: str, voters: Sequence[int]) -> Choice:
    """Return what these candidates and the assertions about a function favour."""
    rows = rows_about(facts, function)
    laws = [at for at in facts.examples if function in names_in(facts.assertions[at].source)]
    if not rows and not calls_of(facts, function):
        return Choice()
    columns = [
        column_about(facts, function, at) if at in voters else Column(loads=False)
        for at in range(len(facts.columns))
    ]
    return choose(columns, laws, rows, decisive=False, stated=facts.error_classes)
