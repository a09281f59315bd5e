"""Where a goal's seconds went, by event: a pure sum of the durations that model and sandbox events carry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from atos_protocol.goals import Event, Spent

SANDBOX_EVENTS = frozenset({"tests_run", "evaluated"})
WORK_EVENTS = SANDBOX_EVENTS | {"model_call"}
LONGEST_SECONDS = 1e9
LARGEST = 1e12
"""What no duration and no moment reaches; events may hold anything."""
MOST_RUN_SECONDS = 60.0
"""No run in the sandbox takes longer; one that seems to had the clock set while it ran."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a goal has used: the measure of its limits, which neither waiting nor the calendar adds to."""

    seconds: float = 0.0
    """In which models read and wrote, or code ran, summed over tasks that run side by side."""
    model_calls: int = 0


@dataclass(frozen=True, slots=True)
class WorkSum:
    """What a goal has used by its events so far."""

    spent: Spent = field(default_factory=Spent)
    calls: int = 0

    def plus(self, events: Iterable[Event]) -> WorkSum:
        """Return the sum with more events; kinds other than `WORK_EVENTS` add nothing."""
        spent, calls = self.spent, self.calls
        for event in events:
            spent = add_event(spent, event.kind, event.data)
            calls += event.kind == "model_call"
        return WorkSum(spent, calls)

    @property
    def work(self) -> Work:
        """The sum in short."""
        spent = self.spent
        return Work(spent.prompt_s + spent.writing_s + spent.sandbox_s, self.calls)


def work_of(events: Iterable[Event]) -> Work:
    """Return what the goal of these events has used."""
    return WorkSum().plus(events).work


def add_event(spent: Spent, kind: str, data: Mapping[str, Any]) -> Spent:
    """Return the sum with one more event; events that used neither a model nor the sandbox add nothing."""
    if kind == "model_call":
        # A call without its parts counts as writing: older records have only begin and end.
        writing = _seconds(data, "seconds") if "seconds" in data else _duration(data)
        return replace(
            spent,
            prompt_s=_sum(spent.prompt_s, _seconds(data, "prompt_seconds")),
            writing_s=_sum(spent.writing_s, writing),
            waiting_s=_sum(spent.waiting_s, _seconds(data, "queued")),
        )
    if kind in SANDBOX_EVENTS:
        ran = min(_duration(data), MOST_RUN_SECONDS)
        return replace(spent, sandbox_s=_sum(spent.sandbox_s, ran))
    return spent


def with_rest(spent: Spent, seconds: float) -> Spent:
    """Return the sum with what is left of the time that passed."""
    work = spent.prompt_s + spent.writing_s + spent.waiting_s + spent.sandbox_s
    return replace(spent, rest_s=round(max(0.0, seconds - work), 3))


def _sum(so_far: float, more: float) -> float:
    return round(so_far + more, 3)


def _seconds(data: Mapping[str, Any], name: str) -> float:
    """Return a duration; 0 where there is none that could be one."""
    value = _number(data.get(name))
    return value if value < LONGEST_SECONDS else 0.0


def _duration(data: Mapping[str, Any]) -> float:
    """Return the time between two moments, which are epoch seconds."""
    began, ended = _number(data.get("started_at")), _number(data.get("ended_at"))
    return min(max(0.0, ended - began), LONGEST_SECONDS) if began else 0.0


def _number(value: object) -> float:
    # The comparison leaves out NaN, infinity, and integers that no float can hold.
    if isinstance(value, int | float) and 0 < value < LARGEST:
        return float(value)
    return 0.0
