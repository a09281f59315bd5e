"""Root gives its powers away before it runs anybody's code.

As root RLIMIT_NPROC binds nobody and modes of files mean nothing, so the code gets a user id that
owns nothing. It keeps one capability, reading past modes, because the interpreter may live below a
home directory that is closed to others; Landlock still says which paths are read at all.
"""

from __future__ import annotations

import contextlib
import os
import struct

from atos.servers.code_runner.inside import kernel
from atos.servers.code_runner.inside.syscalls import TABLES, architecture

FIRST_USER, USERS = 61184, 4336
"""A range that the system gives to nobody for long (systemd's dynamic users)."""

READ_PAST_MODES = 2
CAPABILITY_VERSION = 0x20080522


def user_for(process: int) -> int:
    """Choose a user id for the run supervised by `process`, so that runs don't share a count."""
    return FIRST_USER + process % USERS


def _set_capabilities(bits: int) -> None:
    low, high = bits & 0xFFFFFFFF, bits >> 32
    header = struct.pack("Ii", CAPABILITY_VERSION, 0)
    words = struct.pack("6I", low, low, low, high, high, high)
    kernel.syscall(TABLES[architecture()]["capset"], header, words)


def become(user: int, *, reads_past_modes: bool) -> bool:
    """Become `user` with no group and at most one capability; return whether the user changed.

    A container may refuse another user id; then the capabilities are given up all the same.
    """
    with contextlib.suppress(OSError):
        os.setgroups([])
    kept = 1 << READ_PAST_MODES if reads_past_modes else 0
    changed = True
    try:
        kernel.prctl(kernel.PR_SET_KEEPCAPS, 1)
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    except OSError:
        changed = False
    _set_capabilities(kept)
    if kept:
        kernel.prctl(kernel.PR_CAP_AMBIENT, kernel.PR_CAP_AMBIENT_RAISE, READ_PAST_MODES)
    return changed
