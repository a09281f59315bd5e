"""What a host loads: the whole surface as a snapshot, and what it costs in every conversation."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from atos_servers.host.manifest import PATH
from atos_servers.host.token_budget import BUDGETS, costs, loaded

SERVERS: dict[str, Any] = json.loads(PATH.read_text(encoding="utf-8"))["servers"]
SURFACE = Path(__file__).with_name("tool_surface.json")


def surface() -> dict[str, Any]:
    """Return names, descriptions and input schemas of all servers, as hosts see them."""
    return {
        name: {
            tool["name"]: {"description": tool["description"], "inputSchema": tool["inputSchema"]}
            for tool in eras["handshake"]["answers"]["tools/list"]["tools"]
        }
        for name, eras in SERVERS.items()
    }


def test_a_change_of_the_surface_is_a_diff_to_be_read() -> None:
    """If it is meant, write it anew: PYTHONPATH=servers:clients python tests/servers/host/test_tool_surface.py."""
    assert surface() == json.loads(SURFACE.read_text(encoding="utf-8"))


def test_no_server_costs_more_than_its_budget() -> None:
    spent = costs(SERVERS)
    assert spent.keys() == BUDGETS.keys()
    assert {name: cost for name, cost in spent.items() if cost > BUDGETS[name]} == {}


def test_the_default_entry_has_twelve_tools_at_most() -> None:
    assert len(loaded(SERVERS["all"])["tools"]) <= 12


def test_no_two_tools_share_a_name_when_the_servers_are_merged() -> None:
    named = Counter(
        name
        for server in surface().items()
        if server[0] not in {"all", "n8n"}  # n8n's is never merged: it has its own address
        for name in server[1]
    )
    assert [name for name, times in named.items() if times > 1] == []
    assert set(named) == set(surface()["all"])


def test_every_server_says_when_to_use_what() -> None:
    for name, eras in SERVERS.items():
        assert eras["handshake"]["answers"]["initialize"].get("instructions"), name


if __name__ == "__main__":
    SURFACE.write_text(json.dumps(surface(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
