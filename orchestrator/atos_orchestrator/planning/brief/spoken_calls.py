"""Finds examples that are told in words: `the value of ["A", "K"] is 21` of a goal that has `value(hand)`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from atos_orchestrator.planning.brief.findings import Place
from atos_orchestrator.planning.brief.outcomes import read_outcome
from atos_orchestrator.planning.brief.spans import calls
from atos_orchestrator.planning.brief.statements import Statement
from atos_orchestrator.planning.brief.values import is_value, literal_at

_OF = re.compile(
    r"\b[Tt]he[ \t\n]+`?(?P<name>[a-z_]\w*)`?[ \t\n]+(?:of|for)[ \t\n]+(?=[\[({\"'\d+-])"
)
_AND = re.compile(r"[ \t\n]*(?:,|,?[ \t\n]and)[ \t\n]+(?=[\[({\"'\d+-])")


def spoken_calls(text: str) -> Iterator[Statement]:
    """Yield what the text says in words of single calls.

    The name must be a function that the text writes with its parameters, and as many values must follow: "the sum of 1
    and 2 is 3" says nothing of `sum(numbers)`.
    """
    heads = {
        call.name: call.arguments.count(",") + 1 for call in calls(text) if call.arguments.strip()
    }
    for found in _OF.finditer(text):
        wanted = heads.get(found["name"], 0)
        arguments, end = _values(text, found.end(), wanted)
        outcome = read_outcome(text, end) if wanted and len(arguments) == wanted else None
        if outcome:
            source = f"{found['name']}({', '.join(arguments)})"
            yield Statement(
                source, Place(found.start(), outcome.end), outcome.gives, outcome.wanted
            )


def _values(text: str, start: int, most: int) -> tuple[list[str], int]:
    """Return the values that stand one after another, and where they end."""
    found: list[str] = []
    while len(found) < most:
        source, end = literal_at(text, start, len(text))
        if not source or not is_value(source):
            break
        found.append(source)
        start = end
        more = _AND.match(text, end) if len(found) < most else None
        if not more:
            break
        start = more.end()
    return found, start
