"""Ends what is done for a client once its token is not valid any more: an open request, and a running tool call.

A call outlives the request that brought it where the answer goes another way (SSE), so both are watched.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio

from atos_servers.host.connection import has_token, is_welcome

LOOK_SECONDS = 0.25
"""How often it is looked whether the token is still valid; it takes two `lstat`."""


class Revoked:
    """Whether a block was ended by the revocation of its client's token."""

    def __init__(self) -> None:
        self._is = False

    def __bool__(self) -> bool:
        return self._is

    def set(self) -> None:
        """Note that it was."""
        self._is = True


@asynccontextmanager
async def until_revoked() -> AsyncGenerator[Revoked]:
    """Run the block for as long as the current client's token is valid, then cancel it."""
    revoked, failure = Revoked(), None
    if not has_token():
        yield revoked
        return
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_watch, revoked, tasks.cancel_scope)
        try:
            yield revoked
        except Exception as error:  # noqa: BLE001 - raised below: a task group would wrap it
            failure = error
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def _watch(revoked: Revoked, scope: anyio.CancelScope) -> None:
    await anyio.sleep(LOOK_SECONDS)  # it was valid a moment ago
    while is_welcome():  # noqa: ASYNC110 - files that other processes write
        await anyio.sleep(LOOK_SECONDS)
    revoked.set()
    scope.cancel()
