"""A goal becomes a plan.

    decompose -> repair -+-> classify -> END
        ^                |
        +---- again -----+-> rejected -> END

`decompose` asks a model, once more with every fault listed if the first plan is beyond repair. `classify` asks a model only about tasks that the rules can't place. A plan that the host
hands in starts at `repair` and gets no second chance: its author is told what is wrong. The outcome
is written by the last node, and by nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, TypedDict, cast

from atos_orchestrator.agents import catalogue
from atos_orchestrator.agents.model_request import ModelRequest, ask
from atos_orchestrator.graphs import END, START, Run, StateGraph, checked_compile
from atos_orchestrator.plan import Plan, files_of_dependencies, plan_from_json, plan_to_json
from atos_orchestrator.planning.classify import VOTES, grade, majority
from atos_orchestrator.planning.match import match_scope
from atos_orchestrator.planning.prompts import classify_question, plan_question
from atos_orchestrator.planning.repair import repair
from atos_orchestrator.ports import Chat, Emit, Json, Steps
from atos_orchestrator.strategies.mini.scope import Scope
from atos_orchestrator.task import Task
from atos_protocol.errors import BadRequestError, LengthError, PlanRejectedError
from atos_protocol.goals import COMPLEXITIES, Complexity

ASKS = 2
"""Plans that a model may offer."""

STEPS = ("decompose", "repair", "classify")
"""What the steps are called, each with a dot and its number behind where it may come again."""


class _State(TypedDict):
    raw: Any
    faults: list[str]
    asked: int
    plan: Json
    outcome: str


async def plan(
    goal: str,
    scope: Scope | None,
    steps: Steps,
    chat: Chat,
    emit: Emit,
    *,
    given: Mapping[str, Any] | None = None,
) -> Plan:
    """Return the repaired and classified plan of a goal, and emit `plan_ready`.

    Args:
        goal: what is wanted.
        scope: what it asks of the catalogue, where atos-mini is to plan it; None for general models.
        steps: runs durable steps.
        chat: the models.
        emit: appends events of the goal.
        given: a plan made by the host, in the JSON of `plan_to_json` or of the planning schema.

    Raises:
        PlanRejectedError: the models offered no usable plan.
        BadRequestError: the given plan is beyond repair.
    """
    planner = _Planner(goal, scope, steps, chat, emit, given)
    state = await planner.graph()(
        {"raw": None, "faults": [], "asked": 0, "plan": {}, "outcome": ""}
    )
    if state["outcome"] != "planned":
        said = "; ".join(state["faults"])
        if given is not None:
            message = f"The plan can't be used: {said}."
            raise BadRequestError(message, next_step="Mend it, or leave it out: ATOS plans itself.")
        message = f"No usable plan came from the model: {said}."
        raise PlanRejectedError(
            message, next_step="Say the goal in other words, or hand in a plan."
        )
    return plan_from_json(state["plan"])


@dataclass(frozen=True)
class _Planner:
    """What the nodes work with; each of them that touches the world is one step."""

    goal: str
    scope: Scope | None
    steps: Steps
    chat: Chat
    emit: Emit
    given: Mapping[str, Any] | None

    def graph(self) -> Run:
        builder: Any = StateGraph(_State)
        for node in (self.decompose, self.repair, self.classify, self.rejected):
            builder.add_node(node.__name__, node)
        builder.add_edge(START, "decompose" if self.given is None else "repair")
        builder.add_edge("decompose", "repair")
        builder.add_conditional_edges("repair", self.after_repair)
        builder.add_edge("classify", END)
        builder.add_edge("rejected", END)
        return checked_compile(builder)

    async def decompose(self, state: _State) -> Json:
        """Ask for a plan."""
        asked = state["asked"]
        key = f"plan:decompose:{asked}"

        async def work() -> Json:
            try:
                reply = await ask(self.chat, self.emit, self._question(state), key=key)
            except LengthError as error:
                return {"raw": None, "faults": [error.message]}
            return _read(reply.text)

        found = await self.steps(f"decompose.{asked}", work)
        return {"raw": found["raw"], "faults": found["faults"], "asked": asked + 1}

    def _question(self, state: _State) -> ModelRequest:
        if self.scope is None:
            return plan_question(self.goal, state["faults"])
        again = state["asked"]
        return catalogue.plan_question(self.scope, temperature=0.3 * again, seed=again)

    async def repair(self, state: _State) -> Json:
        """Make the plan valid, or say what is beyond repair."""

        async def work() -> Json:
            return self._repaired(state)

        return await self.steps(f"repair.{state['asked']}", work)

    def _repaired(self, state: _State) -> Json:
        faults = list(state["faults"])
        if faults:
            return {"faults": faults}
        mended = repair(state["raw"] if self.given is None else dict(self.given))
        faults, made = list(mended.rejected), mended.plan
        if self.scope is not None:
            made, misfits = match_scope(made, self.scope)
            faults += misfits
        elif mended.usable and self._out_of_asks(state):
            faults = []
        return {"plan": plan_to_json(made), "faults": faults}

    def after_repair(self, state: _State) -> str:
        """Choose the next node."""
        if not state["faults"]:
            return "classify"
        return "rejected" if self._out_of_asks(state) else "decompose"

    def _out_of_asks(self, state: _State) -> bool:
        return self.given is not None or state["asked"] >= ASKS

    async def classify(self, state: _State) -> Json:
        """Choose the starting pool of every task; the plan is ready then."""

        async def work() -> Json:
            made = plan_from_json(state["plan"])
            levels = [await self._level(task, made) for task in made.tasks]
            tasks = [
                replace(task, complexity=level, reads=files_of_dependencies(made, task))
                for task, level in zip(made.tasks, levels, strict=True)
            ]
            made = replace(made, tasks=tuple(tasks))
            rows = [{"id": t.id, "title": t.title, "complexity": t.complexity} for t in tasks]
            self.emit("plan_ready", {"tasks": rows, "notes": list(made.notes)}, key="plan:ready")
            return {"plan": plan_to_json(made), "outcome": "planned"}

        return await self.steps("classify", work)

    async def _level(self, task: Task, made: Plan) -> Complexity:
        if self.scope is not None or task.title in _named_levels(self.given):
            return task.complexity
        found = grade(task, made)
        if not found.doubtful:
            return found.level
        votes: list[str] = []
        for vote in range(VOTES):
            question = classify_question(task, found.choices, vote)
            with suppress(LengthError):
                key = f"plan:classify:{task.id}:{vote}"
                reply = await ask(self.chat, self.emit, question, key=key)
                raw: object = _read(reply.text)["raw"]
                if isinstance(raw, Mapping):
                    votes.append(str(cast("Mapping[str, Any]", raw).get("level")))
        return majority(votes, found.choices)

    async def rejected(self, state: _State) -> Json:
        """End without a plan."""
        return {"outcome": "rejected", "faults": state["faults"]}


_THOUGHT = re.compile(r"<think>.*?</think>", re.DOTALL)
_FENCED = re.compile(r"^```(?:json)?\s*\n(.*)\n```$", re.DOTALL)


def _named_levels(given: Mapping[str, Any] | None) -> frozenset[str]:
    """Return the titles of the tasks whose complexity the host chose."""
    rows: list[Any] = list((given or {}).get("tasks") or [])
    maps = [cast("Mapping[str, Any]", row) for row in rows if isinstance(row, Mapping)]
    return frozenset(str(row.get("title")) for row in maps if row.get("complexity") in COMPLEXITIES)


def _read(text: str) -> Json:
    """Read a JSON reply; some models think aloud first, or put a fence around it."""
    bare = _THOUGHT.sub("", text).strip()
    fenced = _FENCED.match(bare)
    try:
        raw: Any = json.loads(fenced[1] if fenced else bare)
    except ValueError as error:
        return {"raw": None, "faults": [f"the reply is no JSON: {error}"]}
    return {"raw": raw, "faults": []}
