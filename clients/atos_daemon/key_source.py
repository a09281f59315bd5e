"""Where a key stands: in a file that is the person's alone, or in the system's keyring; never in a setting.

    ~/.config/openai.key        a file with mode 0600, one line of printable ASCII
    keyring:SERVICE/NAME        an entry of the keyring (needs the package `keyring`: `pip install 'atos[keyring]'`)

A key is read when it is sent, so changing it needs no new start, and is known to `redaction` from then on.
"""

from __future__ import annotations

import importlib
import os
import stat
from pathlib import Path
from typing import Any

from atos_protocol import redaction
from atos_protocol.errors import BadConfigError
from atos_protocol.shortage import shortage_of

KEYRING = "keyring:"
MOST_BYTES = 4096


class KeySource:
    """One key.

    Args:
        place: path of its file, or `keyring:SERVICE/NAME`.
        named_by: the setting that names it, for errors.
    """

    __slots__ = ("_named_by", "place")

    def __init__(self, place: str, named_by: str) -> None:
        self.place = place
        self._named_by = named_by

    def __repr__(self) -> str:
        return f"KeySource({self.place!r})"

    def read(self) -> str:
        """Return the key.

        Raises:
            BadConfigError: there is none, others may read its file, or it can't be a header; it is never quoted.
        """
        ring = self.place.startswith(KEYRING)
        key = (self._from_keyring() if ring else self._from_file()).strip()
        if not (key and key.isascii() and key.isprintable()):
            message = f"{self._named_by}: {self.place} holds no line of printable ASCII"
            raise BadConfigError(message, next_step="Put the key there, and nothing else.")
        redaction.learn([key])
        return key

    def _from_file(self) -> str:
        path = Path(self.place).expanduser()
        try:
            handle = os.open(
                path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
            )  # a pipe blocks nobody
            with os.fdopen(handle, "rb") as file:
                self._check(path, os.fstat(file.fileno()))
                return file.read(MOST_BYTES).decode()
        except UnicodeDecodeError as error:
            message = f"{self._named_by}: {path} is no text"
            raise BadConfigError(
                message, next_step="Put the key there, and nothing else."
            ) from error
        except OSError as error:
            message = f"{self._named_by}: {path} can't be read: {error.strerror}"
            step = f"Write the key into it, then: chmod 600 {path}"
            raise shortage_of(error) or BadConfigError(message, next_step=step) from error

    def _check(self, path: Path, found: os.stat_result) -> None:
        """Refuse what others could have read or written, as ssh does."""
        if not stat.S_ISREG(found.st_mode):
            message = f"{self._named_by}: {path} is no file"
        elif found.st_uid not in {0, os.geteuid()}:
            message = f"{self._named_by}: {path} belongs to user {found.st_uid}, not to you"
        elif found.st_mode & 0o077:
            mode = f"{found.st_mode & 0o777:04o}"
            message = f"{self._named_by}: others may read {path}: its mode is {mode}"
        else:
            return
        raise BadConfigError(message, next_step=f"Make it yours alone: chmod 600 {path}")

    def _from_keyring(self) -> str:
        service, _, name = self.place.removeprefix(KEYRING).partition("/")
        step = f"Put it there: keyring set {service or 'SERVICE'} {name or 'NAME'}"
        try:
            ring: Any = importlib.import_module("keyring")
        except ImportError as error:
            message = f"{self._named_by} names the keyring, but its package is not installed"
            raise BadConfigError(message, next_step="pip install 'atos[keyring]'") from error
        try:
            found: str | None = ring.get_password(service, name)
        except Exception as error:  # each backend raises what it likes
            message = f"{self._named_by}: the keyring can't be used: {type(error).__name__}"
            raise BadConfigError(message, next_step="Unlock it, or name a file.") from error
        if not found:
            message = f"{self._named_by}: the keyring has no {service!r}, {name!r}"
            raise BadConfigError(message, next_step=step)
        return found
