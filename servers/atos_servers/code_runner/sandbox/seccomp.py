"""System call filters, written as rules and compiled to the kernel's classic BPF.

Four filters: `general` refuses what no test needs and what Landlock does not cover (a deny list,
because a test may use most of Python); `reading` on top of it refuses every change to the disk and
every new process, for the tests of the seccomp-only level; `single` on top of it refuses new
processes and signals, for one cell of an evaluation; `pure` is an allow list for the process that
only computes: it can't open a path at all.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from atos_servers.code_runner.sandbox import kernel
from atos_servers.code_runner.sandbox.syscalls import (
    AUDIT_ARCH,
    LAST_KNOWN,
    TABLES,
    architecture,
    words,
)

LOAD, JUMP_EQUAL, JUMP_GREATER, JUMP_AT_LEAST, JUMP_BITS, AND, RETURN = (
    0x20, 0x15, 0x25, 0x35, 0x45, 0x54, 0x06,
)  # fmt: skip
KILL, ALLOW, ERRNO = 0x80000000, 0x7FFF0000, 0x00050000
NUMBER, ARCH, ARGUMENTS = 0, 4, 16
X32_BIT = 0x40000000
WHOLE = 0xFFFFFFFF

CLONE_NEW_ANY = 0x7E020000 | 0x10000000
CLONE_THREAD = 0x10000
TIOCSTI = 0x5412
F_SETOWN, F_SETSIG, F_SETOWN_EX, FIOSETOWN, SIOCSPGRP = 8, 10, 15, 0x8901, 0x8902
SEND_TYPE = 0xF

FORBIDDEN = words(
    "ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd process_madvise process_mrelease "
    "mount umount2 pivot_root move_mount fsopen fsconfig fsmount fspick open_tree mount_setattr "
    "chroot unshare setns bpf perf_event_open userfaultfd keyctl add_key request_key kexec_load "
    "kexec_file_load io_uring_setup io_uring_enter io_uring_register init_module finit_module "
    "delete_module open_by_handle_at name_to_handle_at reboot swapon swapoff personality acct "
    "quotactl quotactl_fd syslog settimeofday clock_settime adjtimex clock_adjtime sethostname "
    "setdomainname vhangup fanotify_init lookup_dcookie memfd_create memfd_secret shmget shmat "
    "shmctl semget semop semtimedop semctl msgget msgsnd msgrcv msgctl mq_open mq_unlink iopl ioperm"
)
"""Never needed by a test. memfd, SysV and POSIX queues hold memory that no process's size shows; those of the
person's other programs could be read and removed by numbers and names that no path rule covers."""

OTHERS = words(
    "setpriority sched_setaffinity sched_setscheduler sched_setparam sched_setattr ioprio_set "
    "migrate_pages move_pages"
)
"""Act on any process of the same user; refused where the process ids are not our own."""

WATCHES = words("inotify_add_watch")
ATTRIBUTES = words("getxattr lgetxattr listxattr llistxattr")
"""Tell something of files outside; Landlock covers neither."""

SIGNALS = words("kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo")
LEAVING = words("setsid setpgid")
"""Leave the process group that is killed at the end."""
MODES = words("chmod fchmod fchmodat fchmodat2 utime utimes futimesat utimensat")
OWNERS = words(
    "chown lchown fchown fchownat setxattr lsetxattr fsetxattr removexattr lremovexattr "
    "fremovexattr"
)
CHANGES = words(
    "creat openat2 mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 link linkat "
    "symlink symlinkat mknod mknodat truncate execve execveat fork vfork"
)
COMPUTES = words(
    "read write readv writev close lseek fstat newfstatat mmap munmap mprotect mremap madvise brk "
    "futex rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack exit exit_group clock_gettime "
    "clock_getres gettimeofday getrandom sched_yield getpid gettid getuid recvfrom sendto ppoll "
    "poll restart_syscall rseq set_robust_list nanosleep clock_nanosleep getrusage times"
)
"""All that a process needs to evaluate Python and to answer over a socket it already has."""

FAMILIES = (int(socket.AF_UNIX), int(socket.AF_INET), int(socket.AF_INET6))
"""Kinds of sockets that stay in a network namespace. AF_VSOCK, for one, reaches the machine's host."""

When = Literal["always", "bits", "equals", "differs", "none of"]


@dataclass(frozen=True, slots=True)
class Rule:
    """Answer a call with an error, always or by one of its arguments."""

    call: str
    error: int
    """errno to answer; 0 pretends success without doing anything."""
    when: When = "always"
    argument: int = 0
    value: int = 0
    mask: int = WHOLE
    values: tuple[int, ...] = ()
    """With "none of": the arguments that are allowed."""


@dataclass(frozen=True, slots=True)
class Provided:
    """What the isolation level already provides; the filter refuses only the rest."""

    own_network: bool
    own_processes: bool
    landlock: int
    """Version of Landlock's interface in force; 0 when there is none."""
    own_user: bool
    """Whether the code runs as a user that owns nothing outside."""


