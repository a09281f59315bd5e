"""One directory that operations are confined to: every one of them starts at its open handle.

    read   O_PATH handle -> fstat: a regular file with one name -> reopen that very inode
    write  open folder -> ask the guard about its real path -> lock it -> temporary file -> fsync ->
           rename -> fsync folder; never in place, so a kill leaves the old content or the new one

Known limit: a process of the same user outside any sandbox can move an opened folder out of the
root, and the write goes along. `_real_parts` checks its path before and after, so this is reported.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from atos_servers.filesystem.confined_open import (
    BACKENDS,
    O_PATH,
    Backend,
    open_beneath,
    open_root,
    real_path,
    rename_new,
)
from atos_servers.filesystem.directory_entries import Listing, listing
from atos_servers.filesystem.errors import (
    ExistsError,
    OutsideError,
    TooBigError,
    from_os,
)
from atos_servers.filesystem.file_io import locked, read_all
from atos_servers.filesystem.paths import Parts, check_new, joined
from atos_servers.filesystem.present import Present, changed, present
from atos_servers.filesystem.regular_files import is_directory, open_regular
from atos_servers.filesystem.replacing import replace

MAX_BYTES = 8 << 20
"""Most bytes that one read or write carries."""

Guard = Callable[[Parts], None]
"""Raises if a path below the root may not be changed."""
Note = Callable[[Parts, Present, bytes | None], None]
"""Called with a real path below the root, what is there, and what will be: None for nothing."""

_real_roots: dict[Path, str] = {}


def pinned(root: Path) -> str:
    """Return the real path that a root had when it was first used.

    A link that later replaces it, from inside an enclosing root, must not move the boundary.

    Raises:
        OSError: it does not exist.
    """
    if root not in _real_roots:
        _real_roots[root] = os.path.realpath(root, strict=True)
    return _real_roots[root]


class ConfinedRoot:
    """An open root.

    Raises:
        NotFoundError: it does not exist.
        OutsideError: a link has replaced it.
    """

    def __init__(self, path: Path, guard: Guard, backend: Backend = BACKENDS[0]) -> None:
        self.path = path
        self._guard = guard
        self._backend: Backend = backend
        try:
            self._handle = open_root(pinned(path), backend)
        except OSError as error:
            raise from_os(error, str(path)) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)

    def read(self, parts: Parts, limit: int = MAX_BYTES) -> bytes:
        """Return a whole file.

        Raises:
            TooBigError: it has more bytes than `limit`.
        """
        with self.file(parts) as handle:
            data = read_all(handle, limit + 1)
            if len(data) > limit:
                message = (
                    f"{self.shown(parts)} has {os.fstat(handle).st_size} bytes, more than {limit}"
                )
                raise TooBigError(message, next_step="Read a part of it with head or tail.")
            return data

    @contextmanager
    def file(self, parts: Parts) -> Generator[int]:
        """Open a regular file for reading, without side effects on pipes and devices."""
        with self._errors(parts):
            handle = open_regular(self._handle, parts, self.shown(parts), self._backend)
            try:
                yield handle
            finally:
                os.close(handle)

    def stat(self, parts: Parts) -> os.stat_result:
        """Return the status of a file or folder."""
        with self._errors(parts):
            handle = open_beneath(self._handle, parts, O_PATH or os.O_RDONLY, self._backend)
            try:
                return os.fstat(handle)
            finally:
                os.close(handle)

    def list(self, parts: Parts, *, after: str = "", most: int = 0, sizes: bool = True) -> Listing:
        """Return what is in a folder, by name.

        Args:
            parts: the folder.
            after: only names behind this one.
            most: how many entries; 0 for all of them.
            sizes: whether to ask for the size of every file.
        """
        with self._errors(parts):
            handle = open_beneath(self._handle, parts, os.O_RDONLY | os.O_DIRECTORY, self._backend)
            try:
                with os.scandir(handle) as scan:
                    return listing(scan, after, most, sizes=sizes)
            finally:
                os.close(handle)

    def write(
        self, parts: Parts, data: bytes, *, expected: bytes | None = None, new: bool = False
    ) -> None:
        """Create or replace a file, completely or not at all.

        Args:
            parts: where.
            data: the new content.
            expected: replace only if this still is the content.
            new: create it, replace nothing.

        Raises:
            ChangedError: the content is no longer `expected`.
            ExistsError: it is to be `new`, and exists.
            ProtectedError: the guard forbids the path.
        """

        def unless_changed(before: Present) -> bytes:
            if expected is not None and before.content() != expected:
                raise changed(before.shown)
            return data

        check_size(data)
        self.change(parts, unless_changed, new=new)

    def change(
        self,
        parts: Parts,
        compute: Callable[[Present], bytes | None],
        *,
        note: Note = lambda _parts, _before, _after: None,
        new: bool = False,
        mode: int | None = None,
    ) -> None:
        """Replace a file by what is computed from it, alone among ATOS's writers.

        Args:
            parts: where.
            compute: returns the new content; None leaves all as it is. What it raises passes on.
            note: called before the change with the real path, and what it was and will be.
            new: create it, replace nothing.
            mode: of a file that was not there; None: as the person's umask has it.

        Raises:
            ChangedError: somebody else changed it meanwhile.
        """
        if not parts:
            raise is_directory(str(self.path))
        self._guard(parts)  # even where the folder is missing
        with self._errors(parts), self._folder(parts[:-1]) as (folder, real):
            name = parts[-1]
            self._guard((*real, name))
            with locked(folder, str(self.path)):
                before = present(folder, name, self.shown(parts), MAX_BYTES)
                if not before.exists:
                    check_new((name,))
                elif new:
                    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
                after = compute(before)
                if after is None:
                    return
                check_size(after)
                note((*real, name), before, after)
                replace(folder, name, after, before, mode)
            self._real_parts(folder, parts[:-1])

    def remove(
        self,
        parts: Parts,
        check: Callable[[Present], None],
        note: Note = lambda _parts, _before, _after: None,
    ) -> bool:
        """Remove a file, or an empty folder; return whether it was a folder.

        Raises:
            ExistsError: the folder is not empty.
        """
        if not parts:
            raise is_directory(str(self.path))
        self._guard(parts)
        with self._errors(parts), self._folder(parts[:-1]) as (folder, real):
            name = parts[-1]
            self._guard((*real, name))
            with locked(folder, str(self.path)):
                found = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if stat.S_ISDIR(found.st_mode):
                    os.rmdir(name, dir_fd=folder)
                    return True
                before = present(folder, name, self.shown(parts), MAX_BYTES)
                check(before)
                note((*real, name), before, None)
                os.unlink(name, dir_fd=folder)
                os.fsync(folder)
                return False

    def make_directory(self, parts: Parts) -> None:
        """Create a folder and its parents; it may exist already.

        Raises:
            ExistsError: a file has that name.
            NotAFileError: something else has it that is no folder.
        """
        for depth in range(1, len(parts) + 1):
            here = parts[:depth]
            with self._errors(here), self._folder(here[:-1]) as (folder, real):
                try:
                    found = os.stat(here[-1], dir_fd=folder, follow_symlinks=False)
                except FileNotFoundError:
                    check_new(here[-1:])
                    self._guard((*real, here[-1]))
                    with suppress(FileExistsError):  # created concurrently
                        os.mkdir(here[-1], dir_fd=folder)
                    continue
                if stat.S_ISREG(found.st_mode):
                    message = f"{self.shown(here)} is a file"
                    raise ExistsError(message, next_step="Choose another name for the folder.")
        with self._folder(parts):  # a pipe or a link that leads nowhere is no folder
            pass

    def guard(self, parts: Parts) -> None:
        """Raise if a path may not be changed."""
        self._guard(parts)

    def real(self, parts: Parts) -> Parts:
        """Return the real path below the root: the folder's, where it exists, and the name in it."""
        if not parts:
            return ()
        with self._folder(parts[:-1]) as (_folder, real):
            return (*real, parts[-1])

    def move(self, parts: Parts, target: ConfinedRoot, new: Parts) -> Parts:
        """Rename or move within and between roots; never replaces anything. Return the old real path.

        Raises:
            ExistsError: the new path exists.
            ProtectedError: the guard forbids one of the paths.
        """
        if not parts or not new:
            raise is_directory(str(self.path))
        check_new(new[-1:])
        with (
            self._errors(parts),
            self._folder(parts[:-1]) as (old_folder, old_real),
            target._errors(new),
            target._folder(new[:-1]) as (new_folder, new_real),
        ):
            self._guard((*old_real, parts[-1]))
            target._guard((*new_real, new[-1]))
            os.stat(parts[-1], dir_fd=old_folder, follow_symlinks=False)
            try:
                rename_new(old_folder, parts[-1], new_folder, new[-1])
            except FileNotFoundError as error:
                raise from_os(error, self.shown(parts)) from error
            os.fsync(old_folder)
            os.fsync(new_folder)
            return (*old_real, parts[-1])

    def shown(self, parts: Parts) -> str:
        """Return the path that a message names."""
        return joined(self.path, parts)

    @contextmanager
    def _folder(self, parts: Parts) -> Generator[tuple[int, Parts]]:
        """Open a folder for a change; yield it and its real path below the root."""
        with self._errors(parts):
            handle = open_beneath(self._handle, parts, os.O_RDONLY | os.O_DIRECTORY, self._backend)
        try:
            yield handle, self._real_parts(handle, parts)
        finally:
            os.close(handle)

    def _real_parts(self, handle: int, parts: Parts) -> Parts:
        """Return the real path of an open folder: a link inside the root may have led there."""
        root, here = real_path(self._handle), real_path(handle)
        if not root or not here:
            return parts
        if here != root and not here.startswith(root.rstrip("/") + "/"):
            message = f"{self.shown(parts)} was moved out of {self.path}"
            raise OutsideError(message, next_step="List the folder again.")
        return tuple(p for p in here.removeprefix(root).split("/") if p)

    @contextmanager
    def _errors(self, parts: Parts) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise from_os(error, self.shown(parts)) from error


def check_size(data: bytes) -> None:
    """Raise TooBigError for a content that one write can't carry."""
    if len(data) > MAX_BYTES:
        message = f"the content has {len(data)} bytes, at most {MAX_BYTES} are allowed"
        raise TooBigError(message, next_step="Write several smaller files.")
