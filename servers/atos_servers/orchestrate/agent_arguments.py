"""Arguments as agents in workflow tools send them: small models and merged fields are not exact about types.

n8n merges the fields of the item in, under whatever names they have. One that is named like an argument of ours that the
model left out can't be told from it but by its shape: what can't be such an argument counts as left out.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, cast

from pydantic import BeforeValidator, Field

from atos_servers.orchestrate.arguments import TaskPool


def as_text(value: object) -> object:
    """Return text for a number or true and false; anything else as it is, to be refused by its type."""
    return str(value) if isinstance(value, int | float) else value


def as_option(value: object) -> object:
    """Return text, or nothing for an object or a list, which were never meant as one."""
    return "" if isinstance(value, dict | list) else as_text(value)


def as_goal_id(value: object) -> object:
    """Return the id of a goal, or nothing for what can't be one, so that the default is meant."""
    text = str(as_option(value)).strip()
    return text if re.fullmatch(r"[gk][0-9a-f]{6,}", text) else ""


def as_task_id(value: object) -> object:
    """Return the id of a task, or nothing for what can't be one."""
    text = str(as_option(value)).strip()
    return text if re.fullmatch(r"T\d+", text) else ""


def as_list(value: object) -> object:
    """Return a list of texts for one text: a JSON list, or one example a line."""
    if isinstance(value, dict):
        return []
    if not isinstance(value, str):
        return value
    try:
        read: Any = json.loads(value)
    except ValueError:
        read = None
    if isinstance(read, list):
        return cast("list[Any]", read)
    return [line.strip() for line in value.splitlines() if line.strip()]


def as_pool(value: object) -> object:
    """Return a pool's name as it is listed; an unknown one is `auto`."""
    named = str(value).strip().lower()
    return named if named in {"simple", "medium", "complex"} else "auto"


Goal = Annotated[str, BeforeValidator(as_text), Field(description="What to build, in plain words.")]
Task = Annotated[
    str, BeforeValidator(as_text), Field(description="One function or module to write.")
]
Examples = Annotated[
    list[str],
    BeforeValidator(as_list),
    Field(
        default_factory=list,
        description="3 to 5 examples that decide whether the code is right: `f(1) == 2`.",
    ),
]
Key = Annotated[
    str,
    BeforeValidator(as_option),
    Field(description="The same key starts nothing twice."),
]
Pool = Annotated[TaskPool, BeforeValidator(as_pool), Field(description="auto classifies the task.")]
GoalId = Annotated[
    str, BeforeValidator(as_goal_id), Field(description="Default: the goal started last.")
]
File = Annotated[
    str, BeforeValidator(as_option), Field(description="Path of one file to show in full.")
]
Answer = Annotated[
    str,
    BeforeValidator(as_text),
    Field(
        description="Number of an option, a value as Python writes it, `raises ValueError`, or an example.",
        max_length=4000,
    ),
]
TaskId = Annotated[
    str, BeforeValidator(as_task_id), Field(description="Default: the one that asks.")
]
