"""Measures how long the event loop is held up by one callback, in processor time of its thread.

Not by the clock: a crowded machine would fail every test that looks at it.
"""

import asyncio  # noqa: TID251 - the callbacks of the loop itself are measured
import gc
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest


@dataclass
class Busiest:
    """The callback that took longest."""

    seconds: float = 0.0
    callback: str = ""


@contextmanager
def watched_loop() -> Generator[Busiest]:
    """Watch every callback of the loops of this thread while the block runs."""
    gc.collect()
    gc.freeze()  # a full collection of what the test run holds is none of the host's work
    busiest = Busiest()
    run: Any = asyncio.Handle._run

    def timed(handle: Any) -> None:
        began = time.thread_time()
        run(handle)
        if (took := time.thread_time() - began) > busiest.seconds:
            busiest.seconds, busiest.callback = took, repr(handle)[:500]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio.Handle, "_run", timed)
        try:
            yield busiest
        finally:
            gc.unfreeze()
