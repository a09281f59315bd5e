"""Runs that outlast their call: fetched by handle, once, by whoever has it; ended when nobody asks."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from atos_protocol.errors import BadRequestError, BusyError, DeadlineError, NotFoundError
from atos_protocol.verdicts import ScriptResult
from atos_servers.code_runner.held_runs import MOST_RUNS, HeldRuns
from atos_servers.code_runner.packages.environments import Environments
from atos_servers.code_runner.runner import Runner
from atos_servers.code_runner.server import Tools
from atos_servers.host.connection import Connection, connected


@pytest.fixture
async def held() -> AsyncIterator[HeldRuns]:
    runs = HeldRuns(wait_seconds=0.01)
    async with runs.serving():
        yield runs


async def unfinished(held: HeldRuns, gate: anyio.Event, result: str = "done") -> str:
    """Begin a run that ends with the gate; return its handle."""

    async def work() -> str:
        await gate.wait()
        return result

    with pytest.raises(DeadlineError) as told:
        await held.begin(work)
    handle = told.value.data["handle"]
    assert handle in told.value.next_step
    return handle


async def test_a_run_that_ends_in_time_needs_no_handle() -> None:
    async def work() -> int:
        return 7

    runs = HeldRuns(wait_seconds=10)
    async with runs.serving():
        assert await runs.begin(work) == 7
        assert not await runs.is_busy()


async def test_a_run_is_fetched_by_its_handle_and_once(held: HeldRuns) -> None:
    gate = anyio.Event()
    handle = await unfinished(held, gate)
    assert await held.is_busy()
    with pytest.raises(DeadlineError) as told:
        await held.result(handle)
    assert told.value.data == {"handle": handle}
    gate.set()
    assert await fetched(held, handle) == "done"
    with pytest.raises(NotFoundError, match="no run has the handle"):
        await held.result(handle)
    assert not await held.is_busy()


async def fetched(held: HeldRuns, handle: str) -> object:
    while True:
        try:
            return await held.result(handle)
        except DeadlineError:
            continue


async def test_a_result_of_another_kind_is_not_used_up(held: HeldRuns) -> None:
    gate = anyio.Event()

    async def work() -> str:
        await gate.wait()
        return "done"

    with pytest.raises(DeadlineError) as told:
        await held.begin(work, "a verdict")
    handle = told.value.data["handle"]
    with pytest.raises(BadRequestError, match="a run with a verdict, not with an evaluation"):
        held.knows(handle, "an evaluation")
    assert held.knows(handle, "a verdict")
    gate.set()
    assert await fetched(held, handle) == "done"
    assert not held.knows(handle, "a verdict")


async def test_a_cancelled_call_leaves_its_run_to_the_next_one(held: HeldRuns) -> None:
    gate = anyio.Event()
    handle = await unfinished(held, gate)
    with anyio.CancelScope() as scope:
        scope.cancel()
        await held.result(handle)
    gate.set()
    assert await fetched(held, handle) == "done"


async def test_what_a_run_raises_is_told_to_who_fetches_it(held: HeldRuns) -> None:
    gate = anyio.Event()

    async def work() -> None:
        await gate.wait()
        raise BadRequestError("no such folder", next_step="Name another.")

    with pytest.raises(DeadlineError) as told:
        await held.begin(work)
    gate.set()
    with pytest.raises(BadRequestError, match="no such folder"):
        await fetched(held, told.value.data["handle"])


async def test_a_run_that_nobody_asks_for_is_ended_and_forgotten() -> None:
    ended = anyio.Event()

    async def work() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()

    runs = HeldRuns(wait_seconds=0.01, kept_seconds=-1)
    async with runs.serving():
        with pytest.raises(DeadlineError) as told:
            await runs.begin(work)
        assert not await runs.is_busy()
        with pytest.raises(NotFoundError):
            await runs.result(told.value.data["handle"])
        with anyio.fail_after(5):
            await ended.wait()


async def test_there_are_only_so_many(held: HeldRuns) -> None:
    gate = anyio.Event()
    for _ in range(MOST_RUNS):
        await unfinished(held, gate)
    with pytest.raises(BusyError, match=f"{MOST_RUNS} long runs"):
        await held.begin(gate.wait)


async def test_runs_end_with_their_server() -> None:
    ended = anyio.Event()

    async def work() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()

    runs = HeldRuns(wait_seconds=0.01)
    async with runs.serving():
        with pytest.raises(DeadlineError):
            await runs.begin(work)
    assert ended.is_set()
    with pytest.raises(BusyError):
        await runs.begin(work)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("way", ["handle", "ticket"])
async def test_a_script_with_a_long_limit_is_fetched_after_its_call(
    held: HeldRuns, workspace: Path, tmp_path: Path, way: str
) -> None:
    tools = Tools(Runner(), Environments(tmp_path / "environments"), held)
    with connected(Connection(roots=(workspace,))):
        with pytest.raises(DeadlineError) as told:
            await tools.run_python(str(workspace), code="print(6 * 7)", timeout_s=300)
        handle = told.value.data["handle"]
        assert re.fullmatch("[0-9a-f]{32}", handle)
        while True:
            try:
                result = await (
                    tools.run_result(handle)
                    if way == "handle"
                    else tools.run_python(str(workspace), ticket=handle)
                )
            except DeadlineError:
                continue
            break
    assert isinstance(result, ScriptResult)
    assert (result.stdout, result.state) == ("42\n", "ok")
