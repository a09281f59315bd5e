"""The events of a goal, and the fold that turns them into what people see.

Events are the only record of a goal's progress. They are appended under unique keys, so a repeated
step does not double its event; the fold is indifferent to repeats anyway: it counts an event once, by its
number. Counts and states are *set*, never added to; only seconds are summed. A final state is left by
nothing but `goal_resumed`.

What a task's code rests on (`proof`, `evidence`) and what it asks (`question`) come from `task_done`, which
is written with the task's whole result; `selected` and `asked` tell of a decision while it is made.

What `data` holds by kind (all of it optional for the fold, which never raises):

    goal_submitted   goal, repository, priority (low|normal|high), owner (name of the HTTP client's token)
    goal_started     engine, models, repository, isolation, uid, interpreter
    announcement     text
    plan_ready       tasks [{id, title, complexity}], notes [text], brief {modules, signatures, examples,
                     errors, constraints, packages (counts), language}
    task_queued      pool
    task_started     round
    model_call       role, pool, model, engine, started_at, ended_at, prompt_tokens, reused_tokens,
                     prompt_seconds (to read the rest), tokens, seconds (to write them), queued (seconds before
                     started_at, of which loading), round
    code_written     path, sha, round, parts [candidate] where it is put together from others
    syntax_checked   ok, round
    tests_run        which (acceptance|model|stub|verify), ok, proven (outside|in-process|nothing), passed, failed,
                     isolation, uid, interpreter, started_at, ended_at, round, untested (there is none to run)
    evidence_found   examples, errors, tests (counts), seeds, can_be_run
    evaluated        candidates, rows, calls (counts), started_at, ended_at, isolation, uid, interpreter
    selected         candidate, proof, evidence, kept (count), dropped [{assertion, why}], next
    reflected        cause, round
    asked            question {text, call, options}
    goal_resumed     tasks [id] (those that run again), text
    task_committed   commit
    task_done        state (done|failed|skipped|cancelled), rounds, digest, proof, evidence,
                     question {text, call, options}, branches [name]
    goal_verified    passed, failed, isolation, uid, interpreter, untested
    goal_finished    state, summary, repository, deployment_url, error {code, message, next}
    waiting          for, code, since (epoch seconds), pause (seconds to the next try), ahead (in a queue)
    warning          text
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast, get_args

from atos_orchestrator.event_data import count, question_of, text, texts
from atos_orchestrator.time_spent import add_event, with_rest
from atos_protocol.goals import (
    FINAL_GOAL_STATES,
    FINAL_TASK_STATES,
    GOAL_STATES,
    PRIORITIES,
    RESUMABLE_GOAL_STATES,
    TASK_TRANSITIONS,
    Event,
    GoalState,
    GoalView,
    Proof,
    TaskState,
    TaskView,
    TestCounts,
    may_follow,
)

WHY_LINES, WHY_CHARACTERS = 3, 400
"""What a view says of a task's failure: a model that reads the view pays for each word."""


@dataclass(frozen=True, slots=True)
class _Fold:
    """The view so far, and what it needs to remember beside it."""

    view: GoalView = field(default_factory=GoalView)
    first_at: float = 0.0
    ended_at: float = 0.0
    """When it reached its last final state."""
    paused: float = 0.0
    """Seconds between final states and what resumed the goal."""
    task_tests: Mapping[str, TestCounts] = field(default_factory=dict[str, TestCounts])
    verified: bool = False


@dataclass(frozen=True, slots=True)
class GoalFold:
    """The fold of a goal's events so far, which goes on with what is new."""

    _state: _Fold = field(default_factory=_Fold)

    @property
    def view(self) -> GoalView:
        """What a person sees of the goal."""
        return self._state.view

    def plus(self, events: Iterable[Event]) -> GoalFold:
        """Return the fold with more events; those up to the last one that was folded are known."""
        state = self._state
        unique = {event.seq: event for event in events if event.seq > state.view.seq}
        for seq in sorted(unique):
            state = _apply(state, unique[seq])
        return GoalFold(state)


def fold(events: Iterable[Event]) -> GoalView:
    """Return what a person sees of a goal after these events, in whatever order and however often.

    An event counts once, by its sequence number. Unknown kinds and unfit data change nothing.
    """
    return GoalFold().plus(events).view


def _apply(state: _Fold, event: Event) -> _Fold:
    if not state.view.seq and not state.view.id:
        state = replace(state, first_at=event.at, view=replace(state.view, id=event.goal))
    if event.kind == "goal_resumed":
        state = _resumed(state, event)
    if state.view.state in FINAL_GOAL_STATES:
        return replace(state, view=replace(state.view, seq=event.seq))
    state = _with_waiting(state, event)
    if (change := _CHANGES.get(event.kind)) is not None:
        state = change(state, event)
    seconds = max(0.0, round(event.at - state.first_at - state.paused, 3))
    spent = with_rest(add_event(state.view.spent, event.kind, event.data), seconds)
    return replace(state, view=replace(state.view, seq=event.seq, seconds=seconds, spent=spent))


def _submitted(state: _Fold, event: Event) -> _Fold:
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


def _with_waiting(state: _Fold, event: Event) -> _Fold:
    """Note what the goal or task of an event waits for: nothing, after any event but `waiting`."""
    waits = event.kind == "waiting"
    waiting = f"{text(event.data, 'for', 'something')}{_ahead(event.data)}" if waits else ""
    if not event.task:
        return replace(state, view=replace(state.view, waiting=waiting))
    tasks = tuple(
        replace(task, waiting=waiting) if task.id == event.task else task
        for task in state.view.tasks
    )
    return replace(state, view=replace(state.view, tasks=tasks))


def _ahead(data: Mapping[str, Any]) -> str:
    return f" ({ahead} ahead)" if (ahead := count(data, "ahead")) else ""


