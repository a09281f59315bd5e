"""The queue for the sandbox: nobody is overtaken, nobody is forgotten while it asks, no place is lost."""

from collections import deque

import anyio
import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from atos_protocol.errors import BusyError
from atos_servers.code_runner.places import KEPT_SECONDS, Places


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def refused(places: Places, ticket: str = "") -> BusyError:
    """Ask without waiting, and return the refusal."""
    with pytest.raises(BusyError) as caught:
        async with places.turn(0.0, ticket):
            pass
    return caught.value


async def test_a_refused_call_is_told_its_ticket_and_how_many_wait_before_it() -> None:
    places = Places(1)
    async with places.turn(1.0):
        first, second = await refused(places), await refused(places)
    assert str(second) == (
        "1 runs are going and 1 wait before this one "
        f"Call again with ticket={second.data['ticket']!r}: it keeps your place in the queue."
    )
    assert (first.data["ahead"], second.data["ahead"]) == (0, 1)
    assert second.data["waits_for"] == "a sandbox"


async def test_a_ticket_is_served_before_whoever_came_later() -> None:
    places, served = Places(1), list[str]()

    async def call(name: str, ticket: str = "") -> None:
        async with places.turn(5.0, ticket):
            served.append(name)

    async with anyio.create_task_group() as tasks, places.turn(1.0):
        ticket = (await refused(places)).data["ticket"]
        tasks.start_soon(call, "later")
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(call, "ticket", ticket)
        await anyio.wait_all_tasks_blocked()
    assert served == ["ticket", "later"]


async def test_an_absent_ticket_holds_up_nobody_and_stays_first() -> None:
    places = Places(1)
    async with places.turn(1.0):
        ticket = (await refused(places)).data["ticket"]
    async with places.turn(0.0):
        assert (await refused(places, ticket)).data == {
            "waits_for": "a sandbox",
            "ticket": ticket,
            "ahead": 0,
        }


async def test_a_ticket_that_nobody_comes_back_with_is_forgotten() -> None:
    clock = Clock()
    places = Places(1, clock=clock)
    async with places.turn(1.0):
        gone = (await refused(places)).data["ticket"]
        clock.now = KEPT_SECONDS + 1
        assert (await refused(places)).data["ahead"] == 0
        assert (await refused(places, gone)).data["ticket"] != gone


async def test_a_call_that_is_cancelled_leaves_the_queue() -> None:
    places = Places(1)
    async with places.turn(1.0):
        with anyio.move_on_after(0.01):
            async with places.turn(60.0):
                pass
        assert (await refused(places)).data["ahead"] == 0


async def test_a_call_that_is_cancelled_as_its_turn_comes_gives_the_place_back() -> None:
    places = Places(1)
    async with anyio.create_task_group() as tasks:
        with anyio.CancelScope() as scope:
            async with places.turn(1.0):
                waiting = anyio.CancelScope()

                async def call() -> None:
                    with waiting:
                        async with places.turn(60.0):
                            pass

                tasks.start_soon(call)
                await anyio.wait_all_tasks_blocked()
                waiting.cancel()
        assert not scope.cancelled_caught
    async with places.turn(0.0):
        pass


class Queueing(RuleBasedStateMachine):
    """Calls that come, give up, come back and end, against a plain list."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 2
        self.places = Places(self.total)
        self.running = deque[anyio.Event]()
        self.tickets = list[str]()
        self.loop = anyio.from_thread.start_blocking_portal()
        self.portal = self.loop.__enter__()
        self.group = self.portal.wrap_async_context_manager(
            self.portal.call(anyio.create_task_group)
        )
        self.calls = self.group.__enter__()

    def teardown(self) -> None:
        while self.running:
            self.end()
        self.group.__exit__(None, None, None)
        self.loop.__exit__(None, None, None)

    @rule(number=st.integers(0, 5))
    def ask(self, number: int) -> None:
        ticket = self.tickets[number] if number < len(self.tickets) else ""
        expected = len(self.running) < self.total
        admitted, again = self.portal.call(self.try_once, ticket)
        assert admitted == expected
        if admitted and ticket:
            self.tickets.remove(ticket)
        elif not admitted and ticket:
            assert again == ticket
        elif not admitted:
            self.tickets.append(again)

    async def try_once(self, ticket: str) -> tuple[bool, str]:
        """Ask without waiting; a call that is admitted runs until `end`."""
        over, begun = anyio.Event(), anyio.Event()
        refusal = list[BusyError]()

        async def call() -> None:
            try:
                async with self.places.turn(0.0, ticket):
                    begun.set()
                    await over.wait()
            except BusyError as busy:
                refusal.append(busy)
                begun.set()

        self.calls.start_soon(call)
        await begun.wait()
        if refusal:
            return False, str(refusal[0].data["ticket"])
        self.running.append(over)
        return True, ""

    @precondition(lambda self: self.running)
    @rule()
    def end(self) -> None:
        over = self.running.popleft()

        async def finish() -> None:
            over.set()
            await anyio.wait_all_tasks_blocked()

        self.portal.call(finish)

    @invariant()
    def tickets_are_in_the_order_of_arrival(self) -> None:
        if len(self.running) < self.total or not self.tickets:
            return
        for position, ticket in enumerate(self.tickets):
            assert self.portal.call(self.ahead_of, ticket) == position

    async def ahead_of(self, ticket: str) -> int:
        return int((await refused(self.places, ticket)).data["ahead"])


TestQueueing = Queueing.TestCase
TestQueueing.settings = hypothesis_settings(max_examples=40, stateful_step_count=25, deadline=None)
