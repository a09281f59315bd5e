"""The JSON schema that tells a host how to write a plan which small models can execute.

It is guidance, not validation: whatever comes is repaired (`atos_orchestrator.planning.repair`), and what decides
about code and can't be used is refused there, with the reason. So nothing in it is required but what a plan is
nothing without.
"""

from __future__ import annotations

from typing import Any


def _texts(description: str) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string"}, "description": description}


def _text(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description}


TASK_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["title"],
    "properties": {
        "id": _text("Your name for the task; others depend on it by this name."),
        "title": _text("Such as `Write money.py, which reads a price`."),
        "files": _texts("The one Python file that it writes. Tests are made from the examples."),
        "contract": _text(
            "What the code must do, in at most 700 characters of plain sentences: arguments, results, errors"
            " (`a text without a number raises ValueError`). A small model follows it literally, so name the"
            " technique where it matters: `find it with re.search`, `INSERT OR REPLACE`."
        ),
        "signatures": _texts(
            "`parse_price(text)`, `class Store(path)`. One to three functions of about 10 lines;"
            " functions are easier for small models than a class."
        ),
        "examples": _texts(
            "Two to four for each function, among them an error and an edge case. They decide whether code is"
            " right: `f(2) == 4`, `f(-1) raises ValueError`; a set-up stands before it:"
            " `s = Store(':memory:'); s.add('pen', 1); s.names() == ['pen']`."
        ),
        "tests": _text(
            "Text of a pytest file instead of examples, for what needs files or printed output."
        ),
        "depends_on": _texts("Ids of the tasks whose files it imports."),
        "packages": _texts("Packages that its code may import; none: the standard library."),
    },
}

PLAN_SCHEMA: dict[str, Any] = {
    "properties": {
        "tasks": {
            "type": "array",
            "maxItems": 50,
            "items": TASK_SCHEMA,
            "description": "At most ten, one file each, in the order in which you would write them.",
        },
        "summary": _text("The plan in one sentence."),
    }
}
