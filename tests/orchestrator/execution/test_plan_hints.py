"""Plan hints: a pure fold of a goal's events, and who is told."""

from pathlib import Path

import anyio
import pytest

from atos.scheduler_client import SchedulerClient
from atos_orchestrator.durable_json import encode
from atos_orchestrator.execution import plan_hints
from atos_orchestrator.execution.database import open_database
from atos_orchestrator.execution.event_store import EventStore
from atos_orchestrator.execution.plan_hints import CALLS, HintPublisher, hint_of
from atos_orchestrator.plan import Plan
from atos_orchestrator.task import Task
from atos_protocol.daemons import is_up
from atos_protocol.goals import Event
from atos_protocol.settings import load_settings
from doubles.eventually import eventually
from doubles.running_scheduler import scheduler

PLAN = Plan((Task("T1", "One"), Task("T2", "Two", depends_on=("T1",), complexity="complex")))


def events(*later: tuple[str, str, dict[str, object]], strategy: str = "general") -> list[Event]:
    first = [
        Event(1, "g", "", "goal_submitted", 1.0, {"strategy": strategy}),
        Event(2, "g", "", "plan_ready", 1.0, encode(PLAN)),
    ]
    return first + [Event(3 + n, "g", t, k, 2.0 + n, d) for n, (t, k, d) in enumerate(later)]


def test_without_a_plan_there_is_nothing_to_hint_at() -> None:
    assert hint_of([Event(1, "g", "", "goal_submitted", 1.0, {})]) is None


def test_a_hint_tells_what_each_task_still_needs_and_of_which_pool() -> None:
    done: dict[str, object] = {"state": "done", "rounds": 0}
    hint = hint_of(events(("T1", "task_started", {}), ("T1", "task_done", done)))

    assert hint is not None
    assert hint.revision == 4
    assert [(t.id, t.depends_on, t.state, t.pool, t.calls) for t in hint.tasks] == [
        ("T1", (), "done", "simple", 0),
        ("T2", ("T1",), "pending", "complex", CALLS),
    ]


def test_the_demonstration_models_tasks_are_of_its_own_pool() -> None:
    hint = hint_of(events(strategy="mini"))

    assert hint is not None
    assert {task.pool for task in hint.tasks} == {"mini"}


def test_a_plan_that_is_not_understood_is_no_plan() -> None:
    assert hint_of([Event(1, "g", "", "plan_ready", 1.0, {"tasks": [{"no": "id"}]})]) is None


class LookedAt(EventStore):
    """Counts the looks at which goals are unfinished."""

    looks = 0

    def unfinished(self) -> list[str]:
        self.looks += 1
        return super().unfinished()


async def test_an_unfinished_goals_hint_reaches_the_scheduler_and_is_withdrawn_at_its_end() -> None:
    async with scheduler([]) as running:
        engine = open_database(running.settings)
        store = EventStore(engine)
        store.create()
        publisher = HintPublisher(store, running.client)
        store.append("g", "goal_submitted", {}, key="submitted")
        store.append("g", "plan_ready", encode(PLAN), key="plan")
        await publisher.publish()
        published = (await running.client.status()).plans
        store.append("g", "goal_finished", {"state": "success"}, key="end")
        await publisher.publish()
        withdrawn = (await running.client.status()).plans
        engine.dispose()

    assert (published, withdrawn) == (("g",), ())


async def test_hints_are_looked_at_only_while_a_goal_is_at_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plan_hints, "EVERY_SECONDS", 0.01)
    async with scheduler([]) as running, anyio.create_task_group() as tasks:
        engine = open_database(running.settings)
        store = LookedAt(engine)
        store.create()
        publisher = HintPublisher(store, running.client)
        tasks.start_soon(publisher.run)
        await eventually(lambda: store.looks == 1)
        await anyio.sleep(0.2)
        assert store.looks == 1
        store.append("g", "goal_submitted", {}, key="submitted")
        publisher.note_change("g")
        await eventually(lambda: store.looks >= 5)
        tasks.cancel_scope.cancel()
        engine.dispose()


async def test_a_scheduler_that_is_down_is_neither_waited_for_nor_started(atos_home: Path) -> None:
    settings = load_settings()
    engine = open_database(settings)
    store = EventStore(engine)
    store.create()
    store.append("g", "goal_submitted", {}, key="submitted")
    store.append("g", "plan_ready", encode(PLAN), key="plan")

    async with SchedulerClient(settings, start=False) as observer:
        with anyio.fail_after(5):
            await HintPublisher(store, observer).publish()
    engine.dispose()

    assert not is_up("scheduler", settings)
