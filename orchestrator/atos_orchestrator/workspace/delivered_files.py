"""Reads what a goal delivered: the files of its branch, as bytes, whoever may open the folder.

Objects are read and nothing of a repository's configuration is obeyed. Links and submodules are left out: what is
unpacked on another machine must not point anywhere.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from atos_orchestrator.workspace.git import Git
from atos_orchestrator.workspace.repository import GOAL_BRANCH, Repository
from atos_protocol.errors import NotFoundError, WorkspaceError

MOST_BYTES = 16 * 2**20
MOST_FILES = 2000
EXECUTABLE = "100755"
ZIP_TIME = (1980, 1, 1, 0, 0, 0)
"""The same files make the same zip, byte for byte."""


@dataclass(frozen=True, slots=True)
class DeliveredFile:
    """One file of a commit."""

    path: str
    """Relative to the repository."""
    data: bytes
    executable: bool = False


@dataclass(frozen=True, slots=True)
class Delivered:
    """The files of a goal's newest commit."""

    commit: str
    files: tuple[DeliveredFile, ...]


async def read_delivered(repository: Repository | None, goal: str) -> Delivered:
    """Read what a goal has committed so far.

    Args:
        repository: the goal's; None where it has none.
        goal: its id, for messages.

    Raises:
        NotFoundError: it has no commit, or neither its repository nor ATOS's copy is there any more.
        WorkspaceError: there is more than fits, or git can't read it.
    """
    for git, name in _sources(repository):
        commit = await git.value("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
        if commit:
            return Delivered(commit, await _files(git, commit))
    message = f"goal {goal} has no files yet, or its repository is gone"
    raise NotFoundError(
        message, next_step="Wait until the goal has ended; get_goal shows its state."
    )


def _sources(repository: Repository | None) -> Iterator[tuple[Git, str]]:
    if repository is None:
        return
    if repository.path.is_dir():
        yield repository.theirs, f"refs/heads/{repository.branch}"
    if (repository.trees / "git").is_dir():
        yield repository.git, GOAL_BRANCH


async def _files(git: Git, commit: str) -> tuple[DeliveredFile, ...]:
    listed = await git.run("ls-tree", "-r", "-z", "--long", commit)
    blobs = [found for line in listed.split("\0") if line and (found := _blob(line))]
    size = sum(blob[2] for blob in blobs)
    if len(blobs) > MOST_FILES or size > MOST_BYTES:
        most = f"{MOST_FILES} files or {MOST_BYTES // 2**20} MiB"
        message = f"commit {commit[:10]} has {len(blobs)} files of {size} bytes, more than {most}"
        raise WorkspaceError(message, next_step="Clone the repository instead.")
    names = "".join(f"{identity}\n" for _, identity, _, _ in blobs)
    _, contents, _ = await git.ask("cat-file", "--batch", stdin=names)
    datas = list(_contents(contents.encode(errors="surrogateescape")))
    if [len(data) for data in datas] != [blob[2] for blob in blobs]:
        message = f"commit {commit[:10]} can't be read"
        raise WorkspaceError(message, next_step="Check the repository: git fsck.")
    return tuple(
        DeliveredFile(path, data, mode == EXECUTABLE)
        for (mode, _, _, path), data in zip(blobs, datas, strict=True)
    )


def _blob(line: str) -> tuple[str, str, int, str] | None:
    """Return mode, object, size and path of a plain file; None for anything else."""
    about, _, name = line.partition("\t")
    mode, kind, identity, size = about.split()
    path = PurePosixPath(name)
    odd = path.is_absolute() or ".." in path.parts or not name.isprintable()
    if kind != "blob" or mode == "120000" or odd:
        return None
    return mode, identity, int(size), name


def _contents(answers: bytes) -> Iterator[bytes]:
    """Read what `git cat-file --batch` answers: `<object> blob <size>`, the bytes, a newline."""
    at = 0
    while at < len(answers):
        end = answers.index(b"\n", at)
        size = int(answers[at:end].split()[2])
        yield answers[end + 1 : end + 1 + size]
        at = end + size + 2


def zipped(files: Sequence[DeliveredFile]) -> bytes:
    """Return the files as a zip; the same files make the same bytes."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for each in files:
            entry = zipfile.ZipInfo(each.path, ZIP_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100755 if each.executable else 0o100644) << 16
            archive.writestr(entry, each.data)
    return sink.getvalue()
