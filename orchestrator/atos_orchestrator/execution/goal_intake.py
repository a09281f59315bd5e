"""What is decided about a goal before it is accepted: who works on it, what it says, what can't be proven."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from atos.scheduler_client import SchedulerClient
from atos_orchestrator.execution.evidence_given import module_under_test
from atos_orchestrator.execution.goal_api import TaskPool
from atos_orchestrator.execution.goal_input import GoalInput
from atos_orchestrator.goal import slug, validate_goal
from atos_orchestrator.planning.brief import Brief, read_brief
from atos_orchestrator.ports import Json
from atos_orchestrator.strategies.registry import select_models, strategy_named
from atos_orchestrator.strategies.strategy import Strategy
from atos_protocol.errors import NoModelError
from atos_protocol.goals import GoalCheck
from atos_protocol.settings import Settings

NOT_USED = (
    "The examples and tests that were handed in are not used: this model has tests of its own."
)


def unproven(brief: Brief) -> str:
    """Return what can't be proven of a goal; an empty text where its tests can decide."""
    if brief.language in {"", "python"}:
        return ""
    return (
        f"This asks for {brief.language}. ATOS runs and tests Python only: whatever else is written will not be"
        " proven by anything."
    )


@dataclass(frozen=True, slots=True)
class GoalIntake:
    """Decides about goals; it needs the scheduler's list of pools."""

    settings: Settings

    async def check(self, text: str, examples: tuple[str, ...] = ()) -> GoalCheck:
        """Return what is known of a goal, and start nothing.

        Raises:
            BadRequestError: the text is not valid.
        """
        text = validate_goal(text)
        brief = read_brief(text)
        found = GoalCheck(
            modules=brief.modules,
            signatures=tuple(each.head for each in brief.signatures),
            examples=tuple(
                dict.fromkeys((*(each.assertion for each in brief.examples), *examples))
            ),
            errors=tuple(each.text for each in brief.errors),
            constraints=brief.constraints,
            packages=brief.packages,
            language=brief.language,
            warning=unproven(brief),
        )
        try:
            choice = await self.decide("check", text)
        except NoModelError as error:
            return replace(found, refusal=error.to_wire())
        python = brief.language in {"", "python"}
        takes = strategy_named(choice.strategy).takes_examples
        return replace(
            found,
            models=choice.models,
            announcement=choice.announcement,
            wants_example=takes and python and not found.examples,
        )

    async def decide(
        self,
        goal: str,
        text: str,
        *,
        into: str | None = None,
        plan: Mapping[str, Any] | None = None,
        single_in: TaskPool | None = None,
        examples: tuple[str, ...] = (),
        tests: str = "",
    ) -> GoalInput:
        """Decide who works on a goal.

        A goal with tests is one task. `single_in` is the pool of another goal that must be one.

        Raises:
            BadRequestError: it must be one task, and is several.
            NoModelError: no installed model can do it.
        """
        needs = (single_in,) if single_in and single_in != "auto" else ()
        async with SchedulerClient(self.settings) as scheduler:
            pools = await scheduler.pools()
        choice = select_models(text, pools, needs)
        strategy = strategy_named(choice.strategy)
        if single_in or (tests and strategy.takes_examples):
            plan = _single_task(strategy, text, single_in or "auto", choice.scope, tests)
        ignored = (examples or tests) and not strategy.takes_examples
        said = (choice.announcement, unproven(read_brief(text)), NOT_USED if ignored else "")
        return GoalInput(
            goal=goal,
            text=text,
            slug=slug(text),
            strategy=choice.strategy,
            submitted_at=time.time(),
            into=into,
            engine=choice.engine,
            models=choice.models,
            announcement=" ".join(filter(None, said)),
            scope=choice.scope,
            plan=plan,
            examples=() if ignored else examples,
            tests="" if ignored else tests,
            pools=pools,
        )


def _single_task(
    strategy: Strategy, text: str, pool: str, scope: Json | None, tests: str
) -> Json | None:
    """Return the plan of a goal of one task, which writes the module that the given tests import."""
    plan = strategy.single_task_plan(text, pool, scope)
    module = module_under_test(tests) if tests and strategy.takes_examples else ""
    if plan is None or not module:
        return plan
    task, *others = plan["tasks"]
    files = task["files"] if module in task["files"] else [module]
    return {**plan, "tasks": [{**task, "files": files}, *others]}
