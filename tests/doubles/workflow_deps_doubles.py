"""Workflow dependencies that need no model and no sandbox: plans are given, tasks write one file and take a set time."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import anyio

from atos_orchestrator.agents.model_request import ModelRequest, Reply
from atos_orchestrator.debugging.state import DebugContext, TaskResult
from atos_orchestrator.durable_json import encode
from atos_orchestrator.execution.database import open_database
from atos_orchestrator.execution.dbos_runtime import DbosRuntime
from atos_orchestrator.execution.event_store import EventStore
from atos_orchestrator.execution.workflow_deps import WorkflowDeps
from atos_orchestrator.plan import Plan
from atos_orchestrator.planning.graph import make_plan
from atos_orchestrator.planning.packages import normalised
from atos_orchestrator.planning.state import PlanContext
from atos_orchestrator.ports import Json
from atos_protocol.goals import Question
from atos_protocol.packages import InstalledPackage, PackagesReport
from atos_protocol.settings import Settings
from atos_protocol.verdicts import Isolation, Verdict
from doubles.tool_schemas import conforming


@dataclass
class GivenPlan:
    """A planner that has the plan already; one that a person hands in is repaired as ever."""

    plan: Plan

    async def __call__(self, context: PlanContext) -> Plan:
        if context.given is not None:
            return await make_plan(context)

        async def ready() -> Json:
            context.emit("plan_ready", encode(self.plan), key="plan")
            return {}

        await context.steps("plan", ready)
        return self.plan


@dataclass
class TimedWork:
    """A debugger that takes its time, writes the task's file, and notes that it did."""

    seconds: Mapping[str, float] = field(default_factory=dict[str, float])
    held_until: Mapping[str, str] = field(default_factory=dict[str, str])
    """Task -> task that must have ended before it goes on; one that never ends holds it forever."""
    needs_help: frozenset[str] = frozenset()
    asks: Mapping[str, Question] = field(default_factory=dict[str, Question])
    """Task -> what it asks until an example answers it."""
    kept: tuple[Mapping[str, str], ...] = ()
    """Candidates that a task which needs help returns."""
    seen: list[DebugContext] = field(default_factory=list[DebugContext])
    """What it was asked to do, each time."""
    asks_model: bool = False
    ended: dict[str, anyio.Event] = field(default_factory=dict[str, anyio.Event])
    alive: set[str] = field(default_factory=set[str])
    """Tasks at work right now."""

    def end_of(self, task_id: str) -> anyio.Event:
        return self.ended.setdefault(task_id, anyio.Event())

    async def __call__(self, context: DebugContext) -> TaskResult:
        task = context.task
        self.seen.append(context)

        async def code() -> Json:
            if self.asks_model:
                reply = await context.chat(ModelRequest("coder", [], "simple"))
                context.emit("model_call", {"model": reply.model}, key="code")
            self.alive.add(task.id)
            try:
                await anyio.sleep(self.seconds.get(task.id, 0.0))
                if task.id in self.held_until:
                    await self.end_of(self.held_until[task.id]).wait()
            finally:
                self.alive.discard(task.id)
            (context.workspace.root / task.files[0]).write_text(f"{task.id} = {task.title!r}\n")
            self.end_of(task.id).set()
            return {}

        await context.steps("code", code)
        if task.id in self.asks and not task.examples:
            question = self.asks[task.id]
            return TaskResult("needs_help", rounds=2, question=question, kept=self.kept)
        if task.id in self.needs_help and not context.seeds:
            return TaskResult("needs_help", rounds=2, digest="assert 1 == 2")
        count = len(task.examples)
        proof, evidence = ("examples", f"{count} of {count} examples") if count else ("tests", "")
        return TaskResult(
            "done", 0, task.files, passed=2, model="double", proof=proof, evidence=evidence
        )


def modules(folder: Path) -> list[str]:
    """The Python files of a folder."""
    return sorted(path.name for path in folder.glob("*.py"))


@dataclass
class PassingTools:
    """Tools whose test runs pass; every call is noted."""

    calls: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    async def __call__(
        self, server: str, tool: str, arguments: Mapping[str, Any], *, roots: Sequence[Path]
    ) -> Json:
        self.calls.append((server, tool))
        if tool == "prepare_packages":
            return conforming(server, tool, asdict(prepared_report(arguments["packages"])))
        files = modules(Path(arguments["path"]))
        verdict = Verdict(
            ok=True,
            state="passed",
            passed=len(files),
            failed=0,
            tests=(),
            digest="",
            reasons=(),
            isolation=Isolation("none", "a test double"),
            interpreter="python",
            uid=1,
            started_at=1.0,
            ended_at=2.0,
            proven="outside",
            explanation="",
        )
        return conforming("code_runner", "run_pytest", asdict(verdict))


def prepared_report(packages: Sequence[str]) -> PackagesReport:
    """A report that says that each package is installed, and one that they need."""
    names = [normalised(name) for name in packages]
    asked = [InstalledPackage(name, "1.0", "", requested=True) for name in names]
    needed = InstalledPackage("needed", "2.0", "", requested=False)
    return PackagesReport("ready", (*asked, needed), ("needed", *names), next="")


class OneReply:
    """A model that always answers the same."""

    async def __call__(self, request: ModelRequest) -> Reply:
        return Reply("done", "double", "double", request.pool, 1, 1, 1.0, 2.0)


def deps_of(settings: Settings, plan: Plan, work: TimedWork) -> WorkflowDeps:
    """Assemble the dependencies on a real database and a real runtime."""
    engine = open_database(settings)
    events = EventStore(engine)
    events.create()
    return WorkflowDeps(
        settings=settings,
        runtime=DbosRuntime(engine),
        events=events,
        chat=lambda _goal, _task: OneReply(),
        tools=PassingTools(),
        plan=GivenPlan(plan),
        debug=work,
    )
