"""The exported n8n workflows keep their contract; each rule is also shown to catch its mistake."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

PACKAGE = Path(__file__).parents[2] / "n8n"
FILES = sorted((PACKAGE / "workflows").glob("*.json"))

Json = dict[str, Any]

CORE = "n8n-nodes-base"
MCP_CLIENT = "@n8n/n8n-nodes-langchain.mcpClient"
WEBHOOK, RESPOND = f"{CORE}.webhook", f"{CORE}.respondToWebhook"
LANGCHAIN = "@n8n/n8n-nodes-langchain"
AGENT, MCP_TOOL = f"{LANGCHAIN}.agent", f"{LANGCHAIN}.mcpClientTool"
TRIGGER = "n8n-nodes-atos.atosTrigger"
OURS = {
    f"n8n-nodes-atos.{name}"
    for name in ("atosAgentRouter", "atosResultAggregator", "atosGoal", "atosDeploy")
}
MAY_FAIL = {*OURS, MCP_CLIENT, AGENT}
TOOLS = {
    MCP_TOOL,
    "n8n-nodes-atos.atosGoalTool",
    f"{LANGCHAIN}.lmChatOpenAi",
    f"{LANGCHAIN}.lmChatOllama",
}
CHAIN, ERRORS = f"{LANGCHAIN}.chainLlm", f"{CORE}.errorTrigger"
OUTSIDE = {f"{CORE}.httpRequest", f"{CORE}.readWriteFile"}
"""May fail too, and lead their errors anywhere in the workflow: the caller may have its answer by then."""
KNOWN = {
    *MAY_FAIL, *TOOLS, *OUTSIDE, CHAIN, ERRORS, WEBHOOK, RESPOND, TRIGGER,
    f"{CORE}.if", f"{CORE}.set", f"{CORE}.wait",
}  # fmt: skip
SECRET = re.compile(r"(?i)^(token|password|secret|apikey|authorization)$")


def load(path: Path) -> Json:
    return json.loads(path.read_text(encoding="utf-8"))


def of_type(workflow: Json, kinds: set[str]) -> list[Json]:
    return [node for node in workflow["nodes"] if node["type"] in kinds]


def targets(workflow: Json, name: str) -> list[list[str]]:
    outputs = workflow["connections"].get(name, {}).get("main", [])
    return [[link["node"] for link in output] for output in outputs]


def last_output(workflow: Json, name: str) -> list[str]:
    """Where n8n sends the error items of a node with `continueErrorOutput`."""
    outputs = targets(workflow, name)
    return outputs[-1] if len(outputs) > 1 else []


def values(node: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        for key, value in node.items():  # pyright: ignore[reportUnknownVariableType]
            yield str(key), value  # pyright: ignore[reportUnknownArgumentType]
            yield from values(value)
    elif isinstance(node, list):
        for value in node:  # pyright: ignore[reportUnknownVariableType]
            yield from values(value)


def unknown_types(workflow: Json) -> list[str]:
    return [node["type"] for node in workflow["nodes"] if node["type"] not in KNOWN]


def secrets(workflow: Json) -> list[str]:
    found = [key for key, value in values(workflow) if SECRET.match(key) and value]
    shapes = re.findall(r"(?i)bearer [\w.-]{8,}|sk-\w{8,}", json.dumps(workflow))
    unnamed = [
        kind
        for node in workflow["nodes"]
        for kind, reference in node.get("credentials", {}).items()
        if set(reference) != {"id", "name"}
    ]
    return found + shapes + unnamed


def unanswered_webhooks(workflow: Json) -> list[str]:
    return [
        node["name"]
        for node in of_type(workflow, {WEBHOOK})
        if node["parameters"].get("responseMode") != "responseNode"
        or node["parameters"].get("authentication") != "headerAuth"
    ]


def missing_error_branches(workflow: Json) -> list[str]:
    """Every node that may fail leads its last output to a respond node with its own status.

    After the caller has its answer (202), to any node that says what went wrong.
    """
    answers = {
        node["name"]
        for node in of_type(workflow, {RESPOND})
        if str(node["parameters"]["options"].get("responseCode", "")).startswith("={{")
    }
    later = {
        node["name"]
        for node in of_type(workflow, {f"{CORE}.set"})
        if any(each["type"] == f"{CORE}.wait" for each in workflow["nodes"])
    }
    return [
        node["name"]
        for node in of_type(workflow, MAY_FAIL | OUTSIDE | {CHAIN})
        if node.get("onError") != "continueErrorOutput"
        or not (answers | later).intersection(last_output(workflow, node["name"]))
    ]


def old_mcp_clients(workflow: Json) -> list[str]:
    """Version 1 of the node passes a failed tool on as a success."""
    clients = of_type(workflow, {MCP_CLIENT})
    return [node["name"] for node in clients if node["typeVersion"] != 1.1]


def unguarded_mcp_clients(workflow: Json) -> list[str]:
    """A server that can't be reached sends the input on by output 0: an IF must look at it."""
    checks = {node["name"] for node in of_type(workflow, {f"{CORE}.if"})}
    clients = {node["name"] for node in of_type(workflow, {MCP_CLIENT})}
    return [
        name for name in sorted(clients) if not set(targets(workflow, name)[0]) <= checks | clients
    ]


