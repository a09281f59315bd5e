"""Which goals are unfinished, and which of their runs is the newest: folded from events as they come.

A look reads what was appended since the look before, so it costs nothing where nothing happened, however
many goals there were. Only the first look of a process reads all landmarks.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

Landmark = tuple[int, str, str]
"""Number, goal and kind of an event that begins, ends, pauses or unpauses a run of a goal."""

LANDMARKS = ("goal_submitted", "goal_resumed", "goal_finished", "goal_paused", "goal_unpaused")
"""Kinds of these events, and of those that pause it."""


class UnfinishedGoals:
    """The fold; its owner reads the events, under `lock`."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.seq = 0
        """Number of the last event that was folded."""
        self._open: dict[str, None] = {}
        """Unfinished goals, the oldest first."""
        self._revisions: dict[str, int] = {}
        self._paused: set[str] = set()

    def add(self, landmarks: Iterable[Landmark]) -> None:
        """Fold further events, in the order of their numbers."""
        for seq, goal, kind in landmarks:
            self.seq = seq
            if kind == "goal_paused":
                self._paused |= {goal} & self._open.keys()
                continue
            self._paused.discard(goal)
            if kind == "goal_unpaused":
                continue
            if kind == "goal_finished":
                self._open.pop(goal, None)
                continue
            if kind == "goal_resumed":
                self._revisions[goal] = self._revisions.get(goal, 1) + 1
            else:  # perhaps once more under its caller's key, after its records were removed
                self._revisions.pop(goal, None)
            self._open[goal] = None

    def revisions(self) -> dict[str, int]:
        """Return the newest run's number of every unfinished goal, the oldest goal first."""
        return {goal: self._revisions.get(goal, 1) for goal in self._open}

    def paused(self) -> frozenset[str]:
        """Return the unfinished goals that a person has paused."""
        return frozenset(self._paused)

    def forget(self) -> None:
        """Begin anew, because these are the events of another database."""
        self.seq = 0
        self._open.clear()
        self._revisions.clear()
        self._paused.clear()
