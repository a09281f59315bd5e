"""Plain implementations of the orchestrator's ports: steps that record, events in a list."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from atos_orchestrator.ports import Json
from atos_protocol.goals import Event


class Killed(BaseException):
    """Stands for the end of the process in the middle of a step."""


@dataclass
class RecordedSteps:
    """Runs steps and records their results; a second run over the same record replays them.

    `die_in` names a step in which the process "ends": after its work was done, before the result was
    recorded, which is the worst moment.
    """

    record: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    die_in: str = ""
    at: int = 0

    async def __call__(self, name: str, work: Callable[[], Awaitable[Json]]) -> Json:
        if self.at < len(self.record):
            known, result = self.record[self.at]
            assert known == name, f"step {self.at} was {known}, and is {name} when replayed"
            self.at += 1
            return json.loads(result)
        result = json.dumps(await work())
        if name == self.die_in:
            raise Killed(name)
        self.record.append((name, result))
        self.at += 1
        return json.loads(result)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.record]


@dataclass
class EventList:
    """Appends events once per key, as the real table does."""

    goal: str = "g"
    task: str | None = None
    keys: set[str] = field(default_factory=set[str])
    events: list[Event] = field(default_factory=list[Event])

    def __call__(self, kind: str, data: Mapping[str, Any], *, key: str) -> None:
        if key in self.keys:
            return
        self.keys.add(key)
        seq = len(self.events) + 1
        self.events.append(
            Event(
                seq,
                self.goal,
                self.task or "",
                kind,
                float(seq),
                json.loads(json.dumps(dict(data))),
            )
        )

    def of(self, kind: str) -> list[Mapping[str, Any]]:
        return [event.data for event in self.events if event.kind == kind]
