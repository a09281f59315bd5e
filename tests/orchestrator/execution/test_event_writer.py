"""The writer of events: order, nothing lost, nothing twice, whatever the database does and whenever the process dies."""

import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atos_orchestrator.execution import event_writer
from atos_orchestrator.execution.database import Database, sqlite_module
from atos_orchestrator.execution.event_store import EventStore
from atos_orchestrator.execution.event_table import NewEvent
from atos_orchestrator.execution.event_writer import EventWriter
from atos_protocol.errors import AtosError, BadRequestError, UnreachableError
from atos_protocol.settings import load_settings
from doubles.event_memory import AWAY, EventMemory, Fault, killed_and_replayed

pytestmark = pytest.mark.timeout(90)

GOALS = st.dictionaries(
    st.sampled_from("abc"),
    st.lists(st.integers(0, 3), min_size=1, max_size=4),
    min_size=1,
)
"""Goal -> how many events each of its steps tells."""
FAULTS = st.lists(st.sampled_from(Fault), max_size=12)
"""What becomes of the first transactions; the others work."""


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(goals=GOALS, faults=FAULTS)
def test_whatever_fails_and_dies_a_goals_events_are_there_once_and_in_order(
    goals: Mapping[str, Sequence[int]], faults: Sequence[Fault]
) -> None:
    memory = EventMemory(faults)

    too_early = anyio.run(killed_and_replayed, memory, goals)

    told = {goal: [f"{step}:{n}" for step, count in enumerate(steps) for n in range(count)] for goal, steps in goals.items()}  # fmt: skip
    assert {goal: memory.keys(goal) for goal in goals} == told
    assert too_early == []
    assert len(memory.announced) == len(set(memory.announced))
    assert set(memory.announced) <= set(memory.numbers)


def event(goal: str, key: str) -> NewEvent:
    return NewEvent(goal, None, "warning", 1.0, "{}", key)


async def test_what_waits_while_a_transaction_runs_is_the_next_one_together() -> None:
    gate, batches = threading.Event(), list[list[str]]()

    def write(events: Sequence[NewEvent]) -> list[int]:
        batches.append([each.key for each in events])
        assert gate.wait(10)
        return [1] * len(events)

    writer = EventWriter(write)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(writer.run)
        writer.put(event("a", "first"))
        while not batches:
            await anyio.lowlevel.checkpoint()
        for goal in "abc":
            writer.put(event(goal, f"{goal}2"))
        gate.set()
        await writer.written("c")
        tasks.cancel_scope.cancel()

    assert batches == [["first"], ["a2", "b2", "c2"]]


async def test_an_event_that_is_refused_harms_no_other_and_whoever_waits_for_its_goal_is_told() -> (
    None
):
    memory = EventMemory(refused={"bad"})
    writer = EventWriter(memory.write)
    for goal, key in (("a", "1"), ("b", "bad"), ("a", "2"), ("b", "3")):
        writer.put(event(goal, key))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(writer.run)
        await writer.written("a")
        with pytest.raises(BadRequestError):
            await writer.written("b")
        await writer.written("b")
        tasks.cancel_scope.cancel()

    assert (memory.keys("a"), memory.keys("b")) == (["1", "2"], ["3"])


def impatient(_: AtosError) -> float:
    return 0.0


async def test_whoever_waits_is_told_when_patience_is_over_and_the_event_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_writer, "patience", impatient)
    memory = EventMemory([Fault.AWAY])
    writer = EventWriter(memory.write, pauses=(0.0,))
    writer.put(event("a", "1"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(writer.run)
        with pytest.raises(UnreachableError, match=AWAY):
            await writer.written("a")
        await writer.written("a")
        tasks.cancel_scope.cancel()

    assert memory.keys("a") == ["1"]


async def test_the_end_waits_for_the_queue_and_no_longer_than_it_is_told() -> None:
    memory = EventMemory([Fault.AWAY])
    writer = EventWriter(memory.write, pauses=(0.0,))
    writer.put(event("a", "1"))
    drained = [await writer.drain(0.0)]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(writer.run)
        drained.append(await writer.drain(30))
        tasks.cancel_scope.cancel()

    assert (drained, memory.keys("a")) == ([False, True], ["1"])


async def test_a_locked_file_stops_no_other_task_and_loses_nothing(atos_home: Path) -> None:
    database = Database(load_settings())
    store = EventStore(database.engine)
    store.create()
    heard: list[int] = []
    store.listen(lambda _goal, number: heard.append(number))
    # The same library as the database's: within one process another one sees none of its locks.
    other = sqlite_module().connect(str(database.engine.url.database))
    turns = 0
    with closing(other):
        async with store.writing():
            other.execute("BEGIN IMMEDIATE")
            for n in range(3):
                store.append_soon("g", "warning", {"n": n}, key=str(n))
            while turns < 200:
                turns += 1
                await anyio.sleep(0.001)
            meanwhile = store.read("g")
            other.execute("ROLLBACK")
            await store.written("g")
    after = [each.data["n"] for each in store.read("g")]
    database.dispose()

    assert (meanwhile, after, heard) == ([], [0, 1, 2], [1, 2, 3])


async def test_the_end_of_writing_leaves_nothing_in_the_queue(atos_home: Path) -> None:
    database = Database(load_settings())
    store = EventStore(database.engine)
    store.create()
    async with store.writing():
        for n in range(600):
            store.append_soon(f"g{n % 7}", "warning", {"n": n}, key=str(n))
    found = [each.data["n"] for goal in range(7) for each in store.read(f"g{goal}")]
    database.dispose()

    assert found == [n for goal in range(7) for n in range(goal, 600, 7)]


async def test_another_thread_appends_at_once(atos_home: Path) -> None:
    database = Database(load_settings())
    store = EventStore(database.engine)
    store.create()

    def tell() -> int:
        store.append_soon("g", "warning", {}, key="k")
        return len(store.read("g"))

    async with store.writing():
        seen = await anyio.to_thread.run_sync(tell)
    database.dispose()

    assert seen == 1


def test_an_unforeseen_error_is_of_the_waiters_too() -> None:
    async def run() -> str:
        def write(_events: Sequence[NewEvent]) -> list[int]:
            message = "a bug"
            raise ValueError(message)

        writer = EventWriter(write)
        writer.put(event("a", "1"))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(writer.run)
            try:
                await writer.written("a")
            except AtosError as error:
                return error.message
            finally:
                tasks.cancel_scope.cancel()
        return ""

    assert anyio.run(run) == "ValueError in step events: a bug"
