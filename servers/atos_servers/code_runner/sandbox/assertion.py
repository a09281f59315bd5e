"""Runs one assertion or one call in the namespace of the modules under test; the outcome is text.

The syntax tree of an assertion is rewritten so that its `==` and `!=` are those of `comparison`,
which also shows both values of a comparison that failed. The code under test shares this process
and could replace all of it.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import CodeType, ModuleType, SimpleNamespace
from typing import Any

from atos_servers.code_runner.sandbox.canonical import (
    MESSAGE_CHARACTERS,
    VALUE_CHARACTERS,
    canonical,
    cut,
    described,
    printable,
)
from atos_servers.code_runner.sandbox.comparison import Comparisons

BEGIN, EQUAL, DIFFER = "_begin_", "_equal_", "_differ_"


def _approx(value: object, **_tolerance: object) -> object:
    return value  # comparisons are tolerant already


class _Tolerant(ast.NodeTransformer):
    def __init__(self) -> None:
        self._inside = False

    def visit_Assert(self, node: ast.Assert) -> Any:
        outside, self._inside = self._inside, True
        node.test = self.visit(node.test)
        self._inside = outside
        begin = ast.Expr(ast.Call(ast.Name(BEGIN, ast.Load()), [], []))
        return [ast.copy_location(begin, node), node]

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        if (
            not self._inside
            or len(node.ops) != 1
            or not isinstance(node.ops[0], ast.Eq | ast.NotEq)
        ):
            return node
        name = EQUAL if isinstance(node.ops[0], ast.Eq) else DIFFER
        called = ast.Call(ast.Name(name, ast.Load()), [node.left, *node.comparators], [])
        return ast.copy_location(called, node)


def tolerant(source: str) -> ast.Module:
    """Return the tree of a source whose asserts compare by `_equal_` and `_differ_`.

    Raises:
        SyntaxError: it can't be parsed; ValueError, RecursionError, MemoryError: nor can this.
    """
    return ast.fix_missing_locations(_Tolerant().visit(ast.parse(source)))


def names_of(modules: Mapping[str, ModuleType]) -> dict[str, Any]:
    """Return each module under its own name, and all their public names, the last one's first."""
    found: dict[str, Any] = {
        name.partition(".")[0]: sys.modules.get(name.partition(".")[0], module)
        for name, module in modules.items()
    }
    for module in modules.values():
        found |= {name: value for name, value in vars(module).items() if name[:1] != "_"}
    return found


@dataclass(frozen=True, slots=True)
class Space:
    """What one assertion or call sees, for one use.

    It is made before the fork of the cell that uses it: each page that a cell is the first to touch is a page fault.
    """

    variables: dict[str, Any]
    comparisons: Comparisons


def space_of(names: Mapping[str, Any]) -> Space:
    """Return a space with these names, and with those that assertions use."""
    comparisons = Comparisons()
    module = ModuleType("cell")
    sys.modules["cell"] = module  # dataclasses look their module up
    extra: dict[str, Any] = {"raises": comparisons.raises, "approx": _approx}
    extra["pytest"] = SimpleNamespace(**extra)
    extra |= {BEGIN: comparisons.begin, EQUAL: comparisons.equal, DIFFER: comparisons.differ}
    vars(module).update({**names, **extra})
    return Space(vars(module), comparisons)


def _failure(error: AssertionError, shown: str) -> str:
    why = shown or described(error).partition(": ")[2]
    return f"fail: {cut(printable(why), MESSAGE_CHARACTERS)}" if why else "fail"


Prepared = Callable[[Space], str]
"""An assertion or call that is ready to run in a space; returns the outcome, never raises."""


def prepared_assertion(source: str) -> Prepared:
    """Compile an assertion; its outcome is `pass`, `fail`, `fail: 3 != 4` or `error: ...`."""
    try:
        code = compile(tolerant(source), "<assertion>", "exec", dont_inherit=True)
    except Exception as error:  # noqa: BLE001 - whatever the compiler says of such a text
        return _always(f"error: {described(error)}")
    return lambda space: _check(code, space)


def prepared_call(source: str) -> Prepared:
    """Compile a call, after statements that set it up; its outcome is `= ` and the value."""
    try:
        tree = ast.parse(source)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        before = compile(tree, "<call>", "exec", dont_inherit=True)
        shown = last.value if isinstance(last, ast.Expr) else ast.Constant(None)
        wanted = ast.fix_missing_locations(ast.Expression(shown))
        after = compile(wanted, "<call>", "eval", dont_inherit=True)
    except Exception as error:  # noqa: BLE001 - as above
        return _always(f"error: {described(error)}")
    return lambda space: _value(before, after, space.variables)


def _always(outcome: str) -> Prepared:
    return lambda _space: outcome


def _check(code: CodeType, space: Space) -> str:
    try:
        exec(code, space.variables)  # noqa: S102 - what this process is for
    except AssertionError as error:
        return _failure(error, space.comparisons.shown)
    except BaseException as error:  # noqa: BLE001 - whatever it raises is the outcome
        return f"error: {described(error)}"
    return "pass"


def _value(before: CodeType, after: CodeType, variables: dict[str, Any]) -> str:
    try:
        exec(before, variables)  # noqa: S102 - what this process is for
        found = eval(after, variables)
        return cut(printable(f"= {canonical(found)}"), VALUE_CHARACTERS)
    except BaseException as error:  # noqa: BLE001 - whatever it raises is the outcome
        return f"error: {described(error)}"
