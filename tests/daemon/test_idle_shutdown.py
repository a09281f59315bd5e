"""When a daemon may end for idleness."""

import anyio

from atos_daemon.idle_shutdown import IdleShutdown


async def test_an_unused_daemon_ends_after_the_time() -> None:
    with anyio.fail_after(2):
        await IdleShutdown().wait_idle(0.05)


async def test_a_use_holds_it_and_its_end_starts_the_clock_anew() -> None:
    idle = IdleShutdown()
    ended: list[float] = []

    async def watch() -> None:
        await idle.wait_idle(0.1)
        ended.append(anyio.current_time())

    left = 0.0
    async with anyio.create_task_group() as tasks:
        with idle.use():
            tasks.start_soon(watch)
            await anyio.sleep(0.3)
            assert ended == []
            assert idle.in_use == 1
        left = anyio.current_time()
    assert 0.1 <= ended[0] - left < 2


async def test_work_under_way_holds_it() -> None:
    running = True

    async def busy() -> bool:
        return running

    idle = IdleShutdown()
    idle.add_busy_check(busy)
    with anyio.move_on_after(0.3) as scope:
        await idle.wait_idle(0.05)
    assert scope.cancelled_caught
    running = False
    with anyio.fail_after(2):
        await idle.wait_idle(0.05)


async def test_a_check_that_can_not_tell_holds_it_and_does_not_end_it() -> None:
    answers = iter([OSError("away"), OSError("away"), True, False])
    asked: list[object] = []

    async def busy() -> bool:
        answer = next(answers, False)
        asked.append(answer)
        if isinstance(answer, OSError):
            raise answer
        return bool(answer)

    with anyio.fail_after(5):
        await IdleShutdown(busy, look_seconds=0.01).wait_idle(0.05)

    assert [isinstance(each, OSError) for each in asked[:4]] == [True, True, False, False]
    assert asked[-1] is False


async def test_a_touch_is_a_use_that_is_over_already() -> None:
    idle = IdleShutdown(look_seconds=0.01)
    began = anyio.current_time()

    async def touch() -> None:
        for _ in range(5):
            idle.touch()
            await anyio.sleep(0.05)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(touch)
        await idle.wait_idle(0.1)
    assert anyio.current_time() - began > 0.25


async def test_a_daemon_makes_way_for_a_newer_one_as_soon_as_nothing_needs_it() -> None:
    busy = True

    async def working() -> bool:
        return busy

    idle = IdleShutdown(working, look_seconds=0.01, replaced_by=lambda: "9.9.9")
    with anyio.move_on_after(0.2) as scope:
        await idle.wait_idle(900.0)
    assert scope.cancelled_caught, "a goal is at work"
    busy = False
    with anyio.fail_after(30):
        await idle.wait_idle(900.0)
