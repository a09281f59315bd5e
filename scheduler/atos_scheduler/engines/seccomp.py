"""The filter of system calls in front of an engine worker, as a program for the kernel (seccomp-BPF).

It refuses every socket but Unix streams, and to connect one: the worker listens. It also refuses to change
modes, owners and attributes, and to reach shared memory, queues and keys of the person's other programs by their
numbers: Landlock leaves all of that alone. Standard library only.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import socket
import struct
import sys

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 22, 38
ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
SOCKET = {"x86_64": 41, "aarch64": 198}
REFUSED = {
    "x86_64": (
        42, 53,  # connect, and socketpair: a datagram pair can be sent to a path
        90, 91, 268, 452, 92, 93, 94, 260,  # chmod, fchmod, fchmodat, fchmodat2 and likewise chown
        188, 189, 190, 197, 198, 199,  # setxattr, removexattr
        101, 310, 311, 321, 425,  # ptrace, process_vm_*, bpf, io_uring_setup
        30, 31, 65, 66, 220, 69, 70, 71,  # shmat, shmctl, semop, semctl, semtimedop, msgsnd, msgrcv, msgctl
        240, 241, 248, 249, 250,  # mq_open, mq_unlink, add_key, request_key, keyctl
    ),
    "aarch64": (
        203, 199, 52, 53, 452, 54, 55, 5, 6, 7, 14, 15, 16, 117, 270, 271, 280, 425,
        196, 195, 193, 191, 192, 189, 188, 187, 180, 181, 217, 218, 219,
    ),
}  # fmt: skip
X32_BIT = 0x4000_0000
ALLOW, ERRNO, KILL = 0x7FFF_0000, 0x0005_0000, 0x8000_0000
LOAD, AND, JUMP_EQUAL, JUMP_AT_LEAST, RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
NUMBER_AT, ARCHITECTURE_AT, ARGUMENTS_AT = 0, 4, 16
SOCKET_TYPE = 0xF

_libc = ctypes.CDLL(None, use_errno=True)


def is_known() -> bool:
    """Tell whether the numbers of this machine's system calls are known here."""
    return sys.platform == "linux" and platform.machine() in REFUSED


def install() -> None:
    """Put the filter on this thread and all that it starts, for good.

    Raises:
        OSError: the kernel refused.
    """
    program = compiled(platform.machine())
    text = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(text))
    buffer = ctypes.create_string_buffer(head, len(head))
    no_new_privileges()
    prctl(PR_SET_SECCOMP, 2, ctypes.addressof(buffer))


def compiled(machine: str) -> bytes:
    """Compile the filter: stream sockets of the Unix family that listen, and no call of `REFUSED`."""
    steps = [
        _step(LOAD, ARCHITECTURE_AT),
        _step(JUMP_EQUAL, ARCHITECTURE[machine], 1, 0),
        _step(RETURN, KILL),
        _step(LOAD, NUMBER_AT),
        _step(JUMP_AT_LEAST, X32_BIT, 0, 1),
        _step(RETURN, KILL),
    ]
    for number in REFUSED[machine]:
        steps += [_step(JUMP_EQUAL, number, 0, 1), _step(RETURN, ERRNO | errno.EPERM)]
    steps += [
        _step(JUMP_EQUAL, SOCKET[machine], 0, 6),
        _step(LOAD, ARGUMENTS_AT),
        _step(JUMP_EQUAL, socket.AF_UNIX, 0, 3),
        _step(LOAD, ARGUMENTS_AT + 8),
        _step(AND, SOCKET_TYPE),
        _step(JUMP_EQUAL, socket.SOCK_STREAM, 1, 0),
        _step(RETURN, ERRNO | errno.EAFNOSUPPORT),
        _step(RETURN, ALLOW),
    ]
    return b"".join(steps)


def _step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("HBBI", code, yes, no, value)


def no_new_privileges() -> None:
    """Give up set-user-ID programs, without which the kernel lets nobody confine itself."""
    prctl(PR_SET_NO_NEW_PRIVS, 1)


def prctl(option: int, *arguments: int) -> None:
    """Change an attribute of this process.

    Raises:
        OSError: the kernel refused.
    """
    words = [ctypes.c_ulong(word) for word in (*arguments, 0, 0, 0, 0)[:4]]
    checked(_libc.prctl(ctypes.c_int(option), *words))


def checked(result: int) -> int:
    """Return what a system call returned.

    Raises:
        OSError: it failed.
    """
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
