"""The JSON that a planning model is held to.

The order of the fields is the order in which they are written, so thinking (`summary`) comes first. No
`pattern`, `$ref` or `anyOf`: engines reject them or loop on them.
"""

from __future__ import annotations

from atos_orchestrator.plan import MAX_TASKS
from atos_orchestrator.ports import Json

TITLE = 80
PATH = 80
CONTRACT = 600
ACCEPTANCE = 160
MAX_ACCEPTANCE = 3


def _text(most: int) -> Json:
    return {"type": "string", "maxLength": most}


def _list(items: Json, most: int, least: int = 0) -> Json:
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}


_TASK: Json = {
    "type": "object",
    "required": ["id", "title", "kind", "files", "depends_on", "contract", "acceptance"],
    "properties": {
        "id": {"type": "integer"},
        "title": _text(TITLE),
        "kind": {"enum": ["code", "docs"]},
        "files": _list(_text(PATH), 2, 1),
        "depends_on": _list({"type": "integer"}, 4),
        "contract": _text(300),
        "acceptance": _list(_text(ACCEPTANCE), MAX_ACCEPTANCE, 1),
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
