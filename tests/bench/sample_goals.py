"""The sample goals: what a user would type, and the hidden tests that judge what was delivered.

The tests and the reference solutions stay with whoever judges: they enter no prompt, workspace or trace.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

FIXTURES = Path(__file__).parent.parent / "fixtures"
GOALS = FIXTURES / "sample_goals.json"
SOLUTIONS = FIXTURES / "sample_solutions"
FRESH = FIXTURES / "fresh_goals.json"
"""Goals of the same form, by someone who had not seen how ATOS works."""
FRESH_SOLUTIONS = FIXTURES / "fresh_solutions"
UNSEEN = FIXTURES / "unseen_goals.json"
"""Goals of the same form, by someone who had not read how ATOS works: to be run, not mended for."""
UNSEEN_SOLUTIONS = FIXTURES / "unseen_solutions"
SETS = {"sample": GOALS, "fresh": FRESH, "unseen": UNSEEN}
HIDDEN_TEST = "test_hidden.py"


@dataclass(frozen=True, slots=True)
class SampleGoal:
    """One entry of the file."""

    id: str
    modules: tuple[str, ...]
    """Paths of the files that the goal asks for."""
    goal: str
    goal_without_examples: str
    """Equal to `goal` where that has no examples."""
    tests: str
    """Text of the hidden pytest file."""

    @property
    def has_examples(self) -> bool:
        """Whether there are two texts of this goal."""
        return self.goal != self.goal_without_examples


@dataclass(frozen=True, slots=True)
class GoalVariant:
    """One text of a sample goal: as it is, or with its examples removed."""

    sample: SampleGoal
    stripped: bool = False
    """Its examples are removed."""

    @property
    def id(self) -> str:
        """The sample's id, with `-without-examples` where its examples are removed."""
        return f"{self.sample.id}-without-examples" if self.stripped else self.sample.id

    @property
    def text(self) -> str:
        """What is typed."""
        return self.sample.goal_without_examples if self.stripped else self.sample.goal

    @property
    def has_examples(self) -> bool:
        """Whether this text has examples."""
        return self.sample.has_examples and not self.stripped


def read_samples(path: Path = GOALS) -> tuple[SampleGoal, ...]:
    """Read the goals, in the file's order."""
    found = json.loads(path.read_text(encoding="utf-8"))["goals"]
    return tuple(SampleGoal(**entry | {"modules": tuple(entry["modules"])}) for entry in found)


def variants(samples: tuple[SampleGoal, ...]) -> tuple[GoalVariant, ...]:
    """Return every goal as it is, then those with examples once more without them."""
    plain = [GoalVariant(sample) for sample in samples]
    return (*plain, *(GoalVariant(s, stripped=True) for s in samples if s.has_examples))
