"""The library without `await`: the same objects, run in a thread of their own.

Entered by `with Atos.connect() as atos:`. Every method has the arguments, results and errors of its namesake in
`atos.client`; an exception of the connection's thread is raised here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anyio.from_thread import BlockingPortal

from atos.goal_values import GoalEvent, GoalResult
from atos.server_tools import ServerTools, ToolReply
from atos_protocol.goals import GoalCheck, GoalView, Priority, TaskReport

if TYPE_CHECKING:
    from atos.client import Atos, Goal


class SyncGoal:
    """A goal that runs in the daemons; this object watches and steers it, and may be dropped at any time."""

    def __init__(self, goal: Goal, portal: BlockingPortal) -> None:
        self._goal, self._portal = goal, portal
        self.id = goal.id

    def __repr__(self) -> str:
        return f"SyncGoal({self.id!r})"

    def events(self, after: int = 0) -> Iterator[GoalEvent]:
        """Yield what happens, from the beginning (or after a number) to the end."""
        seq = after
        while True:
            events, seq, over = self._portal.call(self._goal.events_page, seq)
            yield from events
            if over:
                return

    def status(self) -> GoalView:
        """Return the goal as it stands."""
        return self._portal.call(self._goal.status)

    def task(self, task: str) -> TaskReport:
        """Return everything about one task, such as `T1`."""
        return self._portal.call(self._goal.task, task)

    def result(self) -> GoalResult:
        """Wait for the end and return what came of it."""
        return self._portal.call(self._goal.result)

    def answer(self, task: str, answer: str) -> None:
        """Answer what a task asks, or give it one more example; the goal goes on."""
        self._portal.call(self._goal.answer, task, answer)

    def fix(self, task: str, files: Mapping[str, str]) -> None:
        """Hand in a task's own files (path -> text); the goal goes on."""
        self._portal.call(self._goal.fix, task, files)

    def retry(self) -> None:
        """Try again what is not done."""
        self._portal.call(self._goal.retry)

    def cancel(self) -> None:
        """Cancel the goal and everything that works for it."""
        self._portal.call(self._goal.cancel)


class SyncServerTools:
    """The tools of one server, each a method that takes the tool's arguments as keywords."""

    def __init__(self, tools: ServerTools, portal: BlockingPortal) -> None:
        self._tools, self._portal = tools, portal

    def __repr__(self) -> str:
        return repr(self._tools).replace("await ", "")

    def names(self) -> list[str]:
        """Return the names of the tools."""
        return self._portal.call(self._tools.names)

    def __getattr__(self, name: str) -> Callable[..., ToolReply]:
        """Return what calls the tool of that name."""
        call = getattr(self._tools, name)

        def wait(**arguments: Any) -> ToolReply:
            return self._portal.call(partial(call, **arguments))

        return wait


class SyncAtos:
    """ATOS, for programs without `await`: goals, and every tool of the five servers."""

    def __init__(self, atos: Atos, portal: BlockingPortal) -> None:
        self._atos, self._portal = atos, portal
        self.orchestrate = SyncServerTools(atos.orchestrate, portal)
        self.filesystem = SyncServerTools(atos.filesystem, portal)
        self.code_runner = SyncServerTools(atos.code_runner, portal)
        self.workflow = SyncServerTools(atos.workflow, portal)
        self.vram = SyncServerTools(atos.vram, portal)

    def __repr__(self) -> str:
        return f"Sync{self._atos!r}"

    def start_goal(
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
    ) -> SyncGoal:
        """Start a goal; it runs on even if this process ends. See `Atos.start_goal`."""
        start = partial(
            self._atos.start_goal, goal, into=into, plan=plan, examples=examples, tests=tests,
            priority=priority, key=key, deploy=deploy,
        )  # fmt: skip
        return SyncGoal(self._portal.call(start), self._portal)

    def check_goal(self, goal: str, examples: Sequence[str] = ()) -> GoalCheck:
        """Return what is found in a goal's text, and who would work on it; start nothing."""
        return self._portal.call(self._atos.check_goal, goal, examples)

    def goal(self, goal_id: str) -> SyncGoal:
        """Return a goal that was started before."""
        return SyncGoal(self._atos.goal(goal_id), self._portal)

    def goals(self, limit: int = 20) -> list[GoalView]:
        """List goals, newest first."""
        return self._portal.call(self._atos.goals, limit)

    def call(
        self,
        server: str,
        tool: str,
        arguments: Mapping[str, Any],
        *,
        roots: Sequence[Path] = (),
    ) -> dict[str, Any]:
        """Call a tool of a server and return its structured result. See `Atos.call`."""
        return self._portal.call(partial(self._atos.call, server, tool, arguments, roots=roots))
