"""One fetch of the same bytes at a time: a lock that the kernel drops when its holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

LOOK_SECONDS = 0.1


@contextmanager
def held(path: Path, waiting: Callable[[], AbstractContextManager[object]]) -> Generator[bool]:
    """Hold a file's lock; yields whether somebody else had it before.

    There is no deadline: whoever holds it shows progress, and its death frees it. The context that
    `waiting` returns is open while this process waits.

    Raises:
        OSError: the file can't be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        waited = False
        with ExitStack() as shown:
            while not _take(handle):
                if not waited:
                    shown.enter_context(waiting())
                waited = True
                time.sleep(LOOK_SECONDS)
        yield waited
    finally:
        os.close(handle)


def _take(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
