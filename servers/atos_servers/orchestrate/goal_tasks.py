"""The Tasks extension of MCP (2026-07-28) over goals: the task is the goal, and its id the goal's.

    tools/call start_goal -> task --tasks/get--> working | input_required --tasks/update--> working -> completed
                                  --tasks/cancel--> cancelled

Nothing is kept here, so a task survives whatever a goal survives. Who has not declared the extension meets none of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

from fastmcp import Context
from fastmcp.server.extensions import (
    MethodBinding,
    ServerExtension,
    ToolCallContinuation,
    ToolCallOutcome,
)
from fastmcp.tools import ToolResult
from mcp import MCPError
from mcp.server.context import ServerRequestContext
from mcp.shared.inbound import MCP_NAME_HEADER, decode_header_value
from mcp.types import (
    CLIENT_CAPABILITIES_META_KEY,
    HEADER_MISMATCH,
    INVALID_PARAMS,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    CallToolRequestParams,
    RequestParams,
    Result,
)
from mcp.types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import SerializerFunctionWrapHandler, model_serializer

from atos_protocol.errors import AtosError, NotFoundError
from atos_protocol.goals import FINAL_GOAL_STATES, Event, GoalView
from atos_servers.orchestrate.digest import ask_again_s, digest
from atos_servers.orchestrate.following import whole_goal
from atos_servers.orchestrate.own_goals import OwnGoals

IDENTIFIER = "io.modelcontextprotocol/tasks"
STARTS = frozenset({"start_goal", "run_task"})
"""Tools whose answer is a goal that goes on: a client that knows tasks gets one."""
FIELD = "answer"

Asked = ServerRequestContext[Any, Any]


class TaskParams(RequestParams):
    """Names a task."""

    task_id: str


class UpdateParams(TaskParams):
    """What a client answers to the questions of a task, by their keys."""

    input_responses: dict[str, dict[str, Any]]


class Acknowledged(Result):
    """The answer that says nothing but that the request arrived."""

    result_type: str = "complete"


class TaskResult(Result):
    """A task as the wire has it: flat, beside the kind of the result."""

    result_type: str
    task_id: str
    status: str
    created_at: str
    last_updated_at: str
    status_message: str
    poll_interval_ms: int
    result: dict[str, Any] | None = None
    input_requests: dict[str, dict[str, Any]] | None = None

    @model_serializer(mode="wrap")
    def _with_ttl(self, rest: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Add the one field whose null must be told: goals are kept for as long as the person wants."""
        return {**rest(self), "ttlMs": None}


class GoalTasks(ServerExtension):
    """Tasks over the goals of whoever calls."""

    identifier = IDENTIFIER

    def __init__(self, goals: Callable[[], Awaitable[OwnGoals]]) -> None:
        self._goals = goals

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
        """Answer with a task where a goal was started and the client knows what that is."""
        outcome = await call_next()
        request = context.request_context
        if params.name not in STARTS or request is None or not knows_tasks(request.meta):
            return outcome
        if not isinstance(outcome, ToolResult) or not outcome.structured_content:
            return outcome
        return await self._task(outcome.structured_content["id"], "task")

    async def _get(self, asked: Asked, params: TaskParams) -> Result:
        self._check(asked, params)
        return await self._task(params.task_id, "complete")

    async def _update(self, asked: Asked, params: UpdateParams) -> Result:
        self._check(asked, params)
        goals = await self._goals()
        for task, reply in params.input_responses.items():
            content: dict[str, Any] = reply.get("content") or {}
            said = content.get(FIELD) if reply.get("action") == "accept" else ""
            if isinstance(said, str) and said.strip():
                await _known(goals.answer(params.task_id, task, said))
        return Acknowledged()

    async def _cancel(self, asked: Asked, params: TaskParams) -> Result:
        self._check(asked, params)
        await _known((await self._goals()).cancel(params.task_id))
        return Acknowledged()

    def _check(self, asked: Asked, params: TaskParams) -> None:
        """Raise MCPError for a client that has not declared the extension, or whose headers name another task."""
        check_name(asked, params)
        if self.client_settings(asked) is None:
            wanted: dict[str, Any] = {"requiredCapabilities": {"extensions": {IDENTIFIER: {}}}}
            text = f"declare the extension {IDENTIFIER} to use tasks"
            raise MCPError(MISSING_REQUIRED_CLIENT_CAPABILITY, text, wanted)

    async def _task(self, goal: str, kind: str) -> TaskResult:
        goals = await self._goals()
        view = await _known(goals.get(goal))
        return task_of(view, await goals.events(goal), kind)


