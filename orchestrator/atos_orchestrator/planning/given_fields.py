"""Reads the fields of a task that only its author may fill: they decide about code. Pure.

A planning model's plan is never read by this: what a small model says of examples, tests or packages is a
hint at most.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from atos_orchestrator.plan import MAX_CONTRACT, MAX_TASK_EXAMPLES
from atos_orchestrator.planning.brief import read_example
from atos_orchestrator.planning.brief.outcomes import is_error
from atos_orchestrator.planning.brief.spans import parse
from atos_orchestrator.task import ErrorClause
from atos_protocol.errors import BadRequestError

MAX_TESTS = 20_000
"""Characters."""
MAX_ITEMS = 40

_PACKAGE = re.compile(r"[A-Za-z0-9](?:[\w.-]{0,62}[A-Za-z0-9])?", re.ASCII)
_NAME = re.compile(r"[A-Za-z_]\w{0,79}")


def lines(value: object) -> list[str]:
    """Return the texts of a list, or a single text as a list."""
    listed = cast("list[object]", value) if isinstance(value, list | tuple) else [value]
    return [item for item in listed if isinstance(item, str) and item.strip()][:MAX_ITEMS]


def examples(given: Sequence[str], hints: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """Return the assertions of a task, the hints that are none, and the faults of what was given."""
    found: list[str] = []
    faults: list[str] = []
    for line in given:
        try:
            found.append(read_example(line))
        except BadRequestError as error:
            faults.append(error.message)
    rest: list[str] = []
    for line in hints:
        try:
            found.append(read_example(line))
        except BadRequestError:
            rest.append(line)
    return list(dict.fromkeys(found))[:MAX_TASK_EXAMPLES], rest, faults


def signatures(value: object) -> tuple[str, ...]:
    """Return what a task must define."""
    plain = (" ".join(line.split())[: MAX_CONTRACT // 2].strip() for line in lines(value))
    return tuple(dict.fromkeys(line for line in plain if line.isprintable()))


def errors(value: object) -> tuple[ErrorClause, ...]:
    """Return the errors that a task must raise."""
    return tuple(dict.fromkeys(_errors(value)))[:MAX_ITEMS]


def _errors(value: object) -> Iterator[ErrorClause]:
    for item in cast("list[object]", value) if isinstance(value, list | tuple) else []:
        if not isinstance(item, Mapping):
            continue
        raw = cast("Mapping[str, Any]", item)
        error, text, name = (str(raw.get(key) or "") for key in ("error", "text", "name"))
        clause = " ".join(text.split())[: MAX_CONTRACT // 2].strip()
        if _NAME.fullmatch(error) and is_error(error) and clause.isprintable():
            yield ErrorClause(error, clause, name if _NAME.fullmatch(name) else "")


def packages(value: object) -> tuple[str, ...]:
    """Return the distributions that a task may import, as the package index writes them."""
    named = [re.sub(r"[-_.]+", "-", line.strip()).lower() for line in lines(value)]
    return tuple(dict.fromkeys(name for name in named if _PACKAGE.fullmatch(name)))


def tests(value: object) -> tuple[str, str]:
    """Return the tests of a task, and what is wrong with them."""
    if not isinstance(value, str) or not value.strip():
        return "", ""
    text = value.encode(errors="replace").decode()
    if len(text) > MAX_TESTS:
        return "", f"its tests have {len(text)} characters; at most {MAX_TESTS} fit"
    if parse(text) is None:
        return "", "its tests are no Python"
    return text, ""
