"""An installed ATOS whose daemons are killed while it works, and a client that never gives up on it.

The client does what any client does: it asks the host, and starts the daemons that do not answer.
"""

import json
import os
import signal
import subprocess
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import anyio

from atos.tools import ToolClient
from atos_protocol.daemons import connect, peer_pid
from atos_protocol.errors import AtosError, UnreachableError
from atos_protocol.settings import Settings, load_settings
from doubles.installation import Installation

Victim = Literal["worker", "servers", "scheduler"]
VICTIMS: tuple[Victim, ...] = ("worker", "servers", "scheduler")

TOOLKIT = "Build a text toolkit: count words, reverse a string, check palindromes"
SMALL = "Write a Python function to add two numbers"
GOAL_SECONDS = 90.0
ONCE = ("goal_submitted", "goal_started", "plan_ready", "goal_verified", "goal_finished")
FINAL = {"success", "failed", "cancelled", "needs_help", "limit_reached"}


@dataclass(frozen=True, slots=True)
class Course:
    """A goal from its first event to its last."""

    view: dict[str, Any]
    events: list[dict[str, Any]]

    def check_against(self, unharmed: "Course") -> None:
        """Fail unless this came to the same: success, the same tree, every commit made once."""
        assert self.view["state"] == "success", self.view
        assert self.tree() == unharmed.tree()
        assert self.effects() == unharmed.effects()
        assert self.view["tests"] == unharmed.view["tests"]
        kinds = [event["kind"] for event in self.events]
        assert {kind: kinds.count(kind) for kind in ONCE} == dict.fromkeys(ONCE, 1)

    @property
    def repository(self) -> str:
        return self.view["repository"]

    @property
    def seconds(self) -> float:
        return self.events[-1]["at"] - self.events[0]["at"]

    def alive_at(self, moment: float) -> bool:
        """Tell whether the goal was unfinished at a moment."""
        return self.events[0]["at"] <= moment <= self.events[-1]["at"]

    def fell_into(self, moment: float) -> str:
        """Return the kind of the last event before a moment: the step that was cut short."""
        before = [event["kind"] for event in self.events if event["at"] <= moment]
        return before[-1] if before else "nothing yet"

    def tree(self) -> str:
        return git(self.repository, "rev-parse", "HEAD^{tree}").strip()

    def effects(self) -> list[str]:
        """What the commits were for, each as often as it was committed."""
        log = git(self.repository, "log", "--format=%(trailers:key=Atos-Effect,valueonly)")
        return sorted(key.partition(":")[2] for key in log.split())


def git(repository: str, *command: str) -> str:
    """Run git in a repository."""
    done = ["git", "-C", repository, *command]
    return subprocess.run(done, capture_output=True, text=True, check=True, timeout=20).stdout


