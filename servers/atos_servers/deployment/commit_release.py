"""A commit that would go out with git: its files, its whole history, and a copy of both that nobody changes.

    source --pack of the commit and its ancestors--> repository.git (bare, with no configuration of the source)
       every file that any of these commits holds is read: for secrets, and for the digest that is approved

The push is made from that copy, so what is pushed is what was planned, whatever the source has become.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from atos_protocol.errors import BadRequestError, WorkspaceError
from atos_servers.deployment.release_files import MOST_BYTES, MOST_FILES, git, git_at_most
from atos_servers.deployment.secret_scan import secrets_found, secrets_in, secrets_named

REPOSITORY = "repository.git"
MOST_UNPACKED = 4 * MOST_BYTES
"""Bytes of all files of all commits, which are looked through."""


@dataclass(frozen=True, slots=True)
class PackedCommit:
    """A commit with its history. Sizes are bytes."""

    commit: str
    files: tuple[str, ...]
    """Of the commit itself."""
    bytes: int
    """Of the whole history."""
    commits: int
    content: str
    """sha256 over every file of every commit: git's own names are SHA-1."""


def pack_commit(source: Path, staging: Path) -> PackedCommit:
    """Copy the last commit and its history into `staging`, and look through all of it.

    Raises:
        BadRequestError: it is no repository with a commit.
        RefusedError: something in it looks like a secret; nothing of it may be public.
        WorkspaceError: it is too large, or can't be read.
    """
    if not (source / ".git").exists():
        message = f"{source} is no git repository"
        step = "Commit it first (git init, git add, git commit), or deploy it to local."
        raise BadRequestError(message, next_step=step)
    commit = git(source, "rev-parse", "--verify", "HEAD^{commit}").decode().strip()
    copy = staging / REPOSITORY
    asked = ("pack-objects", "--revs", "--stdout", "-q")
    pack = git_at_most(source, MOST_BYTES, *asked, given=f"{commit}\n".encode())
    if len(pack) > MOST_BYTES:
        message = f"the history of {source} has more than {MOST_BYTES // 2**20} MiB"
        raise WorkspaceError(message, next_step="Push it with git itself.")
    git(staging, "init", "-q", "--bare", "--template=", str(copy))
    git(copy, "index-pack", "--stdin", given=pack)
    git(copy, "update-ref", "refs/heads/release", commit)
    return _looked_through(copy, commit)


def _looked_through(copy: Path, commit: str) -> PackedCommit:
    whole, size, found = hashlib.sha256(), 0, list(secrets_named(_paths(copy, commit)))
    for name, data in _history(copy, commit):
        size += len(data)
        whole.update(f"{name}\0{len(data)}\0".encode(errors="surrogateescape"))
        whole.update(data)
        found += (each for each in secrets_in(name, data) if each.line)
    if found:
        raise secrets_found(found)
    listed = git(copy, "ls-tree", "-r", "-z", "--name-only", commit).decode(errors="replace")
    count = int(git(copy, "rev-list", "--count", commit))
    files = tuple(sorted(name for name in listed.split("\0") if name))
    return PackedCommit(commit, files, size, count, whole.hexdigest())


def _paths(copy: Path, commit: str) -> list[str]:
    """Return every path that any commit has: a content that has two of them is listed under one."""
    log = ("log", "-z", "--format=", "--name-only", "--no-renames", "-m", "--root", commit)
    named = git(copy, *log).decode(errors="surrogateescape").split("\0")
    return sorted({name.strip("\n") for name in named} - {""})


def _check_unpacked(sizes: bytes) -> None:
    """Refuse a history that is small only as long as it is packed: a megabyte of that may be a gigabyte of zeros.

    Args:
        sizes: a line for each object, which ends with its bytes.
    """
    size = sum(int(line.rpartition(b" ")[2]) for line in sizes.splitlines())
    if size > MOST_UNPACKED:
        message = (
            f"the history has {size // 2**20} MiB unpacked, more than {MOST_UNPACKED // 2**20}"
        )
        raise WorkspaceError(message, next_step="Push it with git itself.")


def _history(copy: Path, commit: str) -> Iterator[tuple[str, bytes]]:
    """Yield the files of all commits, once for each content; messages of commits as files named after them."""
    lines = git(copy, "rev-list", "--objects", commit).decode(errors="surrogateescape").splitlines()
    if len(lines) > 20 * MOST_FILES:
        message = f"the history has more than {20 * MOST_FILES} objects"
        raise WorkspaceError(message, next_step="Push it with git itself.")
    names = {line[:40]: line[41:] for line in lines}
    asked = "".join(f"{identity}\n" for identity in names).encode()
    _check_unpacked(git(copy, "cat-file", "--batch-check", given=asked))
    contents, at = git(copy, "cat-file", "--batch", given=asked), 0
    while at < len(contents):
        end = contents.index(b"\n", at)
        identity, kind, size = contents[at:end].decode().split()
        data, at = contents[end + 1 : end + 1 + int(size)], end + int(size) + 2
        if kind == "blob":
            yield names[identity], data
        elif kind == "commit":
            yield f"commit {identity[:12]}", data
