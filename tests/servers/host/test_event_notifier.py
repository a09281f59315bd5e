"""The notifier wakes whoever waits for a goal's next event."""

import anyio
from anyio.lowlevel import checkpoint

from atos_servers.host.services import REMEMBERED, EventNotifier


async def test_a_waiter_is_woken_by_a_later_event_of_its_goal() -> None:
    notifier = EventNotifier()
    woken: list[str] = []

    async def wait(name: str, goal: str, after: int) -> None:
        assert await notifier.wait(goal, after, 5)
        woken.append(name)

    with anyio.fail_after(2):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait, "first", "g1", 3)
            tasks.start_soon(wait, "second", "g1", 3)
            tasks.start_soon(wait, "patient", "g1", 4)
            await checkpoint()
            notifier.notify("g2", 9)
            notifier.notify("g1", 3)
            await anyio.wait_all_tasks_blocked()
            assert woken == []
            notifier.notify("g1", 4)
            await anyio.wait_all_tasks_blocked()
            assert sorted(woken) == ["first", "second"]
            notifier.notify("g1", 5)
    assert "patient" in woken


async def test_an_event_that_was_notified_before_the_wait_is_not_missed() -> None:
    notifier = EventNotifier()
    notifier.notify("g1", 7)
    assert await notifier.wait("g1", 6, 0.01)


async def test_the_time_passes_without_an_event() -> None:
    assert not await EventNotifier().wait("g1", 0, 0.01)


async def test_events_that_arrive_out_of_order_do_not_set_the_notifier_back() -> None:
    notifier = EventNotifier()
    notifier.notify("g1", 7)
    notifier.notify("g1", 5)
    assert await notifier.wait("g1", 6, 0.01)


async def test_it_remembers_a_bounded_number_of_goals() -> None:
    notifier = EventNotifier()
    for number in range(REMEMBERED + 10):
        notifier.notify(f"g{number}", 1)
    assert not await notifier.wait("g0", 0, 0.01)
    assert await notifier.wait(f"g{REMEMBERED + 9}", 0, 0.01)
