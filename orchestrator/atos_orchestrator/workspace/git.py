"""Runs the git program so that it trusts nothing.

Every command runs with an environment built from scratch: no system or global configuration, no
hooks, no fsmonitor, no signing, no network protocol, no prompt; the identity and both dates come from
ATOS. Commands that write use ATOS's *own* git directory, so they never even read the configuration of a
person's repository (its filters, merge drivers, aliases).
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from atos_protocol.errors import (
    AtosError,
    BusyError,
    DeadlineError,
    NoSpaceError,
    UnreachableError,
    WorkspaceError,
)

MAIL = "atos@localhost"
"""Address of the author and committer of everything that ATOS commits."""
DEADLINE = 60.0
"""Seconds that one git command may take."""

STALE = 5.0
"""Age in seconds at which a lock on one of the goal's own branches, or on the HEAD that names it, is stale:
moving a branch takes milliseconds, and nobody else moves these."""

_LOCKED = re.compile(
    r"Unable to create '(.+/(?:HEAD|refs/heads/(?:goal|task/|main|atos/).*)\.lock)': File exists"
)
_HELD = re.compile(r"Unable to create '(.+\.lock)': File exists")
_SHORT = re.compile(r"Too many open files|Cannot allocate memory|Resource temporarily unavailable")

_SAFE = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.autocrlf=false",
    "core.untrackedCache=false",
    "commit.gpgSign=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "protocol.allow=never",
    "submodule.recurse=false",
    # The configuration is neutralised above, so a folder owned by another uid (root in a container,
    # a mounted home) needs no further trust.
    "safe.directory=*",
)


def _environment(at: float) -> dict[str, str]:
    moment = f"{int(at)} +0000"
    who = {"NAME": "ATOS", "EMAIL": MAIL, "DATE": moment}
    plain = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.devnull,
        "XDG_CONFIG_HOME": os.devnull,
        "LC_ALL": "C",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_LITERAL_PATHSPECS": "1",
    }
    for role in ("AUTHOR", "COMMITTER"):
        plain |= {f"GIT_{role}_{name}": value for name, value in who.items()}
    return plain


@dataclass(frozen=True, slots=True)
class Git:
    """One git directory to run commands in."""

    where: Path
    """Folder that the commands run in."""
    at: float = 0.0
    """Epoch seconds that commits carry."""
    extra: Mapping[str, str] = field(default_factory=dict[str, str])
    """More environment: `GIT_DIR`, `GIT_INDEX_FILE`, ..."""

    def having(self, **extra: str | Path) -> Git:
        """Return the same with more environment."""
        more = {name: str(value) for name, value in extra.items()}
        return Git(self.where, self.at, dict(self.extra) | more)

    async def ask(self, *arguments: str, stdin: str = "") -> tuple[int, str, str]:
        """Run a command; return exit code, standard output and standard error.

        Waits while a branch is locked, and removes a lock that a killed git left behind.

        Raises:
            WorkspaceError: the folder is gone.
            UnreachableError: git can't be started at the moment.
            BusyError: another git holds a lock, or the system is short of memory or descriptors.
            NoSpaceError: the disk is full.
            DeadlineError: it took longer than `DEADLINE`.
        """
        since = 0.0
        while True:
            code, out, err = await self._once(arguments, stdin)
            if code == 0 or (lock := _LOCKED.search(err)) is None:
                break
            since = since or anyio.current_time()
            if not await _lifted(anyio.Path(lock[1]), anyio.current_time() - since):
                break
        if code != 0 and (passing := _passing(err, self.where)) is not None:
            raise passing
        return code, out, err

    async def _once(self, arguments: Sequence[str], stdin: str) -> tuple[int, str, str]:
        options = [part for setting in _SAFE for part in ("-c", setting)]
        command = ["git", *options, *arguments]
        try:
            with anyio.fail_after(DEADLINE):
                done = await anyio.run_process(
                    command,
                    input=stdin.encode(errors="surrogateescape"),
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    cwd=self.where,
                    env=_environment(self.at) | dict(self.extra),
                    check=False,
                )
        except TimeoutError as error:
            message = f"git {arguments[0]} took longer than {DEADLINE:.0f} s in {self.where}"
            raise DeadlineError(message) from error
        except OSError as error:
            if not await anyio.Path(self.where).is_dir():
                message = f"{self.where} is no longer there"
                raise WorkspaceError(message) from error
            message = f"git {arguments[0]} could not be started: {error.strerror}"
            step = "Install git; what waits for it goes on by itself."
            raise UnreachableError(message, next_step=step) from error
        return done.returncode, _text(done.stdout), _text(done.stderr)

    async def run(self, *arguments: str, stdin: str = "") -> str:
        """Run a command that must succeed; return its output without the final newline.

        Raises:
            WorkspaceError: git failed; the message quotes it.
        """
        code, out, err = await self.ask(*arguments, stdin=stdin)
        if code != 0:
            said = err.strip()[-500:] or f"exit code {code}"
            message = f"git {arguments[0]} failed in {self.where}: {said}"
            raise WorkspaceError(message)
        return out.removesuffix("\n")

    async def value(self, *arguments: str) -> str:
        """Run a query; return its output, or an empty text where it fails."""
        code, out, _ = await self.ask(*arguments)
        return out.strip() if code == 0 else ""


def _passing(said: str, where: Path) -> AtosError | None:
    """Return the error for what git said, if the same command may succeed later without a change."""
    if (lock := _HELD.search(said)) is not None:
        return held(Path(lock[1]))
    if "No space left on device" in said:
        return NoSpaceError(f"the disk of {where} is full", next_step="Make room there.")
    if (short := _SHORT.search(said)) is not None:
        return BusyError(f"git could not work in {where}: {short[0].lower()}")
    return None


def held(lock: Path) -> BusyError:
    """Return the error for a lock of a git that somebody else runs."""
    message = f"another git holds {lock}"
    return BusyError(message, next_step="If no git is at work there, remove that file.")


async def _lifted(lock: anyio.Path, waited: float) -> bool:
    """Return whether to try again: wait for a fresh lock, remove a stale one.

    One that has been waited for is stale whatever its time says: the clock may have been set back since.
    """
    try:
        if max(waited, time.time() - (await lock.stat()).st_mtime) < STALE:
            await anyio.sleep(0.1)
        else:
            await lock.unlink()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _text(data: bytes) -> str:
    return data.decode(errors="surrogateescape")
