"""The events table, on a real file and from several processes at once."""

import multiprocessing
from pathlib import Path

import pytest

from atos_orchestrator.execution.database import open_database
from atos_orchestrator.execution.event_store import EventStore
from atos_protocol.settings import load_settings
from doubles.event_writer import append_many


@pytest.fixture
def store(atos_home: Path) -> EventStore:
    opened = EventStore(open_database(load_settings()))
    opened.create()
    return opened


def test_an_event_is_told_once_per_key_and_goal(store: EventStore) -> None:
    heard: list[tuple[str, int]] = []
    store.listen(lambda goal, seq: heard.append((goal, seq)))

    first = store.append("g1", "warning", {"text": "a"}, key="k")
    again = store.append("g1", "warning", {"text": "b"}, key="k")
    other = store.append("g2", "warning", {"text": "c"}, key="k", task="T1")

    assert (first, again, other) == (1, 0, 2)
    assert heard == [("g1", 1), ("g2", 2)]
    assert [(e.seq, e.task, e.data["text"]) for e in store.read("g1")] == [(1, "", "a")]
    assert [(e.seq, e.task, e.data["text"]) for e in store.read("g2")] == [(2, "T1", "c")]


def test_a_reader_asks_for_what_is_new(store: EventStore) -> None:
    for number in range(3):
        store.append("g1", "warning", {"n": number}, key=str(number))

    assert [e.data["n"] for e in store.read("g1", after=1)] == [1, 2]
    assert store.read("nowhere") == []


def test_goals_are_unfinished_from_submission_to_end_and_listed_newest_first(
    store: EventStore,
) -> None:
    for goal in ("a", "b", "c"):
        store.append(goal, "goal_submitted", {}, key="submitted")
    store.append("b", "goal_finished", {"state": "failed"}, key="end")

    assert store.unfinished() == ["a", "c"]
    assert [goal for _, goal in store.goals(2)] == ["c", "b"]
    assert [goal for _, goal in store.goals(2, before=2)] == ["a"]


def test_no_event_is_kept_when_its_transaction_is_rolled_back(store: EventStore) -> None:
    with open_database(load_settings()).connect() as connection:
        store.append_with(connection, "g1", "warning", {}, key="k")
        connection.rollback()

    assert store.read("g1") == []


@pytest.mark.timeout(60)
def test_processes_that_append_at_once_lose_and_double_nothing(store: EventStore) -> None:
    spawn = multiprocessing.get_context("spawn")
    children = [spawn.Process(target=append_many, args=(number, 50)) for number in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join(50)

    events = store.read("g")
    assert [child.exitcode for child in children] == [0, 0, 0]
    assert len(events) == 3 * 50 + 50
    assert [e.seq for e in events] == sorted({e.seq for e in events})
