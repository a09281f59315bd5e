"""Calls that show whether a function leaves its arguments as they are. Pure.

`values.sort()` in a function that returns a median gives the right value, and surprises its caller. No
example says that it must not happen, so it never refuses code: it decides between candidates that are equal.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from atos_orchestrator.debugging.sources import call_of

NAME = "argument"
_CONTAINERS = (ast.List, ast.Dict, ast.Set)


def argument_probes(calls: Sequence[str]) -> list[str]:
    """Return for each function a call, of those with a list, dict or set, that ends in what became of it."""
    found: dict[str, str] = {}
    for call in sorted(
        calls, key=len, reverse=True
    ):  # the longest argument is the likeliest to change
        node = call_of(call)
        if node is None or not isinstance(node.func, ast.Name):
            continue
        places = [at for at, each in enumerate(node.args) if isinstance(each, _CONTAINERS)]
        if places and node.func.id not in found:
            found[node.func.id] = _probe(node, places[0])
    return list(found.values())


def _probe(call: ast.Call, place: int) -> str:
    texts = [ast.unparse(each) for each in call.args]
    texts[place] = ast.unparse(_unsorted(call.args[place]))
    value, texts[place] = texts[place], NAME
    texts += [ast.unparse(each) for each in call.keywords]
    return f"{NAME} = {value}\n{ast.unparse(call.func)}({', '.join(texts)})\n{NAME}"


def _unsorted(argument: ast.expr) -> ast.expr:
    """Return a list that is in order the other way round: testers write `[1, 2, 3]`, which `sort()` leaves as it is."""
    if not isinstance(argument, ast.List):
        return argument
    try:
        values = [ast.literal_eval(each) for each in argument.elts]
        if values != sorted(values):
            return argument
    # no plain values, or of several kinds
    except (ValueError, TypeError, MemoryError, RecursionError):
        return argument
    return ast.List(argument.elts[::-1], argument.ctx)


def is_probe(call: str) -> bool:
    """Tell whether a call is one of these."""
    return call.startswith(f"{NAME} = ") and call.endswith(f"\n{NAME}")


def is_spared(probe: str, value: str) -> bool:
    """Tell whether the argument is still what it was; true where the call did not get that far."""
    if not value.startswith("= "):
        return True
    before = probe.partition("\n")[0].removeprefix(f"{NAME} = ")
    try:
        return bool(ast.literal_eval(before) == ast.literal_eval(value.removeprefix("= ")))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return True
