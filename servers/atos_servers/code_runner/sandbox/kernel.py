"""`syscall` and `prctl`, which Python has no functions for, with the kernel's errors."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_SET_SECCOMP = 22
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long

Argument = int | bytes | ctypes.Array[ctypes.c_char] | None


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _word(argument: Argument) -> object:
    return ctypes.c_long(argument) if isinstance(argument, int) else argument


def syscall(number: int, *arguments: Argument) -> int:
    """Make a system call by its number.

    Raises:
        OSError: with the kernel's errno; ENOSYS and EPERM both mean that the call is not available.
    """
    return _checked(_libc.syscall(ctypes.c_long(number), *map(_word, arguments)), f"call {number}")


def prctl(option: int, *arguments: int) -> int:
    """Change an attribute of the calling process.

    Raises:
        OSError: with the kernel's errno.
    """
    return prepared_prctl(option, *arguments)()


def prepared_prctl(option: int, *arguments: int) -> Callable[[], int]:
    """Return a function that changes an attribute of the process that calls it, and does nothing else.

    Raises:
        OSError: with the kernel's errno; so does the function.
    """
    if not hasattr(_libc, "prctl"):
        raise OSError(errno.ENOSYS, "prctl is not available on this system")
    call = _libc.prctl
    words = [ctypes.c_ulong(argument) for argument in (*arguments, 0, 0, 0, 0)[:4]]
    given, what = (ctypes.c_int(option), *words), f"prctl {option}"

    def change() -> int:
        result: int = call(*given)
        return result if result >= 0 else _checked(result, what)

    return change


def die_with(parent: int) -> None:
    """Get SIGKILL when the thread that made this process ends; end now if it has ended already.

    Changing the uid clears the setting, so this comes after it. `parent` is what `getpid` gave
    before the fork: without this check, a parent that died in between would leave us alive.
    """
    prctl(PR_SET_PDEATHSIG, 9)
    if os.getppid() != parent:
        os._exit(137)


def pointer_to(data: bytes) -> tuple[int, ctypes.Array[ctypes.c_char]]:
    """Return the address of a copy of `data` and the buffer that must outlive its use."""
    buffer = ctypes.create_string_buffer(data, len(data))
    return ctypes.addressof(buffer), buffer
