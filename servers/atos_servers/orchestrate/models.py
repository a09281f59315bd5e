"""What the tools answer: the shapes that clients see. No null and no reference in their schemas."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from atos_orchestrator.events import Event
from atos_orchestrator.execution.goal_reports import News as Report
from atos_orchestrator.goal import GoalState
from atos_orchestrator.goal import GoalView as View
from atos_orchestrator.goal import TaskView as Task
from atos_orchestrator.task import TaskState


class TaskSummary(BaseModel):
    """One task of a goal."""

    id: Annotated[str, Field(description="T1, T2, ...")]
    title: str
    complexity: Annotated[str, Field(description="simple, medium or complex; picks the pool.")]
    state: TaskState
    rounds: Annotated[int, Field(description="Attempts after the first.")]


class TestSummary(BaseModel):
    """Tests of the goal: of the final verification, or of its tasks while it runs."""

    passed: int
    failed: int


class GoalView(BaseModel):
    """A goal as it stands."""

    id: str
    goal: Annotated[str, Field(description="What was asked for.")]
    state: Annotated[
        GoalState,
        Field(description="Final: success, failed, cancelled, needs_help, limit_reached."),
    ]
    repository: Annotated[str, Field(description="Folder of the git repository; empty at first.")]
    deployment_url: Annotated[str, Field(description="Empty where nothing was deployed.")]
    engine: Annotated[str, Field(description="What ran the models.")]
    models: Annotated[list[str], Field(description="Models that worked on it.")]
    tasks: list[TaskSummary]
    tests: TestSummary
    seconds: Annotated[float, Field(description="From submission to the newest event.")]
    seq: Annotated[int, Field(description="Newest event; pass it to wait_goal as after_seq.")]
    summary: str
    announcement: Annotated[str, Field(description="What the person should be told; may be empty.")]
    isolation: Annotated[str, Field(description="Sandbox rung that ran the tests.")]
    uid: Annotated[int, Field(description="User id that ran the tests; -1 before any did.")]
    interpreter: Annotated[str, Field(description="Python that ran the tests.")]
    error: Annotated[
        dict[str, str], Field(description="code, message and next of what ended it; else empty.")
    ]


class EventView(BaseModel):
    """One thing that happened to a goal."""

    seq: int
    goal: str
    task: Annotated[str, Field(description="Empty when it concerns the whole goal.")]
    kind: str
    at: Annotated[float, Field(description="Epoch seconds.")]
    data: dict[str, Any]


class News(BaseModel):
    """What happened since the caller last looked."""

    events: list[EventView]
    seq: Annotated[int, Field(description="Pass it as after_seq next time.")]
    goal: GoalView


class PlanView(BaseModel):
    """A plan that nobody executes yet."""

    plan: Annotated[
        dict[str, Any], Field(description="Pass it to start_goal as `plan`, changed or not.")
    ]
    notes: Annotated[list[str], Field(description="What was repaired in it.")]
    engine: Annotated[str, Field(description="What would execute it: llama_cpp or general.")]


class GoalList(BaseModel):
    """Goals, newest first."""

    goals: list[GoalView]
    cursor: Annotated[str, Field(description="Pass it for the next page; empty: no more.")]


class Aggregate(BaseModel):
    """Several goals together."""

    ok: Annotated[bool, Field(description="True when all have ended in success.")]
    done: int
    pending: int
    failed: Annotated[int, Field(description="Ended in any other state than success.")]
    passed_tests: int
    failed_tests: int
    items: list[GoalView]


class TaskView(BaseModel):
    """Everything about one task."""

    goal: Annotated[str, Field(description="Id of its goal.")]
    id: str
    title: str
    complexity: str
    state: TaskState
    rounds: int
    digest: Annotated[str, Field(description="Its last failure, at most 40 lines.")]
    events: list[EventView]


def goal_view(view: View) -> GoalView:
    """Show a goal."""
    return GoalView(
        id=view.id,
        goal=view.goal,
        state=view.state,
        repository=view.repository,
        deployment_url=view.deployment_url,
        engine=view.engine,
        models=list(view.models),
        tasks=[_summary(task) for task in view.tasks],
        tests=TestSummary(passed=view.tests.passed, failed=view.tests.failed),
        seconds=round(view.seconds, 3),
        seq=view.seq,
        summary=view.summary,
        announcement=view.announcement,
        isolation=view.isolation,
        uid=-1 if view.uid is None else view.uid,
        interpreter=view.interpreter,
        error=view.error or {},
    )


def event_view(event: Event) -> EventView:
    """Show an event."""
    return EventView(
        seq=event.seq,
        goal=event.goal,
        task=event.task or "",
        kind=event.kind,
        at=event.at,
        data=dict(event.data),
    )


def news_view(news: Report) -> News:
    """Show what happened to a goal."""
    return News(
        events=[event_view(event) for event in news.events],
        seq=news.seq,
        goal=goal_view(news.view),
    )


def aggregate(views: list[GoalView]) -> Aggregate:
    """Count several goals together."""
    final = {"success", "failed", "cancelled", "needs_help", "limit_reached"}
    done = sum(view.state == "success" for view in views)
    ended = sum(view.state in final for view in views)
    return Aggregate(
        ok=bool(views) and done == len(views),
        done=done,
        pending=len(views) - ended,
        failed=ended - done,
        passed_tests=sum(view.tests.passed for view in views),
        failed_tests=sum(view.tests.failed for view in views),
        items=views,
    )


def _summary(task: Task) -> TaskSummary:
    return TaskSummary(
        id=task.id,
        title=task.title,
        complexity=task.complexity,
        state=task.state,
        rounds=task.rounds,
    )
