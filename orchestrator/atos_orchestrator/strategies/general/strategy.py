"""General models: a model plans, another one writes the tests, a third one the code, and repairs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal, cast

from atos_orchestrator.agents.model_request import (
    CODING_POOLS,
    PLANNING_POOL,
    ModelRequest,
    fallback_pools,
)
from atos_orchestrator.agents.prompts import (
    APPROACHES,
    FENCE,
    WHOLE,
    Assignment,
    Part,
    Sampling,
    sample_request,
)
from atos_orchestrator.agents.replies import ReplyError, read_begun, read_files, read_json
from atos_orchestrator.plan import Plan
from atos_orchestrator.planning.brief import Brief, read_brief
from atos_orchestrator.planning.plan_by_rule import one_task_plan
from atos_orchestrator.ports import Json
from atos_orchestrator.strategies.general.complexity import VOTES, grade, majority
from atos_orchestrator.strategies.general.planning import complexity_request, plan_request
from atos_orchestrator.strategies.strategy import (
    INSTALL,
    Ask,
    ModelChoice,
    SamplingPlan,
    WrittenCode,
)
from atos_orchestrator.task import Task, test_file
from atos_protocol.errors import LengthError, NoModelError
from atos_protocol.goals import Complexity
from atos_protocol.scheduler_api import Pool

SAMPLE_TEMPERATURE = 0.8
SAMPLES = 5
"""Candidates where the scheduler does not say."""
TESTERS = 3
MOST_POOLS = 2
"""Pools that a task is tried in before a person is asked."""


class GeneralStrategy:
    """Implements `Strategy` for instruction-tuned models."""

    name = "general"
    sandbox_policy: Literal["general"] = "general"
    supplied_evidence = "passes the tests that were handed in"
    verifies_repository = True
    takes_examples = True

    def select(
        self, goal: str, pools: Sequence[Pool], needs: Sequence[str] = ()
    ) -> ModelChoice | None:
        """Take any goal if there is a model to plan it and one to write code."""
        members = {pool.name: pool.members for pool in pools}
        coding = [name for name in CODING_POOLS if members.get(name)]
        if not members.get(PLANNING_POOL) or not coding:
            return None
        for name in needs:
            if not members.get(name):
                message = f"pool {name} has no model"
                raise NoModelError(message, next_step=_missing(name, pools))
        models = dict.fromkeys(m for name in (PLANNING_POOL, *coding) for m in members[name][:1])
        return ModelChoice(self.name, "", tuple(models))

    def single_task_plan(self, goal: str, pool: str, scope: Json | None) -> Json | None:
        """Plan one file, with everything that the goal's words say about it."""
        plan = one_task_plan(read_brief(goal), goal)
        if pool != "auto":
            plan["tasks"][0]["complexity"] = pool
        return plan

    def brief(self, goal: str) -> Brief | None:
        """Read the goal by rule."""
        return read_brief(goal)

    def plan_request(
        self, goal: str, scope: Json | None, faults: Sequence[str], asked: int
    ) -> ModelRequest:
        """Ask the planner, which is shown the faults of its last plan."""
        return plan_request(goal, faults)

    def review_plan(
        self, plan: Plan, faults: Sequence[str], scope: Json | None, *, last: bool
    ) -> tuple[Plan, list[str]]:
        """Accept a much repaired plan when no other can be had and it has a code task."""
        usable = any(task.kind == "code" for task in plan.tasks)
        return plan, [] if last and usable else list(faults)

    async def complexity(self, task: Task, plan: Plan, ask: Ask | None) -> Complexity:
        """Apply the rules; let the classifier vote where they leave a doubt."""
        found = grade(task, plan)
        if ask is None or not found.doubtful:
            return found.level
        votes: list[str] = []
        for vote in range(VOTES):
            with suppress(LengthError, ReplyError):
                request = complexity_request(task, found.choices, vote)
                reply = await ask(request, f"classify:{task.id}:{vote}")
                answer = read_json(reply.text)
                if isinstance(answer, Mapping):
                    votes.append(str(cast("Mapping[str, Any]", answer).get("level")))
        return majority(votes, found.choices)

    def sampling(self, task: Task, pools: Sequence[Pool]) -> tuple[SamplingPlan, ...]:
        """Start in the pool of the task's grade; the next ones only where another model answers there."""
        known = {pool.name: pool for pool in pools if pool.members}
        found: list[SamplingPlan] = []
        models: set[str] = set()
        for name in CODING_POOLS[CODING_POOLS.index(task.complexity) :]:
            pool = next((known[n] for n in (name, *fallback_pools(name)) if n in known), None)
            if pool is None or pool.members[0] not in models:
                samples, reflect = (pool.samples, pool.reflect) if pool else (SAMPLES, False)
                found.append(SamplingPlan(name, samples, TESTERS, reflect))
                models |= {pool.members[0]} if pool else set()
        return tuple(found[:MOST_POOLS])

    def sample(self, plan: SamplingPlan, number: int) -> Sampling:
        """Be greedy first; then a different approach each, since temperature alone hardly differs."""
        approach = APPROACHES[number % len(APPROACHES)]
        return Sampling(plan.pool, SAMPLE_TEMPERATURE if number else 0.0, number, approach)

    def supplied_tests(self, task: Task) -> dict[str, str]:
        """Return the tests that a person or host handed in."""
        return {test_file(task): task.tests} if task.tests and test_file(task) else {}

    def code_request(
        self, given: Assignment, sampling: Sampling, part: Part = WHOLE
    ) -> ModelRequest:
        """Ask the coder for whole files, or the writer for a page."""
        return sample_request(given, sampling, part)

    def read_code(self, task: Task, text: str) -> WrittenCode:
        """Read one fence per file; tests in the reply are ignored."""
        if len(task.files) == 1 and task.kind != "docs" and text.lstrip().startswith(FENCE):
            return WrittenCode({task.files[0]: read_begun(text)})
        return WrittenCode(read_files(text, task.files))


def _missing(name: str, pools: Sequence[Pool]) -> str:
    known = next((pool.missing for pool in pools if pool.name == name), ())
    return f"Install one of: {', '.join(known)}." if known else INSTALL
