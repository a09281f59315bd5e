"""Opening a path below a directory handle so that it can't lead out, whatever changes meanwhile.

Two ways, both under the same tests. `openat2` (Linux 5.6) lets the kernel resolve the whole path and
refuse to leave; links that stay inside are followed. Elsewhere each name is opened in turn, and no
link is followed at all. A path is never checked first and opened later: that is a race.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

from atos_servers.filesystem.paths import Parts

Backend = Literal["openat2", "walk"]

O_PATH: int = getattr(os, "O_PATH", 0)
"""Opens a path without opening the file itself; 0 where the system lacks it."""
SYS_OPENAT2 = 437
"""The same number on every Linux architecture."""
SYS_RENAMEAT2 = {"x86_64": 316, "aarch64": 276}.get(os.uname().machine, 0)
RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH = 2, 4, 8
RENAME_NOREPLACE = 1
ATTEMPTS = 64
"""The kernel returns EAGAIN when a rename interferes."""
AT_FDCWD = -100

_libc = ctypes.CDLL(None, use_errno=True)


def _syscall(number: int, *arguments: object) -> int:
    result: int = _libc.syscall(number, *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def _openat2(base: int, path: str, flags: int, resolve: int) -> int:
    how = struct.pack("QQQ", flags | os.O_CLOEXEC, 0, resolve)
    for _ in range(ATTEMPTS):
        try:
            return _syscall(SYS_OPENAT2, base, os.fsencode(path), how, len(how))
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EINTR):
                raise
    raise OSError(errno.EAGAIN, "the path kept changing")


def _has_openat2() -> bool:
    try:
        os.close(_openat2(AT_FDCWD, ".", O_PATH, RESOLVE_BENEATH))
    except (OSError, AttributeError):  # EPERM: a seccomp filter that does not know it
        return False
    return True


BACKENDS: tuple[Backend, ...] = ("openat2", "walk") if _has_openat2() else ("walk",)
"""What works here, best first."""


def open_root(path: str, backend: Backend) -> int:
    """Open an absolute directory without following any link on the way.

    Raises:
        OSError: as `open`; `ELOOP` or `ENOTDIR` if there is a link.
    """
    flags = os.O_DIRECTORY | (O_PATH or os.O_RDONLY)
    if backend == "openat2":
        return _openat2(AT_FDCWD, path, flags, RESOLVE_NO_SYMLINKS)
    top = os.open("/", flags | os.O_CLOEXEC)
    try:
        return _walk(top, tuple(p for p in path.split("/") if p), flags)
    finally:
        os.close(top)


def open_beneath(base: int, parts: Parts, flags: int, backend: Backend) -> int:
    """Open a path below a directory handle; creates nothing.

    Raises:
        OSError: as `open`; `EXDEV` or `ELOOP` if the path leads out or a link is not followed.
    """
    if backend == "openat2":
        beneath = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS
        return _openat2(base, "/".join(parts) or ".", flags, beneath)
    return _walk(base, parts, flags)


def _walk(base: int, parts: Parts, flags: int) -> int:
    if ".." in parts:  # `openat2` lets the kernel see that it stays inside; here nobody would
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    if not parts:
        return os.open(".", flags | os.O_CLOEXEC, dir_fd=base)
    step = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC | (O_PATH or os.O_RDONLY)
    here = os.dup(base)
    try:
        for part in parts[:-1]:
            below = os.open(part, step, dir_fd=here)
            os.close(here)
            here = below
        found = os.open(parts[-1], flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
    finally:
        os.close(here)
    if flags & O_PATH and is_link(found):  # O_PATH opens the link itself instead of refusing it
        os.close(found)
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return found


def is_link(handle: int) -> bool:
    """Return whether an `O_PATH` handle is a link."""
    return (os.fstat(handle).st_mode & 0o170000) == 0o120000


def real_path(handle: int) -> str:
    """Return the present path of an open directory; "" where the system can't say."""
    with suppress(OSError):
        return os.readlink(f"/proc/self/fd/{handle}")  # noqa: PTH115  (a handle, not a path)
    return ""


def rename_new(old_dir: int, old: str, new_dir: int, new: str) -> None:
    """Rename without ever replacing an existing file.

    Raises:
        OSError: `EEXIST` if the new name exists.
    """
    if SYS_RENAMEAT2 and hasattr(os, "O_PATH"):
        names = os.fsencode(old), os.fsencode(new)
        try:
            _syscall(SYS_RENAMEAT2, old_dir, names[0], new_dir, names[1], RENAME_NOREPLACE)
        except OSError as error:
            if error.errno not in (errno.ENOSYS, errno.EINVAL):
                raise
        else:
            return
    _rename_if_absent(
        lambda: os.rename(old, new, src_dir_fd=old_dir, dst_dir_fd=new_dir), new_dir, new
    )


def _rename_if_absent(rename: Callable[[], None], folder: int, name: str) -> None:
    """Check, then rename: a race that only systems without `renameat2` have."""
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        rename()
        return
    raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))
