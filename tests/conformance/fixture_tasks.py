"""The suite's tools that become tasks, on the extension's wire types that ATOS's goals use.

The suite wants computations of its own as tasks, which ATOS does not have (a task is a goal there): what is shown here
is that the middleware, the guard and the transports carry tasks.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import anyio
from fastmcp import Context, FastMCP
from fastmcp.server.extensions import (
    MethodBinding,
    ServerExtension,
    ToolCallContinuation,
    ToolCallOutcome,
)
from mcp import MCPError
from mcp.types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    CallToolRequestParams,
    InputRequiredResult,
    Result,
)
from mcp.types.version import MODERN_PROTOCOL_VERSIONS

from atos_servers.orchestrate.goal_tasks import (
    IDENTIFIER,
    Acknowledged,
    Asked,
    TaskParams,
    TaskResult,
    UpdateParams,
    check_name,
    knows_tasks,
)
from conformance.fixture_questions import field as answered_field
from conformance.fixture_questions import form, want

Start = Callable[..., object]
"""Runs a coroutine function beside the server, with its arguments."""


class JobResult(TaskResult):
    """A task that may have failed by the protocol."""

    error: dict[str, Any] | None = None


@dataclass(slots=True)
class Job:
    """One task."""

    id: str = field(default_factory=lambda: secrets.token_hex(8))
    status: str = "working"
    created: str = field(default_factory=lambda: now())
    changed: str = field(default_factory=lambda: now())
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    asked: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    answers: dict[str, Any] = field(default_factory=dict[str, Any])
    answered: anyio.Event = field(default_factory=anyio.Event)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    def enter(self, status: str) -> None:
        """Note another state."""
        self.status, self.changed = status, now()

    async def ask(self, **messages: str) -> dict[str, Any]:
        """Ask for names; return the answers when all are there."""
        self.asked = {
            key: form(text, name="string", confirm="boolean").model_dump(
                by_alias=True, mode="json", exclude_none=True
            )
            for key, text in messages.items()
        }
        self.enter("input_required")
        await self.answered.wait()
        self.enter("working")
        return self.answers

    def answer(self, replies: Mapping[str, Any]) -> None:
        """Take the answers to what is still open."""
        for key in replies.keys() & self.asked.keys():
            del self.asked[key]
            self.answers[key] = replies[key]
        if not self.asked:
            self.answered.set()


def now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def text(said: str, *, is_error: bool = False) -> dict[str, Any]:
    """Return a tool's result as the wire has it."""
    content = [{"type": "text", "text": said}]
    return {"content": content, "isError": is_error, "resultType": "complete"}


async def slow_compute(job: Job, arguments: Mapping[str, Any]) -> dict[str, Any]:
    await anyio.sleep(float(arguments.get("seconds", 1)))
    return text(f"slow_compute({arguments.get('label', '')}) completed")


async def failing_job(_job: Job, _arguments: Mapping[str, Any]) -> dict[str, Any]:
    await anyio.sleep(0.2)
    return text("the job failed", is_error=True)


async def protocol_error_job(_job: Job, _arguments: Mapping[str, Any]) -> dict[str, Any]:
    raise MCPError(INTERNAL_ERROR, "the job broke the protocol")


async def confirm_delete(job: Job, arguments: Mapping[str, Any]) -> dict[str, Any]:
    answers = await job.ask(confirm=f"Delete {arguments.get('filename')}?")
    agreed = answers["confirm"].get("action") == "accept"
    return text("deleted" if agreed else "kept")


async def multi_input(job: Job, _arguments: Mapping[str, Any]) -> dict[str, Any]:
    answers = await job.ask(first="What is your name?", second="What is hers?")
    return text(f"{len(answers)} answers")


