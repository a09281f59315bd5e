"""Turns statements and the values that they give into assertions. Pure.

A doctest, a code block and a row of code spans in a sentence are all the same: statements in order, some
of which give a value or raise. An assertion takes along those earlier statements that its names need.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from atos_orchestrator.planning.brief.code_names import (
    bound_names,
    has_unknown,
    imports_own,
    name_called,
    own_modules,
    used_names,
)
from atos_orchestrator.planning.brief.findings import Example, Place
from atos_orchestrator.planning.brief.spans import parse, unparse
from atos_orchestrator.planning.brief.values import (
    BUILTINS,
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
                bound = frozenset(bound_names(node))
                earlier.append(
                    _Earlier(node, frozenset(used_names(node)), bound, _has_effect(node))
                )


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
    row: ast.Assert, setup: list[ast.stmt], modules: frozenset[str], allowed: frozenset[str]
) -> tuple[str, str] | None:
    """Return the source of an assertion with its set-up, and what it calls."""
    nodes = [node for node in setup if not imports_own(node)]
    body = ast.Module([*nodes, row], [])
    bound = frozenset(bound_names(ast.Module(nodes, [])))
    modules |= own_modules(body)
    name = name_called(row, bound, modules) or name_called(body, bound, modules)
    known = bound | modules | frozenset(bound_names(ast.Module(setup, [])))
    strange = any(has_unknown(node, known, BUILTINS) for node in nodes)
    if not name or strange or has_unknown(row, known, allowed):
        return None
    code = unparse(body)
    source = "\n".join([*imports(body, bound), code])
    return (source, name) if code and len(source) <= MAX_ASSERTION else None


def _setup(row: ast.stmt, earlier: Sequence[_Earlier], *, slice_setup: bool) -> list[ast.stmt]:
    """Return the earlier statements that bind or use the names that an assertion needs."""
    bound = {name for each in earlier for name in each.bound}
    needed = used_names(row) & bound
    kept: list[ast.stmt] = []
    for each in reversed(earlier):
        if not slice_setup or each.has_effect or needed & (each.used | each.bound):
            kept.append(each.node)
            needed |= each.used & bound
    return kept[::-1]


def _has_effect(node: ast.stmt) -> bool:
    """Return whether a statement does something with the library alone, such as writing a file."""
    called = {unparse(each.func) for each in ast.walk(node) if isinstance(each, ast.Call)}
    plain = isinstance(node, ast.Expr | ast.With) and not name_called(
        node, frozenset(), frozenset()
    )
    return plain and bool(called - {"print"})
