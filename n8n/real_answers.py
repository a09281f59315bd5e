"""Every webhook's statuses: a goal of the demonstration model, one that it refuses, an empty one, and one while ATOS is down.

Standard library only.
"""

from __future__ import annotations

import json
from typing import Any

from exported import Exported
from host import Host, request
from real_atos import Atos

from toolchain import StepFailedError

GOAL = "Write a Python function to add two numbers"
FAR_AWAY = "Build a price-tracking SaaS"
GOAL_SECONDS = 330.0


def goal_of(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the goal in the answer of either kind of workflow."""
    items: list[dict[str, Any]] = answer.get("items") or [{}]
    goal: dict[str, Any] = answer.get("goal") or items[0]
    return goal


def expect(host: Host, workflow: Exported, key: str, goal: str, status: int) -> dict[str, Any]:
    """Call a webhook, print the answer, and return it.

    Raises:
        StepFailedError: another status, or no JSON object.
    """
    url, headers = f"{host.url}/webhook/{workflow.path}", {"x-atos-webhook-key": key}
    got, text, _ = request(url, {workflow.field: goal}, headers, GOAL_SECONDS)
    print(f"  {workflow.path} <- {goal!r}\n    HTTP {got} {text[:1500]}")
    if got != status:
        message = f"{workflow.path}: HTTP {got} instead of {status}"
        raise StepFailedError(message)
    return json.loads(text)


def check_success(workflow: Exported, answer: dict[str, Any]) -> None:
    """Check that a goal of the demonstration model succeeded, or was classified where asked.

    Raises:
        StepFailedError: it did not, or another model did the work.
    """
    if "plan" in answer:
        goal, right = answer, answer.get("complexity") == "simple"
    else:
        goal = goal_of(answer)
        right = goal.get("state") == "success" and "atos-mini" in goal.get("models", [])
    if not right:
        message = f"{workflow.path}: no success of atos-mini: {goal}"
        raise StepFailedError(message)


def check_answers(host: Host, atos: Atos, workflows: list[Exported], key: str) -> None:
    """Call all of them; ATOS is down afterwards.

    Raises:
        StepFailedError: one answered with another status than promised.
    """
    for workflow in workflows:
        host.activate(workflow.id, workflow.path)
    for workflow in workflows:
        check_success(workflow, expect(host, workflow, key, GOAL, 200))
        expect(host, workflow, key, FAR_AWAY, 422)
        expect(host, workflow, key, "", 400)
    print("with ATOS down:")
    atos.client("down")
    for workflow in workflows:
        expect(host, workflow, key, GOAL, 502)