def check_name(asked: Asked, params: TaskParams) -> None:
    """Refuse a request over HTTP whose `Mcp-Name` is another task: what routes by it would have gone elsewhere.

    Raises:
        MCPError: it is.
    """
    headers: Mapping[str, str] = getattr(asked.request, "headers", {})
    named = headers.get(MCP_NAME_HEADER)
    if named is not None and decode_header_value(named) != params.task_id:
        text = f"the header {MCP_NAME_HEADER} does not name the task {params.task_id}"
        raise MCPError(HEADER_MISMATCH, text)


def knows_tasks(meta: Mapping[str, Any] | None) -> bool:
    """Tell whether a request's `_meta` declares the extension."""
    declared: Any = (meta or {}).get(CLIENT_CAPABILITIES_META_KEY)
    for name in ("extensions", IDENTIFIER):
        if not isinstance(declared, Mapping):
            return False
        declared = cast("Mapping[str, Any]", declared).get(name)
    return isinstance(declared, Mapping)


async def _known(asked: Awaitable[GoalView]) -> GoalView:
    """Return what is asked for; what is not there, or can't be, is a wrong parameter.

    Raises:
        MCPError: there is no such goal, or it can't do that.
    """
    try:
        return await asked
    except NotFoundError as error:
        raise MCPError(INVALID_PARAMS, error.to_text()) from error
    except AtosError as error:
        raise MCPError(INVALID_PARAMS, error.to_text(), error.to_wire()) from error


def task_of(view: GoalView, events: Sequence[Event], kind: str) -> TaskResult:
    """Return a goal as a task. Pure.

    Args:
        view: the goal.
        events: what happened to it: the first and the last say when.
        kind: `task` where it answers a call, `complete` where it was asked for.
    """
    asking = questions(view)
    ended = view.state in FINAL_GOAL_STATES and not asking
    status = "input_required" if asking else "working"
    if ended:
        status = "cancelled" if view.state == "cancelled" else "completed"
    return TaskResult(
        result_type=kind,
        task_id=view.id,
        status=status,
        created_at=_time(events[0].at if events else 0.0),
        last_updated_at=_time(events[-1].at if events else 0.0),
        status_message=digest(view, [], view.seq),
        poll_interval_ms=1000 * ask_again_s(view),
        result=_result(view) if status == "completed" and kind == "complete" else None,
        input_requests=asking if kind == "complete" and asking else None,
    )


def questions(view: GoalView) -> dict[str, dict[str, Any]]:
    """Return what a stopped goal asks, by the task that asks it."""
    if view.state != "needs_help":
        return {}
    form = {"type": "object", "properties": {FIELD: {"type": "string"}}, "required": [FIELD]}
    return {
        task.id: {
            "method": "elicitation/create",
            "params": {
                "mode": "form",
                "message": " ".join([task.question.text, *_options(task.question.options)]),
                "requestedSchema": form,
            },
        }
        for task in view.tasks
        if task.question.text
    }


def _options(options: Sequence[str]) -> list[str]:
    return [f"{number}) {text}" for number, text in enumerate(options, 1)]


def _result(view: GoalView) -> dict[str, Any]:
    """Return what `start_goal` would have answered, had it waited; a goal without success is an error of the tool."""
    whole = whole_goal(view)
    content = [block.model_dump(by_alias=True, exclude_none=True) for block in whole.content]
    return {
        "content": content,
        "structuredContent": whole.structured_content,
        "isError": view.state != "success",
        "resultType": "complete",
    }


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
