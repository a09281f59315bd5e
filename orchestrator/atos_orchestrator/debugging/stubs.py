"""Stubs of a module, from its syntax tree alone.

A test that passes on a module whose functions all return None proves nothing about it. And where a file that others
build on is too long for a prompt, its signatures say more than its two ends.
"""

from __future__ import annotations

import ast

from atos_orchestrator.debugging.sources import parse_source


class _Stub(ast.NodeTransformer):
    def __init__(self, body: ast.stmt) -> None:
        self._body = body

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._emptied(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._emptied(node)

    def _emptied(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        # Decorators are dropped too: they might replace the function with one that does something.
        keep = [d for d in node.decorator_list if isinstance(d, ast.Name) and d.id in _PLAIN]
        node.decorator_list = list[ast.expr](keep)
        node.body = [self._body]
        return node


_PLAIN = frozenset({"staticmethod", "classmethod", "property"})


def stub_source(source: str) -> str:
    """Return the module with every function's body replaced by `return None`.

    Raises:
        SyntaxError: the source does not compile.
    """
    return _emptied(source, ast.Return(ast.Constant(None)))


def signatures_of(source: str) -> str:
    """Return a module with `...` for the body of every function; as it is where it does not compile."""
    if parse_source(source) is None:
        return source
    return _emptied(source, ast.Expr(ast.Constant(...)))


def _emptied(source: str, body: ast.stmt) -> str:
    return ast.unparse(ast.fix_missing_locations(_Stub(body).visit(ast.parse(source)))) + "\n"


def imported_files(source: str) -> tuple[str, ...]:
    """Return the files that a test module may test, going by its imports."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return ()
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.append(node.module)
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return tuple(dict.fromkeys(f"{name.replace('.', '/')}.py" for name in names))
