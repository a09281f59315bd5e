"""Rows and calls from texts, by rule: a stand-in for the product's own rules, until those are joined here.

What the score needs beside them: a row's `==` made tolerant to the last digits of floats.
"""

from __future__ import annotations

import ast
import doctest
import re
from collections.abc import Sequence

_FENCE = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL)
_WANT = r"\s*(?:==>|==|=>|➞|->|=|(?:#\s*)?(?:should )?returns?)\s*(.+)"


def program_of(reply: str) -> str:
    """Return the code of a reply: all its fences, or the reply itself where it has none."""
    return "\n".join(_FENCE.findall(reply)) or reply


def assertions_of(reply: str, name: str) -> list[str]:
    """Return the one-line assertions of a reply that call a function; others cost only themselves."""
    found: dict[str, None] = {}
    for line in program_of(reply).splitlines():
        tree = _parsed(line.strip())
        last = tree.body[-1] if tree and tree.body else None
        if tree and isinstance(last, ast.Assert) and calls_in(line.strip(), name):
            last.msg = None  # messages make equal rows look different
            found.setdefault(ast.unparse(tree))
    return list(found)


def calls_in(row: str, name: str) -> list[str]:
    """Return the calls of a function in a row."""
    tree = _parsed(row)
    return [
        ast.unparse(node)
        for node in (ast.walk(tree) if tree else ())
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    ]


def examples_in(text: str, name: str) -> list[str]:
    """Return a docstring's examples as assertions: `>>> f(1)` with its value, `f(1) == 2`, and such."""
    try:
        pairs = [(e.source, e.want) for e in doctest.DocTestParser().get_examples(text)]
    except ValueError:
        pairs = []
    shape = re.compile(rf"({re.escape(name)}\(.*?\)){_WANT}")
    pairs += [(m[1], m[2]) for line in text.splitlines() if (m := shape.search(line))]
    found: dict[str, None] = {}
    for call, want in pairs:
        value = re.sub(r"\s+#.*", "", want).strip().rstrip(".;,").strip()
        row = f"assert {call.strip()} == {value}"
        tree = _parsed(row)
        if tree and _is_literal(value) and _closed_calls(row, name):
            found.setdefault(ast.unparse(tree))
    return list(found)


def tolerant(row: str) -> str:
    """Return a row whose `==` is `same_(a, b)`: 0.1 + 0.2 == 0.3 would call right programs wrong."""
    tree = _parsed(row)
    return ast.unparse(ast.fix_missing_locations(_Tolerant().visit(tree))) if tree else row


class _Tolerant(ast.NodeTransformer):
    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        if len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq):
            return ast.Call(ast.Name("same_", ast.Load()), [node.left, *node.comparators], [])
        return node


def _closed_calls(row: str, name: str) -> bool:
    """Tell whether a row calls the function with literal arguments, at least one of them."""
    calls = [_parsed(call) for call in calls_in(row, name)]
    nodes = [c.body[0].value for c in calls if c and isinstance(c.body[0], ast.Expr)]
    arguments = [ast.unparse(a) for n in nodes if isinstance(n, ast.Call) for a in n.args]
    return bool(arguments) and all(map(_is_literal, arguments))


def _is_literal(text: str) -> bool:
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return False
    return True


def _parsed(source: str) -> ast.Module | None:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def calls_of(rows: Sequence[str], name: str) -> list[str]:
    """Return the calls in rows, each once: inputs on which programs can be compared."""
    return list(dict.fromkeys(call for row in rows for call in calls_in(row, name)))
