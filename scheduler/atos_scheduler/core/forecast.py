"""What a plan would have loaded, when and for how long: the core itself, run ahead in virtual time. Pure.

A copy of the core gets the plan's requests as its dependencies allow, and a world that does what was seen
before: loads take their last time, replies the time of their tokens. Nothing is loaded by it.
"""

from __future__ import annotations

import copy
import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from atos_protocol.scheduler_api import Demand
from atos_scheduler.core.effects import Effect, Evict, Grant, Load, Refuse, Revoke, SetTimer
from atos_scheduler.core.events import Event, Evicted, Loaded, Released, Requested, Tick
from atos_scheduler.core.state_machine import Core
from atos_scheduler.core.types import Candidate

MOST_STEPS = 20_000
EVICTION_SECONDS = 0.5
PATIENCE = 1e6
"""Seconds that a request of the plan may wait."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One task: so many calls one after another, each of so many seconds."""

    id: str
    after: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    calls: int
    seconds: float
    """That one call keeps a slot."""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that would happen."""

    at: float
    """Seconds from now."""
    what: Literal["load", "evict", "begin", "end", "refuse"]
    model: str
    task: str = ""
    seconds: float = 0.0
    """How long it takes: a load, or a task from its first request to its end."""


class Forecast:
    """One run ahead; `lines` is its result."""

    def __init__(self, core: Core, now: float, tasks: Iterable[Planned]) -> None:
        self.lines: list[Line] = []
        self._core, self._start, self._now = copy.deepcopy(core), now, now
        self._tasks = {task.id: task for task in tasks}
        self._left = {task.id: max(1, task.calls) for task in self._tasks.values()}
        self._begun: dict[str, float] = {}
        self._models: dict[str, str] = {}
        self._ended: set[str] = set()
        self._queue: list[tuple[float, int, Event]] = []
        self._count = 0
        self._timer: float | None = core.timer
        for lease in list(self._core.demands.held):
            self._later(1.0, Released(lease))
        for model, found in self._core.memory.residencies.items():
            if found.state == "loading":
                self._later(self._core.load_times.predict(model, found.bytes), Loaded(model, 0))
            elif found.state == "evicting":
                self._later(EVICTION_SECONDS, Evicted(model))

    def run(self) -> list[Line]:
        """Run to the end of the plan; return what would happen, in order."""
        self._ask_ready()
        for _ in range(MOST_STEPS):
            if len(self._ended) == len(self._tasks) or not self._advance():
                break
        return self.lines

    def _advance(self) -> bool:
        at = self._queue[0][0] if self._queue else None
        if self._timer is not None and (at is None or self._timer < at):
            self._now, self._timer = max(self._now, self._timer), None
            self._feed(Tick())
            return True
        if at is None:
            return False
        self._now, _, event = heapq.heappop(self._queue)
        if isinstance(event, Released) and event.lease in self._left:
            self._call_ended(event.lease)
        else:
            self._feed(event)
        return True

    def _call_ended(self, task: str) -> None:
        self._feed(Released(task))
        self._left[task] -= 1
        if self._left[task]:
            self._ask(task)
            return
        took = self._now - self._begun[task]
        self._end(task, "end", self._models[task], took)
        self._ask_ready()

    def _end(self, task: str, what: Literal["end", "refuse"], model: str, took: float) -> None:
        self._ended.add(task)
        self.lines.append(Line(self._now - self._start, what, model, task, took))

    def _ask_ready(self) -> None:
        for task in self._tasks.values():
            if task.id not in self._begun and set(task.after) <= self._ended:
                self._begun[task.id] = self._now
                self._ask(task.id)

    def _ask(self, task: str) -> None:
        demand = Demand(goal="forecast", task=task)
        planned = self._tasks[task].candidates
        self._feed(Requested(task, planned, demand, "", self._now + PATIENCE))

    def _feed(self, event: Event) -> None:
        for effect in self._core.handle(event, self._now):
            self._obey(effect)

    def _obey(self, effect: Effect) -> None:
        at = self._now - self._start
        match effect:
            case Load(model):
                size = self._core.memory.residencies[model].bytes
                seconds = self._core.load_times.predict(model, size)
                self.lines.append(Line(at, "load", model, seconds=seconds))
                self._later(seconds, Loaded(model, 0))
            case Evict(model):
                self.lines.append(Line(at, "evict", model))
                self._later(EVICTION_SECONDS, Evicted(model))
            case Grant(lease, model, _):
                if (task := self._tasks.get(lease)) is None:
                    self._later(1.0, Released(lease))
                    return
                if self._left[lease] == max(1, task.calls):
                    self.lines.append(Line(at, "begin", model, lease))
                self._models[lease] = model
                self._later(task.seconds, Released(lease))
            case Refuse(lease, _):
                if lease in self._tasks:
                    self._end(lease, "refuse", "", 0.0)
            case Revoke():
                pass
            case SetTimer(moment):
                self._timer = moment

    def _later(self, seconds: float, event: Event) -> None:
        self._count += 1
        heapq.heappush(self._queue, (self._now + seconds, self._count, event))


def forecast(core: Core, now: float, tasks: Iterable[Planned]) -> list[Line]:
    """Return what a plan would do to memory if it began now and nobody else asked for anything."""
    return Forecast(core, now, tasks).run()
