"""The bearer tokens of the HTTP routes: one by default, and one for each client that was given a name.

    ~/.atos/run/token     the default one, in clear: whoever can read it, is the person
    ~/.atos/tokens.json   the named ones, as hashes, with the directories that each may access

Both are 0600. A token has 256 random bits, so its plain SHA-256 can't be guessed from. The host reads the files
anew when they change; whoever changes them holds `run/tokens.lock`. Standard library only.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Generator, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from atos_protocol.errors import BadConfigError, BadRequestError, ConflictError, NotFoundError
from atos_protocol.settings import Settings
from atos_protocol.shortage import shortage_of

DEFAULT = "default"
"""Name of the token in `run/token`."""
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
PREFIX = "atos_"
"""So that who finds one somewhere, such as a secret scanner, knows what it is."""
MOST_BYTES = 1 << 20
LEAST_LENGTH = 32
"""Of a token, in characters; a shorter one was cut off."""


@dataclass(frozen=True, slots=True)
class NamedToken:
    """What is kept of a named token."""

    name: str
    sha256: str
    created: float
    """Epoch seconds."""
    workspaces: tuple[str, ...] = ()
    """Absolute directories; empty: those of the settings."""


def digest(token: bytes) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token).hexdigest()


def read_private(path: Path) -> str:
    """Return the text of a file that must be ours alone.

    Raises:
        FileNotFoundError: there is none.
        BadConfigError: it is a link, belongs to somebody else, others may read it, or it is no text.
    """
    step = f"Look at it, then: chmod 600 {path}. Or remove it, and make its tokens anew."
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        message = f"the token file {path} can't be used: {error.strerror}"
        raise shortage_of(error) or BadConfigError(message, next_step=step) from error
    with os.fdopen(handle, "rb") as file:
        facts = os.fstat(file.fileno())
        if facts.st_uid != os.geteuid() or facts.st_mode & 0o077:
            message = f"the token file {path} must be yours alone, with mode 0600"
            raise BadConfigError(message, next_step=step)
        content = file.read(MOST_BYTES)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        message = f"the token file {path} is no text"
        raise BadConfigError(message, next_step=step) from error


def default_token(path: Path) -> str:
    """Return the default token, made at the first call; call it under the host's lock.

    Raises:
        BadConfigError: the file is a link, belongs to somebody else, or others may read it.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        pass
    else:
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(32))
    token = read_private(path).strip()
    if len(token) < LEAST_LENGTH:  # a crash between making it and filling it
        message = f"the token file {path} is cut short"
        raise BadConfigError(message, next_step="Make another: `atos-client token rotate`.")
    return token


def named_tokens(settings: Settings) -> tuple[NamedToken, ...]:
    """Return the named tokens, in the order in which they were added.

    Raises:
        BadConfigError: the file can't be used.
    """
    path = settings.named_tokens_file
    try:
        found: Any = json.loads(read_private(path))
        return tuple(
            NamedToken(
                name=str(each["name"]),
                sha256=str(each["sha256"]),
                created=float(each["created"]),
                workspaces=tuple(map(str, each["workspaces"])),
            )
            for each in found["tokens"]
        )
    except FileNotFoundError:
        return ()
    except (ValueError, KeyError, TypeError) as error:
        message = f"the token file {path} is damaged: {error}"
        raise BadConfigError(message, next_step="Remove it, and add its tokens anew.") from error


def add_token(settings: Settings, name: str, workspaces: Iterable[Path] = ()) -> str:
    """Make a named token and return it; nobody can read it later.

    Args:
        settings: of the home.
        name: lower-case letters, digits and hyphens.
        workspaces: directories that its tools may access, instead of those of the settings.

    Raises:
        BadRequestError: the name can't be used, or a directory is not there.
        ConflictError: there is one of that name.
    """
    if not NAME.fullmatch(name) or name == DEFAULT:
        message = f"{name[:40]!r} can't be the name of a token"
        step = f"Use 1 to 32 lower-case letters, digits and hyphens; not {DEFAULT!r}."
        raise BadRequestError(message, next_step=step)
    places = tuple(os.path.realpath(place) for place in workspaces)
    if missing := [place for place in places if not os.path.isdir(place)]:  # noqa: PTH112
        message = f"{missing[0]} is no directory"
        raise BadRequestError(message, next_step="Make it first.")
    with _changing(settings) as tokens:
        if any(known.name == name for known in tokens):
            message = f"there is a token {name!r} already"
            step = f"Revoke it, or make it anew: atos-client token rotate {name}"
            raise ConflictError(message, next_step=step)
        token = new_token()
        tokens.append(NamedToken(name, digest(token.encode()), time.time(), places))
    return token


def revoke_token(settings: Settings, name: str) -> None:
    """Make a named token worthless; what is open with it is closed within a second.

    Raises:
        BadRequestError: it is the default one, which can only be changed.
        NotFoundError: there is none of that name.
    """
    if name == DEFAULT:
        message = "the default token can't be revoked, only changed"
        raise BadRequestError(message, next_step="atos-client token rotate")
    with _changing(settings) as tokens:
        tokens.remove(_of_name(tokens, name))


def rotate_token(settings: Settings, name: str = DEFAULT) -> str:
    """Replace a token by another of the same name, which keeps its goals and directories; return it.

    Raises:
        NotFoundError: there is none of that name.
    """
    with _changing(settings) as tokens:
        token = new_token()
        if name == DEFAULT:
            write_private(settings.token_file, token)
        else:
            old = _of_name(tokens, name)
            changed = replace(old, sha256=digest(token.encode()), created=time.time())
            tokens[tokens.index(old)] = changed
    return token


def new_token() -> str:
    """Return a token of 256 random bits."""
    return PREFIX + secrets.token_urlsafe(32)


def _of_name(tokens: list[NamedToken], name: str) -> NamedToken:
    for token in tokens:
        if token.name == name:
            return token
    known = ", ".join([DEFAULT, *(token.name for token in tokens)])
    message = f"there is no token {name[:40]!r}"
    raise NotFoundError(message, next_step=f"There are: {known}.")


@contextlib.contextmanager
def _changing(settings: Settings) -> Generator[list[NamedToken]]:
    """Give the named tokens to change; what they are at the end is written if they did change."""
    settings.prepare()
    flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    lock = os.open(settings.run / "tokens.lock", flags, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = named_tokens(settings)
        tokens = list(before)
        yield tokens
        if tuple(tokens) != before:
            text = json.dumps({"tokens": [asdict(token) for token in tokens]}, indent=1)
            write_private(settings.named_tokens_file, text + "\n")
    finally:
        os.close(lock)


def write_private(path: Path, text: str) -> None:
    """Put a file that is ours alone in place of what is there, all at once."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
