"""Landlock: which paths this process and its children may read and write, whoever they are."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterable

from atos_servers.code_runner.sandbox import kernel
from atos_servers.code_runner.sandbox.syscalls import TABLES, architecture

(
    EXECUTE, WRITE, READ, READ_DIR, REMOVE_DIR, REMOVE_FILE, MAKE_CHAR, MAKE_DIR, MAKE_REG,
    MAKE_SOCK, MAKE_FIFO, MAKE_BLOCK, MAKE_SYM, REFER, TRUNCATE, IOCTL,
) = (1 << bit for bit in range(16))  # fmt: skip
FILE_RIGHTS = EXECUTE | WRITE | READ | TRUNCATE | IOCTL
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")
PATH_BENEATH = 1
VERSION_QUESTION = 1
TCP_BIND_AND_CONNECT = 3
ABSTRACT_SOCKETS_AND_SIGNALS = 3


def version() -> int:
    """Return the version of the kernel's Landlock interface; 0 when it is missing or refused."""
    number = TABLES.get(architecture(), {}).get("landlock_create_ruleset")
    if number is None:
        return 0
    try:
        return kernel.syscall(number, None, 0, VERSION_QUESTION)
    except OSError:
        return 0


def handled(interface: int) -> int:
    """Return the rights on files that this version of the interface can take away."""
    rights = (1 << 13) - 1
    for since, right in ((2, REFER), (3, TRUNCATE), (5, IOCTL)):
        if interface >= since:
            rights |= right
    return rights


def _ruleset(interface: int, own_network: bool) -> int:
    network = TCP_BIND_AND_CONNECT if interface >= 4 and not own_network else 0
    scoped = ABSTRACT_SOCKETS_AND_SIGNALS if interface >= 6 else 0
    size = 24 if interface >= 6 else 16 if interface >= 4 else 8
    attributes = struct.pack("QQQ", handled(interface), network, scoped)[:size]
    create = TABLES[architecture()]["landlock_create_ruleset"]
    return kernel.syscall(create, attributes, size, 0)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        if not stat.S_ISDIR(os.fstat(beneath).st_mode):
            rights &= FILE_RIGHTS
        attributes = struct.pack("=Qi", rights, beneath)
        add = TABLES[architecture()]["landlock_add_rule"]
        kernel.syscall(add, ruleset, PATH_BENEATH, attributes, 0)
    finally:
        os.close(beneath)


def restrict(
    readable: Iterable[str],
    writable: Iterable[str],
    *,
    interface: int,
    own_network: bool,
    listed: Iterable[str] = (),
) -> None:
    """Allow reading and running below some paths, writing below others, and nothing else.

    Nothing below a writable path may be executed or be a device. Below `listed` the names of files can be read,
    not the files. Paths that don't exist are skipped.

    Raises:
        OSError: the kernel refused.
    """
    rights = handled(interface)
    ruleset = _ruleset(interface, own_network)
    for path in readable:
        _allow(ruleset, path, (EXECUTE | READ | READ_DIR) & rights)
    for path in listed:
        _allow(ruleset, path, READ_DIR & rights)
    for path in writable:
        _allow(ruleset, path, rights & ~(MAKE_CHAR | MAKE_BLOCK | IOCTL | EXECUTE))
    for path in DEVICES:
        _allow(ruleset, path, READ | WRITE)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.syscall(TABLES[architecture()]["landlock_restrict_self"], ruleset, 0)
    os.close(ruleset)