class ChaosHouse:
    """One home, its daemons, and ways to kill them."""

    def __init__(self) -> None:
        self.installation = Installation()
        self.strikes = self.installation.person / "strike"
        self.installation.environment["ATOS_STRIKES"] = str(self.strikes)
        self._before = dict(os.environ)
        os.environ.update(self.installation.environment)
        self.settings: Settings = load_settings()

    def close(self) -> list[str]:
        """End the daemons; return what still runs of this home afterwards."""
        self.installation.run("down")
        deadline = time.monotonic() + 5
        while (left := self.installation.processes()) and time.monotonic() < deadline:
            time.sleep(0.05)
        os.environ.clear()
        os.environ.update(self._before)
        self.installation.close()
        return left

    def arm(self, point: str, victim: Victim) -> None:
        """Have `victim` killed when a process of this home passes `point`."""
        self.strikes.with_suffix(".struck").unlink(missing_ok=True)
        self.strikes.write_text(f"{point} {victim}\n")

    async def struck_at(self) -> float | None:
        """Return when the armed point was passed, as epoch seconds; None if it was not.

        The last point of a goal comes after its last event, and those of a worker's start when it
        has started, so it may be a moment off.
        """
        mark = self.strikes.with_suffix(".struck")
        for _ in range(400):
            if mark.exists():
                return mark.stat().st_ctime
            await anyio.sleep(0.05)
        return None

    def pid(self, victim: Victim) -> int:
        """Return a daemon's process id, as the kernel or the host tells it."""
        if victim == "worker":
            deadline = time.monotonic() + 20
            while not (pid := self.host_status()["worker"]["pid"]):
                assert time.monotonic() < deadline, "the host has no worker"
                time.sleep(0.02)
            return int(pid)
        with connect(victim, self.settings) as connection:
            return peer_pid(connection)

    def host_status(self) -> dict[str, Any]:
        """Ask the host how it is."""
        with connect("servers", self.settings) as connection:
            opening: dict[str, Any] = {"atos": 1, "server": "host", "roots": [], "client": "python"}
            connection.sendall(json.dumps(opening).encode() + b'\n{"op":"status"}\n')
            return json.loads(connection.makefile("rb").readline())

    async def kill(self, victim: Victim) -> float:
        """Kill a daemon with SIGKILL; return when, as epoch seconds."""
        pid = await anyio.to_thread.run_sync(self.pid, victim)
        os.kill(pid, signal.SIGKILL)
        return time.time()

    async def start(self, goal: str = TOOLKIT, key: str = "") -> str:
        """Start a goal, or a task where a key is given; return its id. Whatever strikes, it is started once."""
        tool, request = "start_goal", {"goal": goal, "key": uuid.uuid4().hex}
        if key:
            tool, request = "run_task", {"task": goal, "key": key}
        async with ToolClient(self.settings) as tools:
            return (await self._persistent(tools, tool, request))["id"]

    async def cancel(self, goal: str) -> dict[str, Any]:
        """Cancel a goal."""
        async with ToolClient(self.settings) as tools:
            return await tools.call("orchestrate", "cancel_goal", {"goal_id": goal})

    async def until_only(self, left: list[str], most: float = 5.0) -> None:
        """Wait until no other processes run for this home, or so many seconds have passed."""
        with anyio.move_on_after(most):
            while sorted(self.installation.processes()) != left:  # noqa: ASYNC110
                await anyio.sleep(0.02)

    async def until_swept(self) -> None:
        """Wait until nothing of a goal is left in the home's private folder: that comes after its processes ended."""
        trees = anyio.Path(self.settings.home / "worktrees")
        with anyio.fail_after(GOAL_SECONDS):
            while [each async for each in trees.iterdir()]:  # noqa: ASYNC110
                await anyio.sleep(0.02)

    async def until_event(self, goal: str, kind: str) -> None:
        """Wait until an event of a kind has come."""
        seq = 0
        async with ToolClient(self.settings) as tools:
            with anyio.fail_after(GOAL_SECONDS):
                while True:
                    request = {
                        "goal_id": goal,
                        "after_seq": seq,
                        "timeout_s": 5,
                        "detail": "events",
                    }
                    news = await tools.call("orchestrate", "wait_goal", request)
                    if any(event["kind"] == kind for event in news["events"]):
                        return
                    seq = news["seq"]

    async def follow(self, goal: str, seconds: float = GOAL_SECONDS) -> Course:
        """Follow a goal to its end, over lost connections and dead daemons."""
        seq, events = 0, list[dict[str, Any]]()
        async with ToolClient(self.settings) as tools:
            with anyio.fail_after(seconds):
                while True:
                    request = {
                        "goal_id": goal,
                        "after_seq": seq,
                        "timeout_s": 5,
                        "detail": "events",
                    }
                    news = await self._persistent(tools, "wait_goal", request)
                    events += news["events"]
                    seq = news["seq"]
                    if news["goal"]["state"] in FINAL and not news["events"]:
                        return Course(news["goal"], events)

    async def _persistent(
        self, tools: ToolClient, tool: str, request: dict[str, Any]
    ) -> dict[str, Any]:
        while True:
            try:
                return await tools.call("orchestrate", tool, request)
            except UnreachableError:
                await anyio.sleep(0.1)
            except AtosError as error:
                if not error.retry:
                    raise
                await anyio.sleep(0.1)


def logs(settings: Settings) -> str:
    """Return the ends of the daemons' logs, for a failure's report."""
    texts = [f"== {path.name}\n{_tail(path)}" for path in sorted(settings.logs.glob("*.log"))]
    return "\n".join(texts)


def _tail(path: Path) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-30:])
