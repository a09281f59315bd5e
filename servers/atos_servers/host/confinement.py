"""Where a caller's tools may read and write: the one rule for every path that a tool takes.

    text -> printable and absolute -> links and `..` resolved -> not in ATOS's home -> inside the caller's
    directories -> not a place whose files are run by themselves

Whoever keeps a resolved path for later must see that it still is one (`opening.check_place`): a link may
have been put there meanwhile. The filesystem and code_runner servers open what they touch from a handle of
one of `directories` instead.
"""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from atos_protocol.errors import WorkspaceError

Reach = Literal["named", "library", "person", "worker"]
"""`named`: below the directories. `library`: anywhere but in dangerous places. `person`: anywhere.
`worker`: below the directories, which lie in ATOS's home."""

MAX_PATH_BYTES, MAX_NAME_BYTES = 3000, 255
UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories whose characters make a path look like another, or move a terminal's cursor."""
PACKAGE_FOLDERS = frozenset({"site-packages", "dist-packages"})
"""What lies there is imported by programs that know nothing of ATOS."""
GIT_PARTS = ("", "objects", "refs", "logs", "HEAD", "packed-refs")
ELSEWHERE = (
    "Name a folder inside one of them. The user can allow more: start atos-mcp with the directory, or set"
    " ATOS_DIRECTORIES."
)


@dataclass(frozen=True)
class Confinement:
    """The directories of one caller, and what no caller may write."""

    directories: tuple[Path, ...]
    """Absolute; never empty."""
    home: Path
    """ATOS's own; no tool writes there."""
    workspaces: Path
    """Where goals go by default; the one part of `home` that may be written, where it lies in it."""
    person: Path
    """The person's home directory."""
    reach: Reach = "named"
    read_only: tuple[Path, ...] = ()
    """Directories, among the others or in them, in which nothing is changed."""

    def place(self, text: str) -> Path:
        """Return the place for a repository that a caller has named, with every link resolved.

        Raises:
            WorkspaceError: the caller may not write there, or it is no absolute path.
        """
        real = _real(_checked(text))
        shown = str(real) if str(real) == text else f"{text} (really {real})"
        if self.is_own(real):
            message = f"{shown} belongs to ATOS's home {self.home} or contains it"
            raise WorkspaceError(message, next_step="Name another folder.")
        if folder := self.read_only_at(real):
            message = f"{shown} lies in {folder}, which may only be read, or contains it"
            raise WorkspaceError(message, next_step="Name another folder.")
        if self.reach == "person":
            return real
        if self.reach != "library":
            self._check_inside(real, shown)
        if reason := self._danger(real):
            message = f"{shown} can't hold a goal's repository: {reason}"
            step = "Name another folder, or start the goal with `atos-client build --into`."
            raise WorkspaceError(message, next_step=step)
        return real

    def may_write(self, path: Path) -> bool:
        """Tell whether this caller may write at a resolved path inside its directories."""
        return self.reach == "worker" or not self.is_own(path)

    def read_only_at(self, path: Path) -> Path | None:
        """Return the read-only directory that a resolved path lies in or contains; None for none."""
        if self.reach == "worker" or not self.read_only:
            return None
        at = _real(path)
        known = ((folder, _real(folder)) for folder in self.read_only)
        return next(
            (f for f, real in known if at.is_relative_to(real) or real.is_relative_to(at)), None
        )

    def is_own(self, path: Path) -> bool:
        """Tell whether writing at a resolved path would write into ATOS's home, or move it."""
        home, goals = self._own_places
        if home.is_relative_to(path):
            return True
        inside = goals != home and goals.is_relative_to(home)
        return path.is_relative_to(home) and not (inside and path.is_relative_to(goals))

    @cached_property
    def _own_places(self) -> tuple[Path, Path]:
        """ATOS's home and the workspaces, really: every change asks, and a confinement lives for a second."""
        return _real(self.home), _real(self.workspaces)

    def _check_inside(self, real: Path, shown: str) -> None:
        """Refuse a place, or a repository whose git folder is kept, outside the directories."""
        roots = [_real(root) for root in self.directories]
        git = real / ".git"
        linked = git.is_file() or (git / "commondir").exists()
        outside = (part for part in GIT_PARTS if not _is_inside(_real(git / part), roots))
        if not _is_inside(real, roots):
            message = f"{shown} lies outside {', '.join(map(str, self.directories))}"
        elif linked or any(outside):
            message = f"the repository {shown} keeps its git folder elsewhere"
        else:
            return
        raise WorkspaceError(message, next_step=ELSEWHERE)

    def _danger(self, real: Path) -> str:
        """Say why files at this place may be run without anybody's doing; "" if they are not."""
        if _real(self.person).is_relative_to(real):
            return "it is a home directory or contains one"
        if PACKAGE_FOLDERS & {part.casefold() for part in real.parts}:
            return "programs import what lies among installed packages"
        hidden = next((name for name in self._names_to_watch(real) if name.startswith(".")), "")
        return f"{hidden} is hidden, and programs act upon what lies there" if hidden else ""

    def _names_to_watch(self, real: Path) -> list[str]:
        """Return the names on the way to a place of which none may be hidden."""
        person, goals, names = _real(self.person), _real(self.workspaces), list[str]()
        # a workspaces folder in a hidden one is what the user has set
        if real.is_relative_to(person) and not real.is_relative_to(goals):
            names += real.relative_to(person).parts[:1]
        roots = [root for root in map(_real, self.directories) if real.is_relative_to(root)]
        if self.reach != "library":
            deepest = max(roots, key=lambda root: len(root.parts))
            names += real.relative_to(deepest).parts
        return names


def _checked(text: str) -> Path:
    """Return the path that a text is.

    Raises:
        WorkspaceError: it is none, or would be shown as another one.
    """
    odd = any(unicodedata.category(mark) in UNPRINTABLE for mark in text)
    long = any(len(name.encode(errors="replace")) > MAX_NAME_BYTES for name in text.split("/"))
    if odd or long or len(text.encode(errors="replace")) > MAX_PATH_BYTES:
        message = f"{text[:120]!a} can't be a path here: it is too long or has control characters"
        raise WorkspaceError(message, next_step="Use a plain path.")
    path = Path(text)  # `~` would be the host's home, not the caller's
    if not path.is_absolute():
        message = f"{path} is not an absolute path"
        raise WorkspaceError(message, next_step="Name the folder from the root.")
    return path


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _is_inside(path: Path, roots: list[Path]) -> bool:
    return any(path.is_relative_to(root) for root in roots)
