"""The library: start goals, follow them, steer them, call any tool of any server.

The daemons do the work and are started where they are missing, so a goal goes on when this process ends.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastmcp import Client

from atos.goal_values import GoalEvent, GoalResult, goal_event, goal_result, goal_view
from atos.server_tools import ServerTools
from atos.sync_client import SyncAtos
from atos.tools import ToolClient
from atos.transport import SocketTransport
from atos_protocol.goals import FINAL_GOAL_STATES, GoalCheck, GoalView, Priority, TaskReport
from atos_protocol.scheduler_api import parse
from atos_protocol.settings import Settings, load_settings

WAIT_SECONDS = 20.0
"""How long one request waits for news; the host ends longer ones itself."""


class Goal:
    """A goal that runs in the daemons; this object watches and steers it, and may be dropped at any time."""

    def __init__(self, tools: ToolClient, goal_id: str) -> None:
        self._tools = tools
        self.id = goal_id

    def __repr__(self) -> str:
        return f"Goal({self.id!r})"

    async def events(self, after: int = 0) -> AsyncIterator[GoalEvent]:
        """Yield what happens, from the beginning (or after a sequence number) to the end.

        A lost connection or a restarted daemon is only a pause: no event is lost or doubled.
        """
        seq = after
        while True:
            events, seq, over = await self.events_page(seq)
            for event in events:
                yield event
            if over:
                return

    async def events_page(self, after: int) -> tuple[list[GoalEvent], int, bool]:
        """Return the events after a number as soon as there are any, the next number, and whether that was all.

        Returns after `WAIT_SECONDS` without news, too; pass the number of each answer to the next call.
        """
        request = {
            "goal_id": self.id, "after_seq": after, "timeout_s": WAIT_SECONDS, "detail": "events",
        }  # fmt: skip
        answer = await self._tools.call("orchestrate", "wait_goal", request)
        over = answer["goal"]["state"] in FINAL_GOAL_STATES and not answer["events"]
        return [goal_event(each) for each in answer["events"]], answer["seq"], over

    async def status(self) -> GoalView:
        """Return the goal as it stands: state, tasks, tests, what its code rests on.

        Raises:
            NotFoundError: there is no such goal.
        """
        return goal_view(await self._tools.call("orchestrate", "get_goal", {"goal_id": self.id}))

    async def task(self, task: str) -> TaskReport:
        """Return everything about one task: its rounds, verdicts and last failure.

        Args:
            task: its id, such as `T1`.

        Raises:
            NotFoundError: there is no such goal or task.
        """
        request = {"goal_id": self.id, "task_id": task}
        return parse(TaskReport, await self._tools.call("orchestrate", "get_task", request))

    async def result(self) -> GoalResult:
        """Wait for the end, however long it takes, and return what came of it.

        A goal that needs help ends as well: look at `state`, then `answer`, `fix` or `retry`.
        """
        async for _ in self.events():
            pass
        return goal_result(await self._tools.call("orchestrate", "get_goal", {"goal_id": self.id}))

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


class Opening:
    """What `Atos.connect` returns: enter it with `async with` for an `Atos`, with `with` for a `SyncAtos`."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings
        self._stack = contextlib.AsyncExitStack()
        self._thread: contextlib.ExitStack | None = None

    async def __aenter__(self) -> Atos:
        tools = ToolClient(self._settings or load_settings(), client="python")
        return Atos(await self._stack.enter_async_context(tools))

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    def __enter__(self) -> SyncAtos:
        """Run the connection in a thread of its own, until the block ends."""
        self._thread = contextlib.ExitStack()
        portal: BlockingPortal = self._thread.enter_context(start_blocking_portal())
        try:
            atos = portal.call(self.__aenter__)
        except BaseException:
            self._thread.close()
            raise
        self._thread.callback(portal.call, self._stack.aclose)
        return SyncAtos(atos, portal)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._thread is not None:
            # told of the error, so that a call under way is not waited for
            self._thread.__exit__(kind, error, trace)


class Atos:
    """ATOS, for programs: goals, and every tool of the five servers.

    `Atos.connect()` is entered with `async with` for this class, or with `with` for `SyncAtos`, which has the same
    methods without `await` (all but `tools`):

    >>> from atos import Atos
    >>> with Atos.connect() as atos:
    ...     goal = atos.start_goal("Write a Python function to add two numbers")
    ...     result = goal.result()
    ...     folder = str(result.repository)
    ...     report = atos.code_runner.run_python(path=folder, code="print(6 * 7)")
    >>> result.state, result.passed > 0
    ('success', True)
    >>> [(task.id, task.state) for task in result.goal.tasks]
    [('T1', 'done')]
    >>> print(report.data["stdout"].strip())
    42

    The five servers are attributes; their tools are methods with the arguments that `docs/servers.md` names, as
    keywords. Every failure is an `atos_protocol.errors.AtosError` with a `code` (closed set) and a `next_step`:

    >>> with Atos.connect() as atos:
    ...     try:
    ...         atos.goal("no-such-goal").status()
    ...     except AtosError as error:
    ...         print(error.code, "|", error.next_step)
    not_found | list_goals shows the goals that exist.
    """

    def __init__(self, tools: ToolClient) -> None:
        self._tools = tools
        self.orchestrate = ServerTools(tools, "orchestrate")
        self.filesystem = ServerTools(tools, "filesystem")
        self.code_runner = ServerTools(tools, "code_runner")
        self.workflow = ServerTools(tools, "workflow")
        self.vram = ServerTools(tools, "vram")

    def __repr__(self) -> str:
        return f"Atos(home={str(self._tools.home)!r})"

    @classmethod
    def connect(cls, settings: Settings | None = None) -> Opening:
        """Connect to the daemons of this home, starting them at the first call.

        Args:
            settings: another home or other settings; by default those of the environment and `~/.atos/.env`.

        Raises:
            BadConfigError: on entering: the settings can't be read.
        """
        return Opening(settings)

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

    async def check_goal(self, goal: str, examples: Sequence[str] = ()) -> GoalCheck:
        """Return what is found in a goal's text, who would work on it, and what can't be proven; start nothing."""
        request = {"goal": goal, "examples": list(examples)}
        return parse(GoalCheck, await self._tools.call("orchestrate", "check_goal", request))

    def goal(self, goal_id: str) -> Goal:
        """Return a goal that was started before."""
        return Goal(self._tools, goal_id)

    async def goals(self, limit: int = 20) -> list[GoalView]:
        """List goals, newest first.

        Args:
            limit: how many at most, 1 to 100.
        """
        answer = await self._tools.call("orchestrate", "list_goals", {"limit": limit})
        return [goal_view(each) for each in answer["goals"]]

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
