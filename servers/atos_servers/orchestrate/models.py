"""What the tools return besides the protocol's types. Their schemas contain neither null nor references."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, Field

from atos_protocol.goals import FINAL_GOAL_STATES, GoalView
from atos_protocol.proof_words import proof_text


class PlanView(BaseModel):
    """A plan that is not being executed."""

    plan: Annotated[
        dict[str, Any], Field(description="Pass it to start_goal as `plan`, changed or not.")
    ]
    notes: Annotated[list[str], Field(description="What was repaired in it.")]
    engine: Annotated[
        str, Field(description="The engine that would execute it: llama_cpp or general.")
    ]


class GoalList(BaseModel):
    """Goals, newest first."""

    goals: list[GoalView]
    cursor: Annotated[str, Field(description="Pass it for the next page; empty at the last one.")]


class Aggregate(BaseModel):
    """Several goals together."""

    ok: Annotated[bool, Field(description="True when all have ended in success.")]
    done: int
    pending: int
    failed: Annotated[int, Field(description="Ended in a state other than success.")]
    passed_tests: int
    failed_tests: int
    not_proven: Annotated[
        list[str],
        Field(
            description="Tasks whose code no example or test decided about, and what it rests on."
        ),
    ]
    items: list[GoalView]


def aggregate(views: Sequence[GoalView]) -> Aggregate:
    """Count several goals together."""
    done = sum(view.state == "success" for view in views)
    ended = sum(view.state in FINAL_GOAL_STATES for view in views)
    return Aggregate(
        ok=bool(views) and done == len(views),
        done=done,
        pending=len(views) - ended,
        failed=ended - done,
        passed_tests=sum(view.tests.passed for view in views),
        failed_tests=sum(view.tests.failed for view in views),
        not_proven=[
            f"{view.id}/{task.id}: {proof_text(task.proof, task.evidence)}"
            for view in views
            for task in view.tasks
            if task.proof in {"agreed", "unproven"}
        ],
        items=list(views),
    )
