"""Says which names a piece of code reads, binds, calls, and can't explain. Pure."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator

from atos_orchestrator.planning.brief.spans import parse
from atos_orchestrator.planning.brief.values import BUILTINS, CONSTRUCTORS, LIBRARY
from atos_orchestrator.planning.brief.wishes import PACKAGES


def used_names(node: ast.AST) -> set[str]:
    """Return the names that code reads."""
    return {
        each.id
        for each in ast.walk(node)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)
    }


def bound_names(node: ast.AST) -> Iterator[str]:
    """Yield the names that code binds."""
    for each in ast.walk(node):
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
            yield each.id
        elif isinstance(each, ast.arg):
            yield each.arg
        elif isinstance(each, ast.alias):
            yield (each.asname or each.name).split(".")[0]
        elif isinstance(each, ast.FunctionDef | ast.ClassDef):
            yield each.name


def imports_own(node: ast.stmt) -> bool:
    """Return whether a statement imports names of the code that is to be written: they are there without."""
    return isinstance(node, ast.ImportFrom) and not _is_known(node.module or "")


def own_modules(node: ast.AST) -> frozenset[str]:
    """Return the modules of the code that is to be written, as far as code imports them by name."""
    names = (
        alias.name
        for each in ast.walk(node)
        if isinstance(each, ast.Import)
        for alias in each.names
    )
    return frozenset(name for name in names if not _is_known(name))


def _is_known(module: str) -> bool:
    root = module.split(".")[0]
    return root in sys.stdlib_module_names or root.lower() in PACKAGES


def has_unknown(node: ast.AST, known: frozenset[str], allowed: frozenset[str]) -> bool:
    """Return whether code uses a name that nothing defines, such as a parameter: `f(x)`."""
    known |= frozenset(bound_names(node)) | allowed
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


def name_called(node: ast.AST, bound: frozenset[str], modules: frozenset[str]) -> str:
    """Return what the code calls first that is neither built in nor from the library."""
    found: list[tuple[int, int, str]] = []
    for each in ast.walk(node):
        name = ""
        if isinstance(each, ast.Call) and isinstance(each.func, ast.Name):
            name = each.func.id
        elif isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name):
            root = each.value.id
            name = each.attr if root in modules else root if root[0].isupper() else ""
        if name and name not in BUILTINS | (bound - modules) | CONSTRUCTORS.keys() | {"raises"}:
            found.append((getattr(each, "lineno", 0), getattr(each, "col_offset", 0), name))
    return min(found)[2] if found else ""


def called_name(source: str) -> str:
    """Return the function or class that an assertion calls; an empty text where there is none."""
    tree = parse(source)
    if tree is None or not tree.body:
        return ""
    bound, modules = frozenset(bound_names(tree)), own_modules(tree)
    last = name_called(tree.body[-1], bound, modules)
    return last or name_called(tree, bound, modules)
