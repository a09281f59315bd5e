"""A goal becomes a plan: `TRANSITIONS` says in which steps.

`brief` reads the goal's text by rule; where its words say what the tasks are, the plan is made by rule too
and no model is asked. `decompose` asks a model, and asks once more with every fault listed if the first
plan is beyond repair. A plan handed in by the host goes to `repair` and gets no second chance: its author
gets the faults. `repair` also gives each task the examples, errors and tests of the goal that concern it.
`classify` grades the tasks. Only the last node writes the outcome.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from atos_orchestrator.agents.model_request import ModelRequest, Reply, ask
from atos_orchestrator.agents.replies import ReplyError, read_json
from atos_orchestrator.durable_json import decode, encode
from atos_orchestrator.graphs import Transitions, build
from atos_orchestrator.plan import Plan, files_of_dependencies
from atos_orchestrator.planning.plan_by_rule import plan_from_brief
from atos_orchestrator.planning.repair import repair
from atos_orchestrator.planning.state import PlanContext, PlanState
from atos_orchestrator.planning.task_facts import with_facts
from atos_orchestrator.ports import Json
from atos_orchestrator.task import Task
from atos_protocol.errors import BadRequestError, LengthError, PlanRejectedError
from atos_protocol.goals import COMPLEXITIES, Complexity

MAX_PLAN_REQUESTS = 2

TRANSITIONS: Transitions = {
    "start": ("brief",),
    "brief": ("decompose", "repair"),
    "decompose": ("repair",),
    "repair": ("classify", "decompose", "rejected"),
    "classify": (),
    "rejected": (),
}
"""Node -> nodes that may follow. Steps are named after nodes, with a number where they may repeat."""


async def make_plan(context: PlanContext) -> Plan:
    """Return the repaired and graded plan of a goal, and emit `plan_ready`.

    Raises:
        PlanRejectedError: the models offered no usable plan.
        BadRequestError: the given plan is beyond repair.
    """
    planner = _Planner(context)
    nodes = (planner.brief, planner.decompose, planner.repair, planner.classify, planner.rejected)
    routes = {"brief": planner.after_brief, "repair": planner.after_repair}
    state = await build(PlanState, TRANSITIONS, nodes, routes)(
        {"raw": None, "by_rule": False, "faults": [], "asked": 0, "plan": {}, "outcome": ""}
    )
    if state["outcome"] == "planned":
        return decode(Plan, state["plan"])
    faults = "; ".join(state["faults"])
    if context.given is not None:
        message = f"The plan can't be used: {faults}."
        step = "Correct it, or leave it out so that ATOS makes the plan."
        raise BadRequestError(message, next_step=step)
    message = f"No usable plan came from the model: {faults}."
    raise PlanRejectedError(message, next_step="Rephrase the goal, or hand in a plan.")


@dataclass(frozen=True)
class _Planner:
    """The nodes; each of them that touches the outside is one step."""

    context: PlanContext

    async def brief(self, state: PlanState) -> Json:
        """Plan by rule, where the strategy reads goals and this one's words say what the tasks are."""
        context = self.context
        found = context.strategy.brief(context.goal)
        if found is None or context.given is not None:
            return {"by_rule": False}

        async def work() -> Json:
            raw = plan_from_brief(found, context.goal, context.examples, context.tests)
            return {"raw": raw, "by_rule": raw is not None}

        return await context.steps("brief", work)

    def after_brief(self, state: PlanState) -> str:
        known = state["by_rule"] or self.context.given is not None
        return "repair" if known else "decompose"

    async def decompose(self, state: PlanState) -> Json:
        """Ask for a plan."""
        context, asked = self.context, state["asked"]

        async def work() -> Json:
            request = context.strategy.plan_request(
                context.goal, context.scope, state["faults"], asked
            )
            self._warn_of_a_cut_goal(request)
            try:
                reply = await self._ask(request, f"decompose:{asked}")
                return {"raw": read_json(reply.text), "faults": []}
            except LengthError as error:
                return {"raw": None, "faults": [error.message]}
            except ReplyError as error:
                return {"raw": None, "faults": [str(error)]}

        found = await context.steps(f"decompose.{asked}", work)
        return {"raw": found["raw"], "faults": found["faults"], "asked": asked + 1}

    def _warn_of_a_cut_goal(self, request: ModelRequest) -> None:
        """Say so when the planner does not read all of the goal; some strategies never show it."""
        context = self.context
        words = str(request.messages[-1]["content"])
        if context.strategy.brief(context.goal) is not None and context.goal not in words:
            text = (
                f"The goal has {len(context.goal)} characters: the planner did not read its middle."
            )
            context.emit("warning", {"text": text}, key="plan:cut")

    async def _ask(self, request: ModelRequest, key: str) -> Reply:
        return await ask(self.context.chat, self.context.emit, request, key=f"plan:{key}")

    async def repair(self, state: PlanState) -> Json:
        """Make the plan valid, or say why that can't be done."""

        async def work() -> Json:
            return self._repaired(state)

        return await self.context.steps(f"repair.{state['asked']}", work)

    def _repaired(self, state: PlanState) -> Json:
        if state["faults"]:
            return {"faults": list(state["faults"])}
        context = self.context
        given, by_rule = context.given, state["by_rule"]
        raw = state["raw"] if given is None else dict(given)
        repaired = repair(raw, trusted=by_rule or given is not None)
        plan, faults = context.strategy.review_plan(
            repaired.plan, repaired.rejected, context.scope, last=self._is_last(state)
        )
        if given is not None:
            faults = [*faults, *repaired.faults]
        brief = context.strategy.brief(context.goal)
        if brief is not None:
            plan = with_facts(plan, brief, context.examples, context.tests)
        return {"plan": encode(plan), "faults": [] if by_rule and plan.tasks else faults}

    def after_repair(self, state: PlanState) -> str:
        if not state["faults"]:
            return "classify"
        return "rejected" if self._is_last(state) else "decompose"

    def _is_last(self, state: PlanState) -> bool:
        return self.context.given is not None or state["asked"] >= MAX_PLAN_REQUESTS

    async def classify(self, state: PlanState) -> Json:
        """Choose the starting pool of every task; the plan is ready then."""

        async def work() -> Json:
            plan = decode(Plan, state["plan"])
            by_rule = state["by_rule"]
            levels = [await self._complexity(t, plan, by_rule=by_rule) for t in plan.tasks]
            tasks = [
                replace(task, complexity=level, reads=files_of_dependencies(plan, task))
                for task, level in zip(plan.tasks, levels, strict=True)
            ]
            plan = replace(plan, tasks=tuple(tasks))
            rows = [
                {
                    "id": t.id,
                    "title": t.title,
                    "complexity": t.complexity,
                    "depends_on": [*t.depends_on],
                }
                for t in tasks
            ]
            data = {"tasks": rows, "notes": list(plan.notes), **self._found()}
            self.context.emit("plan_ready", data, key="plan:ready")
            return {"plan": encode(plan), "outcome": "planned"}

        return await self.context.steps("classify", work)

    def _found(self) -> Json:
        """Return what the brief says, for the event."""
        brief = self.context.strategy.brief(self.context.goal)
        return {} if brief is None else {"brief": brief.counts}

    async def _complexity(self, task: Task, plan: Plan, *, by_rule: bool) -> Complexity:
        # A task that repair merged has the titles of both in its own.
        if any(title in task.title for title in _graded_titles(self.context.given)):
            return task.complexity
        return await self.context.strategy.complexity(task, plan, None if by_rule else self._ask)

    async def rejected(self, state: PlanState) -> Json:
        """End without a plan."""
        return {"outcome": "rejected", "faults": state["faults"]}


def _graded_titles(given: Mapping[str, Any] | None) -> frozenset[str]:
    """Return the titles of the tasks whose complexity the host chose."""
    rows: list[Any] = list((given or {}).get("tasks") or [])
    maps = [cast("Mapping[str, Any]", row) for row in rows if isinstance(row, Mapping)]
    return frozenset(str(row.get("title")) for row in maps if row.get("complexity") in COMPLEXITIES)
