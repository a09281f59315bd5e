"""The Python client library: start goals, follow them, call any tool of any server.

async with Atos.connect() as atos:
goal = await atos.start_goal("Write a Python function to add two numbers")
async for event in goal.events():
print(event.kind, event.data)
print((await goal.result()).repository)
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastmcp import Client

from atos.tools import ToolClient
from atos.transport import SocketTransport
from atos_protocol.goals import FINAL_GOAL_STATES, Priority
from atos_protocol.settings import Settings, load_settings

WAIT_SECONDS = 20.0
"""How long one request waits for news; the host ends longer ones itself."""


@dataclass(frozen=True, slots=True)
class GoalEvent:
    """Something that happened to a goal."""

    seq: int
    kind: str
    task: str
    """The task's id; empty for the goal itself."""
    at: float
    """Epoch seconds."""
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class GoalResult:
    """What a goal came to."""

    id: str
    state: str
    repository: Path | None
    passed: int
    failed: int
    seconds: float
    view: Mapping[str, Any]
    """Everything that the orchestrate server says of the goal."""


class Goal:
    """A goal that runs in the daemons; this object only watches it."""

    def __init__(self, tools: ToolClient, goal_id: str) -> None:
        self._tools = tools
        self.id = goal_id

    async def events(self, after: int = 0) -> AsyncIterator[GoalEvent]:
        """Yield what happens, from the beginning (or after a sequence number) to the end.

        A lost connection or a restarted daemon is only a pause: no event is lost or doubled.
        """
        seq = after
        while True:
            request = {
                "goal_id": self.id,
                "after_seq": seq,
                "timeout_s": WAIT_SECONDS,
                "detail": "events",
            }
            answer = await self._tools.call("orchestrate", "wait_goal", request)
            for event in answer["events"]:
                task = event.get("task") or ""
                yield GoalEvent(seq, event["kind"], task, event["at"], event.get("data") or {})
            seq = answer["seq"]
            if answer["goal"]["state"] in FINAL_GOAL_STATES and not answer["events"]:
                return

    async def status(self) -> Mapping[str, Any]:
        """Return the goal as it stands."""
        return await self._tools.call("orchestrate", "get_goal", {"goal_id": self.id})

    async def result(self) -> GoalResult:
        """Wait for the end and return what came of it."""
        async for _ in self.events():
            pass
        view = await self.status()
        tests = view.get("tests") or {"passed": 0, "failed": 0}
        place = Path(view["repository"]) if view.get("repository") else None
        return GoalResult(
            id=self.id,
            state=view["state"],
            repository=place,
            passed=tests["passed"],
            failed=tests["failed"],
            seconds=float(view.get("seconds") or 0),
            view=view,
        )

    async def answer(self, task: str, answer: str) -> None:
        """Answer what a task asks, or give it one more example; the goal goes on.

        Args:
            task: its id, such as `T1`.
            answer: number of an option (from 1), a value as Python writes it, `raises ValueError`, or a whole
                example.

        Raises:
            BadRequestError: it is no answer; the message says what is.
            ConflictError: the goal runs, has succeeded or was cancelled, or the task is done.
        """
        await self._steer("answer_question", task_id=task, answer=answer)

    async def fix(self, task: str, files: Mapping[str, str]) -> None:
        """Hand in a task's own files (path -> text); the goal goes on and judges them like its own.

        Raises:
            BadRequestError: they are not the task's files, or no Python.
            ConflictError: the goal runs, has succeeded or was cancelled, or the task is done.
        """
        await self._steer("submit_fix", task_id=task, files=dict(files))

    async def retry(self) -> None:
        """Try again what is not done.

        Raises:
            ConflictError: the goal runs, has succeeded or was cancelled.
        """
        await self._steer("retry_goal")

    async def _steer(self, tool: str, **arguments: Any) -> None:
        request = {"goal_id": self.id} | arguments
        await self._tools.call("orchestrate", tool, request, resend=False)

    async def cancel(self) -> None:
        """Cancel the goal and everything that works for it."""
        await self._tools.call("orchestrate", "cancel_goal", {"goal_id": self.id})


class Atos:
    """A connection to ATOS, started if need be."""

    def __init__(self, tools: ToolClient) -> None:
        self._tools = tools

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(cls, settings: Settings | None = None) -> AsyncGenerator[Atos]:
        """Connect to the daemons of this home, starting them at the first call.

        Raises:
            BadConfigError: the settings can't be read.
        """
        async with ToolClient(settings or load_settings(), client="python") as tools:
            yield cls(tools)

    async def start_goal(
        self,
        goal: str,
        *,
        into: Path | None = None,
        plan: Mapping[str, Any] | None = None,
        examples: Sequence[str] = (),
        tests: str = "",
        priority: Priority = "normal",
        key: str = "",
        deploy: str = "",
    ) -> Goal:
        """Start a goal; it runs on even if this process ends.

        Args:
            goal: what to build, in one sentence.
            into: a new or empty folder, or a git repository; default below `~/atos`.
            plan: a plan made elsewhere, to be executed instead of one made here.
            examples: such as `f(1) -> 2` or `f(-1) raises ValueError`; they decide whether code is right.
            tests: text of a pytest file that decides; the goal is one task then.
            priority: high counts as an hour older than it is among queued goals, low as an hour younger.
            key: a call with the same key returns its goal and starts nothing, so it may be made again.
            deploy: `local` serves the result on this machine; the goal's `deployment_url` says where.

        Raises:
            NoModelError: nothing here can do it; the message says what to install.
            BadRequestError: the goal is empty, too long, or holds control characters; an example or the tests
                are none.
            WorkspaceError: `into` can't be used.
        """
        request: dict[str, Any] = {"goal": goal}
        if into is not None:
            request["into"] = _absolute(into)
        if plan is not None:
            request["plan"] = dict(plan)
        if examples:
            request["examples"] = list(examples)
        if tests:
            request["tests"] = tests
        if priority != "normal":
            request["priority"] = priority
        if key:
            request["key"] = key
        if deploy:
            request["deploy"] = deploy
        view = await self._tools.call("orchestrate", "start_goal", request, resend=bool(key))
        return Goal(self._tools, view["id"])

    async def check_goal(self, goal: str) -> Mapping[str, Any]:
        """Return what is found in a goal's text, who would work on it, and what can't be proven."""
        return await self._tools.call("orchestrate", "check_goal", {"goal": goal})

    def goal(self, goal_id: str) -> Goal:
        """Return a goal that was started before."""
        return Goal(self._tools, goal_id)

    async def goals(self, limit: int = 20) -> list[Mapping[str, Any]]:
        """List goals, newest first."""
        answer = await self._tools.call("orchestrate", "list_goals", {"limit": limit})
        return list(answer["goals"])

    async def call(
        self,
        server: str,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        roots: Sequence[Path] = (),
    ) -> dict[str, Any]:
        """Call a tool of a server and return its structured result.

        Raises:
            AtosError: the tool failed; its class comes from the code in the answer.
        """
        return await self._tools.call(server, tool, arguments, roots=roots, resend=False)

    async def tools(self, server: str, *, roots: Sequence[Path] = ()) -> Client[SocketTransport]:
        """Return the connected FastMCP client of a server: list tools, read resources, prompts."""
        return await self._tools.client(server, roots=roots)


def _absolute(path: Path) -> str:
    """Resolve against this process's working directory; the daemons have another."""
    return str(path.expanduser().absolute())
