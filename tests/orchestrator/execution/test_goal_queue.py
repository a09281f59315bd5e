"""In which order goals begin, and what is said to those who wait."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atos.cli.formatting import duration_text
from atos.cli.goal_report import queue_text
from atos_orchestrator.execution.database import open_database
from atos_orchestrator.execution.dbos_client import GOALS
from atos_orchestrator.execution.dbos_runtime import DbosRuntime
from atos_orchestrator.execution.event_store import EventStore
from atos_orchestrator.execution.goal_acceptance import GoalAcceptance
from atos_orchestrator.execution.goal_input import GOAL, GoalInput
from atos_orchestrator.execution.goal_queue import (
    EPOCH,
    LEAD,
    GoalQueue,
    Waiting,
    place_of,
    waiting,
)
from atos_orchestrator.ports import Json
from atos_protocol.goals import PRIORITIES, Priority
from atos_protocol.settings import load_settings
from doubles.temporary_postgres import Postgres, temporary_postgres

pytestmark = pytest.mark.timeout(90)
NOW = 1_795_000_000.0

moments = st.floats(EPOCH + 7200.0, EPOCH + 60 * 365 * 86_400.0)
priorities = st.sampled_from(PRIORITIES)


@given(moments, priorities, st.floats(0, 1e6), priorities)
def test_priority_goes_before_age_and_age_wins_after_two_hours(
    moment: float, first: Priority, later: float, second: Priority
) -> None:
    old, new = place_of(moment, first), place_of(moment + later, second)

    if first == second or later > LEAD["high"] - LEAD["low"]:
        assert old <= new, "nobody starves"
    if later < 3599 and LEAD[second] > LEAD[first]:
        assert new < old


@given(st.integers(0, 500), st.lists(st.floats(0.1, 1e4), max_size=10), st.integers(1, 64))
def test_an_estimate_grows_with_those_ahead_and_is_not_made_up(
    ahead: int, took: list[float], at_once: int
) -> None:
    found = waiting(ahead, took, at_once)

    assert found.ahead == ahead
    if len(took) < 3:
        assert found == Waiting(ahead)
    else:
        assert found.starts_in_s <= waiting(ahead + 1, took, at_once).starts_in_s


def test_the_estimate_is_what_the_last_goals_took() -> None:
    assert waiting(3, [120.0, 60.0, 130.0], 1) == Waiting(3, 120.0, 420.0)
    assert waiting(3, [120.0, 60.0, 130.0], 2) == Waiting(3, 120.0, 210.0)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with temporary_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def runtime(
    request: pytest.FixtureRequest, atos_home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DbosRuntime]:
    """The runtime on a fresh database of either kind; one goal at once."""
    with ExitStack() as stack:
        if request.param == "postgres":
            server: Postgres = request.getfixturevalue("postgres")
            monkeypatch.setenv("ATOS_DATABASE_URL", server.new_database())
        engine = open_database(load_settings())
        stack.callback(engine.dispose)
        made = DbosRuntime(engine, goals_at_once=1)
        made.prepare()
        yield made


async def test_goals_begin_by_priority_then_age_and_know_their_place(runtime: DbosRuntime) -> None:
    events = EventStore(runtime.engine)
    events.create()
    acceptance = GoalAcceptance(runtime.engine, events, runtime)
    wanted: tuple[tuple[str, Priority], ...] = (
        ("low", "low"), ("one", "normal"), ("two", "normal"), ("high", "high"),
    )  # fmt: skip
    for goal, priority in wanted:
        accepted = GoalInput(goal, "Do it", "do-it", "general", NOW, priority=priority)
        acceptance.accept(accepted, "goal_submitted", {}, "submitted")
        await anyio.sleep(0.002)  # the runtime's clock ticks in milliseconds
    queue = GoalQueue(*runtime.tables, at_once=1)
    places = {goal: queue.waiting(goal).ahead for goal, _ in wanted}
    begun: list[str] = []

    async def body(argument: Json) -> Json:
        begun.append(argument["goal"])
        return {}

    async with runtime.worker({GOAL: body}):
        with anyio.fail_after(60):
            for goal, _ in wanted:
                await runtime.result(goal)

    assert places == {"high": 0, "one": 1, "two": 2, "low": 3}
    assert begun == ["high", "one", "two", "low"]
    assert queue.waiting("low") == Waiting()


async def test_a_run_of_an_earlier_version_has_no_place_and_goes_first(
    runtime: DbosRuntime,
) -> None:
    await runtime.submit(GOAL, "old", {}, queue=GOALS)
    events = EventStore(runtime.engine)
    events.create()
    acceptance = GoalAcceptance(runtime.engine, events, runtime)
    new = GoalInput("new", "Do it", "do-it", "general", NOW, priority="high")
    acceptance.accept(new, "goal_submitted", {}, "submitted")

    assert GoalQueue(*runtime.tables, at_once=1).waiting("new").ahead == 1


def test_a_queued_goal_says_who_goes_before_it_and_how_long_that_takes() -> None:
    view = {"state": "queued", "ahead": 3, "typical_s": 120.0, "starts_in_s": 420.0}

    assert queue_text(view) == (
        "3 goals before it, begins in about 7 min (the last goals took 2 min each)"
    )
    assert queue_text(view | {"ahead": 1, "starts_in_s": 0.0}) == "1 goal before it"
    assert queue_text(view | {"ahead": 0, "starts_in_s": 0.0}) == ""
    assert queue_text(view | {"state": "running"}) == ""


def test_durations_are_rough() -> None:
    assert [duration_text(s) for s in (0.2, 89, 91, 5399, 9000)] == [
        "1 s", "89 s", "2 min", "90 min", "2.5 h",
    ]  # fmt: skip
