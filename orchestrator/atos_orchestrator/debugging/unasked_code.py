"""Takes away what small models add to a module though nobody asked for it. Pure.

Two habits cost candidates that are right otherwise: an import of a package that is never used, and a
demonstration at the end of the file, which runs, and may fail, whenever the module is imported.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection

from atos_orchestrator.debugging.sources import parse_source


def without_unasked_code(source: str, *, functions_only: bool) -> str:
    """Return a module without unused imports of packages and, where it is to hold functions only, without demonstrations.

    As it is where it can't be parsed, or nothing would be left.
    """
    tree = parse_source(source)
    if tree is None:
        return source
    own = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    gone = [
        node
        for node in tree.body
        if _is_unused_package(node, used) or (functions_only and _is_demonstration(node, own))
    ]
    if not gone or len(gone) == len(tree.body):
        return source
    lines = source.splitlines(keepends=True)
    kept = {line for node in tree.body if node not in gone for line in _lines(node)}
    for node in reversed(gone):
        if not kept & set(_lines(node)):  # `import numpy; x = 1` stays
            del lines[node.lineno - 1 : node.end_lineno]
    return "".join(lines).rstrip() + "\n"


def _is_unused_package(node: ast.stmt, used: Collection[str]) -> bool:
    match node:
        case ast.Import():
            modules = [alias.name for alias in node.names]
        case ast.ImportFrom(level=0):
            modules = [node.module or ""]
        case _:
            return False
    foreign = all(name.partition(".")[0] not in sys.stdlib_module_names for name in modules)
    names = {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    return foreign and "*" not in names and not names & set(used)


def _is_demonstration(node: ast.stmt, own: Collection[str]) -> bool:
    """Tell whether a statement only shows what is there: `sys.setrecursionlimit(...)`, `TABLE.update(...)` do more."""
    match node:
        case ast.Expr(value=ast.Call(func=ast.Name(id=name))):
            return name == "print" or name in own
        case ast.Assert():
            return True
        case ast.If(test=ast.Compare(left=ast.Name(id="__name__"))):
            return True
        case _:
            return False


def _lines(node: ast.stmt) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)
