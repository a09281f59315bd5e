"""Arguments as a confused or hostile model makes them up: wrong types, sizes, paths, patterns, cursors."""

import random
from collections.abc import Mapping
from typing import Any

TEXTS = [
    "", ".", "..", "/", "~", "~root", "\0", "a" * 300, "a/" * 200, "../" * 20 + "etc/passwd", "/etc/passwd",
    "/proc/self/mem", "good.txt", "dir", "dir/deep.txt", "to-folder/secret", "to-file", "hardlink", "fifo",
    "socket", "loop", "\u202egnp", "\ud800", "é" * 120, "con", "a:b", "x\ny", "**", "**/*", "*a" * 150,
    "{a,b}" * 5, "[!", "{", "(a|a)*b", "(", "a{1000}{1000}", "\\", ".git/config", "conftest.py", "0:1", "1:2:3",
    "99999999999:1", "-1:0", "%00", "%ff", "dir/deep.txt#3", "a" * 100_000, "\n" * 5_000, "big", "many", "deep",
    "name", "size", "0" * 64, "new.txt", "new/new.txt",
]  # fmt: skip
"""Texts that some argument of some tool might choke on."""
NUMBERS = [0, 1, 2, -1, 20, 21, 10**6, 2**31, 2**53, 2**63, 2**200, 1.5, 1e308, float("inf")]
OTHERS: list[Any] = [None, True, False, [], {}, [None], {"a": 1}, [[]], "true", "7", b"x".hex()]


def bad_arguments(chance: random.Random, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments for a tool with this input schema; most of them wrong in one place or another."""
    properties: dict[str, Any] = schema.get("properties", {})
    required = schema.get("required", [])
    arguments: dict[str, Any] = {}
    for name, described in properties.items():
        if chance.random() < (0.97 if name in required else 0.4):
            arguments[name] = _value(chance, described)
    if chance.random() < 0.05:
        name = (
            chance.choice(TEXTS)[:50].encode(errors="replace").decode()
        )  # a name that can be sent
        arguments[name] = _value(chance, {})
    return arguments


def _value(chance: random.Random, described: Mapping[str, Any]) -> Any:
    if chance.random() < 0.12:
        return chance.choice(chance.choice([TEXTS, NUMBERS, OTHERS]))
    match described.get("type"):
        case "string":
            return chance.choice(TEXTS)
        case "integer" | "number":
            return chance.choice(NUMBERS)
        case "boolean":
            return chance.random() < 0.5
        case "array":
            count = chance.choice([0, 1, 2, 3, 150, 1_001])
            return [_value(chance, described.get("items", {})) for _ in range(count)]
        case "object":
            return bad_arguments(chance, described)
        case _:
            return chance.choice(chance.choice([TEXTS, NUMBERS, OTHERS]))
