"""The programs that were sampled for a goal, read while it runs: its private folder goes when it ends.

A task keeps candidate N's files below `<home>/worktrees/<goal>/<task>/.atos/candidate-N`. They are only
read, and only for the ceiling.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Sequence
from pathlib import Path

from bench.goal_runs import Files

MOST = 40
"""Combinations of files of several tasks that are judged."""


class Drafts:
    """What has been seen so far of one goal's candidates."""

    def __init__(self, home: Path, goal: str) -> None:
        """Look into this goal's private folder."""
        self._folder = home / "worktrees" / goal
        self._seen: dict[str, dict[str, None]] = {}
        """Path of a file -> its versions, in order."""

    def look(self) -> None:
        """Read what is there now; a folder that goes meanwhile costs what was not read yet."""
        with contextlib.suppress(OSError):
            for folder in sorted(self._folder.glob("*/.atos/candidate-*")):
                for path in sorted(folder.rglob("*.py")):
                    text = path.read_text(encoding="utf-8", errors="replace")
                    name = path.relative_to(folder).as_posix()
                    self._seen.setdefault(name, {}).setdefault(text)

    def candidates(self, modules: Sequence[str]) -> tuple[Files, ...]:
        """Return the combinations of the versions of these files; none where one was never seen."""
        versions = [list(self._seen.get(name, {})) for name in modules]
        combined = itertools.islice(itertools.product(*versions), MOST)
        return tuple(dict(zip(modules, texts, strict=True)) for texts in combined)