def _where(view: GoalView, data: Mapping[str, Any]) -> GoalView:
    """Note the sandbox's rung, uid and interpreter where the event names them."""
    uid = data.get("uid")
    return replace(
        view,
        isolation=text(data, "isolation", view.isolation),
        interpreter=text(data, "interpreter", view.interpreter),
        uid=uid if isinstance(uid, int) else view.uid,
    )


def _started(state: _Fold, event: Event) -> _Fold:
    view = _where(state.view, event.data)
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


def _announced(state: _Fold, event: Event) -> _Fold:
    said = text(event.data, "text", state.view.announcement)
    return replace(state, view=replace(state.view, announcement=said))


def _planned(state: _Fold, event: Event) -> _Fold:
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


def _resumed(state: _Fold, event: Event) -> _Fold:
    """Take a goal that can be resumed, and the tasks that run again, out of their final states."""
    view = state.view
    if view.state not in RESUMABLE_GOAL_STATES:
        return state
    listed = event.data.get("tasks")
    again = set(map(str, cast("list[Any]", listed))) if isinstance(listed, list) else set[str]()
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


def _with_task(state: _Fold, event: Event, then: TaskState | None) -> _Fold:
    """Bring a task into state `then`, if that is legal, and note how many rounds it took."""
    rounds = max(count(event.data, "rounds"), count(event.data, "round"))

    def moved(task: TaskView) -> TaskView:
        if task.id != event.task or task.state in FINAL_TASK_STATES:
            return task
        allowed = then is not None and may_follow(task.state, then)
        return replace(
            task,
            state=then if allowed and then is not None else task.state,
            rounds=max(task.rounds, rounds),
        )

    tasks = tuple(moved(task) for task in state.view.tasks)
    settled = bool(tasks) and all(task.state in FINAL_TASK_STATES for task in tasks)
    now: GoalState = "verifying" if settled else state.view.state
    return replace(state, view=replace(state.view, tasks=tasks, state=now))


def _task_done(state: _Fold, event: Event) -> _Fold:
    named = event.data.get("state")
    then = (
        cast("TaskState", named)
        if isinstance(named, str) and named in TASK_TRANSITIONS
        else "failed"
    )
    if then in {"done", "failed"}:
        state = _with_task(_with_proof(state, event), event, "running")
    return _with_task(state, event, then if then in FINAL_TASK_STATES else "failed")


def _with_proof(state: _Fold, event: Event) -> _Fold:
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


def _model_called(state: _Fold, event: Event) -> _Fold:
    view = state.view
    model = text(event.data, "model", "")
    if model and model not in view.models:
        view = replace(view, models=(*view.models, model))
    view = replace(view, engine=view.engine or text(event.data, "engine", ""))
    return _with_task(replace(state, view=view), event, None)


def _tested(state: _Fold, event: Event) -> _Fold:
    view = _where(state.view, event.data)
    counts = TestCounts(count(event.data, "passed"), count(event.data, "failed"))
    which = event.data.get("which")
    tests = dict(state.task_tests)
    if event.task and which == "acceptance":
        tests[event.task] = counts
    if not state.verified:
        passed = sum(each.passed for each in tests.values())
        failed = sum(each.failed for each in tests.values())
        view = replace(view, tests=TestCounts(passed, failed))
    return _with_task(replace(state, view=view, task_tests=tests), event, None)


def _verified(state: _Fold, event: Event) -> _Fold:
    view = _where(state.view, event.data)
    counts = TestCounts(count(event.data, "passed"), count(event.data, "failed"))
    return replace(state, view=replace(view, tests=counts, state="verifying"), verified=True)


def _finished(state: _Fold, event: Event) -> _Fold:
    view, data = state.view, event.data
    named = data.get("state")
    known = isinstance(named, str) and named in GOAL_STATES
    end = cast("GoalState", named) if known else "failed"
    error = data.get("error")
    view = replace(
        view,
        state=end,
        tasks=tuple(_left(task, end) for task in view.tasks)
        if end in FINAL_GOAL_STATES
        else view.tasks,
        summary=text(data, "summary", view.summary),
        repository=text(data, "repository", view.repository),
        deployment_url=text(data, "deployment_url", view.deployment_url),
        error=cast("Mapping[str, Any]", error) if isinstance(error, Mapping) else view.error,
        waiting="",
    )
    return replace(state, view=view, ended_at=event.at)


def _left(task: TaskView, end: GoalState) -> TaskView:
    """Settle a task that was still open when its goal ended."""
    if task.state in FINAL_TASK_STATES:
        return task
    task = replace(task, waiting="")
    begun = task.state == "running" or end == "cancelled"
    return replace(task, state="cancelled" if begun else "skipped")


def _judged(state: _Fold, event: Event) -> _Fold:
    return _with_task(replace(state, view=_where(state.view, event.data)), event, None)


def _moving(then: TaskState | None) -> Callable[[_Fold, Event], _Fold]:
    return lambda state, event: _with_task(state, event, then)


_CHANGES: Mapping[str, Callable[[_Fold, Event], _Fold]] = {
    "goal_submitted": _submitted,
    "goal_started": _started,
    "announcement": _announced,
    "plan_ready": _planned,
    "task_queued": _moving("queued"),
    "task_started": _moving("running"),
    "model_call": _model_called,
    "code_written": _moving(None),
    "syntax_checked": _moving(None),
    "tests_run": _tested,
    "reflected": _moving(None),
    "evaluated": _judged,
    "task_committed": _moving(None),
    "task_done": _task_done,
    "goal_verified": _verified,
    "goal_finished": _finished,
}
"""Kind -> how it changes the view; a kind that is missing here only moves `seq` and `seconds`."""
