"""Whether an input looks like one that is known to be valid. Pure.

A model that is to write a row about "a letter without a number raises ValueError" beside the example `decode("x2y10")`
writes `decode("x2y100")`. Nothing says that such an input is valid (a date that does not exist looks like one that does),
but where no check that was written for the clause refuses it either, the row is likelier to be wrong than all code.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from atos_orchestrator.debugging.calls import calls_in
from atos_orchestrator.debugging.sources import call_of

FEWEST_PARTS = 3
"""Parts of a text that say something together: of two single words, one may well be the wrong one."""
_RUNS = ((re.compile(r"[^\W\d_]+"), "a"), (re.compile(r"\d+"), "9"))


def looks_valid(row: str, function: str, shown: Iterable[str]) -> bool:
    """Tell whether each call of a function in a row looks like one in rows that show it something valid.

    Args:
        row: an assertion about an error.
        function: whose calls are compared.
        shown: assertions that hold; those about errors show nothing valid.
    """
    valid = calls_in([each for each in shown if "raises(" not in each], [function])
    shapes = {shape for each in valid if (shape := _shape(each))}
    calls = calls_in([row], [function])
    return bool(calls) and all(_shape(each) in shapes for each in calls)


def _shape(call: str) -> tuple[str, ...]:
    """Return a call's arguments, of texts what they are made of; empty where none is a text of several parts."""
    node = call_of(call)
    arguments = [*node.args, *(each.value for each in node.keywords)] if node else []
    texts = [e.value for e in arguments if isinstance(e, ast.Constant) and isinstance(e.value, str)]
    if not any(len(_made_of(text)) >= FEWEST_PARTS for text in texts):
        return ()
    return tuple(
        _made_of(each.value)
        if isinstance(each, ast.Constant) and isinstance(each.value, str)
        else f"={ast.unparse(each)}"
        for each in arguments
    )


def _made_of(text: str) -> str:
    for run, sign in _RUNS:
        text = run.sub(sign, text)
    return text
