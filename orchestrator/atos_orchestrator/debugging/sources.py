"""Reading Python source that a model wrote: bounded, and unable to raise. Pure."""

from __future__ import annotations

import ast
import warnings

MOST_BYTES = 64 * 1024
MOST_NESTING = 60
"""Brackets within brackets; the parser's own limit is a crash on some versions."""


def parse_source(source: str) -> ast.Module | None:
    """Return the syntax tree of a source, or None where it can't be parsed within the bounds."""
    if len(source) > MOST_BYTES or _nesting(source) > MOST_NESTING:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # `\d` in a plain string is not our business
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _nesting(source: str) -> int:
    depth = most = 0
    for character in source:
        if character in "([{":
            depth += 1
            most = max(most, depth)
        elif character in ")]}":
            depth = max(0, depth - 1)
    return most


def defined_names(source: str) -> frozenset[str]:
    """Return the names that a module defines at its top level."""
    tree = parse_source(source)
    names: set[str] = set()
    for node in tree.body if tree else ():
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.add(node.name)
            case ast.Assign():
                names.update(t.id for t in node.targets if isinstance(t, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case _:
                pass
    return frozenset(names)


def method_names(source: str) -> frozenset[str]:
    """Return the names of all methods of a module's classes."""
    tree = parse_source(source)
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)] if tree else []
    return frozenset(
        node.name
        for each in classes
        for node in each.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def imported_names(source: str) -> frozenset[str]:
    """Return the names that a module imports at its top level."""
    tree = parse_source(source)
    names: set[str] = set()
    for node in tree.body if tree else ():
        if isinstance(node, ast.Import | ast.ImportFrom):
            names.update(alias.asname or alias.name.partition(".")[0] for alias in node.names)
    return frozenset(names)


def call_of(source: str) -> ast.Call | None:
    """Return the call that a source begins with; None where that is none."""
    tree = parse_source(source)
    node = tree.body[0].value if tree and tree.body and isinstance(tree.body[0], ast.Expr) else None
    return node if isinstance(node, ast.Call) else None
