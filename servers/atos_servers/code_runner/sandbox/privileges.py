"""Drops root's privileges before anybody's code runs.

RLIMIT_NPROC does not bind root and file modes don't stop it, so the code gets a user id that
owns nothing. It keeps one capability, reading past modes, because the interpreter may live below a
home directory that is closed to others; Landlock still decides which paths can be read. A
container may hold root with fewer capabilities: then the user changes only if the supervisor can
still kill the code afterwards, and otherwise all capabilities are given up.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

from atos_servers.code_runner.sandbox import kernel
from atos_servers.code_runner.sandbox.syscalls import TABLES, architecture

FIRST_USER, USERS = 61184, 4336
"""A range without permanent users (systemd's dynamic users)."""

CHOWN, OVERRIDE_MODES, READ_PAST_MODES, KILL, SET_GROUP, SET_USER = 0, 1, 2, 5, 6, 7
NEEDED_TO_CHANGE = (CHOWN, KILL, SET_GROUP, SET_USER)
CAPABILITY_VERSION = 0x20080522


def user_for(process: int) -> int:
    """Choose a user id for the run supervised by `process`, so that runs don't share a count."""
    return FIRST_USER + process % USERS


def _permitted() -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("CapPrm:"):
            return int(line.split()[1], 16)
    return 0


def _set_capabilities(bits: int) -> None:
    low, high = bits & 0xFFFFFFFF, bits >> 32
    header = struct.pack("Ii", CAPABILITY_VERSION, 0)
    words = struct.pack("6I", low, low, low, high, high, high)
    kernel.syscall(TABLES[architecture()]["capset"], header, words)


def can_change_user() -> bool:
    """Return whether this root may make code run as somebody else and still control it."""
    permitted = _permitted()
    return os.getuid() == 0 and all(permitted >> each & 1 for each in NEEDED_TO_CHANGE)


def _reading(permitted: int) -> int | None:
    # Docker's root may override modes but not merely read past them; Landlock bounds both.
    held = (each for each in (READ_PAST_MODES, OVERRIDE_MODES) if permitted >> each & 1)
    return next(held, None)


def become(user: int, *, reads_past_modes: bool) -> None:
    """Become `user` with no group and at most one capability.

    Raises:
        OSError: the kernel refused, for instance because a container has no such user id.
    """
    kept = _reading(_permitted()) if reads_past_modes else None
    os.setgroups([])
    kernel.prctl(kernel.PR_SET_KEEPCAPS, 1)
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    _set_capabilities(0 if kept is None else 1 << kept)
    if kept is not None:
        kernel.prctl(kernel.PR_CAP_AMBIENT, kernel.PR_CAP_AMBIENT_RAISE, kept)


def give_up_all() -> None:
    """Stay who we are, with no capability left."""
    _set_capabilities(0)
