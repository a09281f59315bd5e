"""Assertions: the single rows by which candidates are judged. Pure.

An assertion is Python source: one `assert` line, or a few lines of set-up that end in one. Errors are
written `assert raises(ValueError, lambda: f(-1))`. Each is judged on its own, so a wrong one costs
itself and nothing else.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from atos_orchestrator.debugging.file_rows import is_writing
from atos_orchestrator.debugging.sources import parse_source

Origin = Literal["example", "error", "tester", "round_trip", "agreed"]
"""Who wrote it; `round_trip` is begun and ended by a rule, `agreed` is a value that independent candidates give."""
MOST_LINES = 12
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
    """The function that is to raise an error, or that undoes another one; empty where that is open."""


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
        elif isinstance(statement, ast.Assign) or is_writing(statement):
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
    for statement in (each for given in statements for each in _without_try(given)):
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


def _without_try(statement: ast.stmt) -> list[ast.stmt]:
    """Return `try: ...; f(x)` with one `except ValueError` as its set-up and `assert raises(ValueError, ...)`."""
    if not isinstance(statement, ast.Try) or len(statement.handlers) != 1:
        return [statement]
    error, last = statement.handlers[0].type, statement.body[-1]
    called = last.value if isinstance(last, ast.Expr | ast.Assign) else None
    if not isinstance(error, ast.Name) or not isinstance(called, ast.Call):
        return [statement]
    return [*statement.body[:-1], ast.Assert(_raises(error, called), None)]


def _as_assert(statement: ast.stmt) -> ast.Assert | None:
    """Return a statement as a plain `assert` without a message, or None if it is not one."""
    if isinstance(statement, ast.Assert):
        return ast.Assert(_with_raises(statement.test), None)
    if isinstance(statement, ast.Expr) and is_raises(statement.value):
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
    if isinstance(test, ast.Call) and is_raises(test) and len(test.args) == 2:
        body = test.args[1].body if isinstance(test.args[1], ast.Lambda) else None
        return _with_raises(body) if is_raises(body) and body else test
    if (
        isinstance(test, ast.Compare)
        and len(test.ops) == 1
        and isinstance(test.ops[0], ast.Eq | ast.Is)
    ):
        wanted = test.comparators[0]
        if is_raises(test.left):  # whatever it is compared with: it is true or it fails
            return _with_raises(test.left)
        bare = wanted.func if isinstance(wanted, ast.Call) else wanted
        if isinstance(bare, ast.Name) and bare.id.endswith(("Error", "Exception")):
            return _raises(bare, test.left)
    return test


def is_raises(node: ast.expr | None) -> bool:
    """Tell whether an expression is `raises(...)`, by any of its names."""
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
