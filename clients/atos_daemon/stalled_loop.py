"""Ends a process whose event loop stands still, since nothing in that loop could notice it.

The worker is such a process: it holds the lock of its role, and ends when its host is gone, which it learns in its
loop. A library that waits there without end (the durable runtime's launch does where a thread of its own could not
start, for want of descriptors) would keep every later worker from beginning. So a thread of the interpreter waits for
a sign of life; without one it writes the stacks of all threads to standard error and ends the process, as `kill -9` would.
"""

from __future__ import annotations

import faulthandler

import anyio

STALLED_SECONDS = 45.0
"""Longer than any statement of a database may take (30 s), which at the start runs in the loop's thread."""
SIGN_SECONDS = 10.0
"""Between two signs of life."""


async def end_when_stalled(seconds: float = STALLED_SECONDS) -> None:
    """End the process once this loop has not turned for so many seconds; watches until cancelled."""
    try:
        while True:
            faulthandler.dump_traceback_later(seconds, exit=True)
            await anyio.sleep(min(SIGN_SECONDS, seconds / 2))
    finally:
        faulthandler.cancel_dump_traceback_later()
