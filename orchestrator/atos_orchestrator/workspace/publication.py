"""Where the goal's work is to be found, and what a person has to do about it. Pure.

published   on the goal's branch, together with whatever the person committed there
kept        on a side branch, because it can't be put there now; a command brings both together
held        only in ATOS's own git directory, because the repository is gone
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

TRAILER = "Atos-Effect"
"""Trailer of every commit of ATOS; its value is the key of the effect."""

MOST_SIDES = 50
_EFFECT = re.compile(rf"^ *{TRAILER}: *(\S+) *$", re.MULTILINE)
_COMMITS = re.compile(r"([0-9a-f]{40,64})\x00(.*?)\x00\x00\n?", re.DOTALL)
COMMIT_FORMAT = "--format=%H%x00%B%x00%x00"
"""What `commits_of` reads."""


@dataclass(frozen=True, slots=True)
class Publication:
    """Where the goal's commits are."""

    commit: str
    """Has all of them; with the person's, where they are published."""
    branch: str
    """Branch of the repository that names it; empty where the repository is gone."""
    trouble: str = ""
    """Why it is not the goal's branch; empty where it is."""
    step: str = ""
    """What a person does about that: the command."""
    elsewhere: bool = False
    """Whether another branch is checked out, so that the files in the folder are not the goal's."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a person's repository stands."""

    tip: str
    """Commit of the goal's branch; empty where there is none."""
    checked_out: str = ""
    """Folder in which that branch is checked out; empty where it is in none."""
    here: bool = False
    """Whether that is the repository's own folder."""
    under_way: str = ""
    """What the person is in the middle of (`rebase`, `merge`, ...); else empty."""
    index: Path = Path()
    """The index of the repository's own folder."""


def effects(messages: str, goal: str) -> frozenset[str]:
    """Return the keys of a goal that the messages of commits carry, also where several were squashed into one."""
    own = (f"{goal}:", f"{goal}.")
    return frozenset(key for key in _EFFECT.findall(messages) if key.startswith(own))


def commits_of(log: str) -> list[tuple[str, str]]:
    """Return commit and message of each in what `git log` printed with `COMMIT_FORMAT`."""
    return [(found[1], found[2]) for found in _COMMITS.finditer(log)]


def missing(
    made: Sequence[tuple[str, str]], published: frozenset[str], goal: str
) -> list[tuple[str, str]]:
    """Return those of the goal's commits that are not on the person's branch, in their order.

    A commit that they rebased, amended or reverted carries its key there: their version stands. What has no key
    is not the goal's.
    """
    return [(c, text) for c, text in made if (keys := effects(text, goal)) and not keys & published]


def side_branches(branch: str, slug: str, *, own: bool) -> Iterator[str]:
    """Yield the names for what can't be put on the goal's branch, best first."""
    name = f"atos/{slug}" if own else f"{branch}-kept"
    yield name
    for number in range(2, MOST_SIDES):
        yield f"{name}-{number}"


def merge_command(place: str, branch: str, side: str, seen: Standing, *, unsaved: bool) -> str:
    """Return the command that brings a person's branch and the side branch together."""
    steps = [] if seen.checked_out else [f"git switch {branch}"]
    steps += ["git add -A", "git commit -m 'My changes'"] if unsaved else []
    folder = shlex.quote(seen.checked_out or place)
    if not steps:
        return f"git -C {folder} merge {side}"
    return " && ".join([f"cd {folder}", *steps, f"git merge {side}"])


def kept(commit: str, side: str, trouble: str, command: str) -> Publication:
    """Return the publication of work that stands on a side branch."""
    return Publication(commit, side, trouble, command)
