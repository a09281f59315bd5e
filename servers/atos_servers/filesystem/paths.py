"""Validates the text of a path and finds the root that it lies in, without access to the disk. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from atos_servers.filesystem.errors import BadPathError, OutsideError

Parts = tuple[str, ...]

MAX_PATH = 4_000
MAX_NAME = 255
MAX_DEPTH = 64
UNPRINTABLE = ("Cc", "Cf", "Zl", "Zp")
"""Categories of control, direction and separator characters, which make a name look like another."""
DEVICES = {"con", "prn", "aux", "nul", *(f"{p}{i}" for p in ("com", "lpt") for i in "123456789")}
"""Names that are devices on Windows, where the workspace may be opened too."""


class RootedPath(NamedTuple):
    """A path as the root that it lies in and the names below it."""

    root: Path
    parts: Parts

    @property
    def shown(self) -> str:
        """The absolute path, for replies and messages."""
        return joined(self.root, self.parts)


def joined(root: Path, parts: Parts) -> str:
    """Return the text of a path below a root; `Path.joinpath` parses every name anew."""
    return "/".join((str(root).rstrip("/"), *parts)) or "/"


def locate(text: str, roots: Mapping[Path, Path], home: Path) -> RootedPath:
    """Find the root that a client's path lies in; a relative path is below the first root.

    Args:
        text: the path.
        roots: every name of a root, its real path included -> the root.
        home: what `~` means.

    Raises:
        BadPathError: the text can't be a path.
        OutsideError: it is absolute and not in any root.
    """
    if text == "~" or text.startswith("~/"):
        text = f"{home}{text[1:]}"
    if not text.startswith("/"):
        return RootedPath(next(iter(roots.values())), split(text))
    parts = split(text)
    # the deepest root wins, so that a root inside another one stays its own boundary
    for known in sorted(roots, key=lambda r: len(r.parts), reverse=True):
        names = known.parts[1:]
        if parts[: len(names)] == names:
            return RootedPath(roots[known], parts[len(names) :])
    message = f"{text[:200]} lies outside the allowed directories"
    step = f"Allowed are: {', '.join(map(str, dict.fromkeys(roots.values())))}."
    raise OutsideError(message, next_step=step)


def split(text: str) -> Parts:
    """Return the names of a path.

    Raises:
        BadPathError: it contains NUL, `..`, a broken character, a name or depth beyond the limits.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise _bad(text, "it is not valid Unicode") from error
    if "\0" in text:
        raise _bad(text, "it contains a NUL")
    if size > MAX_PATH:
        raise _bad(text, f"it has {size} bytes, at most {MAX_PATH} are allowed")
    parts = tuple(part for part in text.split("/") if part not in ("", "."))
    if ".." in parts:
        raise _bad(text, "'..' is not allowed")
    if len(parts) > MAX_DEPTH:
        raise _bad(text, f"it is deeper than {MAX_DEPTH} folders")
    if any(len(part.encode()) > MAX_NAME for part in parts):
        raise _bad(text, f"a name in it is longer than {MAX_NAME} bytes")
    return parts


def check_new(parts: Parts) -> None:
    """Check names that are about to be created; existing files may be read whatever their names.

    Raises:
        BadPathError: a name would mislead a person or break on another system.
    """
    for name in parts:
        if any(unicodedata.category(c) in UNPRINTABLE for c in name):
            raise _bad(name, "it contains a control or direction character")
        if "\\" in name or ":" in name:
            raise _bad(name, "it contains a backslash or a colon")
        if name[-1] in ". " or name[0] == " ":
            raise _bad(name, "it begins with a blank or ends with a blank or dot")
        if name.split(".")[0].lower() in DEVICES:
            raise _bad(name, "it is a device on Windows")


def _bad(text: str, why: str) -> BadPathError:
    shown = ascii(text[:120])
    return BadPathError(f"the path {shown} can't be used: {why}", next_step="Use a plain path.")
