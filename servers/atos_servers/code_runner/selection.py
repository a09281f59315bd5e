"""Checks what a caller wants run: relative paths and node ids, nothing that is an option."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath

from atos_protocol.errors import BadRequestError

MOST_TARGETS = 500
NAME_CHARACTERS = 400


def relative_path(text: str) -> PurePosixPath:
    """Return a path that stays inside its folder whatever is there.

    Raises:
        BadRequestError: it is absolute, empty, or climbs.
    """
    path = PurePosixPath(text)
    odd = not text or len(text) > NAME_CHARACTERS or any(ord(mark) < 32 for mark in text)
    if odd or path.is_absolute() or ".." in path.parts or not path.parts:
        message = f"{text[:80]!r} is no path inside the folder"
        raise BadRequestError(message, next_step="Give a relative path without '..'.")
    return path


def targets(tests: Iterable[str]) -> tuple[str, ...]:
    """Return pytest targets (`file.py`, `folder`, `file.py::test_name`), checked.

    Raises:
        BadRequestError: there are too many, or one is no relative path.
    """
    wanted = tuple(tests)
    if len(wanted) > MOST_TARGETS:
        message = f"{len(wanted)} targets are more than {MOST_TARGETS}"
        raise BadRequestError(message, next_step="Name a folder instead of its tests.")
    checked: list[str] = []
    for target in wanted:
        file, separator, rest = target.partition("::")
        checked.append(f"{relative_path(file)}{separator}{rest}")
    return tuple(checked)
