"""Reading an event's data, which may be of any shape: a value that does not fit counts as missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from atos_protocol.goals import Question


def texts(value: object) -> tuple[str, ...]:
    """Return a list as texts; anything else is none."""
    return tuple(map(str, cast("list[Any]", value))) if isinstance(value, list) else ()


def text(data: Mapping[str, Any], name: str, otherwise: str) -> str:
    """Return a text by its name, where there is one that is not empty."""
    value = data.get(name)
    return value if isinstance(value, str) and value else otherwise


def count(data: Mapping[str, Any], name: str) -> int:
    """Return a count by its name; 0 where there is none."""
    value = data.get(name)
    return value if isinstance(value, int) and value >= 0 else 0


def question_of(value: object) -> Question:
    """Return a question; one without text where there is none."""
    if not isinstance(value, Mapping):
        return Question("")
    data = cast("Mapping[str, Any]", value)
    options = texts(data.get("options"))
    return Question(text(data, "text", ""), text(data, "call", ""), options)