async def with_name(_job: Job, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return text(f"Hello, {arguments['user_name']}!")


JOBS: Mapping[str, Callable[[Job, Mapping[str, Any]], Awaitable[dict[str, Any]]]] = {
    "slow_compute": slow_compute,
    "failing_job": failing_job,
    "protocol_error_job": protocol_error_job,
    "confirm_delete": confirm_delete,
    "multi_input": multi_input,
    "test_tool_with_task": with_name,
}
NEED_TASKS = frozenset({"failing_job", "test_tool_with_task"})


class FixtureTasks(ServerExtension):
    """Tasks in memory."""

    identifier = IDENTIFIER

    def __init__(self, start: Start) -> None:
        self._start = start
        self._jobs: dict[str, Job] = {}

    def methods(self) -> Sequence[MethodBinding]:
        """Return the requests of the extension."""
        versions = frozenset(MODERN_PROTOCOL_VERSIONS)
        return (
            MethodBinding("tasks/get", TaskParams, self._get, versions),
            MethodBinding("tasks/update", UpdateParams, self._update, versions),
            MethodBinding("tasks/cancel", TaskParams, self._cancel, versions),
        )

    async def intercept_tool_call(
        self, params: CallToolRequestParams, context: Context, call_next: ToolCallContinuation
    ) -> ToolCallOutcome:
        """Begin a task, where the tool is one and the client knows what that is."""
        request = context.request_context
        if params.name not in JOBS or request is None:
            return await call_next()
        if not knows_tasks(request.meta):
            if params.name in NEED_TASKS:
                raise _missing()
            return await call_next()
        arguments = dict(params.arguments or {})
        if params.name == "test_tool_with_task":
            name = answered_field(context, "user_name", "name")
            if name is None:
                return want(user_name=form("What is your name?", name="string"))
            arguments["user_name"] = name
        job = Job()
        self._jobs[job.id] = job
        self._start(self._run, job, params.name, arguments)
        return told(job, "task")

    async def _run(self, job: Job, name: str, arguments: Mapping[str, Any]) -> None:
        try:
            with job.scope:
                job.result = await JOBS[name](job, arguments)
        except MCPError as error:
            job.error = {"code": error.code, "message": str(error)}
        done = "failed" if job.error else "completed" if job.result else "cancelled"
        job.enter(done)

    async def _get(self, asked: Asked, params: TaskParams) -> Result:
        return told(self._job(asked, params), "complete")

    async def _update(self, asked: Asked, params: UpdateParams) -> Result:
        self._job(asked, params).answer(params.input_responses)
        return Acknowledged()

    async def _cancel(self, asked: Asked, params: TaskParams) -> Result:
        self._job(asked, params).scope.cancel()
        return Acknowledged()

    def _job(self, asked: Asked, params: TaskParams) -> Job:
        check_name(asked, params)
        if self.client_settings(asked) is None:
            raise _missing()
        if (job := self._jobs.get(params.task_id)) is None:
            raise MCPError(INVALID_PARAMS, f"there is no task {params.task_id}")
        return job


def _missing() -> MCPError:
    wanted: dict[str, Any] = {"requiredCapabilities": {"extensions": {IDENTIFIER: {}}}}
    return MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, "declare the extension", wanted)


def told(job: Job, kind: str) -> JobResult:
    """Return a task as the wire has it; what is in it is told only to who asks for it."""
    whole = kind == "complete"
    return JobResult(
        result_type=kind,
        task_id=job.id,
        status=job.status,
        created_at=job.created,
        last_updated_at=job.changed,
        status_message=job.status,
        poll_interval_ms=100,
        result=job.result if whole else None,
        error=job.error if whole else None,
        input_requests=job.asked if whole and job.status == "input_required" else None,
    )


async def greet(name: str) -> str:
    """Greet; never a task."""
    return f"Hello, {name}!"


async def slow(seconds: float = 1, label: str = "") -> str:
    """Take so many seconds."""
    await anyio.sleep(seconds)
    return f"slow_compute({label}) completed"


async def unasked(filename: str = "") -> str:
    """Want a client that knows tasks."""
    return f"This client does not know tasks: {filename}"


async def asking(context: Context) -> str | InputRequiredResult:
    """Want a name first, then a task."""
    del context
    return "This client does not know tasks."


def add_tasks(server: FastMCP, start: Start) -> None:
    """Add them to a server."""
    server.tool(greet, output_schema=None)
    bodies: dict[str, Callable[..., Any]] = {"slow_compute": slow, "test_tool_with_task": asking}
    for name in JOBS:
        server.tool(bodies.get(name, unasked), name=name, output_schema=None)
    server.add_extension(FixtureTasks(start))
