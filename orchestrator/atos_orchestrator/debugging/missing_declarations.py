"""Adds the `global` or `nonlocal` that a function lacks which counts in a name of the module, or of the function around it. Pure.

`number += 1` makes `number` local, so such a function fails at its first call whatever it is given: the declaration can't
make anything worse. Small models forget it in nearly every program that keeps a counter.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from atos_orchestrator.debugging.sources import parse_source

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Scope = ast.Module | _Function


@dataclass(frozen=True, slots=True)
class _Missing:
    """A declaration, and the line before which it belongs."""

    line: int
    text: str


def with_missing_declarations(source: str) -> str:
    """Return the module with the declarations that its functions lack; as it is where none do."""
    tree = parse_source(source)
    missing = list(_missing(tree, ())) if tree else []
    lines = source.split("\n")  # as the parser counts them
    for each in sorted(missing, key=lambda found: found.line, reverse=True):
        lines.insert(each.line - 1, each.text)
    return "\n".join(lines)


def _missing(scope: _Scope, around: Sequence[_Scope]) -> Iterator[_Missing]:
    inner = (*around, scope)
    for node in _own(scope):
        if isinstance(node, _Function):
            yield from _lacking(node, inner)
            yield from _missing(node, inner)
        elif isinstance(node, ast.ClassDef):  # a class is no scope for the functions in it
            for function in (each for each in node.body if isinstance(each, _Function)):
                yield from _lacking(function, inner)
                yield from _missing(function, inner)


def _lacking(function: _Function, around: Sequence[_Scope]) -> Iterator[_Missing]:
    documented = ast.get_docstring(function, clean=False) is not None
    body = function.body[1:] if documented else function.body
    if not body or body[0].lineno == function.lineno:
        return
    counted = {target.id for node in _own(function) if (target := _counted(node))}
    names = sorted(counted - _bound(function) - _declared(function))
    globals_ = [name for name in names if _owner(name, around) is around[0]]
    nonlocals = [name for name in names if _owner(name, around) not in {None, around[0]}]
    indent = " " * body[0].col_offset
    first = min([body[0].lineno, *(each.lineno for each in _decorators(body[0]))])
    for keyword, found in (("global", globals_), ("nonlocal", nonlocals)):
        if found:
            yield _Missing(first, f"{indent}{keyword} {', '.join(found)}")


def _owner(name: str, around: Sequence[_Scope]) -> _Scope | None:
    """Return the innermost scope around a function that binds a name."""
    return next((scope for scope in reversed(around) if name in _holds(scope)), None)


def _holds(scope: _Scope) -> set[str]:
    """Return the names that are a scope's own: what it declares `global` or `nonlocal` is another's."""
    found = _bound(scope, counts=True)
    return found if isinstance(scope, ast.Module) else found - _declared(scope)


def _own(scope: _Scope) -> Iterator[ast.AST]:
    """Yield the nodes of a scope, without those of functions and classes in it."""
    waiting: list[ast.AST] = list(scope.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, _Function | ast.ClassDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)


def _counted(node: ast.AST) -> ast.Name | None:
    """Return the name that a statement changes by what it held before: `n += 1`, `n = n + 1`."""
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        return node.target
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
        if isinstance(target, ast.Name) and target.id in _read(node.value):
            return target
    return None


def _read(value: ast.expr) -> set[str]:
    return {node.id for node in ast.walk(value) if isinstance(node, ast.Name)}


def _bound(scope: _Scope, *, counts: bool = False) -> set[str]:
    """Return the names that a scope binds; with `counts`, also those that it only counts in."""
    counted = {id(target) for node in _own(scope) if (target := _counted(node))}
    found: set[str] = set()
    for node in _own(scope):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store | ast.Del):
            found |= {node.id} if counts or id(node) not in counted else set()
        elif isinstance(node, _Function | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {(each.asname or each.name).partition(".")[0] for each in node.names}
        elif isinstance(node, ast.ExceptHandler) and node.name:
            found.add(node.name)
    return found if isinstance(scope, ast.Module) else found | _parameters(scope)


def _parameters(function: _Function) -> set[str]:
    given = function.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    return {each.arg for each in every if each}


def _declared(function: _Function) -> set[str]:
    said = (node for node in _own(function) if isinstance(node, ast.Global | ast.Nonlocal))
    return {name for node in said for name in node.names}


def _decorators(statement: ast.stmt) -> list[ast.expr]:
    return getattr(statement, "decorator_list", [])
