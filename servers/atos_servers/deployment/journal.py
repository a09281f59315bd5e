"""The journal of a deployment: one JSON object a line, on the disk before anybody acts on it."""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from atos_protocol.errors import BadRequestError, ConflictError, NotFoundError
from atos_servers.deployment.record import Deployment, Json, Release, fold

FILE = "journal.jsonl"
MOST_LETTERS = 34
"""Of a name that is made from a folder's."""
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}", re.ASCII)


def checked_name(name: str) -> str:
    """Return a deployment's name, which is also its folder's.

    Raises:
        BadRequestError: it is no name.
    """
    if NAME.fullmatch(name):
        return name
    message = f"{name[:60]!r} is no deployment's name"
    raise BadRequestError(
        message, next_step="Names have letters a-z, digits and hyphens, at most 40."
    )


class Journal:
    """The journal in one deployment's folder.

    Args:
        folder: of the deployment; made at the first event.
        clock: epoch seconds.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self.folder, self._clock = folder, clock

    def read(self) -> Deployment:
        """Return what the journal tells; a last line that a crash cut short counts as not written."""
        return fold(self.folder.name, self._events())

    def now(self) -> float:
        """Return the time, in the clock of its events."""
        return self._clock()

    def commits(self) -> frozenset[str]:
        """Return every commit that was planned here."""
        planned = (
            event["content"]["commit"] for event in self._events() if event["event"] == "planned"
        )
        return frozenset(commit for commit in planned if commit)

    def turn(self) -> int:
        """Return how often another release was approved than the time before."""
        approved = [event["digest"] for event in self._events() if event["event"] == "approved"]
        return sum(new != old for old, new in zip(["", *approved], approved, strict=False))

    def _events(self) -> list[Json]:
        try:
            lines = (self.folder / FILE).read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in lines[:-1] if line.strip()]

    def append(self, event: str, release: Release | None = None, **data: Any) -> None:
        """Write one event, and see that it is on the disk."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        digest = {"digest": release.digest} if release else {}
        line = json.dumps({"event": event, "at": self._clock()} | digest | data).encode() + b"\n"
        handle = os.open(self.folder / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(handle, _whole_lines(handle))
            os.lseek(handle, 0, os.SEEK_END)
            while line:  # on a full disk a part is written first, and the rest is the error
                line = line[os.write(handle, line) :]
            os.fsync(handle)
        finally:
            os.close(handle)

    def plan(self, release: Release, *, source: str, target: str) -> None:
        """Write what is planned."""
        self.append("planned", source=source, target=target, content=asdict(release))

    @contextmanager
    def alone(self) -> Generator[None]:
        """Hold the deployment: two that deploy under one name would mix their releases.

        Raises:
            ConflictError: another call is at it.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                message = f"{self.folder.name} is being deployed by another call"
                raise ConflictError(message, next_step="Wait for it, then ask again.") from error
            yield
        finally:
            os.close(handle)


def _whole_lines(handle: int) -> int:
    """Return the bytes up to the last line's end: what follows was cut short by a crash."""
    size = os.fstat(handle).st_size
    return os.pread(handle, size, 0).rfind(b"\n") + 1


class Journals:
    """All deployments of one ATOS home."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def all(self) -> list[Deployment]:
        """Return every deployment, by name."""
        if not self.root.is_dir():
            return []
        folders = sorted(path for path in self.root.iterdir() if (path / FILE).is_file())
        return [Journal(folder).read() for folder in folders]

    def journal(self, name: str) -> Journal:
        """Return the journal of a name, which need not exist."""
        return Journal(self.root / checked_name(name))

    def known(self, name: str) -> Journal:
        """Return the journal of a deployment.

        Raises:
            NotFoundError: there is none of that name.
        """
        journal = self.journal(name)
        if (journal.folder / FILE).is_file():
            return journal
        names = ", ".join(each.name for each in self.all()) or "none yet"
        message = f"there is no deployment {name!r}"
        raise NotFoundError(message, next_step=f"Known: {names}. See atos-client deployments list.")

    def name_for(self, source: str, target: str) -> str:
        """Return the name of what comes from a folder: the known one, else a new one after the folder."""
        known = {each.name: each for each in self.all()}
        for each in known.values():
            if (each.source, each.target) == (source, target):
                return each.name
        words = _short(re.sub(r"[^a-z0-9]+", "-", Path(source).name.lower()).strip("-")) or "site"
        numbered = (f"{words}-{count}" for count in range(2, len(known) + 3))
        return next(name for name in (words, *numbered) if name not in known)


def _short(words: str) -> str:
    """Return what of a name fits beside a number, up to the end of a word."""
    if len(words) <= MOST_LETTERS:
        return words
    whole, hyphen, _ = words[: MOST_LETTERS + 1].rpartition("-")
    return whole if hyphen else words[:MOST_LETTERS]