def _step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("HBBI", code, yes, no, value)


def _argument(index: int) -> int:
    return ARGUMENTS + 8 * index  # low word first: both architectures are little-endian


def _compile(rule: Rule, number: int) -> list[bytes]:
    answer = _step(RETURN, ERRNO | rule.error)
    if rule.when == "always":
        return [_step(JUMP_EQUAL, number, 0, 1), answer]
    load = [_step(LOAD, _argument(rule.argument)), _step(AND, rule.mask)]
    body = [*load, *_tests(rule), answer, _step(LOAD, NUMBER)]
    return [_step(JUMP_EQUAL, number, 0, len(body)), *body]


def _tests(rule: Rule) -> list[bytes]:
    """Return the steps that skip the next one, the answer, where the rule does not apply."""
    match rule.when:
        case "bits":
            return [_step(JUMP_BITS, rule.value, 0, 1)]
        case "equals":
            return [_step(JUMP_EQUAL, rule.value, 0, 1)]
        case "none of":
            behind = range(len(rule.values), 0, -1)
            allowed = zip(rule.values, behind, strict=True)
            return [_step(JUMP_EQUAL, value, distance, 0) for value, distance in allowed]
        case _:
            return [_step(JUMP_EQUAL, rule.value, 1, 0)]


def _prologue(machine: str) -> list[bytes]:
    steps = [
        _step(LOAD, ARCH),
        _step(JUMP_EQUAL, AUDIT_ARCH[machine], 1, 0),
        _step(RETURN, KILL),
        _step(LOAD, NUMBER),
    ]
    if machine == "x86_64":
        steps += [_step(JUMP_AT_LEAST, X32_BIT, 0, 1), _step(RETURN, KILL)]
    return steps


def deny_list(rules: Iterable[Rule], machine: str) -> bytes:
    """Compile rules into a filter that allows everything else that was known when it was written.

    A call newer than `LAST_KNOWN` gets ENOSYS, so that libraries fall back to one that is judged.
    """
    table = TABLES[machine]
    steps = _prologue(machine)
    steps += [_step(JUMP_GREATER, LAST_KNOWN, 0, 1), _step(RETURN, ERRNO | errno.ENOSYS)]
    for rule in rules:
        if (number := table.get(rule.call)) is not None:
            steps += _compile(rule, number)
    return b"".join([*steps, _step(RETURN, ALLOW)])


def allow_list(calls: Iterable[str], machine: str) -> bytes:
    """Compile a filter that answers EPERM to everything but these calls."""
    table = TABLES[machine]
    steps = _prologue(machine)
    for call in calls:
        if (number := table.get(call)) is not None:
            steps += [_step(JUMP_EQUAL, number, 0, 1), _step(RETURN, ALLOW)]
    return b"".join([*steps, _step(RETURN, ERRNO | errno.EPERM)])


def _denied(calls: Iterable[str], error: int = errno.EPERM) -> list[Rule]:
    return [Rule(call, error) for call in calls]


def _network_rules() -> list[Rule]:
    """No socket that could reach anybody: Landlock does not cover Unix sockets by path.

    Pairs stay, for event loops; but a datagram pair could be sent to a path, and a raw one is one.
    """
    connected = (int(socket.SOCK_STREAM), int(socket.SOCK_SEQPACKET))
    return [
        Rule("socket", errno.EAFNOSUPPORT),
        *_denied(("connect", "bind")),
        Rule("socketpair", errno.EPERM, "none of", argument=1, mask=SEND_TYPE, values=connected),
    ]


def _only_to_oneself(pid: int) -> list[Rule]:
    """By a pidfd to nobody: its number is a descriptor's, so it may be made to equal our own process id."""
    others = [Rule(call, errno.EPERM, "differs", value=pid) for call in SIGNALS]
    return [*others, *_denied(("pidfd_send_signal",))]


def _no_owner_of_descriptors() -> list[Rule]:
    """The kernel signals a descriptor's owner, whoever that is, with any signal that was set for it."""
    settings = (("fcntl", (F_SETOWN, F_SETOWN_EX, F_SETSIG)), ("ioctl", (FIOSETOWN, SIOCSPGRP)))
    return [
        Rule(call, errno.EPERM, "equals", argument=1, value=what)
        for call, kinds in settings
        for what in kinds
    ]


