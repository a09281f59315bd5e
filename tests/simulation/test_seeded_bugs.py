"""One bug of each class, put into the orchestrator's own code: the simulation finds it, by the invariant that names it."""

from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any
from unittest.mock import patch

import pytest

from atos_orchestrator.events import GoalFold
from atos_orchestrator.execution import (
    dbos_runtime,
    goal_effects,
    goal_input,
    goal_workflow,
    pause_gate,
    probation,
    reconciler,
    resumption,
    step_errors,
    steps,
)
from atos_orchestrator.execution.event_store import EventStore
from atos_orchestrator.plan import Next, Plan
from atos_orchestrator.time_spent import Work, WorkSum
from atos_protocol.goals import Event
from doubles.simulation import places, store
from doubles.simulation.playing import player
from doubles.simulation.story import Story, story_of

MOST = 400
"""Schedules within which each bug is found."""


@dataclass(frozen=True)
class Bug:
    """A mistake, and the invariant that finds it."""

    where: Any
    name: str
    instead: Any
    finds: str
    near: int = 1
    """A schedule that is known to find it is looked at first, and the others if that no longer does."""


def lost_runs_are_not_seen(seen: reconciler.Seen) -> reconciler.Findings:
    return replace(_findings(seen), lost=frozenset())


def ended_goals_are_not_seen(seen: reconciler.Seen) -> reconciler.Findings:
    return replace(_findings(seen), ended=frozenset())


def nobody_is_dead(_self: dbos_runtime.Executor, _executor: str) -> bool:
    return False


def nobody_is_held_back(dead: Any) -> dict[str, int]:
    return {}


def any_dependency_will_do(plan: Plan, states: Mapping[str, Any]) -> Next:
    found = _next_tasks(plan, states)
    early = tuple(
        task.id
        for task in plan.tasks
        if task.id not in states and any(states.get(need) == "done" for need in task.depends_on)
    )
    return replace(found, start=tuple(dict.fromkeys((*found.start, *early))))


def order_by_chance(plan: Plan, states: Mapping[str, Any]) -> Next:
    found = _next_tasks(plan, states)
    return replace(found, start=found.start[:: 1 if next(_turns) % 2 else -1])


def failed_tasks_hold_nobody_back(plan: Plan, states: Mapping[str, Any]) -> Next:
    return _next_tasks(plan, {name: "done" if s == "failed" else s for name, s in states.items()})


def commit_without_looking(onto: places.Commits, message: str, key: str) -> str:
    text = f"{message}\n\n{places.TRAILER}: {key}\n"
    onto.append((f"{next(_turns):040x}", text))
    return onto[-1][0]


async def published_without_a_commit(self: Any, task: str, returned: Any, repository: Any) -> Any:
    if "error" in returned:
        return await _integrate(self, task, returned, repository)
    self.emit(task)("task_done", {"state": "done", "rounds": 0, "commit": ""}, key="end")
    return {}


def nothing_can_be_recorded(_self: Any, state: str) -> Any:
    raise KeyError(state)


async def lost_runs_are_unheard_of(self: Any, wrong: reconciler.Findings) -> None:
    assert not wrong.lost
    await _put_right(self, wrong)


async def nothing_is_waited_for(*_: Any) -> None:
    """Let a step end before its events are on disk."""


def one_key_for_all_revisions(revision: int, task: str | None, kind: str, key: str) -> str:
    return _event_key(1, task, kind, key)


def urgent_goals_last(accepted_at: float, priority: Any) -> int:
    turned: dict[Any, Any] = {"high": "low", "low": "high"}
    return _place_of(accepted_at, turned.get(priority, priority))


def everything_runs_again(record: Any, plan: Any, asked: Collection[str]) -> Any:
    return replace(_resumption(record, plan, asked), settled={})


def calls_are_not_counted(self: WorkSum) -> Work:
    return Work(0.0, 0)


def the_calendar_counts(self: WorkSum) -> Work:
    return Work(next(_hours) * 3600.0, self.calls)


def no_goal_is_held(_self: pause_gate.PauseGate, _goals: Collection[str]) -> None:
    """Leave the gate open, whoever is paused."""


def what_is_kept_is_not_told(outcome: Any, _publication: Any) -> Any:
    return outcome


def everything_is_missing(made: Any, published: Any, goal: str) -> Any:
    return list(made[:-1])


def forget_what_was_folded(self: GoalFold, events: list[Event]) -> GoalFold:
    return _plus(GoalFold(), events[1:] if self.view.seq else events)


