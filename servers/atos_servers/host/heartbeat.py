"""Progress of a call that says nothing itself: how long it has run, every few seconds.

A client that sent a progress token sees that the call is alive, and most of them wait longer then.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio

BEAT_SECONDS = 5.0
REPORTING = frozenset({"wait_goal", "verified_code", "get_result"})
"""Tools that report progress of their own, in other units."""

Report = Callable[[float, float | None, str | None], Awaitable[None]]
"""Sends progress, its total and a text; does nothing for a client that did not ask for it."""


@asynccontextmanager
async def heartbeat(tool: str, report: Report | None) -> AsyncGenerator[None]:
    """Report the seconds that the block has taken, as long as it runs."""
    if report is None or tool in REPORTING:
        yield
        return
    failure: Exception | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_beat, tool, report)
        try:
            yield
        except Exception as error:  # noqa: BLE001 - raised below: a task group would wrap it
            failure = error
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def _beat(tool: str, report: Report) -> None:
    began = anyio.current_time()
    while True:
        await anyio.sleep(BEAT_SECONDS)
        seconds = round(anyio.current_time() - began)
        await report(float(seconds), None, f"{tool} has run for {seconds} s")
