"""Finds which special methods of a class a goal speaks of without their names. Pure.

"len() of it and the operator in work as with a dict" asks for `__len__` and `__contains__`, which small models
leave out, as no method of such a name is listed. It is a hint for a prompt and refuses nothing.
"""

from __future__ import annotations

import re

_SPOKEN_OF: tuple[tuple[str, str], ...] = (
    ("__len__", r"\blen\s*\(|\blen of\b"),
    ("__contains__", r"\boperator\s+[`'\"]?in\b|[`'\"]in[`'\"]|\bmembership\b"),
    ("__iter__", r"\biterable\b|\biterat(?:e|es|ing|ion) over\b"),
    ("__getitem__", r"\bsubscript|\bindexing\b|\boperator\s+[`'\"]?\[\]"),
    ("__eq__", r"\bequality\b|\bcompared? (?:as equal|with ==|by ==)|\boperator\s+[`'\"]?=="),
    ("__add__", r"\boperator\s+[`'\"]?\+"),
    ("__str__", r"\bstr\s*\(\s*\w*\s*\)"),
    ("__repr__", r"\brepr\s*\("),
    ("__enter__ and __exit__", r"\bcontext manager\b|\bwith statement\b"),
)


def special_methods(text: str) -> tuple[str, ...]:
    """Return the special methods that a text speaks of, in a fixed order."""
    return tuple(name for name, pattern in _SPOKEN_OF if re.search(pattern, text))
