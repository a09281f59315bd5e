"""A published plan in the core's terms: each task with the models of its pool."""

from __future__ import annotations

from contextlib import suppress

from atos_protocol.errors import NoModelError
from atos_protocol.scheduler_api import PlanHint
from atos_scheduler.catalogue.catalogue import POOL_PREFIX, Catalogue
from atos_scheduler.core.plans import PlannedStep
from atos_scheduler.core.types import Candidate

OVER = frozenset({"done", "succeeded", "failed", "skipped", "cancelled"})
"""States of tasks that will ask for nothing any more."""


async def planned_steps(hint: PlanHint, catalogue: Catalogue) -> tuple[PlannedStep, ...]:
    """Return the tasks that will still ask for a model; one whose pool has none is left without."""
    pools = dict[str, tuple[Candidate, ...]]()
    steps = list[PlannedStep]()
    for task in hint.tasks:
        if task.state in OVER or task.calls < 1:
            continue
        if task.pool not in pools:
            pools[task.pool] = await _candidates(task.pool, catalogue)
        found = pools[task.pool]
        steps.append(PlannedStep(task.id, task.depends_on, found, task.calls, task.off_gpu))
    return tuple(steps)


async def _candidates(pool: str, catalogue: Catalogue) -> tuple[Candidate, ...]:
    """Return what may answer for a pool, with or without its prefix, or for a model that a plan names."""
    for name in (POOL_PREFIX + pool, pool):
        with suppress(NoModelError):
            return tuple(d.candidate for d in await catalogue.candidates(name))
    return ()
