"""Run a command as a user without privileges, started from a root that may read everything.

    python tests/doubles/ordinary_user.py UID COMMAND ARGUMENTS...

Keeps the one capability to read past modes, so that an interpreter below root's closed home can
still be executed; everything else of root is gone. Standard library only.
"""

import ctypes
import os
import struct
import sys

KEEP_CAPABILITIES, AMBIENT, RAISE = 8, 47, 2
READ_PAST_MODES = 2
CAPSET = {"x86_64": 126, "aarch64": 91}


def checked(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), "the kernel refused to change the user")


def become(user: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    checked(libc.prctl(KEEP_CAPABILITIES, 1, 0, 0, 0))
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    bit = 1 << READ_PAST_MODES
    header = struct.pack("Ii", 0x20080522, 0)
    words = struct.pack("6I", bit, bit, bit, 0, 0, 0)
    checked(libc.syscall(CAPSET[os.uname().machine], header, words))
    checked(libc.prctl(AMBIENT, RAISE, READ_PAST_MODES, 0, 0))


def main(arguments: list[str]) -> None:
    become(int(arguments[0]))
    os.execvp(arguments[1], arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
