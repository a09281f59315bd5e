"""atos-mini: the demonstration model, held to a printed catalogue of functions.

Rules decide whether a goal is in the catalogue, the model plans it and writes every line of code, and
tests computed from the catalogue's reference decide whether the code is right. Nothing is filled in on
the model's behalf: one that understands nothing (random weights, say) fails the goal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

from atos_orchestrator.agents.model_request import ModelRequest
from atos_orchestrator.agents.prompts import WHOLE, Assignment, Part, Sampling
from atos_orchestrator.durable_json import decode, encode
from atos_orchestrator.plan import Plan
from atos_orchestrator.planning.brief import Brief
from atos_orchestrator.ports import Json
from atos_orchestrator.strategies.mini import dialect
from atos_orchestrator.strategies.mini.catalogue import acceptance_test, module_name, signature
from atos_orchestrator.strategies.mini.family import Wanted
from atos_orchestrator.strategies.mini.scope import Refusal, Scope, check
from atos_orchestrator.strategies.strategy import (
    Ask,
    ModelChoice,
    SamplingPlan,
    WrittenCode,
    refused_models,
)
from atos_orchestrator.task import Task, test_file
from atos_protocol.errors import BadRequestError, OutOfScopeError
from atos_protocol.goals import Complexity
from atos_protocol.scheduler_api import Pool

MODEL = "atos-mini"
POOL = "mini"
"""The model has a pool of its own, so that no other request reaches it."""
ENGINE = "llama_cpp"
PARAMETERS = "1.5 million"
"""Rounded from the shape of the network, which a test counts."""
ANNOUNCEMENT = (
    f"No general model is installed, so atos-mini works on this goal. It is a demonstration model of"
    f" {PARAMETERS} parameters that comes with ATOS and knows only a printed catalogue of small"
    " functions. For anything else fetch a model: `atos-client models pull`."
)
PLAN_RETRY_TEMPERATURE = 0.3
SAMPLE_TEMPERATURE = 0.7
SAMPLES = 4


class MiniStrategy:
    """Implements `Strategy` for atos-mini."""

    name = "mini"
    sandbox_policy: Literal["catalogue"] = "catalogue"
    takes_examples = False
    supplied_evidence = "passes the tests of atos-mini's catalogue"
    verifies_repository = False
    """A person's own tests, in a repository that was there before, need not keep the catalogue's rules."""

    def select(
        self, goal: str, pools: Sequence[Pool], needs: Sequence[str] = ()
    ) -> ModelChoice | None:
        """Take a goal that is in the catalogue."""
        if not any(pool.name == POOL and pool.members for pool in pools):
            return None
        found = check(goal)
        if isinstance(found, Refusal):
            here = f"only the demonstration model atos-mini is here{refused_models(pools)}"
            message = f"{here}, and {found.reason}"
            raise OutOfScopeError(message, next_step=found.next_step)
        return ModelChoice(self.name, ENGINE, (MODEL,), ANNOUNCEMENT, encode(found))

    def single_task_plan(self, goal: str, pool: str, scope: Json | None) -> Json | None:
        """Refuse a toolkit; the model itself plans a single function."""
        wanted = _scope(scope).wanted
        if len(wanted) > 1:
            message = f"this is a goal of {len(wanted)} tasks, not one task"
            raise BadRequestError(message, next_step="Start it with start_goal.")
        return None

    def brief(self, goal: str) -> Brief | None:
        """Return None: the scope check has read the goal."""
        return None

    def plan_request(
        self, goal: str, scope: Json | None, faults: Sequence[str], asked: int
    ) -> ModelRequest:
        """Ask for another sample each time: the model can't read faults."""
        return ModelRequest(
            "planner",
            dialect.plan_messages(_scope(scope)),
            POOL,
            schema=dialect.PLAN_SCHEMA,
            max_tokens=dialect.PLAN_TOKENS,
            temperature=PLAN_RETRY_TEMPERATURE * asked,
            seed=asked,
        )

    def review_plan(
        self, plan: Plan, faults: Sequence[str], scope: Json | None, *, last: bool
    ) -> tuple[Plan, list[str]]:
        """Require exactly the tasks and files that the scope check found."""
        open_ones = {wanted.wording: wanted for wanted in _scope(scope).wanted}
        tasks: list[Task] = []
        found = list(faults)
        for task in plan.tasks:
            wanted = open_ones.pop(task.title, None)
            if wanted is None:
                found.append(f"the task {task.title!r} was not asked for")
                continue
            file = f"{module_name(wanted)}.py"
            if task.files != (file,):
                files = ", ".join(task.files)
                found.append(f"the task {task.title!r} must write {file}, not {files}")
            contract = f"def {signature(wanted)}"
            tasks.append(replace(task, contract=contract, scope=encode(wanted)))
        found += [f"no task for {wording!r}" for wording in open_ones]
        return replace(plan, tasks=tuple(tasks)), found

    async def complexity(self, task: Task, plan: Plan, ask: Ask | None) -> Complexity:
        """Keep the grade: there is one pool."""
        return task.complexity

    def sampling(self, task: Task, pools: Sequence[Pool]) -> tuple[SamplingPlan, ...]:
        """Draw samples: the model can't read errors, so it can't repair."""
        return (SamplingPlan(POOL, SAMPLES),)

    def sample(self, plan: SamplingPlan, number: int) -> Sampling:
        """Be greedy first."""
        return Sampling(POOL, SAMPLE_TEMPERATURE if number else 0.0, number)

    def supplied_tests(self, task: Task) -> dict[str, str]:
        """Render the tests from the catalogue's reference."""
        return {test_file(task): acceptance_test(_wanted(task))}

    def code_request(
        self, given: Assignment, sampling: Sampling, part: Part = WHOLE
    ) -> ModelRequest:
        """Ask in the model's own dialect for a module and a test."""
        return ModelRequest(
            "coder",
            dialect.code_messages(_wanted(given.task)),
            POOL,
            max_tokens=dialect.CODE_TOKENS,
            temperature=sampling.temperature,
            seed=sampling.seed,
        )

    def read_code(self, task: Task, text: str) -> WrittenCode:
        """Read the module, and the model's own test if there is one."""
        answer = dialect.parse_code(text)
        tests = {model_test_file(task): answer.own_tests} if answer.own_tests else {}
        return WrittenCode({task.files[0]: answer.code}, tests)


def model_test_file(task: Task) -> str:
    """Return the path of the tests that the model wrote, beside the acceptance tests."""
    return test_file(task).removesuffix(".py") + "_by_model.py"


def _scope(data: Json | None) -> Scope:
    return decode(Scope, data or {})


def _wanted(task: Task) -> Wanted:
    data: dict[str, Any] = task.scope or {}
    return decode(Wanted, data)