def dangling_links(workflow: Json) -> list[str]:
    names = {node["name"] for node in workflow["nodes"]}
    linked = {
        name
        for start in workflow["connections"]
        for out in targets(workflow, start)
        for name in out
    }
    sources = set(workflow["connections"])
    reached = linked | {
        node["name"] for node in of_type(workflow, {WEBHOOK, TRIGGER, ERRORS, *TOOLS})
    }
    return sorted((linked | sources) - names) + sorted(names - reached)


def foreign_addresses(workflow: Json) -> list[str]:
    urls = re.findall(r"https?://[^\s\"'\\]+", json.dumps(workflow))
    ours = tuple(f"http://127.0.0.1:8756/{server}/" for server in ("orchestrate", "n8n"))
    return [url for url in urls if not url.startswith(ours)]


RULES: list[Callable[[Json], list[str]]] = [
    unknown_types, secrets, unanswered_webhooks, missing_error_branches, old_mcp_clients,
    unguarded_mcp_clients, dangling_links, foreign_addresses,
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_exported_workflow_keeps_the_rule(path: Path, rule: Callable[[Json], list[str]]) -> None:
    assert rule(load(path)) == []


def test_both_ways_into_atos_are_exported_and_mcp_over_both_transports() -> None:
    used = {
        node["parameters"].get("serverTransport", node["type"])
        for path in FILES
        for node in of_type(load(path), MAY_FAIL)
    }
    assert used == {"httpStreamable", "sse"} | (MAY_FAIL - {MCP_CLIENT})


@pytest.mark.parametrize("name", ["mcp-client-goal-http", "mcp-client-goal-sse"])
def test_a_wait_over_mcp_ends_with_time_and_not_with_a_number_of_events(name: str) -> None:
    """A wait returns with every event: fifteen were used up in three seconds, and the caller got a 202."""
    node = next(
        each
        for each in load(PACKAGE / "workflows" / f"{name}.json")["nodes"]
        if each["name"] == "Ended, or five minutes over?"
    )
    condition: str = node["parameters"]["conditions"]["conditions"][0]["leftValue"]
    assert "$now.toSeconds() - ($('Wait for goal').first(0, 0)" in condition
    assert ">= 300" in condition


def test_an_agent_reaches_atos_over_mcp_and_by_a_node() -> None:
    nodes = [node for path in FILES for node in of_type(load(path), TOOLS)]
    tools = {node["type"]: node["parameters"].get("endpointUrl", "") for node in nodes}
    assert tools[MCP_TOOL] == "http://127.0.0.1:8756/n8n/mcp"
    assert "n8n-nodes-atos.atosGoalTool" in tools


def test_ids_and_webhook_paths_are_unique_and_every_file_is_imported_inactive() -> None:
    workflows = [load(path) for path in FILES]
    nodes = [node for workflow in workflows for node in workflow["nodes"]]
    hooks = [node["parameters"]["path"] for node in nodes if node["type"] == WEBHOOK]
    for ids in ([w["id"] for w in workflows], [node["id"] for node in nodes], hooks):
        assert len(ids) == len(set(ids))
    assert [len(w["id"]) for w in workflows] == [16] * len(workflows)
    assert not any(w["active"] for w in workflows)


def test_node_types_are_those_of_the_package() -> None:
    package = load(PACKAGE / "package.json")
    names = {Path(node).name.removesuffix(".node.js") for node in package["n8n"]["nodes"]}
    types = {f"{package['name']}.{name[0].lower()}{name[1:]}" for name in names}
    assert types == {*OURS, TRIGGER}


CODEX = sorted((PACKAGE / "nodes").glob("*/*.node.json"))


@pytest.mark.parametrize("path", CODEX, ids=lambda path: path.stem)
def test_every_node_is_found_by_what_a_person_types(path: Path) -> None:
    codex = load(path)
    said = {word.lower() for word in [*codex["alias"], codex["node"]]}
    assert {"atos", "agent", "local model"} <= said
    assert codex["categories"] == ["AI", "Development"]


def test_every_node_has_its_codex_file() -> None:
    assert len(CODEX) == len(load(PACKAGE / "package.json")["n8n"]["nodes"])


def _router() -> Json:
    return load(PACKAGE / "workflows" / "route-and-aggregate.json")


def _client() -> Json:
    return load(PACKAGE / "workflows" / "mcp-client-goal-http.json")


def _node(workflow: Json, name: str) -> Json:
    return next(node for node in workflow["nodes"] if node["name"] == name)


def _custom_type(w: Json) -> None:
    _node(w, "ATOS Agent Router")["type"] = "CUSTOM.atosAgentRouter"


def _pasted_token(w: Json) -> None:
    _node(w, "ATOS Agent Router")["credentials"]["atosApi"]["data"] = {"token": "abc"}


def _last_node(w: Json) -> None:
    _node(w, "Webhook")["parameters"]["responseMode"] = "lastNode"


def _open_webhook(w: Json) -> None:
    _node(w, "Webhook")["parameters"]["authentication"] = "none"


def _no_error_output(w: Json) -> None:
    del _node(w, "ATOS Result Aggregator")["onError"]


def _error_output_leads_nowhere(w: Json) -> None:
    w["connections"]["ATOS Agent Router"]["main"][1] = []


def _old_client(w: Json) -> None:
    _node(w, "Start goal")["typeVersion"] = 1


def _no_check_behind_client(w: Json) -> None:
    w["connections"]["Wait for goal"]["main"][0][0]["node"] = "Respond"


def _renamed_node(w: Json) -> None:
    _node(w, "Respond")["name"] = "Answer"


def _other_host(w: Json) -> None:
    _node(w, "Start goal")["parameters"]["endpointUrl"] = "http://example.org/orchestrate/mcp"


@pytest.mark.parametrize(
    ("rule", "workflow", "mistake"),
    [
        (unknown_types, _router, _custom_type),
        (secrets, _router, _pasted_token),
        (unanswered_webhooks, _router, _last_node),
        (unanswered_webhooks, _router, _open_webhook),
        (missing_error_branches, _router, _no_error_output),
        (missing_error_branches, _router, _error_output_leads_nowhere),
        (old_mcp_clients, _client, _old_client),
        (unguarded_mcp_clients, _client, _no_check_behind_client),
        (dangling_links, _client, _renamed_node),
        (foreign_addresses, _client, _other_host),
    ],
)
def test_a_rule_catches_its_mistake(
    rule: Callable[[Json], list[str]],
    workflow: Callable[[], Json],
    mistake: Callable[[Json], None],
) -> None:
    broken = copy.deepcopy(workflow())
    mistake(broken)
    assert rule(broken) != []


def test_the_package_is_complete_and_names_no_placeholder() -> None:
    package = load(PACKAGE / "package.json")
    texts = [(PACKAGE / "package.json").read_text(encoding="utf-8")]
    texts += [each.read_text(encoding="utf-8") for each in (PACKAGE / "nodes").rglob("*.json")]
    texts += [each.read_text(encoding="utf-8") for each in (PACKAGE / "credentials").glob("*.ts")]
    assert not [text for text in texts if "OWNER/" in text or "example.com" in text]
    assert package["files"] == ["dist", "workflows"]
    publish = (PACKAGE.parent / ".github" / "workflows" / "publish-n8n-nodes.yml").read_text()
    assert "npm publish --provenance" in publish
    assert "id-token: write" in publish


def test_every_codex_file_lets_a_person_find_its_node() -> None:
    for file in (PACKAGE / "nodes").glob("*/*.node.json"):
        codex = load(file)
        assert {"atos", "local model"} <= set(codex["alias"]), file.name
        # Without it n8n's search shows none of them: seen in its editor, also for the trigger.
        assert "Root Nodes" in codex["subcategories"]["AI"], file.name


def test_the_lock_file_pins_everything_and_holds_no_download_address() -> None:
    lock = (PACKAGE / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in lock
    assert "://" not in lock
    packages: Json = json.loads(lock)["packages"]
    here = [entry for name, entry in packages.items() if name and not is_foreign(entry)]
    assert len(here) > 500
    assert [entry for entry in here if "integrity" not in entry] == []


def is_foreign(entry: Json) -> bool:
    """Whether a package is an optional binary of a platform that the lock was not written on."""
    return entry.get("optional", False) and "cpu" in entry


DOCS = PACKAGE.parent / "docs"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_workflow_is_drawn_in_the_documentation(path: Path, theme: str) -> None:
    page = (DOCS / "n8n.md").read_text(encoding="utf-8")
    picture = f"pictures/n8n-{path.stem}-{theme}.png"
    assert f"`{path.name}`" in page
    assert f"]({picture})" in page
    assert (DOCS / picture).read_bytes().startswith(b"\x89PNG")
