"""Who calls over HTTP: the token that a request presents, looked up in files that may change meanwhile."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from atos_protocol.errors import BadConfigError
from atos_protocol.settings import Settings
from atos_protocol.tokens import DEFAULT, LEAST_LENGTH, digest, named_tokens, read_private

logger = logging.getLogger(__name__)
Content = TypeVar("Content")


@dataclass(frozen=True, slots=True)
class Caller:
    """The client that a token was given to."""

    name: str
    """The token's."""
    workspaces: tuple[Path, ...] = ()
    """Absolute directories that its tools may access; empty: what the settings allow."""


Identify = Callable[[bytes], Caller | None]


class _Reread(Generic[Content]):
    """A file's content, read again whenever the file has changed."""

    def __init__(self, path: Path, read: Callable[[], Content], nothing: Content) -> None:
        self._path, self._read, self._nothing = path, read, nothing
        self._content = nothing
        self._seen: tuple[int, int, int] | None = None

    def content(self) -> Content:
        """Return what it holds; nothing where it is gone or can't be used."""
        try:
            facts = self._path.lstat()
        except OSError:
            self._seen, self._content = None, self._nothing
            return self._nothing
        seen = facts.st_ino, facts.st_ctime_ns, facts.st_size
        if seen != self._seen:
            self._seen, self._content = seen, self._read_once()
        return self._content

    def _read_once(self) -> Content:
        try:
            return self._read()
        except FileNotFoundError:
            return self._nothing
        except BadConfigError as error:
            logger.error("no token of %s is valid: %s", self._path, error)  # noqa: TRY400
            return self._nothing


class Callers:
    """The callers of one home, by their tokens."""

    def __init__(self, settings: Settings) -> None:
        path = settings.token_file
        self._default = _Reread(path, lambda: read_private(path).strip(), "")
        self._named = _Reread(settings.named_tokens_file, lambda: named_tokens(settings), ())

    def identify(self, presented: bytes) -> Caller | None:
        """Return whose token this is now; None for nobody's."""
        if len(presented) < LEAST_LENGTH:  # as in a file that a crash left empty
            return None
        if hmac.compare_digest(presented, self._default.content().encode()):
            return Caller(DEFAULT)
        found = digest(presented)
        for token in self._named.content():
            if hmac.compare_digest(found, token.sha256):
                return Caller(token.name, tuple(map(Path, token.workspaces)))
        return None
