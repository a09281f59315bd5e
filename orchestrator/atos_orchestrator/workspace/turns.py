"""One at a time for a goal: whoever moves its branches, or brings a person's files up to date, has the turn.

A goal's workflow publishes one task after the other, so nobody waits here as a rule. But a worker that was taken for
dead may be alive, and a run that was returned to its queue may still have its body: two of them would share one
copy of the index, and each would take the other's half-written files for a person's.

The turn is an `flock`, which ends with its holder, however that ends.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from atos_orchestrator.workspace.repository import Repository
from atos_protocol.errors import BusyError, WorkspaceError

TURN = "turn"
"""Name of the file that is locked, in the goal's private folder."""
WAIT_SECONDS = 60.0
"""How long the turn is waited for before the step says that it waits; longer than any git command may take."""
LOOK_SECONDS = 0.02


@asynccontextmanager
async def turn(repository: Repository) -> AsyncGenerator[None]:
    """Have the turn while the context lasts; it can't be had twice, not even by the same task.

    Raises:
        BusyError: somebody else had it all the time.
        WorkspaceError: the goal's private folder is gone.
    """
    handle = await _taken(repository.trees / TURN)
    try:
        yield
    finally:
        os.close(handle)


async def _taken(place: Path) -> int:
    deadline = anyio.current_time() + WAIT_SECONDS
    while (handle := _tried(place)) is None:
        if anyio.current_time() >= deadline:
            message = (
                f"another process has been at work for this goal for {WAIT_SECONDS:.0f} s ({place})"
            )
            raise BusyError(message, next_step="Nothing: ATOS tries again.")
        await anyio.sleep(LOOK_SECONDS)
    return handle


def _tried(place: Path) -> int | None:
    """Return the open lock; None where somebody else has it, or the file was removed meanwhile."""
    try:
        handle = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except (FileNotFoundError, NotADirectoryError) as error:
        message = f"{place.parent} is no longer there"
        raise WorkspaceError(message) from error
    kept = False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        kept = os.path.samestat(os.fstat(handle), place.stat())
    except (BlockingIOError, FileNotFoundError):
        return None
    finally:
        if not kept:
            os.close(handle)
    return handle if kept else None
