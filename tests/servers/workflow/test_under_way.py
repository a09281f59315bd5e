"""Deployments that outlast the call that began them: a handle is their name, and nothing of their end is lost."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import pytest

from atos_protocol.errors import AtosError, ConflictError, UnreachableError
from atos_servers.deployment.record import Deployment
from atos_servers.workflow.under_way import UnderWay

pytestmark = pytest.mark.anyio

SHOP = Deployment("shop", state="verified")


class Slow:
    """Work that ends when it is told to; counts how often it was begun."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.begun, self.end, self.failure = 0, anyio.Event(), failure

    async def __call__(self) -> Deployment:
        self.begun += 1
        await self.end.wait()
        if self.failure is not None:
            raise self.failure
        return SHOP


@asynccontextmanager
async def serving(wait_seconds: float = 0.05) -> AsyncGenerator[UnderWay]:
    made = UnderWay(wait_seconds)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(made.serve)
        await anyio.lowlevel.checkpoint()
        yield made
        tasks.cancel_scope.cancel()


async def test_what_is_quick_is_returned_and_forgotten() -> None:
    async with serving(wait_seconds=60) as made:
        work = Slow()
        work.end.set()
        assert await made.begin("shop", "deploy 1", work) == SHOP
        assert (made.has("shop"), await made.is_busy()) == (False, False)


async def test_what_takes_longer_goes_on_and_the_same_call_again_waits_for_it() -> None:
    async with serving() as made:
        work = Slow()
        assert await made.begin("shop", "deploy 1", work) is None
        assert (made.has("shop"), await made.is_busy()) == (True, True)
        assert await made.begin("shop", "deploy 1", work) is None
        with pytest.raises(ConflictError, match="shop is being changed: deploy"):
            await made.begin("shop", "roll_back", work)
        work.end.set()
        assert await made.wait("shop") == SHOP
        assert (work.begun, made.has("shop"), await made.is_busy()) == (1, False, False)


@pytest.mark.parametrize(
    ("failure", "told"),
    [(UnreachableError("no answer"), "no answer"), (ValueError("7"), "it ended in ValueError: 7")],
)
async def test_an_error_is_told_once_and_the_others_go_on(failure: Exception, told: str) -> None:
    async with serving() as made:
        work, other = Slow(failure), Slow()
        assert await made.begin("shop", "deploy 1", work) is None
        assert await made.begin("other", "deploy 1", other) is None
        work.end.set()
        with pytest.raises(AtosError, match=told):
            await made.wait("shop")
        assert (made.has("shop"), made.has("other")) == (False, True)
        other.end.set()
        assert await made.wait("other") == SHOP


async def test_without_a_server_around_it_the_work_is_done_in_the_call() -> None:
    work = Slow()
    work.end.set()
    assert await UnderWay().begin("shop", "deploy 1", work) == SHOP
