"""The Unix sockets of engine workers: one private folder each, with one socket in it.

`run/e/1f09ab/.sock` is no longer than `run/scheduler.sock`, so every home in which the scheduler can
listen has room for its workers. A folder of its own each, since a worker may make and remove files there.
"""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

import psutil

from atos_protocol.errors import LoadFailedError
from atos_protocol.home_folders import SOCKET_PATH_LIMIT
from atos_protocol.shortage import shortage_of

SOCKET = ".sock"
"""llama.cpp takes a host name that ends so for the path of a Unix socket."""
NAME_BYTES = 3
WORKERS = "atos_scheduler.engines."
"""Begins the module of every worker."""


def new_socket(parent: Path) -> Path:
    """Make a folder, mode 0700, and return the path for a socket in it.

    Raises:
        LoadFailedError: the path would be too long for a socket, or the folder can't be made.
    """
    path = parent / secrets.token_hex(NAME_BYTES) / SOCKET
    if (size := len(os.fsencode(path))) > SOCKET_PATH_LIMIT:
        message = f"the engine's socket {path} has {size} bytes, and {SOCKET_PATH_LIMIT} fit"
        raise LoadFailedError(message, next_step="Set ATOS_HOME to a shorter path.")
    try:
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o700)
    except OSError as error:
        message = f"no folder for the engine's socket can be made in {parent}: {error.strerror}"
        failed = LoadFailedError(message, next_step="Make it writable, or free some room.")
        raise shortage_of(error) or failed from error
    return path


def remove(path: Path) -> None:
    """Remove a socket whose worker is gone, and its folder."""
    shutil.rmtree(path.parent, ignore_errors=True)


def _end_workers(mark: str) -> None:
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            command = process.cmdline()
            if command[-1:] == [mark] and WORKERS in " ".join(command):
                process.kill()


def sweep(parent: Path) -> None:
    """Remove what workers of a killed scheduler left; only the holder of the scheduler's lock may.

    Workers end with their scheduler, all but one that was stopped before it could ask the kernel for that.
    """
    if parent.is_symlink() or not parent.is_dir():
        return
    if any(parent.iterdir()):
        _end_workers(str(parent))
    for left in parent.iterdir():
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)  # follows no links
        else:
            left.unlink(missing_ok=True)