def general(provided: Provided) -> list[Rule]:
    """Return what is refused to any code under test."""
    rules = _denied(FORBIDDEN)
    rules += [
        Rule("clone3", errno.ENOSYS),  # its flags lie in memory; libc falls back to clone
        Rule("clone", errno.EPERM, "bits", value=CLONE_NEW_ANY),
        Rule("ioctl", errno.EPERM, "equals", argument=1, value=TIOCSTI),
        *_no_owner_of_descriptors(),
        # the supervisor must be able to see what the code holds open
        Rule("prctl", errno.EPERM, "equals", value=kernel.PR_SET_DUMPABLE),
        Rule("socket", errno.EAFNOSUPPORT, "none of", values=FAMILIES),
        Rule("socketpair", errno.EAFNOSUPPORT, "none of", values=FAMILIES[:1]),
    ]
    if not provided.own_network:
        rules += _network_rules()
    if not provided.own_processes:
        rules += _denied(OTHERS) + _denied(WATCHES)
        rules += _denied(ATTRIBUTES, errno.ENOTSUP)  # what copies files takes that for "has none"
        rules.append(Rule("prlimit64", errno.EPERM, "differs", value=0))
        if provided.landlock < 6 and not provided.own_user:
            rules += _only_to_oneself(os.getpid())
    if not provided.own_user:
        # Landlock leaves modes, owners and times alone. Copying a file sets its mode, so that
        # must seem to work; nothing is changed.
        rules += _denied(MODES, 0) + _denied(OWNERS)
    if provided.landlock < 3:
        # Truncation is not covered: not by its own call, nor by opening for reading with O_TRUNC.
        both = os.O_TRUNC | os.O_ACCMODE
        how = ("equals", os.O_TRUNC, both)
        rules += [
            *_denied(("truncate",)),
            Rule("openat2", errno.ENOSYS),
            Rule("open", errno.EACCES, how[0], argument=1, value=how[1], mask=how[2]),
            Rule("openat", errno.EACCES, how[0], argument=2, value=how[1], mask=how[2]),
        ]
    return rules


def single(pid: int) -> list[Rule]:
    """Return what is refused to a cell, on top of `general`: threads are all that it can start.

    It signals nobody but itself, and can't leave the process group that is killed at the end.
    """
    return [
        Rule("clone", errno.EPERM, "equals", value=0, mask=CLONE_THREAD),
        *_denied(("fork", "vfork", *LEAVING)),
        *_only_to_oneself(pid),
    ]


def reading(provided: Provided) -> list[Rule]:
    """Return `general` and no change to the disk, no new process, no signal to anybody."""
    writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
    return [
        *_denied(CHANGES),
        Rule("open", errno.EACCES, "bits", argument=1, value=writes),
        Rule("openat", errno.EACCES, "bits", argument=2, value=writes),
        Rule("clone", errno.EPERM, "equals", value=0, mask=CLONE_THREAD),
        *_only_to_oneself(os.getpid()),
        *general(provided),
    ]


def install(program: bytes) -> None:
    """Put a filter on this thread and all it will start; it can't be taken off.

    Raises:
        OSError: the kernel refused, for instance because it has no seccomp.
    """
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    address, keep = kernel.pointer_to(program)
    head = struct.pack("HxxxxxxQ", len(program) // 8, address)
    head_address, keep_head = kernel.pointer_to(head)
    kernel.prctl(kernel.PR_SET_SECCOMP, 2, head_address)
    del keep, keep_head


def install_general(provided: Provided) -> None:
    """Confine code under test."""
    install(deny_list(general(provided), architecture()))


def install_reading(provided: Provided) -> None:
    """Confine tests where nothing but seccomp is available."""
    install(deny_list(reading(provided), architecture()))


def apart(judges: Iterable[int]) -> list[Rule]:
    """Return what is refused to a candidate and to all that it starts, on top of `general`.

    It can neither leave the process group that is killed at its end, nor stop, limit or slow down who goes on with
    the candidates after it.

    Args:
        judges: what `kill` takes for those processes and for groups with them.
    """
    others = (
        Rule(call, errno.EPERM, "equals", value=each & WHOLE) for call in SIGNALS for each in judges
    )
    return [
        *_denied((*LEAVING, *OTHERS, "pidfd_send_signal", "setxattr", "lsetxattr", "fsetxattr")),
        Rule("prlimit64", errno.EPERM, "differs", value=0),
        *others,
    ]


def install_apart(judges: Iterable[int]) -> None:
    """Confine a candidate of an evaluation, which `install_general` confines already."""
    install(deny_list(apart(judges), architecture()))


PLACE_OF_PID = 0x5EC0_4D1D


class SingleFilter:
    """`single`, compiled once for many cells, each of which puts its own process id in."""

    def __init__(self) -> None:
        program = deny_list(single(PLACE_OF_PID), architecture())
        address, self._program = kernel.pointer_to(program)
        head = struct.pack("HxxxxxxQ", len(program) // 8, address)
        head_address, self._keep = kernel.pointer_to(head)
        self._words = memoryview(self._program).cast("B").cast("I")
        self._places = [at for at, word in enumerate(self._words) if word == PLACE_OF_PID]
        self._install = kernel.prepared_prctl(kernel.PR_SET_SECCOMP, 2, head_address)

    def install(self, pid: int) -> None:
        """Confine one cell of an evaluation, which `install_general` confines already.

        Raises:
            OSError: the kernel refused.
        """
        for place in self._places:
            self._words[place] = pid
        self._install()


def install_pure() -> None:
    """Confine the process that only computes."""
    install(allow_list(COMPUTES, architecture()))
