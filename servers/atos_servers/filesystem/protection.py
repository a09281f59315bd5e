"""Files that later run outside any sandbox: not written without a grant. Pure.

A test configuration, a git hook or a CI file that an agent has written runs with the user's rights the
next time the user works in that folder. A grant is a line in `~/.atos/grants`, which no tool can
reach: a pattern like the ones below.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from atos_servers.filesystem.globs import Glob
from atos_servers.filesystem.paths import Parts

PROTECTED = (
    "**/.git",
    "**/.git/**",
    "**/.github/workflows/**",
    "**/conftest.py",
    "**/pytest.ini",
    "**/*.pth",
    "**/sitecustomize.py",
    "**/usercustomize.py",
    "**/.env*",
    "**/.envrc",
    "**/.mcp.json",
    "**/.vscode/**",
)

_GLOBS = tuple(Glob(pattern) for pattern in PROTECTED)


def protected_by(parts: Parts, grants: Iterable[str] = ()) -> str:
    """Return the pattern that forbids writing here, or "" if none does or a grant allows it."""
    folded = tuple(fold(part) for part in parts)
    found = next((glob.pattern for glob in _GLOBS if glob.matches(folded)), "")
    if found and any(Glob(fold(grant)).matches(folded) for grant in grants):
        return ""
    return found


def fold(name: str) -> str:
    """Return a name as a file system that ignores case and composition sees it."""
    return unicodedata.normalize("NFKC", name).casefold()


def read_grants(text: str) -> list[str]:
    """Return the patterns of a grants file: one a line, `#` begins a comment."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line if line.startswith("**/") else f"**/{line.lstrip('/')}" for line in lines if line]
