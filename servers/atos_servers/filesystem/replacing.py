"""Replacing a file so that a kill or a full disk leaves the old content or the new.

temporary file in the same folder -> fsync -> still what was read? -> rename -> fsync of the folder
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress

from atos_servers.filesystem.confined_open import rename_new
from atos_servers.filesystem.present import Present, changed, identity


def replace(folder: int, name: str, data: bytes, before: Present, mode: int | None = None) -> None:
    """Give a name in an open folder its new content.

    Args:
        folder: its handle.
        name: the name in it.
        data: the content.
        before: what is there, whose mode it keeps.
        mode: of a file that is new; None: as the person's umask has it.

    Raises:
        ChangedError: what is there is no longer what it was `before`.
    """
    temporary = f".atos-{secrets.token_hex(8)}.tmp"
    try:
        _fill(folder, temporary, data, before.mode if before.exists else mode)
        if before.exists:
            _check_same(folder, name, before)
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        else:
            rename_new(folder, temporary, folder, name)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise
    os.fsync(folder)


def _fill(folder: int, temporary: str, data: bytes, mode: int | None) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(temporary, flags, 0o666 if mode is None else 0o600, dir_fd=folder)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(handle, rest) :]
        if mode is not None:
            os.fchmod(handle, mode)
        os.fsync(handle)
    finally:
        os.close(handle)


def _check_same(folder: int, name: str, before: Present) -> None:
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        raise changed(before.shown) from None
    if identity(found) != before.identity:
        raise changed(before.shown)
