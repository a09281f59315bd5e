"""Assertions: the single rows by which candidates are judged. Pure.

An assertion is Python source: one `assert` line, or a few lines of set-up that end in one. Errors are
written `assert raises(ValueError, lambda: f(-1))`. Each is judged on its own, so a wrong one costs
itself and nothing else.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from atos_orchestrator.debugging.argument_probes import argument_probes
from atos_orchestrator.debugging.sources import parse_source

Origin = Literal["example", "error", "tester", "agreed"]
"""Who wrote it; `agreed` is a value that independent candidates give."""
MOST_LINES = 12
MOST_CALLS = 40
MOST_PROBES = 8
MOST_CHARACTERS = 1200
_FENCE = re.compile(r"```[^\n`]*\n(.*?)(?:```|\Z)", re.DOTALL)
_RAISES = frozenset({"raises", "assertRaises", "assert_raises"})


@dataclass(frozen=True, slots=True)
class Assertion:
    """One row, and who wrote it."""

    source: str
    origin: Origin
    clause: str = ""
    """For an error: what the goal says about it."""
    about: str = ""
    """For an error: the function that is to raise it; empty where that is open."""


def read_assertions(reply: str, names: Sequence[str]) -> list[str]:
    """Return the assertions in a tester's reply that concern one of these names.

    Whatever can't be parsed, calls none of the names or can't fail is left out: a line that is broken
    costs only itself.
    """
    text = "\n".join(_FENCE.findall(reply)) or reply
    found: dict[str, None] = {}
    for block in _blocks(text):
        for source in _readable(block):
            if len(source) <= MOST_CHARACTERS and _concerns(source, names) and _can_fail(source):
                found.setdefault(source)
    return list(found)


def _blocks(text: str) -> Iterator[list[ast.stmt]]:
    """Yield the statements of each test function, and each `assert` outside of one."""
    whole = parse_source(text)
    bodies = whole.body if whole else [s for line in _lines(text) for s in _parsed(line)]
    setup: list[ast.stmt] = []
    for statement in bodies:
        if isinstance(statement, ast.FunctionDef) and statement.name.startswith("test"):
            yield [*setup, *statement.body]
        elif _as_assert(statement) is not None:
            yield [*setup, statement]
        elif isinstance(statement, ast.Assign):
            setup.append(statement)


def _lines(text: str) -> list[str]:
    """Return the pieces of a reply that may be statements by themselves: lines and test functions."""
    pieces: list[str] = []
    for line in text.splitlines():
        indented = line.startswith((" ", "\t"))
        if indented and pieces and pieces[-1].lstrip().startswith(("def ", "with ")):
            pieces[-1] += f"\n{line}"
        elif line.strip():
            pieces.append(line if not indented else line.strip())
    return pieces


def _parsed(piece: str) -> list[ast.stmt]:
    tree = parse_source(piece)
    return tree.body if tree else []


def _readable(statements: list[ast.stmt]) -> Iterator[str]:
    """Yield one source per assertion of a block: what comes before it is its set-up."""
    setup: list[ast.stmt] = []
    for statement in statements:
        plain = _as_assert(statement)
        if plain is None:
            if not isinstance(statement, ast.Import | ast.ImportFrom | ast.Pass | ast.Return):
                setup.append(statement)
            continue
        lines = [ast.unparse(part) for part in (*setup, plain)]
        if len(lines) <= MOST_LINES:
            yield "\n".join(lines)
        if setup:
            setup.append(ast.Expr(plain.test))  # `assert s.pop() == 1` changes what comes after it


def _as_assert(statement: ast.stmt) -> ast.Assert | None:
    """Return a statement as a plain `assert` without a message, or None if it is not one."""
    if isinstance(statement, ast.Assert):
        return ast.Assert(_with_raises(statement.test), None)
    if isinstance(statement, ast.Expr) and _is_raises(statement.value):
        return ast.Assert(_with_raises(statement.value), None)
    if isinstance(statement, ast.With) and len(statement.items) == 1 and len(statement.body) == 1:
        context, inner = statement.items[0].context_expr, statement.body[0]
        if isinstance(context, ast.Call) and _callee(context) in _RAISES and context.args:
            called = inner.value if isinstance(inner, ast.Expr | ast.Assign) else None
            found = _with_raises(_raises(context.args[0], called)) if called else None
            return ast.Assert(found, None) if found else None
    return None


def _with_raises(test: ast.expr) -> ast.expr:
    """Rewrite `f(x) == ValueError`, `raises(...) == True`, which small models write, to what they mean."""
    if isinstance(test, ast.Call) and _is_raises(test) and len(test.args) == 2:
        body = test.args[1].body if isinstance(test.args[1], ast.Lambda) else None
        return _with_raises(body) if _is_raises(body) and body else test
    if (
        isinstance(test, ast.Compare)
        and len(test.ops) == 1
        and isinstance(test.ops[0], ast.Eq | ast.Is)
    ):
        wanted = test.comparators[0]
        if _is_raises(test.left):  # whatever it is compared with: it is true or it fails
            return _with_raises(test.left)
        bare = wanted.func if isinstance(wanted, ast.Call) else wanted
        if isinstance(bare, ast.Name) and bare.id.endswith(("Error", "Exception")):
            return _raises(bare, test.left)
    return test


def _is_raises(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Call) and _callee(node) in _RAISES


def _raises(error: ast.expr, called: ast.expr) -> ast.expr:
    empty = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
    return ast.Call(ast.Name("raises", ast.Load()), [error, ast.Lambda(empty, called)], [])


def _callee(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _concerns(source: str, names: Sequence[str]) -> bool:
    tree = parse_source(source)
    used = (
        {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} if tree else set[str]()
    )
    return not names or any(name in used for name in names)


def _can_fail(source: str) -> bool:
    tree = parse_source(source)
    last = tree.body[-1] if tree and tree.body else None
    if not isinstance(last, ast.Assert) or isinstance(last.test, ast.Constant):
        return False
    if isinstance(last.test, ast.Compare):
        return ast.dump(last.test.left) != ast.dump(last.test.comparators[0])
    return any(isinstance(node, ast.Call) for node in ast.walk(last.test))


def calls_in(assertions: Iterable[str], names: Sequence[str]) -> list[str]:
    """Return the calls of these names in one-line assertions, on which candidates can be compared."""
    found: dict[str, None] = {}
    for source in assertions:
        tree = parse_source(source)
        if tree is None or len(tree.body) != 1:
            continue
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in names
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
        if isinstance(looked_at, ast.Call) and _is_raises(looked_at) and len(looked_at.args) == 2:
            body = looked_at.args[1]
            looked_at = body.body if isinstance(body, ast.Lambda) else body
        of_method = isinstance(looked_at, ast.Call) and isinstance(looked_at.func, ast.Attribute)
        if len(tree.body) > 1 or of_method:
            found.setdefault("\n".join(map(ast.unparse, [*tree.body[:-1], looked_at])))
    return list(found)


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
        if (node := _call(call)) and node.args:
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
        node = _call(call)
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
        node = _call(call)
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
    node = _call(call)
    return any(ast.unparse(argument) in _EMPTY.values() for argument in (node.args if node else ()))


_EMPTY = {'"': "''", "[": "[]", "(": "()", "{": "{}"}


def _call(source: str) -> ast.Call | None:
    tree = parse_source(source)
    node = tree.body[0].value if tree and isinstance(tree.body[0], ast.Expr) else None
    return node if isinstance(node, ast.Call) else None


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
