"""A strategy: everything about a goal that depends on the kind of model that works on it.

Planning, debugging and the workflows are the same for every strategy. They call this interface where
kinds of models differ: whether they can take a goal, how they are asked, how their replies are read, and
which tests decide about their code. `registry` lists the strategies.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from atos_orchestrator.agents.model_request import ModelRequest, Reply
from atos_orchestrator.agents.prompts import WHOLE, Assignment, Part, Sampling
from atos_orchestrator.plan import Plan
from atos_orchestrator.planning.brief import Brief
from atos_orchestrator.ports import Json
from atos_orchestrator.task import Task
from atos_protocol.goals import Complexity
from atos_protocol.scheduler_api import Pool

INSTALL = (
    "Fetch a model: `atos-client models pull` takes the best one for this machine. Or write ATOS_GGUF=FILE, or"
    " ATOS_OPENAI_URL=URL of an OpenAI-compatible server, into ~/.atos/.env and run `atos-client down`. Then ask again."
)
"""Next step of every error that says there is no model."""

Ask = Callable[[ModelRequest, str], Awaitable[Reply]]
"""Sends a request; the text makes its events unique within the goal."""


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Who works on a goal: decided once, when it is accepted."""

    strategy: str
    """Name of the strategy."""
    engine: str
    """Empty where it depends on the model that the scheduler binds."""
    models: tuple[str, ...]
    announcement: str = ""
    """What a person must know about this choice; empty where there is nothing to say."""
    scope: Json | None = None
    """What the strategy found out about the goal; only the strategy reads it."""


@dataclass(frozen=True, slots=True)
class SamplingPlan:
    """What may be spent on a task in one pool."""

    pool: str
    samples: int
    """Most candidates."""
    testers: int = 0
    """Testers that are asked for assertions where there is no example."""
    reflect: bool = False
    """Whether the pool's models name the cause of a failure before they repair it."""


@dataclass(frozen=True, slots=True)
class WrittenCode:
    """What a model's reply to a code request contains, as path -> text."""

    files: Mapping[str, str]
    tests: Mapping[str, str] = field(default_factory=dict[str, str])
    """Tests that the model wrote along with its code; they never decide about it."""


class Strategy(Protocol):
    """One way to work on goals."""

    @property
    def name(self) -> str:
        """What the goal's input stores."""
        ...

    @property
    def sandbox_policy(self) -> Literal["general", "catalogue"]:
        """Policy of code_runner under which this strategy's code runs."""
        ...

    @property
    def supplied_evidence(self) -> str:
        """What code rests on that passes the supplied tests, in words."""
        ...

    @property
    def verifies_repository(self) -> bool:
        """Whether the final verification runs all tests of the repository, or the goal's own only."""
        ...

    @property
    def takes_examples(self) -> bool:
        """Whether examples and tests that a caller hands in decide about the code."""
        ...

    def select(
        self, goal: str, pools: Sequence[Pool], needs: Sequence[str] = ()
    ) -> ModelChoice | None:
        """Decide whether the installed models can take a goal; None where they are not installed.

        Args:
            goal: its text.
            pools: what the scheduler has.
            needs: pools that must have a model, beside those that every goal needs.

        Raises:
            NoModelError: a needed pool has no model.
            OutOfScopeError: these models can't do this goal.
        """
        ...

    def single_task_plan(self, goal: str, pool: str, scope: Json | None) -> Json | None:
        """Return the plan of a goal that must be one task; None where planning makes it.

        `pool` is a complexity, or `auto`.

        Raises:
            BadRequestError: the goal is more than one task.
        """
        ...

    def brief(self, goal: str) -> Brief | None:
        """Read a goal's text by rule; None where the strategy has rules of its own for goals."""
        ...

    def plan_request(
        self, goal: str, scope: Json | None, faults: Sequence[str], asked: int
    ) -> ModelRequest:
        """Ask for a plan; `faults` say why the last one was rejected, after `asked` requests."""
        ...

    def review_plan(
        self, plan: Plan, faults: Sequence[str], scope: Json | None, *, last: bool
    ) -> tuple[Plan, list[str]]:
        """Return the plan to use and the faults that make it unusable.

        Args:
            plan: the repaired plan.
            faults: why the repair would rather have another plan.
            scope: what `select` found out about the goal.
            last: whether no other plan can be had.
        """
        ...

    async def complexity(self, task: Task, plan: Plan, ask: Ask | None) -> Complexity:
        """Grade a task that the host did not grade; without `ask`, no model votes."""
        ...

    def sampling(self, task: Task, pools: Sequence[Pool]) -> tuple[SamplingPlan, ...]:
        """Return what a task gets in each pool, weakest pool first; `pools` is what the goal found."""
        ...

    def sample(self, plan: SamplingPlan, number: int) -> Sampling:
        """Return how candidate `number` (from 0) of a pool is sampled."""
        ...

    def supplied_tests(self, task: Task) -> dict[str, str]:
        """Return the test files that decide about a task's code, whoever wrote them but a model."""
        ...

    def code_request(
        self, given: Assignment, sampling: Sampling, part: Part = WHOLE
    ) -> ModelRequest:
        """Ask for a candidate, or for what is missing of one."""
        ...

    def read_code(self, task: Task, text: str) -> WrittenCode:
        """Read the reply to a code request.

        Raises:
            ReplyError: it lacks a file.
        """
        ...


def refused_models(pools: Sequence[Pool]) -> str:
    """Return which models are here and can't be used, and why, in brackets; empty where there are none."""
    said = [
        why
        for pool in pools
        if not pool.members
        for why in pool.missing
        if ": " in why and not why.endswith(": is not installed")
    ]
    return f" ({'; '.join(dict.fromkeys(said))})" if said else ""
