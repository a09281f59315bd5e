"""Takes keys and passwords out of text, at the one place where an error, a log line or a health report is made.

Two things are taken out: what has the shape of a secret, and values that this process knows to be secret, because
they stand in its environment, its settings or a key file (`learn`). Contents of files and what models write are
not touched: they are the person's own. Standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, cast
from urllib.parse import quote

HIDDEN = "***"
LEAST_LENGTH = 8
"""Shorter values are not looked for: they would be found inside of ordinary words."""

_SECRET_NAME = re.compile(r"key|token|secret|passw|credential|auth|cookie", re.IGNORECASE)
_NAMES_A_PLACE = re.compile(r"(file|path|dir|home|sock|socket|url|uri)$", re.IGNORECASE)
_IN_URL = re.compile(r"(?<=://)[^\s/?#@'\"<>]+(?=@)")
_HEADER = re.compile(
    r"""(authorization["']?\s*[:=]\s*["']?(?:b?["'])?(?:(?:bearer|basic|token)\s+)?)[^\s"',}\])]+""",
    re.IGNORECASE,
)
_BEARER = re.compile(r"(bearer\s+)[A-Za-z0-9._~+/=-]{16,}", re.IGNORECASE)
_SHAPES = re.compile(
    r"\b(?:sk-[A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|hf_[A-Za-z0-9]{20,}"
    r"|AKIA[0-9A-Z]{16}|xox[abprs]-[A-Za-z0-9-]{10,}|glpat-[A-Za-z0-9_-]{16,}|atos_[A-Za-z0-9_-]{40,})"
)


class Redaction:
    """The secrets that are known, and how a text looks without them."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: tuple[str, ...] = ()

    def learn(self, values: Iterable[str]) -> None:
        """Take out these values from now on; those that are too short to be told from words are left."""
        found = set(self._values)
        for value in values:
            if len(value) >= LEAST_LENGTH:
                found |= {value, quote(value, safe="")}
        self._values = tuple(sorted(found, key=len, reverse=True))

    def redacted(self, text: str) -> str:
        """Return a text in which `***` stands for each secret."""
        for value in self._values:
            if value in text:
                text = text.replace(value, HIDDEN)
        text = _IN_URL.sub(HIDDEN, text)
        text = _HEADER.sub(rf"\1{HIDDEN}", text)
        text = _BEARER.sub(rf"\1{HIDDEN}", text)
        return _SHAPES.sub(HIDDEN, text)


_OF_THIS_PROCESS = Redaction()


def learn(values: Iterable[str]) -> None:
    """Take these values out of everything that this process says from now on."""
    _OF_THIS_PROCESS.learn(values)


def learn_environment(environ: Mapping[str, str]) -> None:
    """Take out the values of variables that are named as secrets are, such as `AWS_SECRET_ACCESS_KEY`."""
    learn(secrets_of(environ))


def secrets_of(environ: Mapping[str, str]) -> list[str]:
    """Return the values of an environment that its names call secret, and the credentials in its URLs."""
    named = [
        value
        for name, value in environ.items()
        if _SECRET_NAME.search(name) and not _NAMES_A_PLACE.search(name)
    ]
    return named + [part for value in environ.values() for part in _IN_URL.findall(value)]


def redacted(text: str) -> str:
    """Return a text without the secrets that this process knows, or that look like one."""
    return _OF_THIS_PROCESS.redacted(text)


def redacted_value(value: Any) -> Any:
    """Return a JSON value with every text in it redacted; names of members are kept."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, Mapping):
        members = cast("Mapping[str, Any]", value)
        return {name: redacted_value(member) for name, member in members.items()}
    if isinstance(value, list | tuple):
        return [redacted_value(member) for member in cast("Iterable[Any]", value)]
    return value
