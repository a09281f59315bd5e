"""What each server costs an MCP host in every conversation: `python -m atos_servers.host.token_budget`.

Counted is everything that a host loads when it connects: instructions, tools with their schemas, prompts, resources.
A token is four bytes of UTF-8.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from atos_servers.host.manifest import PATH

TOKEN_BYTES = 4
BUDGETS: Mapping[str, int] = {
    "all": 2500,
    "orchestrate": 7700,
    "filesystem": 4400,
    "code_runner": 4800,
    "workflow": 5700,
    "vram": 1800,
    "n8n": 1000,
}
"""Server -> most tokens; of `all`, with the tools that are there by default."""


def loaded(server: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a host loads of one server of the manifest."""
    answers = server["handshake"]["answers"]
    tools = answers["tools/list"]["tools"]
    if toolsets := server.get("toolsets"):
        tools = [tool for tool in tools if tool["name"] in toolsets[""]]
    return {
        "instructions": answers["initialize"].get("instructions", ""),
        "tools": tools,
        "prompts": answers["prompts/list"]["prompts"],
        "resources": answers["resources/list"]["resources"],
        "templates": answers["resources/templates/list"]["resourceTemplates"],
    }


def costs(servers: Mapping[str, Any]) -> dict[str, int]:
    """Return the tokens of each server of the manifest."""
    return {
        name: -(
            -len(json.dumps(loaded(server), ensure_ascii=False, separators=(",", ":")).encode())
            // TOKEN_BYTES
        )
        for name, server in servers.items()
    }


def main() -> int:
    """Print a line for each server; the exit status is 1 where one is over its budget."""
    servers = json.loads(PATH.read_text(encoding="utf-8"))["servers"]
    spent = costs(servers)
    for name, cost in spent.items():
        tools = len(loaded(servers[name])["tools"])
        sys.stdout.write(f"{name:12}{tools:3} tools {cost:6} of {BUDGETS[name]} tokens\n")
    return int(any(cost > BUDGETS[name] for name, cost in spent.items()))


if __name__ == "__main__":
    sys.exit(main())
