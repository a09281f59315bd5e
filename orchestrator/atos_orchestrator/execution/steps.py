"""The durable steps and events of one goal or task: the `Steps` and `Emit` ports over the runtime.

Around the work of every step stand two crash points (`points`), before it and after it. The second lies after the
effect and before the record: killed there, the step runs again, which is what its keys are for.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import anyio

from atos_orchestrator.execution.crash_points import point
from atos_orchestrator.execution.event_store import EventStore
from atos_orchestrator.execution.runtime import DurableRuntime
from atos_orchestrator.ports import Json
from atos_protocol.errors import AtosError

log = logging.getLogger(__name__)

RETRY_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Pauses before the next try of a step that failed for a reason which passes by itself, such as a
daemon that was killed and is being started again."""


@dataclass(frozen=True, slots=True)
class DurableSteps:
    """Implements `ports.Steps` within the present run."""

    runtime: DurableRuntime
    kind: str
    """`goal`, `task` or `plan`: the first part of the names of the crash points."""

    async def __call__(self, name: str, work: Callable[[], Awaitable[Json]]) -> Json:
        """See `ports.Steps`; a failure that may pass is tried again for a while."""
        where = f"{self.kind}.{stage(name)}"

        async def body() -> Json:
            point(f"{where}.before")
            result = await _persistent(name, work)
            point(f"{where}.after")
            return result

        return await self.runtime.step(name, body)


def stage(name: str) -> str:
    """Return what kind of step a name stands for: `code` for `code.2`."""
    return name.partition(".")[0]


async def _persistent(name: str, work: Callable[[], Awaitable[Json]]) -> Json:
    """Do the work, again where that may help; every failure leaves as an `AtosError`."""
    for pause in (*RETRY_SECONDS, None):
        try:
            return await work()
        except AtosError as error:
            if not error.retry or pause is None:
                raise
            log.info("step %s failed (%s), again in %.1f s", name, error, pause)
            await anyio.sleep(pause)
        except Exception as error:
            # A defect: recorded as data like any other failure, so that a replay meets it too.
            log.exception("step %s failed", name)
            message = f"{type(error).__name__} in step {name}: {error}"
            raise AtosError(message, next_step="See logs/worker.log.") from error
    raise AssertionError  # the loop returns or raises


@dataclass(frozen=True, slots=True)
class DurableEmit:
    """Implements `ports.Emit` for one goal, or one of its tasks."""

    events: EventStore
    goal: str
    task: str | None = None

    def __call__(self, kind: str, data: Mapping[str, Any], *, key: str) -> None:
        """See `ports.Emit`."""
        whole = f"{self.task or 'goal'}:{kind}:{key}"
        self.events.append(self.goal, kind, data, key=whole, task=self.task)
