"""What a line of a log is about: the goal, the task and the pool that its code works for.

    with log_about(goal="g1", task="T2"):
        log.info("...")          # text: "... [g1/T2]"; JSON: "goal": "g1", "task": "T2"

It follows the code into its coroutines and threads, as context variables do. Standard library only.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

FIELDS = ("goal", "task", "pool")

_about: ContextVar[Mapping[str, str]] = ContextVar("atos_log_about", default={})  # noqa: B039 - never changed in place


@contextmanager
def log_about(*, goal: str = "", task: str = "", pool: str = "") -> Generator[None]:
    """Have every line that is logged inside say what it is about, besides what surrounds it says already."""
    given = {"goal": goal, "task": task, "pool": pool}
    token = _about.set({**_about.get(), **{name: text for name, text in given.items() if text}})
    try:
        yield
    finally:
        _about.reset(token)


def fields_of(record: logging.LogRecord) -> dict[str, str]:
    """Return what a record is about; where it says so itself (`extra`), that is taken."""
    about = _about.get()
    found = {name: str(getattr(record, name, "") or about.get(name, "")) for name in FIELDS}
    return {name: text for name, text in found.items() if text}


def tag_of(fields: Mapping[str, str]) -> str:
    """Return the same for the end of a line of text: ` [g1/T2 simple]`."""
    place = "/".join(fields[name] for name in ("goal", "task") if name in fields)
    words = " ".join(part for part in (place, fields.get("pool", "")) if part)
    return f" [{words}]" if words else ""
