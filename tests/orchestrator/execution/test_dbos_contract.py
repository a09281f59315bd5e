"""What the durable runtime guarantees, including what is used of DBOS beyond its public interface."""

import re
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import anyio
import anyio.from_thread
import anyio.to_thread
import pytest
import sqlalchemy as sa
from dbos._dbos import BACKGROUND_JOBS_THREAD_NAME  # pyright: ignore[reportPrivateImportUsage]

from atos_orchestrator.execution.database import open_database
from atos_orchestrator.execution.dbos_client import GOALS, TASKS, Run
from atos_orchestrator.execution.dbos_runtime import DbosRuntime
from atos_orchestrator.ports import Json
from atos_protocol.errors import AtosError, BadRequestError, CancelledWorkError
from atos_protocol.settings import load_settings
from doubles.eventually import eventually
from doubles.temporary_postgres import Postgres, temporary_postgres

pytestmark = pytest.mark.timeout(90)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with temporary_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def runtime(
    request: pytest.FixtureRequest, atos_home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[DbosRuntime]:
    """The runtime on a fresh database of either kind."""
    with ExitStack() as stack:
        if request.param == "postgres":
            server: Postgres = request.getfixturevalue("postgres")
            monkeypatch.setenv("ATOS_DATABASE_URL", server.new_database())
        engine = open_database(load_settings())
        stack.callback(engine.dispose)
        yield DbosRuntime(engine)


async def add_one(runtime: DbosRuntime, calls: list[int], argument: Json) -> Json:
    async def work() -> Json:
        calls.append(argument["n"])
        return {"n": argument["n"] + 1}

    return await runtime.step("add", work)


async def test_an_idle_worker_has_no_thread_that_asks_the_database_once_a_second(
    runtime: DbosRuntime,
) -> None:
    before = set(threading.enumerate())
    async with runtime.worker({}):
        await eventually(lambda: not polling(before))
        left = sorted(target_of(thread) for thread in set(threading.enumerate()) - before)

    assert [name for name in left if name.startswith("queue-")] == ["queue-goals", "queue-tasks"]


def target_of(thread: threading.Thread) -> str:
    """What a thread runs: the name that it was given, or that of its function."""
    return re.sub(r"Thread-\d+ \((.*)\)", r"\1", thread.name)


def polling(before: set[threading.Thread]) -> list[str]:
    """DBOS's threads that look for what ATOS does not use."""
    begun = {target_of(thread) for thread in set(threading.enumerate()) - before}
    unused = {"queue_thread", "dynamic_scheduler_loop", BACKGROUND_JOBS_THREAD_NAME}
    return sorted(name for name in begun if name in unused or name.startswith("queue-worker"))


async def test_so_many_goals_run_at_once_and_the_oldest_first(runtime: DbosRuntime) -> None:
    narrow = DbosRuntime(runtime.engine, goals_at_once=2)
    begun, gates = [anyio.Event() for _ in range(6)], [anyio.Event() for _ in range(6)]
    running, seen = set[int](), list[set[int]]()

    async def body(argument: Json) -> Json:
        async def work() -> Json:
            n = int(argument["n"])
            running.add(n)
            seen.append(set(running))
            begun[n].set()
            await gates[n].wait()
            running.discard(n)
            return {}

        return await narrow.step("work", work)

    await anyio.to_thread.run_sync(narrow.prepare)
    for n in range(6):
        await narrow.submit("body", f"r{n}", {"n": n}, queue=GOALS)
    async with narrow.worker({"body": body}):
        for n in range(5):
            await begun[n + 1].wait()
            gates[n].set()
        gates[5].set()
        await narrow.result("r5")
    # Whichever of the first two began first: goal n+1 begins only beside goal n, once n-1 has ended.
    assert seen[1:] == [{n, n + 1} for n in range(5)]


async def test_a_run_is_executed_once_however_often_it_is_submitted(runtime: DbosRuntime) -> None:
    calls: list[int] = []
    async with runtime.worker({"body": lambda a: add_one(runtime, calls, a)}):
        for _ in range(3):
            await runtime.submit("body", "r1", {"n": 1}, queue=GOALS)

        assert await runtime.result("r1") == {"n": 2}

    assert calls == [1]


async def test_the_system_sqlite_serves_where_there_is_no_newer_one(atos_home: Path) -> None:
    calls: list[int] = []
    runtime = DbosRuntime(open_database(load_settings(), module=sqlite3))
    async with runtime.worker({"body": lambda a: add_one(runtime, calls, a)}):
        await runtime.submit("body", "r1", {"n": 41}, queue=GOALS)

        assert await runtime.result("r1") == {"n": 42}


async def test_a_goal_may_be_submitted_before_any_worker_ever_ran(runtime: DbosRuntime) -> None:
    calls: list[int] = []
    await anyio.to_thread.run_sync(runtime.prepare)
    await runtime.submit("body", "r1", {"n": 1}, queue=GOALS)
    waiting = await runtime.list()

    async with runtime.worker({"body": lambda a: add_one(runtime, calls, a)}):
        await runtime.result("r1")

    assert waiting == [Run("r1", "body", "queued")]
    assert await runtime.list(["success"]) == [Run("r1", "body", "success")]


async def test_what_a_dead_worker_left_is_recovered_without_repeating_recorded_steps(
    runtime: DbosRuntime,
) -> None:
    log: list[str] = []
    stuck = anyio.Event()

    async def body(argument: Json) -> Json:
        async def first() -> Json:
            log.append("first")
            return {"drawn": time.time()}

        async def second() -> Json:
            log.append("second")
            if log.count("second") == 1:
                stuck.set()
                await anyio.sleep_forever()
            return {}

        drawn = await runtime.step("first", first)
        await runtime.step("second", second)
        return drawn

    async with runtime.worker({"body": body}):
        await runtime.submit("body", "r1", {}, queue=GOALS)
        await stuck.wait()
    left = await runtime.list()
    async with runtime.worker({"body": body}):
        await runtime.result("r1")

    assert left == [Run("r1", "body", "running")]
    assert log == ["first", "second", "second"]


async def test_the_end_of_a_worker_is_not_counted_among_the_deaths_that_abandon_a_run(
    runtime: DbosRuntime,
) -> None:
    started, starts = anyio.Event(), list[int]()

    async def body(argument: Json) -> Json:
        async def work() -> Json:
            started.set()
            await anyio.sleep_forever()
            return {}

        return await runtime.step("work", work)

    for _ in range(3):
        started = anyio.Event()
        async with runtime.worker({"body": body}):
            await runtime.submit("body", "r1", {}, queue=GOALS)
            await started.wait()
            starts.append(await anyio.to_thread.run_sync(starts_of, runtime, "r1"))

    assert starts == [1, 1, 1]
    assert await runtime.list() == [Run("r1", "body", "running")]


def starts_of(runtime: DbosRuntime, run: str) -> int:
    """How often DBOS has counted that a run was begun."""
    engine, tables = runtime.tables
    runs = tables.workflow_status
    count = sa.select(runs.c.recovery_attempts).where(runs.c.workflow_uuid == run)
    with engine.connect() as connection:
        return int(connection.execute(count).scalar_one())


async def test_a_body_may_queue_a_run_until_its_worker_has_ended(
    runtime: DbosRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, ending, tried = anyio.Event(), anyio.Event(), threading.Event()
    raised = list[Exception]()

    async def body(argument: Json) -> Json:
        if argument:
            return {}
        started.set()
        await ending.wait()
        try:
            await runtime.submit("body", "r1:T1", {"of": "r1"}, queue=TASKS)
        except Exception as error:  # noqa: BLE001 - a goal's body ends its goal by whatever it meets
            raised.append(error)
        tried.set()
        return {}

    queues = runtime._queues  # pyright: ignore[reportPrivateUsage]
    end = queues.end

    def end_slowly() -> None:
        anyio.from_thread.run_sync(ending.set)
        assert tried.wait(30)
        end()

    monkeypatch.setattr(queues, "end", end_slowly)
    async with runtime.worker({"body": body}):
        await runtime.submit("body", "r1", {}, queue=GOALS)
        await started.wait()

    assert raised == []
    assert {run.id for run in await runtime.list()} == {"r1", "r1:T1"}


async def test_another_name_leaves_the_work_of_a_live_worker_alone(runtime: DbosRuntime) -> None:
    started = anyio.Event()

    async def body(argument: Json) -> Json:
        async def work() -> Json:
            started.set()
            await anyio.sleep_forever()
            return {}

        return await runtime.step("work", work)

    async with runtime.worker({"body": body}):
        await runtime.submit("body", "r1", {}, queue=GOALS)
        await started.wait()
    engine = open_database(load_settings())
    other = DbosRuntime(engine, name="elsewhere")
    async with other.worker({"body": body}):
        found = await other.list()
    engine.dispose()

    assert found == [Run("r1", "body", "running")]


async def test_a_failed_step_raises_the_same_error_again_when_it_is_replayed(
    runtime: DbosRuntime,
) -> None:
    calls: list[str] = []
    stuck = anyio.Event()

    async def body(argument: Json) -> Json:
        async def refuse() -> Json:
            calls.append("refuse")
            message = "no such thing"
            raise BadRequestError(message, next_step="Ask for another.")

        async def hang() -> Json:
            calls.append("hang")
            if calls.count("hang") == 1:
                stuck.set()
                await anyio.sleep_forever()
            return {}

        try:
            await runtime.step("refuse", refuse)
        except AtosError as error:
            await runtime.step("hang", hang)
            return {"class": type(error).__name__} | error.to_wire()
        return {}

    async with runtime.worker({"body": body}):
        await runtime.submit("body", "r1", {}, queue=GOALS)
        await stuck.wait()
    async with runtime.worker({"body": body}):
        result = await runtime.result("r1")

    assert calls == ["refuse", "hang", "hang"]
    assert result == {
        "class": "BadRequestError",
        "code": "bad_request",
        "message": "no such thing",
        "next": "Ask for another.",
        "status": 400,
        "retry": False,
        "data": {},
    }


async def test_waiting_returns_whichever_run_ends_first(runtime: DbosRuntime) -> None:
    async def child(argument: Json) -> Json:
        async def work() -> Json:
            await anyio.sleep(argument["seconds"])
            return argument

        return await runtime.step("sleep", work)

    async def parent(argument: Json) -> Json:
        for name, seconds in (("slow", 0.8), ("fast", 0.01)):
            await runtime.submit("child", f"p:{name}", {"seconds": seconds}, queue=TASKS)
        first = await runtime.wait(["p:slow", "p:fast"])
        second = await runtime.wait(["p:slow"])
        return {"order": [first, second], "value": await runtime.result("p:slow")}

    async with runtime.worker({"parent": parent, "child": child}):
        await runtime.submit("parent", "p", {}, queue=GOALS)
        result = await runtime.result("p")

    assert result == {"order": ["p:fast", "p:slow"], "value": {"seconds": 0.8}}


async def test_a_cancelled_run_ends_its_own_and_its_childrens_steps_at_once(
    runtime: DbosRuntime,
) -> None:
    ended: list[str] = []
    started = anyio.Event()

    async def child(argument: Json) -> Json:
        async def work() -> Json:
            started.set()
            try:
                await anyio.sleep_forever()
            finally:
                ended.append("child")
            return {}

        return await runtime.step("hang", work)

    async def parent(argument: Json) -> Json:
        await runtime.submit("child", "p:c", {}, queue=TASKS)
        await runtime.wait(["p:c"])
        return {}

    async with runtime.worker({"parent": parent, "child": child}):
        await runtime.submit("parent", "p", {}, queue=GOALS)
        await started.wait()
        await runtime.cancel("p")
        begun = time.monotonic()
        stopped = runtime.scopes.cancel("p")
        with pytest.raises(CancelledWorkError):
            await runtime.result("p")
        with pytest.raises(CancelledWorkError):
            await runtime.result("p:c")
        took = time.monotonic() - begun

    assert (stopped, ended) == (1, ["child"])
    assert took < 1.0


def test_only_three_modules_know_dbos() -> None:
    packages = Path(__file__).parents[3] / "orchestrator"
    users = {
        path.stem
        for path in packages.rglob("*.py")
        if re.search(r"^\s*(from|import) dbos\b", path.read_text(), re.MULTILINE)
    }

    assert users == {"dbos_client", "dbos_runtime", "queue_threads"}
