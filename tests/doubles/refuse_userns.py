"""Run a command on a machine that refuses user namespaces, by a seccomp filter of its own.

    python tests/doubles/refuse_userns.py [--no-landlock] COMMAND ARGUMENTS...

`unshare` and `clone` with CLONE_NEWUSER answer EPERM, as an Ubuntu with AppArmor's restriction or a
container does; `clone3`, whose flags a filter can't see, answers ENOSYS, so libc falls back to
`clone`. With `--no-landlock` the landlock calls answer EPERM too, and the level below is reached.
Nothing on the machine is changed, and everything the command starts inherits it. Standard library
only; it shares no code with the sandbox that it is there to test.
"""

import ctypes
import errno
import os
import struct
import sys

LOAD, JUMP_EQUAL, JUMP_BITS, RETURN = 0x20, 0x15, 0x45, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
CLONE_NEWUSER = 0x10000000
CLONE3, LANDLOCK = 435, (444, 445, 446)
UNSHARE_CLONE = {"x86_64": (272, 56), "aarch64": (97, 220)}


def step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("HBBI", code, yes, no, value)


def program(*, landlock: bool) -> bytes:
    unshare, clone = UNSHARE_CLONE[os.uname().machine]
    refuse = step(RETURN, ERRNO | errno.EPERM)
    steps = [step(LOAD, 0)]
    for number in (unshare, clone):
        look = [step(LOAD, 16), step(JUMP_BITS, CLONE_NEWUSER, 0, 1), refuse, step(LOAD, 0)]
        steps += [step(JUMP_EQUAL, number, 0, len(look)), *look]
    steps += [step(JUMP_EQUAL, CLONE3, 0, 1), step(RETURN, ERRNO | errno.ENOSYS)]
    for number in () if landlock else LANDLOCK:
        steps += [step(JUMP_EQUAL, number, 0, 1), refuse]
    return b"".join([*steps, step(RETURN, ALLOW)])


def refuse_from_now_on(*, landlock: bool) -> None:
    code = program(landlock=landlock)
    buffer = ctypes.create_string_buffer(code, len(code))
    head = struct.pack("HxxxxxxQ", len(code) // 8, ctypes.addressof(buffer))
    pointer = ctypes.create_string_buffer(head, len(head))
    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privileges = libc.prctl(38, 1, 0, 0, 0)
    if no_new_privileges or libc.prctl(22, 2, ctypes.byref(pointer), 0, 0):
        raise OSError(ctypes.get_errno(), "the filter was refused")


def main(arguments: list[str]) -> None:
    landlock = arguments[0] != "--no-landlock"
    command = arguments if landlock else arguments[1:]
    refuse_from_now_on(landlock=landlock)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
