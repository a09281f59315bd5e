"""A module of several functions, taken apart and put together again. Pure.

Small models seldom write every function of a file right in one reply, but often each of them in some reply.
So what is right in several candidates is put into one module: a function is taken with the helpers, constants and
imports that it needs. Where two modules mean different things by one name, they don't fit together.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from atos_orchestrator.debugging.sources import defined_names, parse_source
from atos_orchestrator.planning.brief.code_names import used_names

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_Import = ast.Import | ast.ImportFrom


def combined(texts: Mapping[str, str]) -> str | None:
    """Return a module with each function as another module has it; None where they don't fit together.

    Args:
        texts: function -> text of the module that it is taken from.
    """
    whole = Counter(texts.values()).most_common(1)[0][0]
    result: str | None = whole
    for name, text in texts.items():
        if result is not None and text != whole:
            result = _with_function(result, text, name, list(texts))
    return result if result is not None and set(texts) <= defined_names(result) else None


def without_functions(text: str, names: Sequence[str]) -> str:
    """Return a module without some of its functions; as it is where it can't be parsed."""
    tree = parse_source(text)
    lines = text.splitlines()
    gone = [node for node in tree.body if _named(node) in names] if tree else []
    for node in sorted(gone, key=_first_line, reverse=True):
        del lines[_first_line(node) - 1 : node.end_lineno]
    return "\n".join(lines).strip()


def _with_function(text: str, other: str, name: str, public: Sequence[str]) -> str | None:
    """Return a module with one function from another one, and what that function needs there."""
    tree, donor = parse_source(text), parse_source(other)
    if tree is None or donor is None:
        return None
    old, new = _function(tree, name), _function(donor, name)
    if old is None or new is None:
        return None
    fresh: list[ast.stmt] = []
    for node in _needed(donor, new, public):
        known = [each for each in tree.body if _bound(each) & _bound(node)]
        if not known:
            fresh.append(node)
        elif not _means_the_same(node, known):
            return None
    imports = [node for node in fresh if isinstance(node, _Import)]
    others = [node for node in fresh if not isinstance(node, _Import)]
    lines, theirs = text.splitlines(), other.splitlines()
    body = "\n\n\n".join(_segment(theirs, node) for node in (*others, new))
    lines[_first_line(old) - 1 : old.end_lineno] = body.splitlines()
    head = _head(tree)
    lines[head:head] = [_segment(theirs, node) for node in imports]
    result = "\n".join(lines) + "\n"
    return result if parse_source(result) else None


def _function(tree: ast.Module, name: str) -> _Function | None:
    found = [node for node in tree.body if isinstance(node, _Function) and node.name == name]
    return found[-1] if found else None


def _named(node: ast.stmt) -> str:
    return node.name if isinstance(node, _Function) else ""


def _needed(tree: ast.Module, function: _Function, public: Sequence[str]) -> list[ast.stmt]:
    """Return the module's other statements that a function needs, in their order; other public functions stay."""
    found: set[ast.stmt] = set()
    wanted = used_names(function)
    while True:
        more = {
            node
            for node in tree.body
            if node not in found and _bound(node) & wanted and not _bound(node) & set(public)
        }
        if not more:
            return [node for node in tree.body if node in found]
        found |= more
        wanted |= {name for node in more for name in used_names(node)}


def _bound(node: ast.stmt) -> set[str]:
    """Return the names that a statement at the top level binds."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return {node.name}
        case ast.Import() | ast.ImportFrom():
            return {name for name, _ in _imported(node)}
        case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
            return {
                each.id
                for each in ast.walk(node)
                if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
            }
        case _:
            return set()


def _imported(node: _Import) -> Iterator[tuple[str, str]]:
    """Yield the names that an import binds, and what they stand for."""
    module = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
    for alias in node.names:
        yield alias.asname or alias.name.partition(".")[0], f"{module}{alias.name}"


def _means_the_same(node: ast.stmt, known: Sequence[ast.stmt]) -> bool:
    if isinstance(node, _Import):
        theirs = {pair for each in known if isinstance(each, _Import) for pair in _imported(each)}
        return set(_imported(node)) <= theirs
    return all(ast.dump(node) == ast.dump(each) for each in known)


def _first_line(node: ast.stmt) -> int:
    decorators = node.decorator_list if isinstance(node, _Function | ast.ClassDef) else []
    return min([node.lineno, *(each.lineno for each in decorators)])


def _segment(lines: Sequence[str], node: ast.stmt) -> str:
    return "\n".join(lines[_first_line(node) - 1 : node.end_lineno])


def _head(tree: ast.Module) -> int:
    """Return how many lines must stay in front of an import that is added."""
    last = 0
    for at, node in enumerate(tree.body):
        docstring = at == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        if not (docstring or future):
            break
        last = node.end_lineno or last
    return last
