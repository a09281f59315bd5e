"""A call as it would be right, made from a tool's input schema. Pure.

What a model gets beside the error, because a schema alone did not keep it from the wrong call.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

SAMPLES: Mapping[str, Any] = {
    "answer": "1",
    "code": "print(1)",
    "goal": "Write add.py with add(a, b)",
    "goal_id": "g0123456789",
    "spec": "Write add(a, b)",
    "task": "Write add.py with add(a, b)",
    "task_id": "T1",
    "files": {"add.py": "def add(a, b):\n    return a + b\n"},
    "ids": ["g0123456789"],
    "digest": "0123456789ab",
    "path": "/allowed/folder/file.txt",
    "paths": ["/allowed/folder/file.txt"],
    "source": "/allowed/folder/from.txt",
    "destination": "/allowed/folder/to.txt",
    "other": "/allowed/folder/other.txt",
    "edits": [{"oldText": "before", "newText": "after"}],
    "plan": {"tasks": [{"title": "Write add.py", "files": ["add.py"]}]},
    "pattern": "*.py",
    "text": "Use only the standard library.",
    "content": "text",
}
"""Argument -> a value that any reader understands."""


def right_call(name: str, schema: Mapping[str, Any]) -> str:
    """Return a call of a tool with what it must be given, as JSON that can be sent."""
    properties: Mapping[str, Any] = schema.get("properties", {})
    arguments = {
        each: sample(each, properties.get(each, {})) for each in schema.get("required", [])
    }
    return f"{name} {json.dumps(arguments, ensure_ascii=False)}"


def sample(name: str, described: Mapping[str, Any]) -> Any:
    """Return a value that an argument may have."""
    if "enum" in described:
        return described["enum"][0]
    if name in SAMPLES:
        return SAMPLES[name]
    match described.get("type"):
        case "integer" | "number":
            return described.get("minimum", 1)
        case "boolean":
            return True
        case "array":
            return [sample("", cast("Mapping[str, Any]", described.get("items", {})))]
        case "object":
            inner: Mapping[str, Any] = described.get("properties", {})
            return {each: sample(each, inner[each]) for each in described.get("required", [])}
        case _:
            return "..."
