"""The allowed directories of one connection: which one a path lies in, and whether it may be changed.

Everything here blocks, as do the operations on top of it; the server calls them in a thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from atos_protocol.errors import AtosError, BadRequestError
from atos_servers.filesystem.errors import ProtectedError
from atos_servers.filesystem.journal import Change, Journal, Kind, sha256
from atos_servers.filesystem.pages import FOR_MODELS, Room
from atos_servers.filesystem.paths import Parts, RootedPath, locate
from atos_servers.filesystem.present import Present, changed
from atos_servers.filesystem.protection import Grant, granted, protected_by
from atos_servers.filesystem.quotas import Quotas
from atos_servers.filesystem.root import ConfinedRoot, pinned
from atos_servers.host.confinement import Confinement


@dataclass(frozen=True)
class Workspace:
    """What the operations of one connection work in."""

    confinement: Confinement
    grants: Callable[[], list[Grant]]
    room: Room = FOR_MODELS
    """How much one reply carries."""
    journal: Journal | None = None
    """Where changes are noted; None for ATOS's own worker, which keeps its versions in git."""
    quotas: Quotas | None = None
    allowed: set[Path] = field(default_factory=set[Path])
    """Where this call may write: it asks by the name it was given, and again by where that really lies."""

    @property
    def roots(self) -> tuple[Path, ...]:
        """The allowed directories."""
        return self.confinement.directories

    @contextmanager
    def at(self, path: str) -> Generator[tuple[ConfinedRoot, RootedPath]]:
        """Open the root that a path lies in."""
        place = locate(path, _names(self.roots), self.confinement.person)
        with ConfinedRoot(place.root, partial(self._guard, place.root)) as root:
            yield root, place

    def count(self, root: Path, size: int, *, new: bool) -> None:
        """Count a change against the directory's quotas.

        Raises:
            QuotaError: it would be too much.
        """
        if self.quotas:
            self.quotas.charge(pinned(root), time.monotonic(), size, new=new)

    def noting(self, root: Path, kind: Kind) -> Callable[[Parts, Present, bytes | None], None]:
        """Return what counts a change and notes it in the journal, before it happens."""

        def note(parts: Parts, before: Present, after: bytes | None) -> None:
            self.count(root, len(after or b""), new=not before.exists and after is not None)
            actual: Kind = "create" if after is not None and not before.exists else kind
            self.record(
                Change(
                    0, time.time(), pinned(root), "/".join(parts), actual,
                    sha256(before.data), sha256(after), before.mode,
                ),
                before.data,
            )  # fmt: skip

        return note

    def record(self, change: Change, before: bytes | None) -> None:
        """Write a change into the journal.

        Raises:
            FailedError: it can't be written; nothing was changed.
        """
        if self.journal:
            self.journal.add(change, before)

    def move(
        self, root: ConfinedRoot, place: RootedPath, target: ConfinedRoot, new: RootedPath
    ) -> None:
        """Move a file or folder, and note it; what can't be noted is moved back.

        Raises:
            AtosError: it can't be moved or noted; nothing was changed.
        """
        real = root.move(place.parts, target, new.parts)
        moved = Change(
            0, time.time(), pinned(place.root), "/".join(real), "move", "", "", moved_to=new.shown
        )
        try:
            self.record(moved, None)
        except AtosError:
            target.move(new.parts, root, place.parts)
            raise

    def _guard(self, root: Path, parts: Parts) -> None:
        place = Path(pinned(root)).joinpath(*parts)
        if place not in self.allowed:
            self._check_place(place, parts)
            self.allowed.add(place)

    def _check_place(self, place: Path, parts: Parts) -> None:
        if folder := self.confinement.read_only_at(place):
            message = f"{place} lies in {folder}, which may only be read"
            raise ProtectedError(message, next_step="Write elsewhere, or ask the user.")
        if not self.confinement.may_write(place):
            message = f"{place} belongs to ATOS itself"
            raise ProtectedError(message, next_step="Ask the user to change it.")
        if pattern := protected_by(parts):
            if not protected_by(parts, granted(self.grants(), place)):
                return
            message = (
                f"{'/'.join(parts)} is protected ({pattern}): it may be run outside the sandbox"
            )
            step = "Ask the user to write it, or to allow it by a line in ~/.atos/grants."
            raise ProtectedError(message, next_step=step)


_known_names: dict[tuple[Path, ...], dict[Path, Path]] = {}
"""What `_names` returned where every root was there."""


def _names(roots: tuple[Path, ...]) -> dict[Path, Path]:
    """Return every name of a root -> the root: a client may know it by its real path."""
    if (known := _known_names.get(roots)) is not None:
        return known
    names, whole = {root: root for root in roots}, True
    for root in roots:
        try:
            names.setdefault(Path(pinned(root)), root)
        except OSError:
            whole = False  # missing: opening it raises the error, and it may be made yet
    if whole:
        _known_names[roots] = names
    return names


def check_sha256(wanted: str, before: Present) -> None:
    """Refuse a change of a file that is not what the caller has read.

    Raises:
        ChangedError: its hash is another.
        BadRequestError: `wanted` is no hash.
    """
    if not wanted:
        return
    text = wanted.strip().lower()
    if len(text) != 64 or set(text) - set("0123456789abcdef"):
        message = f"expect_sha256 is no SHA-256 of 64 hexadecimal digits: {wanted[:80]!a}"
        raise BadRequestError(
            message, next_step="Take sha256 of an earlier reply, or leave it out."
        )
    if sha256(before.content()) != text:
        raise changed(before.shown)
