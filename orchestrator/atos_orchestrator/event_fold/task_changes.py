"""What the events of one task change: its calls, tests and end. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast, get_args

from atos_orchestrator.event_data import count, question_of, text, texts
from atos_orchestrator.event_fold.state import Fold, where, with_task
from atos_protocol.goals import (
    FINAL_TASK_STATES,
    TASK_TRANSITIONS,
    Event,
    Proof,
    TaskState,
    TaskView,
    TestCounts,
)

WHY_LINES, WHY_CHARACTERS = 3, 400
"""What a view says of a task's failure: a model that reads the view pays for each word."""


def task_done(state: Fold, event: Event) -> Fold:
    """Bring a task into its final state."""
    named = event.data.get("state")
    then = (
        cast("TaskState", named)
        if isinstance(named, str) and named in TASK_TRANSITIONS
        else "failed"
    )
    if then in {"done", "failed"}:
        state = with_task(_with_proof(state, event), event, "running")
    return with_task(state, event, then if then in FINAL_TASK_STATES else "failed")


def _with_proof(state: Fold, event: Event) -> Fold:
    """Note what a task that ends rests on, or asks."""
    named = event.data.get("proof")
    proof = cast("Proof", named) if isinstance(named, str) and named in get_args(Proof) else ""
    evidence, question = text(event.data, "evidence", ""), question_of(event.data.get("question"))
    branches = texts(event.data.get("branches"))
    why = "\n".join(text(event.data, "digest", "").splitlines()[:WHY_LINES])[:WHY_CHARACTERS]

    def noted(task: TaskView) -> TaskView:
        if task.id != event.task or task.state in FINAL_TASK_STATES:
            return task
        return replace(
            task, proof=proof, evidence=evidence, question=question, branches=branches, why=why
        )

    return replace(
        state, view=replace(state.view, tasks=tuple(noted(task) for task in state.view.tasks))
    )


def model_called(state: Fold, event: Event) -> Fold:
    """Note which model and engine work for the goal."""
    view = state.view
    model = text(event.data, "model", "")
    if model and model not in view.models:
        view = replace(view, models=(*view.models, model))
    view = replace(view, engine=view.engine or text(event.data, "engine", ""))
    return with_task(replace(state, view=view), event, None)


def tested(state: Fold, event: Event) -> Fold:
    """Note what the tests came to."""
    view = where(state.view, event.data)
    counts = TestCounts(count(event.data, "passed"), count(event.data, "failed"))
    which = event.data.get("which")
    tests = dict(state.task_tests)
    if event.task and which == "acceptance":
        tests[event.task] = counts
    if not state.verified:
        passed = sum(each.passed for each in tests.values())
        failed = sum(each.failed for each in tests.values())
        view = replace(view, tests=TestCounts(passed, failed))
    return with_task(replace(state, view=view, task_tests=tests), event, None)


def judged(state: Fold, event: Event) -> Fold:
    """Note in which sandbox candidates were judged."""
    return with_task(replace(state, view=where(state.view, event.data)), event, None)


def moving(then: TaskState | None) -> Callable[[Fold, Event], Fold]:
    """Return a change that brings the event's task into a state (None: leaves it where it is)."""
    return lambda state, event: with_task(state, event, then)
