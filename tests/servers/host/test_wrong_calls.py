"""Twenty wrong calls of every tool of every server: each answer names the argument and shows a right call."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from fastmcp import Client

from atos_protocol.host_protocol import SERVERS
from atos_protocol.settings import load_settings
from atos_servers.host.connection import Connection, connected
from atos_servers.host.right_call import right_call
from atos_servers.host.services import Services
from atos_servers.host.suite import build_suite

pytestmark = [pytest.mark.timeout(120), pytest.mark.usefixtures("atos_home")]
WRONG: tuple[Any, ...] = ([], {"a": 1}, [[1]], 7, "x", None, True, 1.5, {"a": []}, [{"b": 2}])
MOST = 20


def wrong_calls(schema: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The argument that is wrong, and the call."""
    properties: Mapping[str, Any] = schema.get("properties", {})
    needed = list(schema.get("required", []))
    right = json.loads(right_call("", schema))
    found = [(name, {k: v for k, v in right.items() if k != name}) for name in needed]
    for value in WRONG:
        for name, described in properties.items():
            validator: Any = jsonschema.Draft202012Validator(dict(described))
            types = described.get("type")
            simple = types in {"string", "array", "object", "boolean", "integer", "number"}
            lenient = types in {"boolean", "integer", "number"} and not isinstance(
                value, (list, dict)
            )
            null = value is None  # means the default
            if simple and not lenient and not null and not validator.is_valid(value):
                found.append((name, {**right, name: value}))
    found += [(f"made_up_{n}", {**right, f"made_up_{n}": n}) for n in range(MOST)]
    return found[:MOST]


async def problems(server: str) -> tuple[int, list[str]]:
    suite = build_suite(Services(load_settings(), notify_worker=nobody))
    wrong: list[str] = []
    count = 0
    async with Client(suite[server]) as client:
        for tool in await client.list_tools():
            schema = tool.input_schema
            for name, arguments in wrong_calls(schema):
                result = await client.call_tool_mcp(tool.name, arguments)
                said = " ".join(getattr(block, "text", "") for block in result.content)
                count += 1
                if not (
                    result.is_error and name in said and f"A right call: {tool.name} {{" in said
                ):
                    wrong.append(f"{tool.name} {json.dumps(arguments)[:200]}: {said[:300]}")
            example = json.loads(right_call(tool.name, schema).partition(" ")[2])
            validate: Any = jsonschema.validate
            validate(example, schema)
    return count, wrong


async def nobody(_: dict[str, Any]) -> None:
    """There is no worker here."""


@pytest.mark.parametrize("server", SERVERS)
async def test_a_wrong_call_is_told_which_argument_and_what_would_be_right(
    server: str, tmp_path: Path
) -> None:
    with connected(Connection("shim", roots=(tmp_path,))):
        count, wrong = await problems(server)
    assert count % MOST == 0
    assert wrong == []
