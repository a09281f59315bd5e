"""Which packages may be asked for: names and versions, nothing that pip could take for anything else. Pure."""

from __future__ import annotations

import hashlib
import json
import sys
import sysconfig
from collections.abc import Iterable

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from atos_protocol.errors import BadRequestError

MOST_PACKAGES = 24
CHARACTERS = 100
OPERATORS = frozenset({"==", ">=", "~=", "<=", "<", ">", "!="})
ALWAYS_THERE = frozenset({"pytest"})
"""What runs the tests: always importable, in the version that code_runner runs."""

STEP = "Name distributions of the package index, such as 'flask' or 'flask>=3'."


def checked_packages(asked: Iterable[str]) -> tuple[str, ...]:
    """Return requirements in normal form, sorted, for instance `('flask>=3', 'requests[socks]')`.

    Raises:
        BadRequestError: there are too many, or one is not a name with versions; `===` is none.
    """
    texts = list(asked)
    if len(texts) > MOST_PACKAGES:
        message = f"{len(texts)} packages are more than {MOST_PACKAGES}"
        raise BadRequestError(message, next_step="Name only what the code itself imports.")
    found: dict[str, str] = {}
    for text in texts:
        name, whole = _checked(text)
        if found.setdefault(name, whole) != whole:
            message = f"{name} is named twice: {found[name]} and {whole}"
            raise BadRequestError(message, next_step="Name each package once.")
    return tuple(found[name] for name in sorted(found.keys() - ALWAYS_THERE))


def _checked(text: str) -> tuple[str, str]:
    shown = repr(text[:CHARACTERS])
    requirement = _parsed(text)
    if requirement is None:
        message = f"{shown} is not the name of a package"
        raise BadRequestError(message, next_step=STEP)
    if requirement.url or requirement.marker:
        message = f"{shown} has a URL or a condition; only names and versions are taken"
        raise BadRequestError(message, next_step=STEP)
    if wrong := sorted({each.operator for each in requirement.specifier} - OPERATORS):
        message = f"{shown} compares versions by {', '.join(wrong)}; === is not taken"
        raise BadRequestError(message, next_step=STEP)
    name = canonicalize_name(requirement.name)
    extras = ",".join(sorted(canonicalize_name(extra) for extra in requirement.extras))
    return name, f"{name}{f'[{extras}]' * bool(extras)}{requirement.specifier}"


def _parsed(text: str) -> Requirement | None:
    if len(text) > CHARACTERS or not text.isascii() or not text.isprintable():
        return None
    try:
        return Requirement(text)
    except InvalidRequirement:
        return None


def environment_key(requirements: Iterable[str]) -> str:
    """Return the name of the environment's folder: a hash of what is asked for and the interpreter."""
    python = (sys.implementation.cache_tag, sysconfig.get_platform())
    text = json.dumps([sorted(requirements), *python])
    return hashlib.sha256(text.encode()).hexdigest()[:24]
