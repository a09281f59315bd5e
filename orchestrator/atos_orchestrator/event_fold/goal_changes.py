"""What the events of a goal as a whole change: its acceptance, plan, verification, end and resumption. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from atos_orchestrator.event_data import count, text, texts
from atos_orchestrator.event_fold.state import Fold, where
from atos_orchestrator.ports import Json
from atos_protocol.goals import (
    APPROVAL_NEEDED,
    FINAL_GOAL_STATES,
    FINAL_TASK_STATES,
    GOAL_STATES,
    PRIORITIES,
    RESUMABLE_GOAL_STATES,
    Event,
    GoalState,
    TaskView,
    TestCounts,
)

FOR_APPROVAL = "your approval of the plan"
"""What the tasks of a plan that is to be reviewed wait for."""


def submitted(state: Fold, event: Event) -> Fold:
    """Note what was asked for."""
    view, data = state.view, event.data
    named = data.get("priority")
    return replace(
        state,
        view=replace(
            view,
            goal=text(data, "goal", view.goal),
            repository=text(data, "repository", view.repository),
            priority=named if named in PRIORITIES else view.priority,
        ),
    )


def started(state: Fold, event: Event) -> Fold:
    """Note that a worker has begun, and where."""
    view = where(state.view, event.data)
    models = event.data.get("models")
    named = texts(models)
    view = replace(
        view,
        state="planning" if view.state == "queued" else view.state,
        engine=text(event.data, "engine", view.engine),
        models=named or view.models,
        repository=text(event.data, "repository", view.repository),
    )
    return replace(state, view=view)


def announced(state: Fold, event: Event) -> Fold:
    """Note what a person must know of the engine."""
    said = text(event.data, "text", state.view.announcement)
    return replace(state, view=replace(state.view, announcement=said))


def planned(state: Fold, event: Event) -> Fold:
    """Note the tasks."""
    listed = event.data.get("tasks")
    rows = cast("list[Any]", listed) if isinstance(listed, list) else []
    before = {task.id: task for task in state.view.tasks}
    tasks = dict(before)
    for row in rows:
        if not isinstance(row, Mapping):
            continue
        data = cast("Mapping[str, Any]", row)
        if not (task_id := text(data, "id", "")):
            continue
        fresh = TaskView(id=task_id, title="", complexity="")
        known = before.get(task_id, fresh)
        title = text(data, "title", known.title)
        complexity = text(data, "complexity", known.complexity)
        tasks[task_id] = replace(known, title=title, complexity=complexity)
    return replace(state, view=replace(state.view, state="running", tasks=tuple(tasks.values())))


def resumed(state: Fold, event: Event) -> Fold:
    """Take a goal that can be resumed, and the tasks that run again, out of their final states."""
    view = state.view
    if view.state not in RESUMABLE_GOAL_STATES:
        return state
    listed = event.data.get("tasks")
    again = set(map(str, cast("list[Any]", listed))) if isinstance(listed, list) else set[str]()
    if event.data.get("anew"):  # it will have another plan
        view = replace(view, tasks=())
    tasks = tuple(
        TaskView(task.id, task.title, task.complexity)
        if task.id in again and task.state != "done"
        else task
        for task in view.tasks
    )
    view = replace(
        view, state="running" if tasks else "planning", tasks=tasks, summary="", error={}
    )
    paused = state.paused + max(0.0, event.at - state.ended_at)
    kept = {name: each for name, each in state.task_tests.items() if name not in again}
    return replace(state, view=view, paused=paused, task_tests=kept, verified=False)


def paused(state: Fold, event: Event) -> Fold:
    """Note that a person has paused it: its tasks wait for nothing else then."""
    if state.under:
        return state
    tasks = tuple(replace(task, waiting="") for task in state.view.tasks)
    view = replace(state.view, tasks=tasks, waiting="")
    return replace(state, view=view, under=view.state, paused_at=event.at)


def unpaused(state: Fold, event: Event) -> Fold:
    """Note that a paused goal goes on."""
    return replace(state, under="", paused=state.idle_until(event.at))


def uncovered(state: Fold) -> Fold:
    """Return a paused goal as it would stand: what a step tells that was just stopped still counts."""
    return replace(state, view=replace(state.view, state=state.under)) if state.under else state


def covered(state: Fold, event: Event) -> Fold:
    """Say of a paused goal that it is paused; one that has ended is not."""
    if not state.under:
        return state
    if state.view.state in FINAL_GOAL_STATES:
        return unpaused(state, event)
    return replace(state, under=state.view.state, view=replace(state.view, state="paused"))


def verified(state: Fold, event: Event) -> Fold:
    """Note what the tests of the whole repository came to."""
    view = where(state.view, event.data)
    counts = TestCounts(count(event.data, "passed"), count(event.data, "failed"))
    return replace(state, view=replace(view, tests=counts, state="verifying"), verified=True)


def finished(state: Fold, event: Event) -> Fold:
    """Note how it ended; what was open has ended with it."""
    view, data = state.view, event.data
    named = data.get("state")
    known = isinstance(named, str) and named in GOAL_STATES
    end = cast("GoalState", named) if known else "failed"
    error = data.get("error")
    view = replace(
        view,
        state=end,
        tasks=tuple(_left(task, end, waits=_for_approval(error)) for task in view.tasks)
        if end in FINAL_GOAL_STATES
        else view.tasks,
        summary=text(data, "summary", view.summary),
        repository=text(data, "repository", view.repository),
        deployment_url=text(data, "deployment_url", view.deployment_url),
        error=cast("Mapping[str, Any]", error) if isinstance(error, Mapping) else view.error,
        waiting="",
    )
    return replace(state, view=view, ended_at=event.at)


def _for_approval(error: object) -> bool:
    """Tell whether a run ended only because its plan is to be reviewed."""
    return isinstance(error, Mapping) and cast("Json", error).get("code") == APPROVAL_NEEDED


def _left(task: TaskView, end: GoalState, *, waits: bool) -> TaskView:
    """Settle a task that was still open when its goal ended; one whose plan is not approved yet goes on waiting."""
    if task.state in FINAL_TASK_STATES:
        return task
    if waits:
        return replace(task, waiting=FOR_APPROVAL)
    task = replace(task, waiting="")
    begun = task.state == "running" or end == "cancelled"
    return replace(task, state="cancelled" if begun else "skipped")
