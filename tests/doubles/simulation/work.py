"""What does the work in a schedule: a planner that has the plan, models that answer, tasks that come to what their story says."""

import asyncio  # noqa: TID251  # in the simulation's own time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from atos_orchestrator.agents.model_request import Chat, ModelRequest, Reply
from atos_orchestrator.debugging.state import DebugContext, TaskResult
from atos_orchestrator.durable_json import encode
from atos_orchestrator.execution.steps import DurableEmit
from atos_orchestrator.plan import Plan
from atos_orchestrator.planning.state import PlanContext
from atos_orchestrator.ports import Json
from atos_orchestrator.task import Task
from atos_protocol.errors import AtosError, BusyError, from_wire
from atos_protocol.goals import Question
from atos_protocol.verdicts import Isolation, Verdict
from doubles.simulation.machine import PROCESS, machine
from doubles.simulation.story import GoalStory, Story, TaskStory

CALL_SECONDS = 5.0
"""What a model call is told to have taken; the limit of work is far beyond what a goal of a story needs."""


def plan_of(goal: GoalStory) -> Plan:
    """Return a goal's plan."""
    tasks = (
        Task(id=t.id, title=t.id, files=(f"{t.id.lower()}.py",), depends_on=t.depends_on)
        for t in goal.tasks
    )
    return Plan(tuple(tasks))


def error_of(code: str) -> AtosError:
    """Return an error with a code, as one that comes from another process."""
    return from_wire({"code": code, "message": f"simulated {code}"})


_VERDICT = asdict(
    Verdict(
        ok=True,
        state="passed",
        passed=1,
        failed=0,
        tests=(),
        digest="",
        reasons=(),
        isolation=Isolation("none", "simulated"),
        interpreter="python",
        uid=1,
        started_at=1.0,
        ended_at=2.0,
        proven="outside",
        explanation="",
    )
)


class Work:
    """The dependencies of the workflows."""

    def __init__(self, story: Story) -> None:
        self._tasks = {(g.id, t.id): t for g in story.goals for t in g.tasks}
        self._plans = {goal.id: plan_of(goal) for goal in story.goals}
        self._since: dict[tuple[str, str, int], float] = {}
        self.begun: Counter[tuple[str, str, int]] = Counter()
        """Goal, task and revision -> how often its first call was made."""

    async def plan(self, context: PlanContext) -> Plan:
        """Have the plan ready, as one durable step."""
        plan = self._plans[cast("DurableEmit", context.emit).goal]

        async def ready() -> Json:
            await machine().takes("plan", 4.0)
            context.emit("plan_ready", encode(plan), key="plan")
            return {}

        await context.steps("repair", ready)
        return plan

    def chat(self, _goal: str, _task: str) -> Chat:
        """Return a model that answers."""

        async def answer(request: ModelRequest) -> Reply:
            await machine().takes("model", 4.0)
            return Reply("done", "m", "e", request.pool, 1, 1, 1.0, 2.0, seconds=CALL_SECONDS)

        return answer

    async def debug(self, context: DebugContext) -> TaskResult:
        """Make the calls of a task, and come to what its story says for this revision."""
        emit = cast("DurableEmit", context.emit)
        task = self._tasks[emit.goal, context.task.id]
        for number in range(task.calls):

            async def sample(number: int = number) -> Json:
                self.begun[emit.goal, task.id, emit.revision] += number == 0
                await self._trouble(emit, task)
                machine().rests(emit.goal)
                reply = await context.chat(ModelRequest("coder", [], "simple"))
                told = {"model": reply.model, "seconds": reply.seconds}
                context.emit("model_call", told, key=f"sample.{number}")
                return {}

            await context.steps(f"sample.{number}", sample)
        return await self._ends(context, task, emit.revision)

    async def _ends(self, context: DebugContext, task: TaskStory, revision: int) -> TaskResult:
        end = end_of(task, revision, answered=bool(context.task.examples))
        if end in {"needs_help", "asks"}:
            question = Question("Which?", "f(1)", ("1", "2")) if end == "asks" else None
            return TaskResult("needs_help", 1, digest="no", question=question)
        if end != "done":

            async def fail() -> Json:
                await machine().takes("fail")
                raise error_of(end)

            await context.steps("finish", fail)
        return TaskResult("done", 0, context.task.files, passed=1, model="m", proof="agreed")

    async def _trouble(self, emit: DurableEmit, task: TaskStory) -> None:
        """Fail for as long as the story says, from the first try on."""
        here = machine()
        await here.takes("trouble")
        if task.kills_after >= 0:
            await asyncio.sleep(task.kills_after)
            here.note(f"{emit.goal} {task.id} ends its worker")
            PROCESS.get().kill()
            here.check_alive()
        began = self._since.setdefault((emit.goal, task.id, emit.revision), here.now)
        if task.trouble and here.now - began < task.trouble_s:
            raise error_of(task.trouble)

    async def tools(
        self, server: str, tool: str, arguments: Mapping[str, Any], *, roots: Sequence[Path]
    ) -> Json:
        """Run tests, which pass, now and then after waiting for a place."""
        here = machine()
        await here.takes("sandbox", 4.0)
        if "ticket" not in arguments and here.chance.number("queue") < 0.2:
            message = "all places are taken"
            raise BusyError(message, data={"ticket": "t", "waits_for": "a sandbox", "ahead": 1})
        return _VERDICT


def end_of(task: TaskStory, revision: int, *, answered: bool) -> str:
    """Return what a task comes to in a revision."""
    end = task.ends[min(revision, len(task.ends)) - 1]
    return "done" if end == "asks" and answered else end
