"""Brings the checked-out files of a repository up to a commit, and loses nothing that a person has there.

    free -> locked          `index.lock` is created, as any git does, with this goal's name in it
    locked -> writing       a marker says from which commit to which
    writing -> written      the files; git refuses beforehand if one of them is not as it was
    written -> free         the new index replaces the old one, the lock and the marker go

Git works on a copy of the index, so its own lock is never left there by a kill. A lock with this goal's name is
that of a process that was killed: one process at a time works for a goal. After a kill in `writing`, a file that
is a beginning of the new text (git writes in place) is ours, and written again; any other is the person's.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import anyio.to_thread

from atos_orchestrator.workspace.git import Git, held
from atos_orchestrator.workspace.repository import WRITING, Repository

REFUSED = (
    "not uptodate",
    "would be overwritten",
    "would lose untracked",
    "would be removed",
    "resolve your current index",
)
"""What git says where it has changed nothing."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """The checked-out files of a repository, and the index that describes them."""

    repository: Repository
    index: Path

    async def follow(self, now: str, then: str) -> str:
        """Bring files and index from commit `now` (empty: none yet) to `then`.

        Returns:
            Why not, in git's words; empty where it is done. Nothing has changed in that case.

        Raises:
            BusyError: another git is at work there.
        """
        async with self._locked():
            again = await self._cleared()
            # Written anew, because what was cut off may have been on the way to another commit.
            self._marker.write_text(json.dumps([now, then]))
            with suppress(FileNotFoundError):
                shutil.copy2(
                    self.index, self._copy
                )  # with its time, by which git knows what to look at
            said = await self._write(now, then, again)
            if not said:
                await anyio.to_thread.run_sync(self._replace_index)
            if not said or any(words in said for words in REFUSED):
                self._marker.unlink()
            return said

    async def _write(self, now: str, then: str, again: list[str]) -> str:
        git = self._git
        if not self._copy.exists():
            # Files that stand there without an index are left as they are: changes that aren't committed.
            await git.run("read-tree", then)
            await git.ask("checkout-index", "-q", "-a")
            await git.ask("update-index", "-q", "--refresh")
            return ""
        await git.ask("update-index", "-q", "--refresh")
        before = now or await git.run("hash-object", "-t", "tree", "--stdin")
        code, _, said = await git.ask("read-tree", "-m", "-u", before, then)
        if code != 0:
            return "; ".join(said.split("\n")).strip("; ") or f"exit code {code}"
        if again:
            paths = "".join(f"{path}\0" for path in again)
            await git.ask("checkout-index", "-q", "-z", "--stdin", stdin=paths)
        return ""

    async def _cleared(self) -> list[str]:
        """Remove what a killed process had begun to write; return the paths."""
        try:
            now, then = json.loads(self._marker.read_text())
        except (FileNotFoundError, ValueError):
            return []
        git, found = self.repository.git, list[str]()
        before = now or await git.run("hash-object", "-t", "tree", "--stdin")
        raw = await git.run("diff-tree", "-r", "-z", "--no-renames", "--raw", before, then)
        parts = raw.split("\0")
        for about, path in zip(parts[0::2], parts[1::2], strict=False):
            _, mode, old, new, _ = about.removeprefix(":").split(" ")
            if mode.startswith("100") and await self._is_ours(path, old, new):
                (self.repository.path / path).unlink(missing_ok=True)
                found.append(path)
        return found

    async def _is_ours(self, path: str, old: str, new: str) -> bool:
        root = self.repository.path
        place = anyio.Path(root / path)
        if not (root / path).parent.resolve().is_relative_to(root.resolve()):
            return False
        if await place.is_symlink() or not await place.is_file():
            return not await place.exists()
        seen = await place.read_bytes()
        wanted = await self._blob(new)
        return wanted is not None and wanted.startswith(seen) and seen != await self._blob(old)

    async def _blob(self, blob: str) -> bytes | None:
        code, text, _ = await self.repository.git.ask("cat-file", "blob", blob)
        return text.encode(errors="surrogateescape") if code == 0 else None

    @property
    def _marker(self) -> Path:
        return self.repository.trees / WRITING

    @property
    def _copy(self) -> Path:
        return self.repository.trees / "checkout.index"

    @property
    def _git(self) -> Git:
        # With ATOS's own git directory, so that no filter of that repository applies here.
        here = replace(self.repository.git, where=self.repository.path)
        return here.having(GIT_WORK_TREE=self.repository.path, GIT_INDEX_FILE=self._copy)

    def _replace_index(self) -> None:
        fresh = self._beside("new")
        shutil.copy2(self._copy, fresh)
        fresh.replace(self.index)

    def _beside(self, what: str) -> Path:
        return self.index.with_name(f"index.{self.repository.goal}.{what}")

    @asynccontextmanager
    async def _locked(self) -> AsyncGenerator[None]:
        lock, owner = _lock_of(self.index), _owner(self.repository)
        self._clear_private()
        await anyio.to_thread.run_sync(self._take, lock, owner)
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)
            self._clear_private()

    def _take(self, lock: Path, owner: str) -> None:
        """Create the lock with its text at once, so that a kill leaves none without a name."""
        named = self._beside("lock")
        named.write_text(owner)
        try:
            os.link(named, lock)
        except FileExistsError:
            if not _is_of(lock, owner):
                raise held(lock) from None
        except OSError:  # a file system without hard links
            self._take_plainly(lock, owner)
        finally:
            named.unlink()

    def _take_plainly(self, lock: Path, owner: str) -> None:
        try:
            with lock.open("x") as file:
                file.write(owner)
        except FileExistsError:
            if not _is_of(lock, owner):
                raise held(lock) from None

    def _clear_private(self) -> None:
        for left_over in (self._copy, self._copy.with_name(f"{self._copy.name}.lock")):
            left_over.unlink(missing_ok=True)


async def unlock(repository: Repository) -> None:
    """Remove the lock that a killed process of a goal left in its repository, because nothing of the goal comes after it.

    Raises:
        WorkspaceError: the repository is gone.
    """
    index = await repository.theirs.value("rev-parse", "--git-path", "index")
    lock = _lock_of(repository.path / index)
    if index and _is_of(lock, _owner(repository)):
        lock.unlink(missing_ok=True)


def _lock_of(index: Path) -> Path:
    return index.with_name("index.lock")


def _owner(repository: Repository) -> str:
    """Return what a lock of the goal's own contains."""
    return f"ATOS: {repository.goal}\n"


def _is_of(lock: Path, owner: str) -> bool:
    """Tell whether a lock is an owner's; one that goes away meanwhile was somebody else's."""
    try:
        return lock.read_text(errors="replace") == owner
    except FileNotFoundError:
        return False
