"""The durable steps and events of one goal or task: `Steps` and `Emit` over the runtime.

Around the work of every step are two crash points, before it and after it. The second one is after the
effect and before the record: a step that is killed there runs again, which is what its keys are for.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import anyio
from tenacity import AsyncRetrying, RetryCallState, stop_after_attempt, wait_chain, wait_fixed

from atos_orchestrator.execution.crash_points import point
from atos_orchestrator.execution.dbos_runtime import DbosRuntime
from atos_orchestrator.execution.event_store import EventStore
from atos_orchestrator.execution.goal_input import event_key
from atos_orchestrator.ports import Json
from atos_protocol.errors import AtosError

log = logging.getLogger(__name__)

RETRY_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Pauses before the next try of a step that failed for a temporary reason, such as a daemon that was
killed and is being started again."""


@dataclass(frozen=True, slots=True)
class DurableSteps:
    """Implements `ports.Steps` within the current run."""

    runtime: DbosRuntime
    kind: str
    """`goal`, `task` or `plan`: the first part of the names of the crash points."""

    async def __call__(self, name: str, work: Callable[[], Awaitable[Json]]) -> Json:
        """Run one step; a temporary failure is retried for about 16 s."""
        where = f"{self.kind}.{name.partition('.')[0]}"

        async def body() -> Json:
            point(f"{where}.before")
            result = await with_retries(name, work)
            point(f"{where}.after")
            return result

        return await self.runtime.step(name, body)


async def with_retries(name: str, work: Callable[[], Awaitable[Json]]) -> Json:
    """Do the work; every failure is raised as an `AtosError`, after retries where they may help."""

    async def attempt() -> Json:
        try:
            return await work()
        except ExceptionGroup as group:
            raise _cause(group) from group

    def is_temporary(state: RetryCallState) -> bool:
        error = state.outcome.exception() if state.outcome else None
        return isinstance(error, AtosError) and error.retry

    def log_retry(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        log.info("step %s failed (%s), again in %.1f s", name, error, state.upcoming_sleep)

    retrying = AsyncRetrying(
        sleep=anyio.sleep,
        wait=wait_chain(*map(wait_fixed, RETRY_SECONDS)),
        stop=stop_after_attempt(len(RETRY_SECONDS) + 1),
        retry=is_temporary,
        before_sleep=log_retry,
        reraise=True,
    )
    try:
        return await retrying(attempt)
    except AtosError:
        raise
    except Exception as error:
        # A defect: recorded as data like any other failure, so that a replay meets it too.
        log.exception("step %s failed", name)
        message = f"{type(error).__name__} in step {name}: {error}"
        raise AtosError(message, next_step="See logs/worker.log.") from error


def _cause(group: ExceptionGroup[Exception]) -> Exception:
    """Return the error that a task group wrapped; the group itself where one of several is a defect."""
    foreseen, defects = group.split(AtosError)
    if foreseen is None or defects is not None:
        return group
    error: Exception = foreseen
    while isinstance(error, ExceptionGroup):
        error = cast("ExceptionGroup[Exception]", error).exceptions[0]
    return error


@dataclass(frozen=True, slots=True)
class DurableEmit:
    """Implements `ports.Emit` for one goal, or one of its tasks."""

    events: EventStore
    goal: str
    task: str | None = None
    revision: int = 1
    """Run of the goal that appends: each has keys of its own."""

    def __call__(self, kind: str, data: Mapping[str, Any], *, key: str) -> None:
        """Append an event once per key of the goal or task, and revision."""
        whole = event_key(self.revision, self.task, kind, key)
        self.events.append(self.goal, kind, data, key=whole, task=self.task)
