"""General models: a model plans, another one writes the tests, a third one the code, and repairs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal, cast

from atos_orchestrator.agents.model_request import CODING_POOLS, PLANNING_POOL, ModelRequest
from atos_orchestrator.agents.prompts import Failure, Sampling, code_request, fix_request
from atos_orchestrator.agents.replies import ReplyError, read_files, read_json
from atos_orchestrator.goal import slug
from atos_orchestrator.plan import Plan
from atos_orchestrator.ports import Json
from atos_orchestrator.strategies.general.complexity import VOTES, grade, majority
from atos_orchestrator.strategies.general.planning import complexity_request, plan_request
from atos_orchestrator.strategies.strategy import INSTALL, Ask, Attempt, ModelChoice, WrittenCode
from atos_orchestrator.task import Task
from atos_protocol.errors import LengthError, NoModelError
from atos_protocol.goals import Complexity
from atos_protocol.scheduler_api import Pool

REPAIR_TEMPERATURE = 0.2
FRESH_TEMPERATURE = 0.7
"""Of the attempt that starts afresh after repairs have failed."""


class GeneralStrategy:
    """Implements `Strategy` for instruction-tuned models."""

    name = "general"
    sandbox_policy: Literal["general"] = "general"
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
        """Plan one file, named after the goal."""
        task: Json = {"id": "T1", "title": goal.splitlines()[0][:80], "contract": goal}
        task["files"] = [f"{slug(goal).replace('-', '_')}.py"]
        if pool != "auto":
            task["complexity"] = pool
        return {"tasks": [task]}

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

    async def complexity(self, task: Task, plan: Plan, ask: Ask) -> Complexity:
        """Apply the rules; let the classifier vote where they leave a doubt."""
        found = grade(task, plan)
        if not found.doubtful:
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

    def attempts(self, complexity: Complexity) -> tuple[Attempt, ...]:
        """Write, repair twice, write afresh; then the same in the next pool.

        The fresh attempt does not see what failed: a small model does not leave a bad idea that its
        prompt shows it.
        """
        start = CODING_POOLS.index(complexity)
        return tuple(
            attempt
            for pool in CODING_POOLS[start : start + 2]
            for attempt in (
                Attempt("fresh", pool),
                Attempt("fix", pool, REPAIR_TEMPERATURE),
                Attempt("fix", pool, REPAIR_TEMPERATURE),
                Attempt("fresh", pool, FRESH_TEMPERATURE, seed=1),
            )
        )

    def acceptance_tests(self, task: Task) -> dict[str, str] | None:
        """Return None: the tester writes them before there is any code."""
        return None

    def code_request(
        self, task: Task, attempt: Attempt, context: str, failure: Failure | None
    ) -> ModelRequest:
        """Ask the coder for whole files."""
        sampling = Sampling(attempt.pool, attempt.temperature, attempt.seed)
        if failure is None:
            return code_request(task, context, sampling)
        return fix_request(task, context, failure, sampling)

    def read_code(self, task: Task, text: str) -> WrittenCode:
        """Read one fence per file; tests in the reply are ignored."""
        return WrittenCode(read_files(text, task.files))


def _missing(name: str, pools: Sequence[Pool]) -> str:
    known = next((pool.missing for pool in pools if pool.name == name), ())
    return f"Install one of: {', '.join(known)}." if known else INSTALL