def a_key_for_each_try(revision: int, task: str | None, kind: str, key: str) -> str:
    return f"{_event_key(revision, task, kind, key)}:{next(_turns)}"


_findings, _next_tasks = reconciler.findings, goal_workflow.next_tasks
_event_key, _place_of = goal_input.event_key, store.place_of
_resumption = resumption._resumption  # pyright: ignore[reportPrivateUsage]
_plus = GoalFold.plus
_integrate = goal_effects.GoalEffects.integrate
_put_right = reconciler.Reconciler._put_right  # pyright: ignore[reportPrivateUsage]
_turns, _hours = count(), count()
_impatient = dict.fromkeys(step_errors.PATIENCE, 0.5)

BUGS: dict[str, Bug] = {
    "lost runs": Bug(reconciler, "findings", lost_runs_are_not_seen, "every_goal_ends", near=3),
    "ended goals": Bug(
        reconciler, "findings", ended_goals_are_not_seen, "every_goal_ends", near=54
    ),
    "dead runs": Bug(dbos_runtime.Executor, "succeeds", nobody_is_dead, "every_goal_ends"),
    "probation": Bug(
        probation, "suspects", nobody_is_held_back, "ends_as_if_undisturbed", near=375
    ),
    "dependencies": Bug(
        goal_workflow, "next_tasks", any_dependency_will_do, "dependencies_come_first", near=24
    ),
    "skipping": Bug(
        goal_workflow, "next_tasks", failed_tasks_hold_nobody_back, "dependencies_come_first"
    ),
    "order of steps": Bug(goal_workflow, "next_tasks", order_by_chance, "replay_asks_the_same"),
    "events before the record": Bug(
        EventStore, "written", nothing_is_waited_for, "recorded_steps_have_their_events"
    ),
    "keys by revision": Bug(
        steps, "event_key", one_key_for_all_revisions, "ends_as_if_undisturbed", near=8
    ),
    "effects": Bug(places, "_commit", commit_without_looking, "one_commit_per_effect", near=18),
    "forgotten commits": Bug(
        goal_effects.GoalEffects,
        "integrate",
        published_without_a_commit,
        "done_tasks_are_committed",
    ),
    "a failed body": Bug(
        goal_workflow._GoalRun,  # pyright: ignore[reportPrivateUsage]
        "record",
        nothing_can_be_recorded,
        "bodies_never_fail",
    ),
    "a failed loop": Bug(
        reconciler.Reconciler,
        "_put_right",
        lost_runs_are_unheard_of,
        "workers_never_end_by_themselves",
        near=3,
    ),
    "no patience": Bug(
        step_errors, "PATIENCE", _impatient, "trouble_of_the_machine_is_never_recorded", near=6
    ),
    "priority": Bug(store, "place_of", urgent_goals_last, "older_and_more_urgent_goals_first"),
    "resumption": Bug(
        resumption, "_resumption", everything_runs_again, "green_code_is_not_touched", near=8
    ),
    "limits": Bug(WorkSum, "work", property(calls_are_not_counted), "limits_count_work", near=22),
    "calendar": Bug(WorkSum, "work", property(the_calendar_counts), "limits_count_work"),
    "kept work": Bug(
        goal_workflow, "delivered", what_is_kept_is_not_told, "ends_as_if_undisturbed", near=43
    ),
    "folding": Bug(GoalFold, "plus", forget_what_was_folded, "views_are_folds", near=2),
    "keys of events": Bug(steps, "event_key", a_key_for_each_try, "one_end_per_revision", near=81),
    "pauses": Bug(pause_gate.PauseGate, "close_for", no_goal_is_held, "paused_goals_rest", near=24),
    "publication": Bug(places, "missing", everything_is_missing, "nothing_made_is_lost"),
}


@contextmanager
def with_bug(bug: Bug) -> Generator[None]:
    with patch.object(bug.where, bug.name, bug.instead):
        yield


def found_by(bug: Bug, played: Callable[[Story], Any]) -> Any:
    """Return the first schedule that finds a bug."""
    for seed in (bug.near, *range(1, MOST + 1)):
        found = played(story_of(seed))
        if any(how.startswith(f"{bug.finds}:") for how in found.violations):
            return found
    return None


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", BUGS)
def test_a_bug_of_each_class_is_found(name: str) -> None:
    bug = BUGS[name]
    with player() as played, with_bug(bug):
        assert found_by(bug, played) is not None, f"{MOST} schedules do not find: {name}"
