"""Copies what is to be deployed: the files of a repository's last commit, or of a plain folder.

Of a repository the objects are read and nothing of its configuration is obeyed: `ls-tree` and `cat-file` know no
filters and no hooks. Of a folder every file is opened relative to the folder above it without following
links. Links, special files, hidden folders and what is built or installed are left out.
"""

from __future__ import annotations

import os
import stat
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from atos_protocol.errors import WorkspaceError

MOST_BYTES = 64 * 2**20
MOST_FILES = 5000
GIT_SECONDS = 30.0
LEFT_OUT = frozenset({"node_modules", "__pycache__", "venv"})
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
GIT = {
    "HOME": os.devnull, "XDG_CONFIG_HOME": os.devnull, "LC_ALL": "C", "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_LAZY_FETCH": "1", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0",
}  # fmt: skip
SAFE = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "protocol.allow=never",
    "safe.directory=*",
)


@dataclass(slots=True)
class Copied:
    """What was copied."""

    commit: str = ""
    bytes: int = 0
    files: int = 0

    def take(self, size: int) -> None:
        """Charge one file.

        Raises:
            WorkspaceError: there is more than a release may hold.
        """
        self.files += 1
        self.bytes += size
        if self.files > MOST_FILES or self.bytes > MOST_BYTES:
            most = f"{MOST_FILES} files or {MOST_BYTES // 2**20} MiB"
            message = f"the folder has more than {most}"
            raise WorkspaceError(
                message, next_step="Deploy the subfolder that holds the site or app."
            )


def copy_release(source: Path, target: Path) -> Copied:
    """Copy what is to be deployed from `source` into the empty folder `target`.

    Raises:
        WorkspaceError: there is nothing, too much, or it can't be read.
    """
    copied = Copied()
    try:
        if (source / ".git").exists():
            _copy_commit(source, target, copied)
        else:
            _copy_folder(source, target, copied)
    except OSError as error:
        message = f"{source} can't be read: {error.strerror or error}"
        raise WorkspaceError(message, next_step="Name a folder that you can read.") from error
    except RecursionError as error:
        message = f"{source} is nested too deeply"
        raise WorkspaceError(
            message, next_step="Name the subfolder that holds the site."
        ) from error
    if not copied.files:
        message = f"{source} holds no file that could be deployed"
        raise WorkspaceError(message, next_step="Name the folder of a site, an app or a goal.")
    return copied


def _is_left_out(path: PurePosixPath) -> bool:
    *folders, name = path.parts
    hidden = any(part.startswith(".") or part in LEFT_OUT for part in folders)
    return hidden or (name.startswith(".") and name != ".nojekyll")


def _write(target: Path, name: PurePosixPath, data: bytes) -> None:
    path = target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def git(source: Path, *arguments: str, given: bytes = b"") -> bytes:
    """Run git in a repository that may be anybody's, obeying nothing of its configuration; return what it prints.

    Raises:
        WorkspaceError: it can't be read; what git said is in the message.
    """
    try:
        ran = subprocess.run(
            _command(source, arguments),
            input=given,
            capture_output=True,
            env=_environment(),
            timeout=GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        message = f"git can't read {source}: {error}"
        raise WorkspaceError(message, next_step="See that git is installed.") from error
    if ran.returncode:
        raise _unreadable(source, ran.stderr)
    return ran.stdout


def git_at_most(source: Path, most: int, *arguments: str, given: bytes) -> bytes:
    """Run git as `git` does, and return what it prints; where that is more than `most` bytes, one more than these.

    Raises:
        WorkspaceError: it can't be read.
    """
    with tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as said:
        asked.write(given)
        asked.seek(0)
        command = _command(source, arguments)
        with subprocess.Popen(
            command, stdin=asked, stdout=subprocess.PIPE, stderr=said, env=_environment()
        ) as process:
            late = threading.Timer(GIT_SECONDS, process.kill)
            late.start()
            assert process.stdout is not None
            printed = process.stdout.read(most + 1)
            late.cancel()
            if len(printed) > most:
                process.kill()
        if process.returncode and len(printed) <= most:
            said.seek(0)
            raise _unreadable(source, said.read() or b"git did not end in time")
    return printed


def _command(source: Path, arguments: tuple[str, ...]) -> list[str]:
    settings = [part for each in SAFE for part in ("-c", each)]
    return ["git", "--no-replace-objects", *settings, "-C", str(source), *arguments]


def _environment() -> dict[str, str]:
    return GIT | {"PATH": os.environ.get("PATH", os.defpath)}


def _unreadable(source: Path, said: bytes) -> WorkspaceError:
    last = said.decode(errors="replace").strip().splitlines()[-1:]
    message = f"{source} has no commit that can be read: {''.join(last)[:200]}"
    return WorkspaceError(message, next_step="Commit what is to be deployed.")


def _copy_commit(source: Path, target: Path, copied: Copied) -> None:
    copied.commit = git(source, "rev-parse", "--verify", "HEAD^{commit}").decode().strip()
    top = git(source, "rev-parse", "--show-prefix").decode().strip()
    if top:
        message = f"{source} is inside a repository, at {top}"
        raise WorkspaceError(message, next_step="Name the repository's own folder.")
    listed = git(source, "ls-tree", "-r", "-z", "--long", copied.commit).split(b"\0")
    wanted = [blob for line in listed if line and (blob := _blob(line)) is not None]
    for _, size, _ in wanted:
        copied.take(size)
    names = "".join(f"{identity}\n" for identity, _, _ in wanted).encode()
    contents = git(source, "cat-file", "--batch", given=names)
    for (_, size, name), data in zip(wanted, _blobs(contents), strict=True):
        if len(data) != size:
            message = f"{name} can't be read from {source}"
            raise WorkspaceError(message, next_step="Check the repository: git fsck.")
        _write(target, name, data)


def _blob(line: bytes) -> tuple[str, int, PurePosixPath] | None:
    """Return object, size and path of a plain file that is deployed; None for anything else."""
    about, _, name = line.partition(b"\t")
    mode, kind, identity, size = about.split()
    path = PurePosixPath(os.fsdecode(name))
    odd = path.is_absolute() or ".." in path.parts
    if mode == b"120000" or kind != b"blob" or odd or _is_left_out(path):
        return None
    return identity.decode(), int(size), path


def _blobs(contents: bytes) -> Iterator[bytes]:
    """Read the answers of `git cat-file --batch`: `<object> blob <size>`, the bytes, a newline."""
    at = 0
    while at < len(contents):
        end = contents.index(b"\n", at)
        size = int(contents[at:end].split()[2])
        yield contents[end + 1 : end + 1 + size]
        at = end + size + 2


def _copy_folder(source: Path, target: Path, copied: Copied) -> None:
    for folder, folders, names, handle in os.fwalk(source):  # opens without following links
        here = PurePosixPath(os.path.relpath(folder, source))
        folders[:] = sorted(each for each in folders if not _is_left_out(here / each / "file"))
        for name in sorted(names):
            if not _is_left_out(here / name):
                _copy_file(name, handle, target, here / name, copied)


def _copy_file(name: str, handle: int, target: Path, path: PurePosixPath, copied: Copied) -> None:
    if not stat.S_ISREG(os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode):
        return
    with os.fdopen(os.open(name, FILE, dir_fd=handle), "rb") as reading:
        status = os.fstat(reading.fileno())
        if not stat.S_ISREG(status.st_mode):
            return
        copied.take(status.st_size)
        data = reading.read(status.st_size)
    _write(target, path, data)
