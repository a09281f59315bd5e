"""Where the orchestrator's code meets the simulated machine instead of threads, git, the clock and the library."""

import logging
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import anyio.to_thread

from atos_orchestrator.execution import (
    dbos_client,
    dbos_runtime,
    event_table,
    goal_effects,
    queued_tools,
    steps,
    task_workflow,
)
from doubles.simulation import library
from doubles.simulation.machine import machine
from doubles.simulation.places import Places

GIT = {
    goal_effects: (
        "open_repository",
        "reopen_repository",
        "integrate",
        "publish",
        "commit_files",
        "find_effect",
        "keep_candidates",
        "drop_candidates",
        "open_result",
        "close_repository",
    ),
    task_workflow: ("open_worktree", "commit_task"),
}

_places: list[Places] = []


def use(places: Places) -> None:
    """Have all calls go to the repositories of this schedule."""
    _places[:] = [places]


def _through(name: str) -> Callable[..., Any]:
    def call(*arguments: Any, **more: Any) -> Any:
        return getattr(_places[-1], name)(*arguments, **more)

    return call


async def _no_files(*_: Any) -> dict[str, str]:
    return {}


async def _in_thread(*arguments: Any, **options: Any) -> Any:
    return await machine().in_thread(*arguments, **options)


def _nothing(*_: Any) -> None:
    """Write no file."""


def _is_not_lost(*_: Any) -> bool:
    return False


def _uniform(least: float, most: float) -> float:
    return machine().chance.between("pause", least, most)


def _point(name: str) -> None:
    machine().point(name)


@contextmanager
def simulated() -> Generator[None]:
    """Put the simulated machine in place of the real one, for as long as the context lasts."""
    clock = SimpleNamespace(time=lambda: machine().wall())
    random = SimpleNamespace(uniform=_uniform)
    replaced: list[tuple[Any, str, Any]] = [
        *((module, name, _through(name)) for module, names in GIT.items() for name in names),
        (goal_effects, "closing_files", _no_files),
        (goal_effects, "write_execution_log", _nothing),
        (task_workflow, "is_lost", _is_not_lost),
        *((module, "time", clock) for module in (steps, event_table, queued_tools)),
        (steps, "random", random),
        (steps, "point", _point),
        (dbos_runtime, "DBOS", library.Library()),
        (dbos_runtime, "SetWorkflowID", library.SetWorkflowID),
        (dbos_client, "DBOSClient", library.LibraryClient),
        (dbos_client.DbosClient, "forget_starts", library.forget_starts),
        (anyio.to_thread, "run_sync", _in_thread),
    ]
    before = logging.root.manager.disable
    with ExitStack() as stack:
        for place, name, double in replaced:
            stack.enter_context(patch.object(place, name, double))
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(before)
