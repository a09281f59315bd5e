"""One simulated machine: its clock, its processes, and what is wrong with it at the moment."""

import asyncio  # noqa: TID251  # processes are tasks of a loop of the simulation's own
from collections import Counter
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

from atos_protocol.errors import AtosError
from doubles.simulation.chance import Chance
from doubles.simulation.tables import Tables

Value = TypeVar("Value")

EPOCH = 1_800_000_000.0
PAUSE_KNOWN_SECONDS = 25.0
"""A pause is known to the worker by then: some looks of the reconciler, on a slow machine."""


class ProcessKilled(BaseException):
    """The process of whoever calls is dead: nothing that it does has an effect any more."""


@dataclass(eq=False)
class Process:
    """A worker or a host."""

    name: str
    alive: bool = True
    tasks: dict[asyncio.Task[Any], None] = field(default_factory=dict[asyncio.Task[Any], None])

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something in this process."""

        async def run() -> None:
            PROCESS.set(self)
            try:
                await work
            except BaseException:
                if self.alive:
                    raise

        task = asyncio.get_running_loop().create_task(run())
        self.tasks[task] = None
        task.add_done_callback(lambda ended: self._ended(ended, work))
        return task

    def _ended(self, task: asyncio.Task[None], work: Coroutine[Any, Any, None]) -> None:
        self.tasks.pop(task, None)
        work.close()  # it was killed before it began

    def kill(self) -> None:
        """End it as SIGKILL does: whatever its tasks do from now on has no effect."""
        self.alive = False
        for task in list(self.tasks):
            task.cancel()


PROCESS: ContextVar[Process] = ContextVar("process")


class Machine:
    """Everything that the processes share."""

    def __init__(self, seed: int) -> None:
        self.loop = asyncio.get_running_loop()
        self.began = self.loop.time()
        self.chance = Chance(seed)
        self.tables = Tables()
        self.up = asyncio.Event()
        self.up.set()
        self._back_at = 0.0
        self.outages = 0
        self.jumped = 0.0
        """Seconds by which somebody set the clock."""
        self.slow = 1.0
        self.git_trouble: AtosError | None = None
        self.passed: Counter[str] = Counter()
        self.at_point: Callable[[str, int], bool] = lambda _name, _count: False
        """Tells whether the process at this crash point dies there."""
        self.trace: list[str] = []
        self.violations: list[str] = []

    @property
    def now(self) -> float:
        """Virtual seconds since the schedule began."""
        return self.loop.time() - self.began

    def wall(self) -> float:
        """What `time.time` returns."""
        return EPOCH + self.now + self.jumped

    def note(self, what: str) -> None:
        """Add a line to the trace."""
        self.trace.append(f"{self.now:12.3f}  {what}")

    def violated(self, invariant: str, how: str) -> None:
        """Note that an invariant does not hold."""
        self.note(f"VIOLATED {invariant}: {how}")
        self.violations.append(f"{invariant}: {how}")

    def check_alive(self) -> None:
        """Stop whoever runs in a process that was killed."""
        if not PROCESS.get().alive:
            raise ProcessKilled

    def rests(self, goal: str) -> None:
        """Note where something begins for a goal that was paused long ago; an outage keeps the worker from knowing."""
        told = [e for e in self.tables.of_goal[goal] if e.kind in {"goal_paused", "goal_unpaused"}]
        long_ago = self.wall() - PAUSE_KNOWN_SECONDS
        if self.outages or self.jumped or not told or told[-1].kind == "goal_unpaused":
            return
        if told[-1].at < long_ago:
            self.violated("paused_goals_rest", f"{goal} is at work")

    async def takes(self, what: str, factor: float = 1.0) -> None:
        """Pass the time that something takes; what a dead process began has no effect."""
        if seconds := self.chance.seconds(what):
            await asyncio.sleep(seconds * factor * self.slow)
        self.check_alive()

    async def answers(self) -> None:
        """Pass the time between an effect and the moment at which the caller knows of it."""
        if self.chance.number("answer") < 0.2:
            await self.takes("answers")

    def take_away(self, seconds: float) -> None:
        """Take the database away for so long."""
        self._back_at = max(self._back_at, self.now + seconds)
        self.tables.away = True
        self.outages += 1
        self.up.clear()
        self.loop.call_later(seconds, self._bring_back)

    def _bring_back(self) -> None:
        if self.now >= self._back_at - 1e-3:
            self.tables.away = False
            self.up.set()

    async def committed(self, what: str, transaction: Callable[[], Value]) -> Value:
        """Do a transaction as the library does, which waits for a database that is away."""
        while True:
            await self.takes(what)
            await self.up.wait()
            self.check_alive()
            if not self.tables.away:
                break
        value = transaction()
        await self.answers()
        return value

    async def in_thread(
        self, call: Callable[..., Value], *arguments: Any, **_options: Any
    ) -> Value:
        """Stand in for `anyio.to_thread.run_sync`: a kill may fall before or after what it does."""
        await self.takes("thread")
        value = call(*arguments)
        await self.answers()
        return value

    def point(self, name: str) -> None:
        """Stand in for a named crash point."""
        self.passed[name] += 1
        if PROCESS.get().alive and self.at_point(name, self.passed[name]):
            self.note(f"{PROCESS.get().name} is killed at {name}")
            PROCESS.get().kill()
        self.check_alive()


_current: list[Machine] = []


def machine() -> Machine:
    """Return the machine of the schedule that runs."""
    return _current[-1]


def enter(fresh: Machine) -> None:
    """Make a machine the current one."""
    _current[:] = [fresh]
