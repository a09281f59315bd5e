"""The argument of a goal's run: the goal as it was accepted, with everything that was decided then.

A goal that was resumed has a run per *revision*: `G`, `G.r2`, `G.r3`. What a later run starts from is part of
its argument.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from atos_orchestrator.execution.dbos_client import REVISION
from atos_orchestrator.execution.result_aggregator import TaskOutcome
from atos_orchestrator.plan import Plan
from atos_orchestrator.time_spent import Work
from atos_orchestrator.workspace.repository import Repository
from atos_protocol.errors import LimitReachedError
from atos_protocol.goals import Priority
from atos_protocol.scheduler_api import Pool

GOAL, TASK, PLAN = "goal", "task", "plan"
"""Names of the workflows in the durable runtime; here, because whoever submits one needs no more."""


def run_of(goal: str, revision: int) -> str:
    """Return the id of a goal's run."""
    return goal if revision == 1 else f"{goal}{REVISION}{revision}"


def event_key(revision: int, task: str | None, kind: str, key: str) -> str:
    """Return the key of an event of a goal (None) or task: once per revision."""
    again = "" if revision == 1 else f"r{revision}:"
    return f"{again}{task or 'goal'}:{kind}:{key}"


def finished_key(revision: int) -> str:
    """Return the key of a revision's last event: the first process to record an end decides it."""
    return event_key(revision, None, "goal_finished", "end")


MAX_SECONDS = 7200.0
MAX_MODEL_CALLS = 200


@dataclass(frozen=True, slots=True)
class Limits:
    """What one goal may use."""

    seconds: float = MAX_SECONDS
    """Of work, not of the calendar."""
    model_calls: int = MAX_MODEL_CALLS

    def check(self, work: Work) -> None:
        """Refuse one more model call when the goal has used this much.

        Raises:
            LimitReachedError: a limit is reached.
        """
        if work.seconds > self.seconds:
            used = f"used {work.seconds:.0f} s of work; its limit is {self.seconds:.0f} s"
        elif work.model_calls >= self.model_calls:
            used = f"made {work.model_calls} model calls; its limit is {self.model_calls}"
        else:
            return
        message = f"the goal has {used}"
        raise LimitReachedError(
            message,
            next_step="Allow more: set_limits, or atos-client limits GOAL; or start a goal per part.",
        )


@dataclass(frozen=True, slots=True)
class Resumption:
    """What a later run of a goal starts from."""

    plan: Plan | None = None
    """None where the earlier run ended before it had one."""
    settled: Mapping[str, TaskOutcome] = field(default_factory=dict[str, TaskOutcome], hash=False)
    """How the tasks ended that don't run again, by id."""
    seeds: Mapping[str, tuple[Mapping[str, str], ...]] = field(
        default_factory=dict[str, tuple[Mapping[str, str], ...]], hash=False
    )
    """Task -> candidates to judge before anything is sampled, as path -> text."""
    repository: Repository | None = None
    """None where the earlier run ended before it had one."""


@dataclass(frozen=True, slots=True)
class GoalInput:
    """The argument of a goal's run."""

    goal: str
    """Its id."""
    text: str
    slug: str
    strategy: str
    """Name of the strategy in `strategies.registry`."""
    submitted_at: float
    """Epoch seconds; the goal's commits carry this moment."""
    into: str | None = None
    engine: str = ""
    models: tuple[str, ...] = ()
    announcement: str = ""
    scope: dict[str, Any] | None = field(default=None, hash=False)
    """What the strategy found out about the goal when it was accepted."""
    plan: Mapping[str, Any] | None = field(default=None, hash=False)
    """A plan handed in by the caller."""
    examples: tuple[str, ...] = ()
    """Assertions that the caller gave, beside those in the text."""
    tests: str = ""
    """Text of a pytest file that the caller gave; such a goal is one task."""
    pools: tuple[Pool, ...] = ()
    """The pools as they were when it was accepted."""
    limits: Limits = field(default_factory=Limits)
    priority: Priority = "normal"
    review: bool = False
    """Whether a person approves the plan before anything works on it."""
    deploy: str = ""
    """The target to which the result is deployed; empty: none."""
    router: str = "builtin"
    """Who decides with which pool a task begins: `builtin`, or `n8n` (`task_routing`)."""
    revision: int = 1
    """Which run of the goal this is."""
    resumed: Resumption | None = field(default=None, hash=False)
    """None in the first run."""

    @property
    def run(self) -> str:
        """Id of the run that this is the argument of."""
        return run_of(self.goal, self.revision)


@dataclass(frozen=True, slots=True)
class GoalRecord:
    """What a goal's run returns: how it ended, and what a later run may start from."""

    state: str
    goal_input: GoalInput
    plan: Plan | None = None
    outcomes: Mapping[str, TaskOutcome] = field(default_factory=dict[str, TaskOutcome], hash=False)
    repository: Repository | None = None
