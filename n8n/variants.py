"""Exported workflows with other settings, which only the checks of the real n8n use. Standard library only."""

from __future__ import annotations

import itertools
import json
from typing import Any

WRONG_ID = "atosApiWrong0001"
"""Id of the credential whose token is wrong."""
CUT_ID = "atosApiCutOff001"
"""Id of the credential whose way to ATOS is cut twice."""
COUNTING = "atosVariantcount"
"""Id of the workflow that reports each callback."""


def with_three_outputs(workflow: dict[str, Any]) -> dict[str, Any]:
    """Return the router's workflow with `outputMode: perComplexity`; the error output moves to 3."""
    copy, router = _variant(workflow, "three")
    router["parameters"]["outputMode"] = "perComplexity"
    done, failed = copy["connections"][router["name"]]["main"]
    copy["connections"][router["name"]]["main"] = [done, done, done, failed]
    return copy


def that_classifies(workflow: dict[str, Any]) -> dict[str, Any]:
    """Return the router's workflow without the aggregator: it answers what it classified."""
    copy, router = _variant(workflow, "plan")
    router["parameters"]["operation"] = "classify"
    links = copy["connections"]
    links[router["name"]]["main"][0] = links.pop("ATOS Result Aggregator")["main"][0]
    copy["nodes"] = [n for n in copy["nodes"] if n["name"] != "ATOS Result Aggregator"]
    return copy


def _variant(workflow: dict[str, Any], suffix: str) -> tuple[dict[str, Any], dict[str, Any]]:
    copy = json.loads(json.dumps(workflow).replace("atos-task", f"atos-task-{suffix}"))
    copy["id"] = f"atosRoute{suffix}".ljust(16, "0")
    for node in copy["nodes"]:
        node["id"] += suffix
    return copy, next(n for n in copy["nodes"] if n["type"].endswith("atosAgentRouter"))


def for_trouble(files: dict[str, Any], ended: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the workflows of real_trouble.py.

    Args:
        files: `goal-with-files.json`.
        ended: `goal-ended.json`.
    """
    wrong, retry, items = (_renamed(files, name) for name in ("wrong", "retry", "items"))
    _goal_of(wrong)["credentials"]["atosApi"] = {"id": WRONG_ID, "name": "ATOS, wrong token"}
    _goal_of(retry)["credentials"]["atosApi"] = {"id": CUT_ID, "name": "ATOS, cut off"}
    _goal_of(retry).update(retryOnFail=True, maxTries=3, waitBetweenTries=1000)
    _several(items)
    count = _renamed(ended, "count")
    report: dict[str, Any] = {
        "method": "POST",
        "url": "={{ $json.report }}",
        "sendBody": True,
        "specifyBody": "json",
        "jsonBody": "={{ JSON.stringify($json) }}",
        "options": {},
    }
    count["nodes"][1] = {
        **count["nodes"][1],
        "type": "n8n-nodes-base.httpRequest",
        "typeVersion": 4.2,
        "parameters": report,
    }
    return [wrong, retry, items, count]


def _renamed(workflow: dict[str, Any], name: str) -> dict[str, Any]:
    text = json.dumps(workflow).replace("atos-goal-files", f"atos-goal-{name}")
    copy = json.loads(text.replace("atos-goal-ended", f"atos-goal-{name}"))
    copy["id"] = f"atosVariant{name}".ljust(16, "0")
    for node in copy["nodes"]:
        node["id"] += name
    return copy


def _goal_of(workflow: dict[str, Any]) -> dict[str, Any]:
    return next(node for node in workflow["nodes"] if node["name"] == "ATOS Goal")


def _several(workflow: dict[str, Any]) -> None:
    """Have a workflow work on each of `body.goals`, and answer with all of what came out."""
    goal = _goal_of(workflow)
    goal["onError"] = "continueRegularOutput"
    goal["parameters"] |= {"goal": "={{ $json.goal }}", "options": {}}
    split: dict[str, Any] = {
        "fieldToSplitOut": "body.goals",
        "options": {"destinationFieldName": "goal"},
    }
    gather: dict[str, Any] = {"aggregate": "aggregateAllItemData", "options": {}}
    for name, kind, parameters in (("Split", "splitOut", split), ("Gather", "aggregate", gather)):
        workflow["nodes"].append(
            {
                "id": f"items-{kind}",
                "name": name,
                "type": f"n8n-nodes-base.{kind}",
                "typeVersion": 1,
                "position": [0, 300],
                "parameters": parameters,
            }
        )
    answer = next(node for node in workflow["nodes"] if node["name"] == "Respond")
    answer["parameters"] |= {"responseBody": "={{ JSON.stringify($json) }}", "options": {}}
    line = ("Webhook", "Split", "ATOS Goal", "Gather", "Respond")
    workflow["connections"] = {
        one: {"main": [[{"node": other, "type": "main", "index": 0}]]}
        for one, other in itertools.pairwise(line)
    }
    workflow["nodes"] = [each for each in workflow["nodes"] if each["name"] != "Respond with error"]
