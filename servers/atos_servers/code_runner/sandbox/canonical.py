"""Values and errors as one line of text, so that what is equal in Python looks equal. Pure.

Candidates are compared by these texts: floats are rounded, sets and dicts are put in order, memory
addresses are left out. A text that is cut ends with a digest of the whole, so that two long values
don't look equal because they begin alike.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any, cast

DEEPEST = 60
MESSAGE_CHARACTERS = 120
VALUE_CHARACTERS = 300
WHOLE = 1e15
"""Floats above are written with an exponent or may lack their last digits, so they keep their own form."""
ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}")


def printable(text: str) -> str:
    """Return the text on one line: whatever could steer a terminal or a reader becomes a space."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


def cut(text: str, most: int) -> str:
    """Return a text of at most `most` characters; one that is cut ends with a digest of the whole."""
    if len(text) <= most:
        return text
    mark = "… #" + hashlib.sha256(text.encode(errors="replace")).hexdigest()[:8]
    return text[: max(0, most - len(mark))] + mark


def described(error: BaseException) -> str:
    """Return an error's class and message, such as `ValueError: empty`."""
    name = type(error).__name__
    try:
        message = str(error)
    except BaseException:  # noqa: BLE001 - broken or hostile code; its class is known
        message = ""
    return cut(printable(f"{name}: {message}" if message else name), MESSAGE_CHARACTERS)


def canonical(value: object, depth: int = 0) -> str:
    """Return a value's text; subclasses of the containers look like what they are equal to."""
    if depth > DEEPEST:
        return "<nested too deeply>"
    if type(value) is float:
        return _float(value)
    if isinstance(value, list | tuple | set | frozenset | dict):
        return _container(cast("Any", value), depth + 1)
    text = repr(value)
    return f"<{type(value).__name__}>" if ADDRESS.search(text) else text


def _float(value: float) -> str:
    """Return a float's text, rounded; a whole number looks like the int that it is equal to."""
    rounded = float(f"{value:.9g}")
    whole = rounded.is_integer() and abs(rounded) < WHOLE
    return repr(int(rounded)) if whole else repr(rounded)


def _container(value: Any, depth: int) -> str:
    if isinstance(value, dict):
        pairs = cast("dict[Any, Any]", value).items()
        texts = (f"{canonical(key, depth)}: {canonical(item, depth)}" for key, item in pairs)
        return "{" + ", ".join(sorted(texts)) + "}"
    items = [canonical(item, depth) for item in cast("Iterable[Any]", value)]
    if isinstance(value, list):
        return "[" + ", ".join(items) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join(items) + ("," if len(items) == 1 else "") + ")"
    return "{" + ", ".join(sorted(items)) + "}" if items else "set()"
