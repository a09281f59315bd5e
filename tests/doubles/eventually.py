"""Waiting for what another task or process is about to do: it fails when the time is over."""

from collections.abc import Callable

import anyio


async def eventually(holds: Callable[[], bool], seconds: float = 10) -> None:
    """Return as soon as `holds` says so.

    Raises:
        TimeoutError: it did not within `seconds`.
    """
    with anyio.fail_after(seconds):
        while True:
            if holds():
                return
            await anyio.sleep(0.01)
