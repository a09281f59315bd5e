"""Copies a folder into the run's own, without ever following a link.

Every step down is an `open` relative to the directory above with O_NOFOLLOW, so neither a link in
the workspace nor one put there during the copy leads outside the connection's roots. Links and
special files are left out; hard-linked files are copied like any other, for reading.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from atos_protocol.errors import WorkspaceError
from atos_protocol.shortage import shortage_of
from atos_servers.code_runner.requests import relative_path

MOST_BYTES = 32 * 2**20
MOST_FILES = 2000
DEEPEST = 32
LEFT_OUT = frozenset(
    {
        ".git", ".hg", ".svn", ".venv", "venv", "node_modules", "__pycache__", ".pytest_cache",
        ".mypy_cache", ".ruff_cache", ".tox", ".idea", ".vscode",
    }
)  # fmt: skip
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(slots=True)
class Room:
    """What may still be copied."""

    bytes: int = MOST_BYTES
    files: int = MOST_FILES

    def take(self, size: int) -> None:
        """Charge one file.

        Raises:
            WorkspaceError: the folder is larger than a run may be.
        """
        self.files -= 1
        self.bytes -= size
        if self.files < 0 or self.bytes < 0:
            most = f"{MOST_FILES} files or {MOST_BYTES // 2**20} MiB"
            message = f"the folder has more than {most}"
            raise WorkspaceError(message, next_step="Name the subfolder that holds the code.")


def _no_folder(path: Path) -> WorkspaceError:
    step = "Give an existing folder, without links in its path, inside the connection's roots."
    return WorkspaceError(f"{path} can't be opened as a folder", next_step=step)


def containing_root(path: Path, roots: Sequence[Path]) -> tuple[Path, tuple[str, ...]]:
    """Return the root that holds the path, and the names from there down. Purely lexical.

    Raises:
        WorkspaceError: it lies in none of them.
    """
    wanted = path if path.is_absolute() else roots[0] / path
    if ".." not in wanted.parts and "\0" not in str(wanted):
        for root in roots:
            for known in (root, Path(os.path.realpath(root))):
                if wanted.is_relative_to(known):
                    return known, wanted.relative_to(known).parts
    places = ", ".join(map(str, roots))
    message = f"{str(path)[:200]!r} lies outside {places}"
    raise WorkspaceError(message, next_step="Give a path inside one of these folders.")


@contextmanager
def opened(path: Path, roots: Sequence[Path]) -> Generator[int]:
    """Open a folder inside the roots, step by step, and close it afterwards.

    Raises:
        WorkspaceError: it is outside, missing, no folder, or reached through a link.
    """
    root, names = containing_root(path, roots)
    try:
        current = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise shortage_of(error) or _no_folder(path) from error
    try:
        for name in names:
            try:
                below = os.open(name, DIRECTORY, dir_fd=current)
            except OSError as error:
                raise shortage_of(error) or _no_folder(path) from error
            os.close(current)
            current = below
        yield current
    finally:
        os.close(current)


def _copy_file(name: str, source: int, target: int, room: Room) -> None:
    descriptor = os.open(name, FILE, dir_fd=source)
    with os.fdopen(descriptor, "rb") as reading:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return
        room.take(status.st_size)
        data = reading.read(status.st_size + 1)
        room.bytes -= max(0, len(data) - status.st_size)
    mode = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with os.fdopen(os.open(name, mode, 0o644, dir_fd=target), "wb") as writing:
        writing.write(data)


def _copy_tree(source: int, target: int, room: Room, depth: int) -> None:
    if depth > DEEPEST:
        message = f"the folder is nested more than {DEEPEST} deep"
        raise WorkspaceError(message, next_step="Name the subfolder that holds the code.")
    with os.scandir(source) as entries:
        listed = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
    for name, is_folder in listed:
        if name in LEFT_OUT:
            continue
        with suppress(FileNotFoundError, PermissionError, NotADirectoryError):  # changed meanwhile
            if is_folder:
                _copy_folder(name, source, target, room, depth)
            elif stat.S_ISREG(os.stat(name, dir_fd=source, follow_symlinks=False).st_mode):
                _copy_file(name, source, target, room)


def _copy_folder(name: str, source: int, target: int, room: Room, depth: int) -> None:
    below = os.open(name, DIRECTORY, dir_fd=source)
    try:
        os.mkdir(name, 0o755, dir_fd=target)
        copy = os.open(name, DIRECTORY, dir_fd=target)
        try:
            _copy_tree(below, copy, room, depth + 1)
        finally:
            os.close(copy)
    finally:
        os.close(below)


def stage_folder(path: Path, roots: Sequence[Path], target: Path) -> None:
    """Copy the folder at `path` into the empty folder `target`.

    Raises:
        WorkspaceError: it is outside the roots, can't be read, or is too large.
    """
    with opened(path, roots) as source:
        copy = os.open(target, DIRECTORY)
        try:
            _copy_tree(source, copy, Room(), 0)
        except OSError as error:
            message = f"{path} could not be copied: {error.strerror}"
            refused = WorkspaceError(message, next_step="See that the folder is readable.")
            raise shortage_of(error) or refused from error
        finally:
            os.close(copy)


def stage_file(path: Path, roots: Sequence[Path], target: Path) -> None:
    """Copy one file into the empty folder `target`, under its own name.

    Raises:
        WorkspaceError: it is outside the roots, no plain file, or too large.
    """
    with opened(path.parent, roots) as source:
        copy = os.open(target, DIRECTORY)
        try:
            _copy_file(path.name, source, copy, Room())
        except OSError as error:
            message = f"{path} can't be read as a file: {error.strerror}"
            refused = WorkspaceError(message, next_step="Give an existing plain file.")
            raise shortage_of(error) or refused from error
        finally:
            os.close(copy)


def is_folder(path: Path, roots: Sequence[Path]) -> bool:
    """Return whether the path is a folder that `stage_folder` would copy.

    Raises:
        WorkspaceError: it lies outside the roots.
    """
    containing_root(path, roots)
    try:
        with opened(path, roots):
            return True
    except WorkspaceError:
        return False


def put(target: Path, files: Mapping[str, str]) -> None:
    """Write texts over the staged copy; the copy holds no links, so no path leads out of it.

    Raises:
        BadRequestError: a path is absolute or climbs.
        WorkspaceError: the texts are too large, or a path is a folder.
    """
    room = Room()
    for name, text in files.items():
        place = target / relative_path(name)
        data = text.encode("utf-8", errors="surrogatepass")
        room.take(len(data))
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        except OSError as error:
            message = f"{name!r} can't be written over the copy: {error.strerror}"
            refused = WorkspaceError(message, next_step="Give the path of a file.")
            raise shortage_of(error) or refused from error
