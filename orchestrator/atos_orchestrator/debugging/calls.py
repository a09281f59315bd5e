"""Calls on which candidates are compared, and how a row about a function begins. Pure.

They are taken from assertions, whose expected values are often wrong while what they look at seldom is.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Sequence

from atos_orchestrator.debugging.argument_probes import argument_probes
from atos_orchestrator.debugging.assertions import is_raises
from atos_orchestrator.debugging.sources import call_of, parse_source

MOST_CALLS = 40
MOST_PROBES = 8


def calls_in(assertions: Iterable[str], names: Sequence[str]) -> list[str]:
    """Return the calls of these names in one-line assertions, on which candidates can be compared.

    `create_app()` of `create_app().test_client()` is none: what it gives is only the way to a value.
    """
    found: dict[str, None] = {}
    for source in assertions:
        tree = parse_source(source)
        if tree is None or len(tree.body) != 1:
            continue
        ways = {node.value for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in names
                and (node.args or node.keywords or node not in ways)
            ):
                found.setdefault(ast.unparse(node))
    return list(found)


def compared_calls(assertions: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return the calls on which candidates are compared: those of the assertions, others near them, and probes."""
    calls = _closed_calls(assertions, names)
    prepared = _prepared_calls(assertions)
    more = [*calls, *prepared, *empty_calls(calls), *nearby_calls(calls)]
    return [*argument_probes(calls)[:MOST_PROBES], *list(dict.fromkeys(more))[:MOST_CALLS]]


def _prepared_calls(assertions: Sequence[str]) -> list[str]:
    """Return what assertions with a set-up, or about a method, look at: the set-up and the expression.

    A tester often expects the wrong value and seldom sets up nonsense, so candidates are compared by what they give.
    """
    found: dict[str, None] = {}
    for source in assertions:
        tree = parse_source(source)
        last = tree.body[-1] if tree and tree.body else None
        if tree is None or not isinstance(last, ast.Assert):
            continue
        looked_at = last.test.left if isinstance(last.test, ast.Compare) else last.test
        looked_at = _raising(looked_at) or looked_at
        of_method = isinstance(looked_at, ast.Call) and isinstance(looked_at.func, ast.Attribute)
        if len(tree.body) > 1 or of_method:
            found.setdefault("\n".join(map(ast.unparse, [*tree.body[:-1], looked_at])))
    return list(found)


def raising_call(source: str) -> str:
    """Return what a row about an error calls, after its set-up; empty where it is no such row."""
    tree = parse_source(source)
    last = tree.body[-1] if tree and tree.body else None
    called = _raising(last.test) if isinstance(last, ast.Assert) else None
    return "\n".join(map(ast.unparse, [*tree.body[:-1], called])) if tree and called else ""


def _raising(test: ast.expr) -> ast.expr | None:
    """Return what `raises(ValueError, lambda: f(1))` calls; None for anything else."""
    if not (isinstance(test, ast.Call) and is_raises(test) and len(test.args) == 2):
        return None
    body = test.args[1]
    return body.body if isinstance(body, ast.Lambda) else body


def _closed_calls(assertions: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return the calls that need no name besides the ones under test, so that they can stand alone."""
    known = {*names, *dir(builtins)}

    def free(call: str) -> set[str]:
        tree = parse_source(call)
        return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} if tree else {"?"}

    return [call for call in calls_in(assertions, names) if free(call) <= known]


_OPENINGS: tuple[tuple[type, str], ...] = ((str, '"'), (list, "["), (tuple, "("), (dict, "{"))


def first_argument(assertions: Sequence[str], name: str) -> str:
    """Return how the first argument of a function begins in all of its known calls: a quote, brackets.

    Empty where that can't be told from its beginning, as of numbers, or the calls differ.
    """
    found: set[str] = set()
    for call in calls_in(assertions, [name]):
        if (node := call_of(call)) and node.args:
            found.add(_opening(node.args[0]))
    return found.pop() if len(found) == 1 else ""


_TEXTS = frozenset(
    [
        "text",
        "string",
        "sentence",
        "paragraph",
        "title",
        "word",
        "line",
        "path",
        "filename",
        "expression",
        "source",
    ]
)
_LISTS = frozenset(
    [
        "values",
        "numbers",
        "items",
        "elements",
        "words",
        "lines",
        "rows",
        "strings",
        "names",
        "texts",
        "pairs",
        "intervals",
        "ints",
    ]
)


def usual_opening(parameter: str) -> str:
    """Return how an argument of this name usually begins: a quote, a bracket; empty for other names."""
    return '"' if parameter in _TEXTS else "[" if parameter in _LISTS else ""


def _opening(argument: ast.expr) -> str:
    try:
        value = ast.literal_eval(argument)
    except (ValueError, TypeError, MemoryError):
        return ""
    text = next((text for kind, text in _OPENINGS if isinstance(value, kind)), "")
    inner = argument.elts[:1] if isinstance(argument, ast.List | ast.Tuple) else []
    return text + "".join(_opening(each) for each in inner)


def value_assertion(call: str, value: str) -> str | None:
    """Return the assertion that a call gives a value (`= 3`); None where the value is no plain literal."""
    try:
        ast.literal_eval(value.removeprefix("= "))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    *before, looked_at = call.splitlines() or [""]
    claim = f"assert {looked_at} == {value.removeprefix('= ')}"
    return "\n".join([*before, claim]) if value.startswith("= ") else None


def nearby_calls(calls: Sequence[str], most: int = 16) -> list[str]:
    """Return more inputs by rule: one argument of a known call changed to a neighbour or a boundary."""
    found: dict[str, None] = {}
    for call in calls:
        node = call_of(call)
        if node is None or node.keywords:
            continue
        try:
            values = [ast.literal_eval(argument) for argument in node.args]
        except (ValueError, TypeError, MemoryError):
            continue
        for place, value in enumerate(values):
            for other in _near(value):
                changed = [*values[:place], other, *values[place + 1 :]]
                text = f"{ast.unparse(node.func)}({', '.join(map(repr, changed))})"
                if text not in calls:
                    found.setdefault(text)
    spread = list(found)
    return spread[:: max(1, len(spread) // most)][:most]


def empty_calls(calls: Sequence[str]) -> list[str]:
    """Return the calls with one list, text or other collection made empty: what code forgets first."""
    found: dict[str, None] = {}
    for call in calls:
        node = call_of(call)
        for place, argument in enumerate(node.args if node else ()):
            if node and (empty := _EMPTY.get(_opening(argument)[:1])):
                texts = [ast.unparse(each) for each in node.args]
                texts[place] = empty
                text = f"{ast.unparse(node.func)}({', '.join(texts)})"
                if text not in calls and not node.keywords:
                    found.setdefault(text)
    return list(found)


def gives_something_empty(call: str) -> bool:
    """Tell whether an argument of a call is an empty list, text or other collection."""
    node = call_of(call)
    return any(ast.unparse(argument) in _EMPTY.values() for argument in (node.args if node else ()))


_EMPTY = {'"': "''", "[": "[]", "(": "()", "{": "{}"}


def _near(value: object) -> list[object]:
    match value:
        case bool():
            return [not value]
        case int():
            return [value + 1, value - 1, 0]
        case float():
            return [value + 0.5, -value, 0.0]
        case str():
            return ["", value[::-1], value + value, value[1:]]
        case list():
            listed: list[object] = list(value)  # pyright: ignore[reportUnknownArgumentType]
            return [[], listed[::-1], listed + listed, listed[:1]]
        case _:
            return []
