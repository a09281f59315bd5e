"""Holds replies of tool doubles to the real tools' output schemas, as the manifest records them."""

import json
from functools import cache
from pathlib import Path
from typing import Any, cast

import jsonschema

MANIFEST = Path(__file__).parents[2] / "servers/atos_servers/shim/manifest.json"


@cache
def output_schema(server: str, tool: str) -> dict[str, Any]:
    """Return the output schema of a real tool."""
    answers = json.loads(MANIFEST.read_bytes())["servers"][server]["modern"]["answers"]
    tools = {entry["name"]: entry for entry in answers["tools/list"]["tools"]}
    return tools[tool]["outputSchema"]


def conforming(server: str, tool: str, reply: dict[str, Any]) -> dict[str, Any]:
    """Return a double's reply if the real tool could have given it.

    Raises:
        jsonschema.ValidationError: it could not.
    """
    validate = cast("Any", jsonschema.validate)
    plain = json.loads(json.dumps(reply))
    validate(plain, output_schema(server, tool))
    return plain
