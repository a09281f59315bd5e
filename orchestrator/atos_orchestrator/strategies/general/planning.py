"""Prompts and reply schemas for the roles planner and classifier.

The order of a schema's fields is the order in which they are written, so reasoning (`summary`, `reason`)
comes first. No `pattern`, `$ref` or `anyOf`: engines reject them or loop on them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from atos_orchestrator.agents.model_request import PLANNING_POOL, ModelRequest
from atos_orchestrator.agents.prompts import shorten
from atos_orchestrator.plan import MAX_EXAMPLE, MAX_EXAMPLES, MAX_PATH, MAX_TASKS, MAX_TITLE
from atos_orchestrator.ports import Json
from atos_orchestrator.task import Task
from atos_protocol.goals import Complexity

PLAN_TOKENS = 1500
MAX_GOAL = 6000
"""Bytes of a goal that a planner reads; the middle of a longer one is left out."""
CLASSIFY_TOKENS = 120


def _text(most: int) -> Json:
    return {"type": "string", "maxLength": most}


def _list(items: Json, most: int, least: int = 0) -> Json:
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}


_TASK: Json = {
    "type": "object",
    "required": ["id", "title", "kind", "files", "depends_on", "contract", "acceptance"],
    "properties": {
        "id": {"type": "integer"},
        "title": _text(MAX_TITLE),
        "kind": {"enum": ["code", "docs"]},
        "files": _list(_text(MAX_PATH), 1, 1),
        "depends_on": _list({"type": "integer"}, 4),
        "contract": _text(300),
        "acceptance": _list(_text(MAX_EXAMPLE), MAX_EXAMPLES, 1),
    },
}

PLAN_SCHEMA: Json = {
    "type": "object",
    "required": ["summary", "tasks"],
    "properties": {"summary": _text(400), "tasks": _list(_TASK, MAX_TASKS, 1)},
}

COMPLEXITY_SCHEMA: Json = {
    "type": "object",
    "required": ["reason", "level"],
    "properties": {"reason": _text(120), "level": {"enum": ["simple", "medium", "complex"]}},
}

# A correct example from another domain: models copy whatever is wrong in an example.
_EXAMPLE = {
    "summary": "A command that converts Markdown notes to HTML: parsing apart from writing files.",
    "tasks": [
        {
            "id": 1,
            "title": "Convert Markdown to HTML",
            "kind": "code",
            "files": ["convert.py"],
            "depends_on": [],
            "contract": "def to_html(text: str) -> str",
            "acceptance": ["to_html('# Hi') -> '<h1>Hi</h1>'"],
        },
        {
            "id": 2,
            "title": "Convert a folder from the command line",
            "kind": "code",
            "files": ["notes.py"],
            "depends_on": [1],
            "contract": "def main(arguments: list[str]) -> int",
            "acceptance": ["main(['missing']) -> 2"],
        },
    ],
}

PLANNER = f"""\
You split a software goal into as FEW tasks as possible for small models. Each task is one file, a Python \
module of at most 150 lines. What fits into one file is one task.
- 1 to 10 tasks; ids 1..n; depends_on holds only LOWER ids.
- One file per task, one task per file. Paths are relative.
- Use the names, parameters and file names of the goal exactly as it writes them.
- contract: the exact function signatures that others may call.
- acceptance: concrete input -> expected output.
- No tasks for tests, set-up, research, meetings, CI, Docker or deployment: that is done by others.
- kind is code, or docs for a Markdown page.
- Only the standard library, and packages that the goal names.
Example of another domain:
{json.dumps(_EXAMPLE, separators=(",", ":"))}"""

CLASSIFIER = """\
You judge how hard a programming task is for a small model: simple (one plain function), medium \
(several functions that work together, an API or a database), complex (an algorithm, concurrency, \
a whole module). Give a reason, then the level."""


def plan_request(goal: str, faults: Sequence[str]) -> ModelRequest:
    """Ask for a plan; `faults` say why the last one was rejected."""
    words = f"The goal:\n{shorten(goal, MAX_GOAL)}\n\n"
    if faults:
        listed = "\n".join(f"- {fault}" for fault in list(faults)[:20])
        words += f"Your last plan was rejected:\n{listed}\nReturn a better plan as JSON."
    else:
        words += "Return JSON."
    return ModelRequest(
        "planner",
        _messages(PLANNER, words),
        PLANNING_POOL,
        schema=PLAN_SCHEMA,
        max_tokens=PLAN_TOKENS,
        temperature=0.3 if faults else 0.0,
    )


def complexity_request(task: Task, choices: Sequence[Complexity], vote: int) -> ModelRequest:
    """Ask how hard a task is; each vote sees the levels in another order, so order decides nothing."""
    turned = [*choices[vote % len(choices) :], *choices[: vote % len(choices)]]
    schema: Json = COMPLEXITY_SCHEMA | {
        "properties": COMPLEXITY_SCHEMA["properties"] | {"level": {"enum": turned}}
    }
    words = (
        f"Task: {task.title}\nFiles: {', '.join(task.files)}\nContract: {task.contract}\n"
        f"Levels: {', '.join(turned)}\nReturn JSON."
    )
    return ModelRequest(
        "classifier",
        _messages(CLASSIFIER, words),
        PLANNING_POOL,
        schema=schema,
        max_tokens=CLASSIFY_TOKENS,
        seed=vote,
    )


def _messages(system: str, user: str) -> list[Json]:
    return [{"role": "system", "content": system}, {"role": "user", "content": user}]
