"""Runs one assertion or one call in the namespace of the modules under test; the outcome is text.

`==` and `!=` inside an `assert` forgive what rounding does to floats: `0.1 + 0.2 == 0.3` would call
a right program wrong. The syntax tree is rewritten for that, which also shows both values of a
comparison that failed. The code under test shares this process and could replace all of it.
"""

from __future__ import annotations

import ast
import math
import re
import sys
from collections.abc import Callable, Mapping
from types import ModuleType, SimpleNamespace, TracebackType
from typing import Any, cast

from atos_servers.code_runner.sandbox.canonical import (
    MESSAGE_CHARACTERS,
    VALUE_CHARACTERS,
    canonical,
    cut,
    described,
    printable,
)

RELATIVE, ABSOLUTE = 1e-6, 1e-9
SHOWN_CHARACTERS = 50
BEGIN, EQUAL, DIFFER = "_begin_", "_equal_", "_differ_"
Errors = type[BaseException] | tuple[type[BaseException], ...]


def close(left: object, right: object) -> bool:
    """Return whether two values differ by no more than the rounding of floats, at any depth."""
    if isinstance(left, float) or isinstance(right, float):
        return _near(left, right)
    if isinstance(left, dict) and isinstance(right, dict):
        one, other = cast("dict[Any, Any]", left), cast("dict[Any, Any]", right)
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    for kind in (list, tuple):
        if isinstance(left, kind) and isinstance(right, kind):
            ours, theirs = cast("list[Any]", left), cast("list[Any]", right)
            return len(ours) == len(theirs) and all(map(_alike, ours, theirs))
    return False


def _alike(left: object, right: object) -> bool:
    return (left == right) is True or close(left, right)


def _near(left: object, right: object) -> bool:
    numbers = isinstance(left, int | float) and isinstance(right, int | float)
    if not numbers or isinstance(left, bool) or isinstance(right, bool):
        return False
    try:
        return math.isclose(left, right, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    except OverflowError:  # an int beyond any float
        return False


class Expectation:
    """`with raises(ValueError) as info:`; `info.value` is the error."""

    def __init__(self, errors: Errors, match: str) -> None:
        self._errors, self._match = errors, match
        self.value: BaseException | None = None

    def __enter__(self) -> Expectation:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        del kind, trace
        if error is None:
            message = f"{_named(self._errors)} was not raised"
            raise AssertionError(message)
        _require(error, self._errors, self._match)
        self.value = error
        return True


def _named(errors: Errors) -> str:
    each = errors if isinstance(errors, tuple) else (errors,)
    return " or ".join(error.__name__ for error in each)


def _require(error: BaseException, errors: Errors, match: str) -> None:
    if not isinstance(error, errors):
        message = f"raised {described(error)}"
        raise AssertionError(message) from None
    if match and not re.search(match, str(error)):
        message = f"the message does not match: {described(error)}"
        raise AssertionError(message) from None


class Comparisons:
    """Compares for one assertion, and keeps the last comparison that did not hold."""

    def __init__(self) -> None:
        self.shown = ""

    def begin(self) -> None:
        """Forget what an earlier assert compared."""
        self.shown = ""

    def equal(self, left: object, right: object) -> object:
        """Return `left == right`, or True where only rounding differs."""
        answer = left == right
        if answer is True or close(left, right):
            return True
        self._show(left, "!=", right)
        return answer

    def differ(self, left: object, right: object) -> object:
        """Return `left != right`, or False where only rounding differs."""
        answer = left != right
        if answer is True and not close(left, right):
            return True
        self._show(left, "==", right)
        return False if answer is True else answer

    def raises(
        self,
        errors: Errors,
        call: Callable[..., object] | None = None,
        *arguments: Any,
        match: str = "",
        **named: Any,
    ) -> bool | Expectation:
        """Return whether a call raises one of the errors; without a call, a context demanding it.

        Raises:
            AssertionError: another error was raised, or its message does not match.
        """
        if call is None:
            return Expectation(errors, match or "")
        try:
            call(*arguments, **named)
        except BaseException as error:  # noqa: BLE001 - which one it is decides
            _require(error, errors, match or "")
            return True
        self.shown = f"{_named(errors)} was not raised"
        return False

    def _show(self, left: object, sign: str, right: object) -> None:
        ours, theirs = (cut(canonical(value), SHOWN_CHARACTERS) for value in (left, right))
        self.shown = f"{ours} {sign} {theirs}"


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


def _space(names: Mapping[str, Any], comparisons: Comparisons) -> dict[str, Any]:
    module = ModuleType("cell")
    sys.modules["cell"] = module  # dataclasses look their module up
    extra: dict[str, Any] = {"raises": comparisons.raises, "approx": _approx}
    extra["pytest"] = SimpleNamespace(**extra)
    extra |= {BEGIN: comparisons.begin, EQUAL: comparisons.equal, DIFFER: comparisons.differ}
    vars(module).update({**names, **extra})
    return vars(module)


def _failure(error: AssertionError, shown: str) -> str:
    why = shown or described(error).partition(": ")[2]
    return f"fail: {cut(printable(why), MESSAGE_CHARACTERS)}" if why else "fail"


def check(source: str, names: Mapping[str, Any]) -> str:
    """Run an assertion; return `pass`, `fail`, `fail: 3 != 4` or `error: ValueError: ...`."""
    comparisons = Comparisons()
    try:
        code = compile(tolerant(source), "<assertion>", "exec", dont_inherit=True)
        exec(code, _space(names, comparisons))  # noqa: S102 - what this process is for
    except AssertionError as error:
        return _failure(error, comparisons.shown)
    except BaseException as error:  # noqa: BLE001 - whatever it raises is the outcome
        return f"error: {described(error)}"
    return "pass"


def value(source: str, names: Mapping[str, Any]) -> str:
    """Evaluate a call, after statements that set it up; return `= ` and its value, or the error."""
    space = _space(names, Comparisons())
    try:
        tree = ast.parse(source)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "<call>", "exec", dont_inherit=True), space)  # noqa: S102 - as above
        found = None
        if isinstance(last, ast.Expr):
            found = eval(compile(ast.Expression(last.value), "<call>", "eval"), space)
        return cut(printable(f"= {canonical(found)}"), VALUE_CHARACTERS)
    except BaseException as error:  # noqa: BLE001 - whatever it raises is the outcome
        return f"error: {described(error)}"
