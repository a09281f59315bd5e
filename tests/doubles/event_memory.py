"""A table of events in memory that fails as it is told, and steps that are replayed after every kill."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

import anyio
import anyio.from_thread

from atos_orchestrator.execution.event_table import NewEvent
from atos_orchestrator.execution.event_writer import EventWriter
from atos_protocol.errors import BadRequestError, UnreachableError

AWAY = "the table is away"


class Fault(Enum):
    """What becomes of a transaction."""

    NONE = "none"
    AWAY = "it fails, and leaves nothing"
    UNHEARD = "it commits, and its reply is lost"
    KILLED_BEFORE = "the process dies before it"
    KILLED_AFTER = "the process dies between its commit and the release of who waits"


class EventMemory:
    """Appends once per goal and key, in one transaction; `write` is the writer's."""

    def __init__(self, faults: Sequence[Fault] = (), refused: frozenset[str] | set[str] = frozenset()) -> None:  # fmt: skip
        self.faults = list(faults)
        self.refused = refused
        self.rows: list[tuple[str, str]] = []
        self.announced: list[tuple[str, int]] = []
        self.alive: anyio.CancelScope | None = None
        """Of the present process."""

    @property
    def numbers(self) -> list[tuple[str, int]]:
        return [(goal, number) for number, (goal, _) in enumerate(self.rows, start=1)]

    def keys(self, goal: str) -> list[str]:
        return [key for of, key in self.rows if of == goal]

    def announce(self, goal: str, number: int) -> None:
        self.announced.append((goal, number))

    def write(self, events: Sequence[NewEvent]) -> list[int]:
        fault = self.faults.pop(0) if self.faults else Fault.NONE
        if any(event.key in self.refused for event in events):
            message = "refused"
            raise BadRequestError(message)
        if fault is Fault.KILLED_BEFORE:
            self._kill()
        if fault is Fault.AWAY or self._is_dead():
            raise UnreachableError(AWAY)
        numbers = [self._append((event.goal, event.key)) for event in events]
        if fault is Fault.KILLED_AFTER:
            self._kill()
        if fault is Fault.UNHEARD or self._is_dead():
            raise UnreachableError(AWAY)
        return numbers

    def _append(self, row: tuple[str, str]) -> int:
        if row in self.rows:
            return 0
        self.rows.append(row)
        return len(self.rows)

    def _kill(self) -> None:
        if self.alive is not None:
            anyio.from_thread.run_sync(self.alive.cancel)

    def _is_dead(self) -> bool:
        return self.alive is not None and self.alive.cancel_called


@dataclass
class Process:
    """One life: its steps tell events, wait until they are written, and are recorded."""

    memory: EventMemory
    goals: Mapping[str, Sequence[int]]
    recorded: set[tuple[str, int]]
    too_early: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    """Steps that were recorded before their events were in the table."""

    async def live(self) -> None:
        writer = EventWriter(self.memory.write, self.memory.announce, pauses=(0.0,))
        async with anyio.create_task_group() as life:
            self.memory.alive = life.cancel_scope
            life.start_soon(writer.run)
            async with anyio.create_task_group() as goals:
                for goal in self.goals:
                    goals.start_soon(self._goal, writer, goal)
            life.cancel_scope.cancel()
            self.memory.alive = None

    async def _goal(self, writer: EventWriter, goal: str) -> None:
        for step, count in enumerate(self.goals[goal]):
            if (goal, step) in self.recorded:
                continue
            for number in range(count):
                writer.put(NewEvent(goal, None, "warning", 1.0, "{}", f"{step}:{number}"))
            await writer.written(goal)
            await anyio.lowlevel.checkpoint_if_cancelled()
            told = {f"{step}:{number}" for number in range(count)}
            if not told <= set(self.memory.keys(goal)):
                self.too_early.append((goal, step))
            self.recorded.add((goal, step))


async def killed_and_replayed(
    memory: EventMemory, goals: Mapping[str, Sequence[int]]
) -> list[tuple[str, int]]:
    """Live again after every kill until all is recorded; return what was recorded too early."""
    recorded: set[tuple[str, int]] = set()
    wanted = {(goal, step) for goal, steps in goals.items() for step in range(len(steps))}
    early: list[tuple[str, int]] = []
    while recorded != wanted:
        process = Process(memory, goals, recorded)
        await process.live()
        early += process.too_early
    return early
