"""Looking at goals while the database hangs."""

import threading

import anyio
import anyio.to_thread
import pytest

from atos_orchestrator.execution.goal_views import in_thread

pytestmark = pytest.mark.timeout(60)


async def test_calls_that_hang_on_the_database_leave_threads_to_everybody_else() -> None:
    server = threading.Event()
    try:
        async with anyio.create_task_group() as tasks:
            for _ in range(60):
                tasks.start_soon(in_thread, server.wait, 30)
            await anyio.sleep(0.2)
            with anyio.fail_after(10):
                await anyio.to_thread.run_sync(threading.get_ident)
            server.set()
    finally:
        server.set()
