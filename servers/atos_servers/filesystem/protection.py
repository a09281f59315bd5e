"""Files that later run outside any sandbox: not written without a grant. Pure.

A test configuration, a git hook or a build file that an agent has written runs with the user's rights
the next time the user works in that folder. A grant is a line in `~/.atos/grants`, which no tool can
reach: a pattern like the ones below, for all directories, or below a line `[/a/directory]` for that one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from atos_servers.filesystem.globs import Glob
from atos_servers.filesystem.paths import Parts

PROTECTED = (
    # version control: hooks, filters and drivers that attributes name
    "**/.git", "**/.git/**", "**/.gitattributes", "**/.gitmodules", "**/.hg/**",
    "**/.husky", "**/.husky/**", "**/.githooks/**", "**/.pre-commit-config.yaml", "**/lefthook.{yml,yaml,toml}",
    # continuous integration
    "**/.github/workflows/**", "**/.github/actions/**", "**/.gitlab-ci.yml", "**/.circleci/**",
    "**/.travis.yml", "**/Jenkinsfile", "**/azure-pipelines.yml",
    # what Python and its tools read before the code itself
    "**/conftest.py", "**/pytest.{ini,toml}", "**/.pytest.{ini,toml}", "**/*.pth", "**/sitecustomize.py",
    "**/usercustomize.py", "**/pyproject.toml", "**/tox.{ini,toml}", "**/setup.{cfg,py}", "**/noxfile.py",
    "**/.coveragerc", "**/pyvenv.cfg",
    # environments and shells that enter folders
    "**/.env*", "**/.envrc", "**/.direnv/**", "**/mise.toml", "**/.mise.toml", "**/.tool-versions",
    # where a directory is somebody's home: shells, sessions, keys, programs that are found by name
    "**/.bashrc", "**/.bash_{profile,login,logout,aliases}", "**/.profile", "**/.zshrc", "**/.zshenv", "**/.zprofile",
    "**/.zlogin", "**/.xprofile", "**/.xinitrc", "**/.xsession*", "**/.pam_environment", "**/.gitconfig", "**/.ssh/**",
    "**/.config/{autostart,environment.d,fish,git,systemd}/**", "**/.local/bin/**",
    # debuggers, editors and interpreters that run what they find in a folder
    "**/.pdbrc*", "**/.gdbinit", "**/.lldbinit", "**/.vimrc", "**/.exrc", "**/.nvim{rc,.lua}", "**/.dir-locals.el",
    "**/.Rprofile", "**/.irbrc",
    # editors, their tasks, and agents' own configuration
    "**/.vscode/**", "**/.idea/**", "**/.devcontainer/**", "**/.mcp.json", "**/.cursor/**", "**/.claude/**",
    # package managers' settings, which name scripts and registries
    "**/.npmrc", "**/.yarnrc*", "**/.pnpmfile.cjs", "**/.pypirc", "**/pip.conf", "**/.cargo/config*",
)  # fmt: skip

HARMLESS = ("**/.env.example", "**/.env.sample", "**/.env.template", "**/.env.dist")
"""Templates without secrets, which nothing loads."""


def _compiled(patterns: Iterable[str]) -> tuple[Glob, ...]:
    """Compile patterns; with what is below a folder, the folder itself: it could be moved there whole."""
    every = (p for pattern in patterns for p in (pattern, pattern.removesuffix("/**")))
    return tuple(Glob(fold(pattern)) for pattern in dict.fromkeys(every))


def protected_by(parts: Parts, grants: Iterable[str] = ()) -> str:
    """Return the pattern that forbids writing here, or "" if none does or a grant allows it."""
    found = _pattern_at(parts)
    if not found:
        return ""
    folded = tuple(fold(part) for part in parts)
    return "" if any(Glob(fold(grant)).matches(folded) for grant in grants) else found


@lru_cache(maxsize=4_096)
def _pattern_at(parts: Parts) -> str:
    """Return the pattern that forbids writing here; the same names are asked about again and again."""
    folded = tuple(fold(part) for part in parts)
    found = _plainly(folded) or next((g.pattern for g in _GLOBS if g.matches(folded)), "")
    return "" if any(glob.matches(folded) for glob in _HARMLESS) else found


def fold(name: str) -> str:
    """Return a name as a file system that ignores case and composition sees it."""
    return unicodedata.normalize("NFKC", name).casefold()


def _plain(end: str) -> dict[str, str]:
    """Return name -> pattern, for those patterns that are one name at any depth, and this end."""
    names = {p.removeprefix("**/").removesuffix(end): p for p in PROTECTED if p.endswith(end)}
    return {fold(name): p for name, p in names.items() if not set(name) & set("/*?[{")}


def _plainly(folded: Parts) -> str:
    """Look the names up first: matching every pattern costs a hundred times as much."""
    if folded and (found := _NAMES.get(folded[-1], "")):
        return found
    return next((_FOLDERS[part] for part in folded if part in _FOLDERS), "")


_NAMES, _FOLDERS = _plain(""), _plain("/**")
_HARMLESS = _compiled(HARMLESS)
_GLOBS = _compiled(set(PROTECTED) - {*_NAMES.values(), *_FOLDERS.values()})


class Grant(NamedTuple):
    """A pattern that the user allows."""

    pattern: str
    directory: str = ""
    """Only below this one; "" for everywhere."""


def read_grants(text: str) -> list[Grant]:
    """Return the patterns of a grants file: one a line; `#` begins a comment, `[...]` a directory."""
    directory, grants = "", list[Grant]()
    for line in text.splitlines():
        pattern = line.partition("#")[0].strip()
        if pattern.startswith("[/") and pattern.endswith("]"):
            directory = pattern[1:-1].rstrip("/") or "/"
        elif pattern == "[*]":
            directory = ""
        elif pattern:
            whole = pattern if pattern.startswith("**/") else f"**/{pattern.lstrip('/')}"
            grants.append(Grant(whole, directory))
    return grants


def granted(grants: Iterable[Grant], place: Path) -> list[str]:
    """Return the patterns that are allowed at an absolute path."""
    return [g.pattern for g in grants if not g.directory or place.is_relative_to(g.directory)]
