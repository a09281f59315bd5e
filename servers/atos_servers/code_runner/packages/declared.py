"""The requirements that a project declares: `requirements.txt`, else `project.dependencies` of pyproject.toml. Pure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from typing import Any, cast

from packaging.requirements import Requirement

from atos_protocol.errors import BadRequestError

REQUIREMENTS, PROJECT = "requirements.txt", "pyproject.toml"
FILES = (REQUIREMENTS, PROJECT)
"""In the order in which they are looked for: the first that is there counts."""
COMMENT = re.compile(r"(^|\s)#.*$")


def declared(name: str, text: str) -> tuple[str, ...]:
    """Return the requirements of a file that apply to this interpreter, without their conditions.

    Args:
        name: one of `FILES`.
        text: its content.

    Raises:
        BadRequestError: it can't be read, or holds what is no plain requirement.
    """
    lines = _listed(text) if name == REQUIREMENTS else _of_project(text)
    return tuple(each for line in lines for each in _applying(name, line))


def _listed(text: str) -> Iterator[str]:
    for line in text.replace("\\\n", " ").splitlines():
        if plain := COMMENT.sub("", line).strip():
            yield plain


def _of_project(text: str) -> Iterable[str]:
    try:
        project: Any = tomllib.loads(text).get("project")
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        message = f"{PROJECT} is not TOML: {error}"
        raise BadRequestError(
            message, next_step="Mend it, or name the packages yourself."
        ) from error
    listed: Any = (
        cast("dict[str, Any]", project).get("dependencies") if isinstance(project, dict) else None
    )
    return [str(each) for each in cast("list[Any]", listed)] if isinstance(listed, list) else []


def _applying(name: str, line: str) -> Iterator[str]:
    try:
        requirement = Requirement(line)
        applies = requirement.marker is None or requirement.marker.evaluate()
    except (ValueError, RecursionError) as error:  # of a condition that compares what can't be
        message = f"{name}: {line[:80]!r} is no plain requirement"
        step = (
            "Name the packages themselves in `packages` of prepare_packages; no options, no files."
        )
        raise BadRequestError(message, next_step=step) from error
    if applies:
        requirement.marker = None
        yield str(requirement)
