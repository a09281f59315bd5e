"""A plan that a person reviews before anything works on it. Pure.

    planned, to be reviewed -> the run ends: `needs_help`, code `approval_needed`
        approve with the plan's digest -> the next run executes this very plan
        edit                           -> the next run repairs the changed plan, and ends here again

A run that waits for a person would hold a place among those that work, so it ends, and the approval resumes it:
nothing is held up meanwhile, and nothing of it is lost by a kill.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from atos_orchestrator.durable_json import encode
from atos_orchestrator.execution.goal_api import check_plan
from atos_orchestrator.execution.goal_input import GoalInput, GoalRecord, Resumption
from atos_orchestrator.execution.result_aggregator import GoalOutcome
from atos_orchestrator.plan import Plan
from atos_protocol.errors import BadRequestError, ConflictError, NotFoundError
from atos_protocol.goals import APPROVAL_NEEDED, Event

DIGEST_LENGTH = 12
SHOWN = (
    "id", "title", "kind", "files", "depends_on", "contract", "signatures", "examples", "acceptance", "errors",
    "tests", "packages", "complexity",
)  # fmt: skip
"""Fields of a task that are shown, and may be changed; as in a plan that is handed in."""


def plan_digest(plan: Plan) -> str:
    """Return what stands for exactly this plan: the beginning of a sha256 over its tasks."""
    text = json.dumps(encode(plan)["tasks"], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]


def shown_plan(plan: Plan) -> dict[str, Any]:
    """Return a plan as a person reads and changes it; fields that are empty are left out."""
    tasks = [
        {name: encoded[name] for name in SHOWN if encoded[name]}
        for encoded in encode(plan)["tasks"]
    ]
    return {"summary": plan.summary, "tasks": tasks} if plan.summary else {"tasks": tasks}


def to_be_reviewed(goal: str, plan: Plan) -> GoalOutcome:
    """Return how a run ends whose plan waits for approval."""
    digest, count = plan_digest(plan), len(plan.tasks)
    message = f"the plan of {count} task{'s' * (count != 1)} waits for approval ({digest})"
    step = (
        f"Look at it and approve it: atos-client approve {goal}; change it: atos-client edit {goal}"
    )
    error = {"code": APPROVAL_NEEDED, "message": message, "next": step, "data": {"digest": digest}}
    return GoalOutcome("needs_help", f"{message[0].upper()}{message[1:]}.", error)


def waits_for_approval(record: GoalRecord) -> bool:
    """Tell whether a run ended because its plan is to be reviewed."""
    return record.goal_input.review and record.plan is not None and not record.outcomes


def refuse_unreviewed(record: GoalRecord) -> None:
    """Refuse to go on past a plan that nobody has approved.

    Raises:
        ConflictError: the plan waits for approval.
    """
    if waits_for_approval(record):
        goal = record.goal_input.goal
        message = f"the plan of {goal} waits for approval: nothing works on it before"
        raise ConflictError(message, next_step=f"Approve it: atos-client approve {goal}")


def approved(record: GoalRecord, digest: str) -> tuple[Resumption, str]:
    """Return what goes on with the plan as it was shown.

    Raises:
        BadRequestError: the digest is of another plan.
        ConflictError: no plan waits for approval.
    """
    plan = _reviewed(record)
    if digest != (known := plan_digest(plan)):
        message = f"the plan is {known}, and {digest[:40]!r} was approved"
        raise BadRequestError(message, next_step="Look at the plan again, and approve what it is.")
    return Resumption(plan, repository=record.repository), f"plan {digest} approved"


def edited(record: GoalRecord, given: Mapping[str, Any]) -> tuple[Resumption, str]:
    """Return what goes on with a changed plan, which is repaired and reviewed as the first one was.

    Raises:
        BadRequestError: it is no plan.
        ConflictError: no plan waits for approval.
    """
    _reviewed(record)
    check_plan(given, "")
    return Resumption(repository=record.repository), "the plan was changed"


def past_review(goal_input: GoalInput) -> GoalInput:
    """Return the argument of a run whose plan is approved."""
    return replace(goal_input, review=False)


def _reviewed(record: GoalRecord) -> Plan:
    if record.plan is None or not waits_for_approval(record):
        message = f"no plan of {record.goal_input.goal} waits for approval"
        step = f"See where it stands: atos-client status {record.goal_input.goal}"
        raise ConflictError(message, next_step=step)
    return record.plan


def plan_under_review(goal: str, events: Sequence[Event]) -> dict[str, Any]:
    """Return the newest plan that was to be reviewed: `digest`, `plan`.

    Raises:
        NotFoundError: the goal had none.
    """
    found = [event.data for event in events if event.kind == "plan_review"]
    if not found:
        message = f"goal {goal} has no plan to be reviewed"
        raise NotFoundError(message, next_step="Start a goal with `review` to see its plan first.")
    plan = cast("Mapping[str, Any]", found[-1].get("plan") or {})
    return {"digest": str(found[-1].get("digest", "")), "plan": dict(plan)}
