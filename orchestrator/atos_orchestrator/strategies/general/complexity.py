"""Grades a task, which picks the pool that it starts in: rules first, a model only in doubt.

Tests decide whether the grade was right, and a task that fails in one pool moves to the next. A wrong
grade is cheap, so a model votes in two narrow bands only.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from atos_orchestrator.plan import Plan
from atos_orchestrator.task import Task
from atos_protocol.goals import COMPLEXITIES, Complexity

HARD = re.compile(
    r"\b(auth\w*|concurren\w*|async\w*|thread\w*|pars(er|ing)|migrat\w*|websocket\w*|payment\w*"
    r"|encrypt\w*|transaction\w*|schedul\w*|algorithm\w*|optimi[sz]\w*|database|sql\w*|api)\b",
    re.IGNORECASE,
)
MEDIUM_FROM = 3
COMPLEX_FROM = 6

VOTES = 3


@dataclass(frozen=True, slots=True)
class Grade:
    """What the rules find."""

    level: Complexity
    score: int
    doubtful: bool
    """Whether the score is just below the next level."""

    @property
    def choices(self) -> tuple[Complexity, ...]:
        """The levels between which a model may decide."""
        at = COMPLEXITIES.index(self.level)
        return COMPLEXITIES[at : at + 2] if self.doubtful else (self.level,)


def grade(task: Task, plan: Plan) -> Grade:
    """Grade a task by its files, dependencies, dependants, contract and words."""
    score = _score(task, plan)
    level: Complexity = "simple"
    if task.kind == "code":
        level = "medium" if score >= MEDIUM_FROM else level
        level = "complex" if score >= COMPLEX_FROM else level
    doubtful = task.kind == "code" and score in {MEDIUM_FROM - 1, COMPLEX_FROM - 1}
    return Grade(level, score, doubtful)


def _score(task: Task, plan: Plan) -> int:
    dependants = sum(task.id in other.depends_on for other in plan.tasks)
    words = f"{task.title} {task.contract} {' '.join(task.acceptance)}"
    hard = {match[0].lower() for match in HARD.finditer(words)}
    score = min(len(hard), 3)
    score += len(task.files) > 1
    score += len(task.depends_on) >= 2
    score += dependants >= 3
    score += len(task.contract) > 200
    return score + (len(task.contract) > 400)


def majority(votes: Iterable[str], choices: tuple[Complexity, ...]) -> Complexity:
    """Return the level with most valid votes; a tie, or no valid vote, gives the harder level."""
    count = Counter(vote for vote in votes if vote in choices)
    return max(choices, key=lambda level: (count[level], choices.index(level)))
