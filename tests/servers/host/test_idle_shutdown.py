"""When the host may end for idleness."""

import anyio

from atos_servers.host.idle_shutdown import BusyChecks, IdleShutdown


async def test_an_empty_host_ends_after_the_time() -> None:
    idle = IdleShutdown(BusyChecks())
    with anyio.fail_after(2):
        await idle.wait_idle(0.05)


async def test_a_connection_holds_it_and_its_end_starts_the_clock_anew() -> None:
    idle = IdleShutdown(BusyChecks())
    ended: list[float] = []

    async def watch() -> None:
        await idle.wait_idle(0.1)
        ended.append(anyio.current_time())

    left = 0.0
    async with anyio.create_task_group() as tasks:
        with idle.activity():
            tasks.start_soon(watch)
            await anyio.sleep(0.3)
            assert ended == []
            assert idle.connections == 1
        left = anyio.current_time()
    assert 0.1 <= ended[0] - left < 2


async def test_a_goal_that_runs_holds_it() -> None:
    running = True

    async def busy() -> bool:
        return running

    checks = BusyChecks()
    checks.add(busy)
    with anyio.move_on_after(0.3) as scope:
        await IdleShutdown(checks).wait_idle(0.05)
    assert scope.cancelled_caught
    running = False
    with anyio.fail_after(2):
        await IdleShutdown(checks).wait_idle(0.05)
