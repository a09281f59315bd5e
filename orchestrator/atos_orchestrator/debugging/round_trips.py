"""Rows by rule about functions that undo each other: `decode(encode(x)) == x`. Pure.

Testers take `decrypt` for `encrypt` and expect what that gives: of nineteen rows about a `decrypt` not one was
right, and two right candidates passed none. What comes back through both needs no expected value. Like any
row that a model wrote it is a vote and no law: it may be that a goal means it otherwise.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from atos_orchestrator.debugging.calls import calls_in
from atos_orchestrator.debugging.sources import call_of
from atos_orchestrator.task import name_of, parameters_of

MOST_INPUTS = 4
_OPPOSITES = (
    ("encode", "decode"),
    ("encrypt", "decrypt"),
    ("encipher", "decipher"),
    ("compress", "decompress"),
    ("serialize", "deserialize"),
    ("pack", "unpack"),
    ("escape", "unescape"),
    ("quote", "unquote"),
    ("dump", "load"),
    ("dumps", "loads"),
    ("to", "from"),
    ("format", "parse"),
)
_UNDOES = r"\([^)]*\)[^.;]{0,40}?\b(undoes|way back|inverse|reverses it|opposite of)\b"


def opposites(goal: str, signatures: Sequence[str]) -> list[tuple[str, str]]:
    """Return the signatures of functions that undo each other, the one that goes there and the one that comes back.

    By their names (`to_roman`, `from_roman`), or by the goal's words about the second (`back(x) undoes that`).
    """
    heads = {name_of(head): head for head in signatures if not head.startswith("class ")}
    found: dict[tuple[str, str], None] = {}
    for name, head in heads.items():
        for there, back in _OPPOSITES:
            other = "_".join(back if part == there else part for part in name.split("_"))
            if other != name and other in heads:
                found.setdefault((head, heads[other]))
    for before, name in pairwise(heads):
        if re.search(rf"\b{re.escape(name)}{_UNDOES}", goal):
            found.setdefault((heads[before], heads[name]))
    return list(found)


def round_trips(there: str, back: str, known: Sequence[str]) -> list[str]:
    """Return assertions that what one function makes of known inputs, the other turns into them again.

    Args:
        there: signature of the one, which may have more parameters than its first, such as a key.
        back: signature of the other: it has one parameter, or the same number.
        known: assertions whose inputs are taken; those about errors are left out.
    """
    one, other = name_of(there), name_of(back)
    if len(parameters_of(back)) not in {1, len(parameters_of(there))}:
        return []
    rest = len(parameters_of(back)) > 1
    found: dict[str, str] = {}
    for node in _plain_calls([row for row in known if "raises(" not in row], one):
        first, *more = map(ast.unparse, node.args)
        arguments = ", ".join([ast.unparse(node), *more]) if rest else ast.unparse(node)
        found.setdefault(first, f"assert {other}({arguments}) == {first}")
    return list(found.values())[:MOST_INPUTS]


def _plain_calls(known: Sequence[str], name: str) -> Iterator[ast.Call]:
    for text in calls_in(known, [name]):
        node = call_of(text)
        if node and node.args and not node.keywords and all(map(_is_literal, node.args)):
            yield node


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, MemoryError, RecursionError):
        return False
    return True
