"""Domain values as the JSON that the durable runtime and the events table keep, and back.

One mechanism for every dataclass: pydantic reads its annotations. Missing fields take their defaults
and unknown ones are ignored, so a record that an older version wrote can be read where that makes sense.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter

Value = TypeVar("Value")


@cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def encode(value: object) -> dict[str, Any]:
    """Return a dataclass as JSON: tuples as lists, paths as text."""
    return _adapter(type(value)).dump_python(value, mode="json")


def decode(kind: type[Value], data: Mapping[str, Any]) -> Value:
    """Rebuild a dataclass of that type from what `encode` returned.

    Raises:
        ValueError: a field is missing or has the wrong type; the message names it.
    """
    return _adapter(kind).validate_python(data)
