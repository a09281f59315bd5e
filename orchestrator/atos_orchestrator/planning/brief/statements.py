"""Turns statements and the values that they give into assertions. Pure.

A doctest, a code block and a row of code spans in a sentence are all the same: statements in order, some
of which give a value or raise. An assertion takes along those earlier statements that its names need.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from atos_orchestrator.planning.brief.findings import Example, Place
from atos_orchestrator.planning.brief.spans import parse, unparse
from atos_orchestrator.planning.brief.values import (
    BUILTINS,
    CONSTRUCTORS,
    LIBRARY,
    imports,
    is_value,
)

MAX_ASSERTION = 2_000
"""Characters, the set-up included."""
MAX_EARLIER = 60
"""Statements of one block that a set-up may be taken from."""

_FUNCTIONS = frozenset({"len", "abs", "sum", "sorted", "ord", "raises"})
"""Built-in functions that may be passed by position; others look like names of parameters."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement of the text, and what it gives."""

    source: str
    place: Place
    gives: Literal["", "value", "error"] = ""
    wanted: str = ""
    """Source of the value, or name of the error."""


@dataclass(frozen=True, slots=True)
class _Earlier:
    """A statement before an assertion."""

    node: ast.stmt
    used: frozenset[str]
    bound: frozenset[str]
    has_effect: bool


def read_statements(
    statements: Sequence[Statement],
    modules: frozenset[str] = frozenset(),
    *,
    slice_setup: bool = True,
) -> Iterator[Example]:
    """Yield an example for each statement that asserts or gives something.

    Args:
        statements: in their order.
        modules: names by which the goal's own modules may be used.
        slice_setup: keep only those earlier statements that an assertion needs.
    """
    earlier: list[_Earlier] = []
    for statement in statements:
        tree = parse(statement.source)
        for node in tree.body if tree else ():
            row = _row(node, statement)
            setup = _setup(row, earlier, slice_setup=slice_setup) if row else []
            allowed = BUILTINS if isinstance(node, ast.Assert) else _FUNCTIONS
            if row and (found := _example(row, setup, modules, allowed)):
                yield Example(*found, statement.place)
            if not isinstance(node, ast.Assert) and len(earlier) < MAX_EARLIER:
                bound = frozenset(_bound(node))
                earlier.append(_Earlier(node, frozenset(_used(node)), bound, _has_effect(node)))


def _row(node: ast.stmt, statement: Statement) -> ast.Assert | None:
    """Return the assertion that a statement makes, without its set-up."""
    if isinstance(node, ast.Assert):
        node.msg = None
        return node
    if not isinstance(node, ast.Expr):
        return None
    if statement.gives == "error":
        return _parsed_assert(f"raises({statement.wanted}, lambda: None)", node.value)
    if isinstance(node.value, ast.Compare) and statement.wanted in {"", "True"}:
        right = unparse(node.value.comparators[-1])
        return ast.Assert(node.value, None) if is_value(right) else None
    if statement.gives == "value":
        return _parsed_assert(f"None == ({statement.wanted}\n)", node.value)
    return None


def _parsed_assert(source: str, value: ast.expr) -> ast.Assert | None:
    """Put an expression in the place of the `None` of an assertion's source."""
    tree = parse(f"assert {source}")
    row = tree.body[0] if tree else None
    if not isinstance(row, ast.Assert):
        return None
    if isinstance(row.test, ast.Compare):
        row.test.left = value
    elif isinstance(row.test, ast.Call) and isinstance(row.test.args[1], ast.Lambda):
        row.test.args[1].body = value
    return row


def _example(
    row: ast.Assert, setup: Sequence[ast.stmt], modules: frozenset[str], allowed: frozenset[str]
) -> tuple[str, str] | None:
    """Return the source of an assertion with its set-up, and what it calls."""
    nodes = [node for node in setup if not _imports_own(node)]
    body = ast.Module([*nodes, row], [])
    bound = frozenset(_bound(ast.Module(setup, [])))
    name = _name(ast.Module([row], []), bound, modules) or _name(body, bound, modules)
    known = bound | modules
    if (
        not name
        or _unknown(row, known, allowed)
        or any(_unknown(n, known, BUILTINS) for n in setup)
    ):
        return None
    code = unparse(body)
    source = "\n".join([*imports(body, bound), code])
    return (source, name) if code and len(source) <= MAX_ASSERTION else None


def _setup(row: ast.stmt, earlier: Sequence[_Earlier], *, slice_setup: bool) -> list[ast.stmt]:
    """Return the earlier statements that bind or use the names that an assertion needs."""
    bound = {name for each in earlier for name in each.bound}
    needed = _used(row) & bound
    kept: list[ast.stmt] = []
    for each in reversed(earlier):
        if not slice_setup or each.has_effect or needed & (each.used | each.bound):
            kept.append(each.node)
            needed |= each.used & bound
    return kept[::-1]


def _has_effect(node: ast.stmt) -> bool:
    """Return whether a statement does something with the library alone, such as writing a file."""
    called = {unparse(each.func) for each in ast.walk(node) if isinstance(each, ast.Call)}
    plain = isinstance(node, ast.Expr | ast.With) and not _name(node, frozenset(), frozenset())
    return plain and bool(called - {"print"})


def _used(node: ast.AST) -> set[str]:
    return {
        each.id
        for each in ast.walk(node)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)
    }


def _bound(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
            yield each.id
        elif isinstance(each, ast.arg):
            yield each.arg
        elif isinstance(each, ast.alias):
            yield (each.asname or each.name).split(".")[0]
        elif isinstance(each, ast.FunctionDef | ast.ClassDef) or (
            isinstance(each, ast.ExceptHandler) and each.name
        ):
            yield each.name


def _imports_own(node: ast.stmt) -> bool:
    """An import of the code that is to be written is left out: its names are there without."""
    return isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] not in LIBRARY


def _unknown(node: ast.AST, known: frozenset[str], allowed: frozenset[str]) -> bool:
    """Return whether code uses a name that nothing defines, such as a parameter: `f(x)`."""
    known |= frozenset(_bound(node)) | allowed
    explained: set[ast.AST] = set()
    for each in ast.walk(node):
        if isinstance(each, ast.Call):
            explained.add(each.func)
            explained |= {named.value for named in each.keywords if _is_builtin(named.value)}
        elif isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name):
            root = each.value.id
            if root in LIBRARY | BUILTINS or root[0].isupper():
                explained.add(each.value)
    return any(
        isinstance(each, ast.Name)
        and each not in explained
        and each.id not in known
        and not _is_error(each.id)
        for each in ast.walk(node)
    )


def _is_builtin(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in BUILTINS


def _is_error(name: str) -> bool:
    return name[0].isupper() and name.endswith(("Error", "Exception", "Exit", "Iteration"))


def _name(node: ast.AST, bound: frozenset[str], modules: frozenset[str]) -> str:
    """Return what the code calls first that is neither built in nor from the library."""
    found: list[tuple[int, int, str]] = []
    for each in ast.walk(node):
        name = ""
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Name):
            name = each.func.id
        elif isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name):
            root = each.value.id
            name = each.attr if root in modules else root if root[0].isupper() else ""
        if name and name not in BUILTINS | bound | CONSTRUCTORS.keys() | {"raises"}:
            found.append((getattr(each, "lineno", 0), getattr(each, "col_offset", 0), name))
    return min(found)[2] if found else ""
