"""Reads the value that an example wants: a literal, or a constructor called with literals. Pure."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator

from atos_orchestrator.planning.brief.spans import bracket_end, parse, string_end

CONSTRUCTORS: dict[str, str] = {
    "set": "",
    "frozenset": "",
    "float": "",
    "Decimal": "decimal",
    "Fraction": "fractions",
    "date": "datetime",
    "datetime": "datetime",
    "time": "datetime",
    "timedelta": "datetime",
    "Path": "pathlib",
    "PurePosixPath": "pathlib",
    "Counter": "collections",
    "OrderedDict": "collections",
    "defaultdict": "collections",
    "deque": "collections",
}
"""Class -> the module to import it from; empty for what needs no import."""

LIBRARY = frozenset(
    {"collections", "datetime", "decimal", "fractions", "functools", "io", "itertools", "json"}
    | {"math", "operator", "os", "pathlib", "random", "re", "string", "tempfile"}
)
"""Modules that an example may use by name."""

BUILTINS = frozenset(dir(builtins))

_NUMBER = re.compile(
    r"[+-]?(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+"
    r"|(?:\d[\d_]*(?:\.\d[\d_]*)?|\.\d+)(?:[eE][+-]?\d+)?)"
)
_QUOTED = re.compile(r"(?:[rRbBuU]|[bB][rR]|[rR][bB])?(?=['\"])")
_WORD = re.compile(r"(?:True|False|None|true|false)\b")
_EMPTY = re.compile(r"(?:an |the )?empty (list|string|dict|dictionary|tuple|set)\b")
_MADE = re.compile(r"(?:[a-z]+\.)?([A-Za-z]+)\(")

_TRUTH = {"true": "True", "false": "False"}
_EMPTY_VALUES = {"list": "[]", "string": "''", "tuple": "()", "set": "set()"}
_GOES_ON = re.compile(
    r"\w|[-+*/%@<>&|^~\[({]|\.[\w.]|,\d|,[ \t]*(?:[-+]?\d|['\"\[{]|True\b|False\b|None\b)"
    r"|[ \t]+(?:[-+*/%<>&|^\[{]|[=!]=|in\b|if\b.*\belse\b)|['\"]"
)
_MORE_WORDS = re.compile(r"[ \t]+([^\W\d_][\w'-]*)")
_FOLLOWERS = frozenset(
    [
        "and",
        "or",
        "but",
        "because",
        "since",
        "as",
        "while",
        "whereas",
        "which",
        "for",
        "if",
        "when",
        "where",
        "not",
        "then",
        "so",
        "with",
        "on",
        "after",
        "before",
        "also",
        "too",
        "the",
        "a",
        "it",
        "this",
        "that",
        "both",
        "again",
        "regardless",
    ]
)


def read_value(text: str, start: int, limit: int | None = None) -> tuple[str, int] | None:
    """Read the value at `start`: its source and its end. None where there is none that is exact."""
    last = len(text) if limit is None else limit
    source, end = literal_at(text, start, last)
    if not source or not is_value(source) or _goes_on(text, end, last):
        return None
    return source, end


def literal_at(text: str, start: int, last: int) -> tuple[str, int]:
    """Return the source of what looks like a value at `start`, and its end; "" where there is none."""
    if word := _WORD.match(text, start, last):
        return _TRUTH.get(word[0], word[0]), word.end()
    if empty := _EMPTY.match(text, start, last):
        return _EMPTY_VALUES.get(empty[1], "{}"), empty.end()
    if number := _NUMBER.match(text, start, last):
        return number[0], number.end()
    end = -1
    if quoted := _QUOTED.match(text, start, last):
        end = string_end(text, quoted.end(), last)
    elif text[start : start + 1] in {"(", "[", "{"}:
        end = bracket_end(text, start)
    elif (made := _MADE.match(text, start, last)) and made[1] in CONSTRUCTORS:
        end = bracket_end(text, made.end() - 1)
    return (text[start:end], end) if 0 < end <= last else ("", start)


def _goes_on(text: str, end: int, last: int) -> bool:
    """Return whether what follows makes it another value: `3 + 4`, `3 items`, `1, 2`, `50 %`."""
    rest = text[end : min(last, end + 80)].split("\n", 1)[0]
    if _GOES_ON.match(rest):
        return True
    word = _MORE_WORDS.match(rest)
    return bool(word) and word[1].lower() not in _FOLLOWERS and "(" not in rest[: word.end() + 1]


def is_value(source: str) -> bool:
    """Return whether a source is a literal or a constructor of the table, called with literals."""
    tree = parse(f"({source}\n)")
    if tree is None or len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
        return False
    try:
        return _exact(tree.body[0].value)
    except RecursionError:
        return False


def _exact(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=value):
            return value is not ...
        case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
            return all(map(_exact, parts))
        case ast.Dict(keys=keys, values=values):
            return all(key is not None and _exact(key) for key in keys) and all(map(_exact, values))
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=ast.Constant(value=int() | float())):
            return True
        case ast.Call(func=made, args=parts, keywords=named):
            known = _constructor(made) in CONSTRUCTORS and not _is_nan(node)
            return known and all(map(_exact, [*parts, *(each.value for each in named)]))
        case _:
            return False


def _constructor(made: ast.expr) -> str:
    if isinstance(made, ast.Attribute):
        module = made.value.id if isinstance(made.value, ast.Name) else ""
        return made.attr if module and CONSTRUCTORS.get(made.attr) == module else ""
    return made.id if isinstance(made, ast.Name) else ""


def _is_nan(call: ast.Call) -> bool:
    """Nothing equals `float('nan')`, so it can't be wanted."""
    return any(isinstance(a, ast.Constant) and str(a.value).lower() == "nan" for a in call.args)


def imports(tree: ast.AST, bound: frozenset[str]) -> Iterator[str]:
    """Yield the imports that a piece of code needs for the constructors and modules that it uses."""
    roots = {
        node.value.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    called = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    for name in sorted((roots & LIBRARY) - bound):
        yield f"import {name}"
    for name in sorted((called | (roots - LIBRARY)) - bound):
        if module := CONSTRUCTORS.get(name):
            yield f"from {module} import {name}"
