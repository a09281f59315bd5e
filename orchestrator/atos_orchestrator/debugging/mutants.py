"""Cheap mutants of a module, from its syntax tree alone: small faults that tests ought to notice.

A test that passes on the accepted code and on every mutant of it proves little. Each mutant is the
whole module with one change; some are equivalent to the original, which nobody can tell in general.
Deterministic. Pure.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from copy import deepcopy

MOST_CHARACTERS = 60_000
DEEPEST = 60
"""Nesting beyond this is left alone: no model writes it, and copying a tree is recursive."""
GUARD_LINES = 2

NEGATED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.Gt: ast.LtE,
    ast.LtE: ast.Gt, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
Function = ast.FunctionDef | ast.AsyncFunctionDef
Change = Callable[[], None]
"""Changes the tree in place."""


def mutants(source: str, most: int = 6) -> tuple[str, ...]:
    """Return up to `most` changed versions of a module, as many different functions as possible first.

    Each compiles and differs from the source in meaning, as far as its tree tells. A source that
    does not compile, is too long or too deeply nested has none.
    """
    tree = _parsed(source)
    if tree is None:
        return ()
    original = ast.unparse(tree)
    found: dict[str, None] = {}
    for place in _in_turn(tree):
        if len(found) >= most:
            break
        text = _mutated(tree, place)
        if text and text != original:
            found.setdefault(text + "\n")
    return tuple(found)


def _parsed(source: str) -> ast.Module | None:
    if len(source) > MOST_CHARACTERS:
        return None
    try:
        tree = ast.parse(source)
        compile(source, "<module>", "exec", dont_inherit=True)
        ast.unparse(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return tree if _is_shallow(tree) else None


def _is_shallow(tree: ast.AST) -> bool:
    level: list[ast.AST] = [tree]
    for _ in range(DEEPEST):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return True
    return False


Place = tuple[int, int]
"""Number of a function in the tree, and of a change in it."""


def _in_turn(tree: ast.Module) -> Iterator[Place]:
    """Yield the first change of every function, then the second of each, and so on."""
    counts = [len(list(_changes(function))) for function in _functions(tree)]
    for turn in range(max(counts, default=0)):
        for number, count in enumerate(counts):
            if turn < count:
                yield number, turn


def _mutated(tree: ast.Module, place: Place) -> str:
    copy = deepcopy(tree)
    function = _functions(copy)[place[0]]
    for number, change in enumerate(_changes(function)):
        if number == place[1]:
            change()
            break
    try:
        text = ast.unparse(ast.fix_missing_locations(copy))
        compile(text, "<mutant>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""
    return text


def _functions(tree: ast.Module) -> list[Function]:
    return [node for node in ast.walk(tree) if isinstance(node, Function)]


def _own_nodes(function: Function) -> Iterator[ast.AST]:
    """Yield the nodes of a function's body, in the order of the text, without nested functions'."""
    waiting: list[ast.AST] = list(reversed(function.body))
    while waiting:
        node = waiting.pop()
        if isinstance(node, Function | ast.ClassDef):
            continue
        yield node
        waiting += reversed(list(ast.iter_child_nodes(node)))


def _changes(function: Function) -> Iterator[Change]:
    """Yield the changes to a function, the different kinds in turn."""
    kinds = [list(_of_kind(function, kind)) for kind in KINDS]
    for turn in range(max(map(len, kinds))):
        yield from (changes[turn] for changes in kinds if turn < len(changes))


def _of_kind(function: Function, kind: Callable[[ast.AST], Change | None]) -> Iterator[Change]:
    for node in (function, *_own_nodes(function)):
        if (change := kind(node)) is not None:
            yield change


def _negated_comparison(node: ast.AST) -> Change | None:
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        return lambda: node.ops.__setitem__(0, NEGATED[type(node.ops[0])]())
    return None


def _without_guard(node: ast.AST) -> Change | None:
    """Drop an `if` that only raises, or leaves early; else a single `raise`."""
    if not isinstance(node, Function | ast.If | ast.For | ast.While | ast.With | ast.Try):
        return None
    block = node.body
    for index, statement in enumerate(block):
        if _is_guard(statement) or isinstance(statement, ast.Raise):
            return lambda: block.__setitem__(index, ast.Pass())
    return None


def _is_guard(statement: ast.stmt) -> bool:
    if not isinstance(statement, ast.If) or statement.orelse or len(statement.body) > GUARD_LINES:
        return False
    return isinstance(statement.body[-1], ast.Raise | ast.Return)


def _off_by_one(node: ast.AST) -> Change | None:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        value = node.value
        return lambda: setattr(node, "value", value + 1)
    return None


def _swapped_operands(node: ast.AST) -> Change | None:
    if not isinstance(node, ast.BinOp):
        return None
    if isinstance(node.op, ast.Sub | ast.Div | ast.FloorDiv | ast.Mod):
        left, right = node.left, node.right
        return lambda: node.__dict__.update(left=right, right=left)
    if isinstance(node.op, ast.Add):
        return lambda: setattr(node, "op", ast.Sub())
    return None


def _other_connective(node: ast.AST) -> Change | None:
    if isinstance(node, ast.BoolOp):
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        return lambda: setattr(node, "op", other)
    return None


def _other_return(node: ast.AST) -> Change | None:
    if not isinstance(node, ast.Return) or node.value is None:
        return None
    value = node.value
    if isinstance(value, ast.Constant):
        if isinstance(value.value, bool):
            return lambda: setattr(node, "value", ast.Constant(not value.value))
        if value.value is None:
            return lambda: setattr(node, "value", ast.Constant(0))
    return lambda: setattr(node, "value", ast.Constant(None))


KINDS: tuple[Callable[[ast.AST], Change | None], ...] = (
    _negated_comparison,
    _without_guard,
    _off_by_one,
    _swapped_operands,
    _other_connective,
    _other_return,
)
