"""Views that are kept between two looks are the same as those of a reader who begins anew each time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event

from atos_orchestrator.events import GoalFold, fold
from atos_orchestrator.execution.database import open_database
from atos_orchestrator.execution.event_store import EventStore
from atos_orchestrator.execution.event_table import EVENTS
from atos_orchestrator.execution.goal_folds import GoalFolds
from atos_orchestrator.time_spent import Work
from atos_protocol.goals import Event
from atos_protocol.settings import load_settings

TOLD: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("", "goal_submitted", {"goal": "Do it"}),
    ("", "goal_started", {"engine": "e", "repository": "/r"}),
    ("", "plan_ready", {"tasks": [{"id": "T1", "title": "One", "complexity": "simple"}]}),
    ("T1", "task_queued", {}),
    ("T1", "task_started", {"round": 0}),
    ("T1", "model_call", {"model": "m", "seconds": 2.0}),
    ("T1", "task_done", {"state": "failed", "rounds": 1}),
    ("", "goal_finished", {"state": "needs_help"}),
    ("", "goal_resumed", {"tasks": ["T1"]}),
    ("T1", "task_done", {"state": "done", "rounds": 1}),
    ("", "goal_finished", {"state": "success"}),
)
EVENTS_OF_G = tuple(Event(n, "g", t, k, float(n), d) for n, (t, k, d) in enumerate(TOLD, start=1))


@given(st.lists(st.integers(0, len(TOLD)), max_size=6))
def test_a_fold_that_goes_on_is_the_fold_of_everything(looks: list[int]) -> None:
    kept = GoalFold()
    for end in sorted(looks):
        kept = kept.plus(EVENTS_OF_G[max(0, kept.view.seq - 2) : end])

        assert kept.view == fold(EVENTS_OF_G[:end])


@pytest.fixture
def store(atos_home: Path) -> Iterator[EventStore]:
    engine = open_database(load_settings())
    opened = EventStore(engine)
    opened.create()
    yield opened
    engine.dispose()


def tell(store: EventStore, goal: str, first: int, last: int) -> None:
    for number in range(first, last):
        task, kind, data = TOLD[number]
        store.append(goal, kind, data, key=str(number), task=task or None)


def test_a_look_at_goals_shows_what_is_new_and_leaves_out_what_does_not_exist(
    store: EventStore,
) -> None:
    folds = GoalFolds(store)
    for first, last in ((0, 3), (3, 7), (7, len(TOLD))):
        for goal in ("a", "b"):
            tell(store, goal, first, last)

        views = folds.views(["a", "nowhere", "b"])

        assert views == {goal: fold(store.read(goal)) for goal in ("a", "b")}
    assert folds.news("nowhere", 0) is None


@pytest.mark.parametrize("looked", [True, False])
def test_a_waiter_is_given_what_is_new_to_it_however_much_is_known(
    store: EventStore, looked: bool
) -> None:
    folds = GoalFolds(store)
    tell(store, "a", 0, 4)
    if looked:
        folds.views(["a"])
    tell(store, "a", 4, 6)

    heard = {after: folds.news("a", after) for after in (0, 2, 5, 6, 9)}

    everything, view = store.read("a"), fold(store.read("a"))
    assert heard == {after: (tuple(everything[after:]), view) for after in heard}


def test_a_goal_that_was_removed_is_not_remembered(store: EventStore) -> None:
    folds = GoalFolds(store)
    for goal in ("a", "b"):
        tell(store, goal, 0, 3)
    folds.views(["a", "b"])
    with open_database(load_settings()).begin() as connection:
        connection.execute(sa.delete(EVENTS))
    tell(store, "b", 0, 2)

    assert folds.views(["a", "b"]) == {"b": fold(store.read("b"))}
    assert folds.news("a", 0) is None


def test_a_key_that_is_used_again_after_its_goal_was_removed_begins_a_goal_anew(
    store: EventStore,
) -> None:
    tell(store, "a", 0, len(TOLD))
    store.work("a")
    store.unfinished()
    with open_database(load_settings()).begin() as connection:
        connection.execute(sa.delete(EVENTS))
    tell(store, "a", 0, 5)

    assert store.newest_runs() == {"a": 1}
    assert store.work("a") == Work()
    tell(store, "a", 5, 6)
    assert store.work("a") == Work(seconds=2.0, model_calls=1)


def test_a_second_look_reads_one_row_of_each_goal_however_long_they_are(atos_home: Path) -> None:
    engine = open_database(load_settings())
    store = EventStore(engine)
    store.create()
    for goal in ("a", "b"):
        tell(store, goal, 0, len(TOLD))
    folds = GoalFolds(store)
    folds.views(["a", "b"])
    before = store.work("a")
    statements: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    read = store.read_from({goal: view.seq for goal, view in folds.views(["a", "b"]).items()})
    again = store.work("a")
    event.remove(engine, "before_cursor_execute", note)
    engine.dispose()

    assert {goal: len(events) for goal, events in read.items()} == {"a": 1, "b": 1}
    assert again == before
    assert len(statements) == 3
