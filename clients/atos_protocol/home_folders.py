"""Makes the folders below the home of ATOS, private to the person, and refuses one that is not theirs.

Standard library only, as `settings`, which calls it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from atos_protocol.errors import BadConfigError
from atos_protocol.shortage import shortage_of

SOCKET_PATH_LIMIT = 107
"""Bytes that fit into `sockaddr_un.sun_path` on Linux, less the final NUL."""


def prepare_home(folders: Sequence[Path], sockets: Sequence[Path]) -> None:
    """Make the folders, the first of which is the home that the others are in.

    Raises:
        BadConfigError: the home can't be written, is somebody else's, or is too deep for a Unix socket.
    """
    home = folders[0]
    _check_depth(home, sockets)
    try:
        for folder in folders:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_owner(home)
        for folder in folders:
            if folder.stat().st_mode & 0o077:
                folder.chmod(0o700)  # whatever the umask was: others read nothing of it
    except OSError as error:
        message = f"{error.filename} can't be made: {error.strerror}"
        step = "ATOS keeps sockets and goals there. Make it writable, or set ATOS_HOME."
        raise shortage_of(error) or BadConfigError(message, next_step=step) from error


def _check_depth(home: Path, sockets: Sequence[Path]) -> None:
    longest = max(len(os.fsencode(path)) for path in sockets)
    if longest > SOCKET_PATH_LIMIT:
        message = f"{home} is too deep: its socket path has {longest} bytes"
        step = f"At most {SOCKET_PATH_LIMIT} bytes fit. Set ATOS_HOME to a shorter path."
        raise BadConfigError(message, next_step=step)


def _check_owner(home: Path) -> None:
    """Refuse a home in which others could put sockets, settings or grants, as ssh does."""
    found = home.stat()
    if found.st_uid != os.geteuid():
        message = f"{home} belongs to user {found.st_uid}, not to you ({os.geteuid()})"
        step = f"Give it to yourself: sudo chown -R $(id -u) {home}. Or set ATOS_HOME."
        raise BadConfigError(message, next_step=step)
    if found.st_mode & 0o022:
        message = f"others may write in {home}: its mode is {found.st_mode & 0o777:04o}"
        step = f"See that nothing of theirs is in it, then: chmod go-w {home}"
        raise BadConfigError(message, next_step=step)
