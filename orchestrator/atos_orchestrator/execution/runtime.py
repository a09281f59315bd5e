"""The DurableRuntime port: all that goals need of a durable execution engine.

A *run* is one durable execution of a registered body. Its *steps* are recorded: when the process
dies, another one executes the body again, recorded steps return what they returned, and the first
one that is not recorded goes on. Hence the two rules for bodies: outside of steps they are
deterministic, and within one run steps follow one another. What runs side by side is a run of
its own.

    client side (any process)   submit  cancel  signal  result  list
    inside a body               step  wait  submit  receive
    executing process           worker

DBOS stands behind it (`dbos_client`, `dbos_runtime`); nothing else in the project knows that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from atos_orchestrator.ports import Json

RunState = Literal["queued", "running", "success", "error", "cancelled"]

GOALS = "goals"
TASKS = "tasks"
QUEUES = (GOALS, TASKS)
"""Queues are named by what they hold, never by model: only the scheduler orders model calls."""

Body = Callable[[Json], Awaitable[Json]]


@dataclass(frozen=True, slots=True)
class Run:
    """A durable execution, as the engine knows it."""

    id: str
    body: str
    state: RunState


def root(run: str) -> str:
    """Return the run that a run was submitted under: `G` for `G:T1`, and for `G` itself."""
    return run.partition(":")[0]


class RuntimeClient(Protocol):
    """What any process may do with runs."""

    async def submit(self, body: str, run: str, argument: Json, *, queue: str) -> None:
        """Queue a run; a second submission under the same id changes nothing."""
        ...

    async def cancel(self, run: str) -> None:
        """Cancel a run and everything that it submitted; a finished run stays as it is."""
        ...

    async def signal(self, run: str, topic: str, value: Json) -> None:
        """Send a message to a run; it waits there until the run receives it."""
        ...

    async def result(self, run: str) -> Json:
        """Wait for a run and return what its body returned.

        Raises:
            CancelledWorkError: the run was cancelled.
            AtosError: its body failed.
        """
        ...

    async def list(self, states: Sequence[RunState] = (), *, body: str = "") -> list[Run]:
        """Return the runs in one of these states (all when empty), newest first."""
        ...


class DurableRuntime(RuntimeClient, Protocol):
    """What the executing process has beyond that."""

    async def step(self, name: str, work: Callable[[], Awaitable[Json]]) -> Json:
        """Run `work` within the present run and record its result; see `ports.Steps`.

        The body of a step is at-least-once: it runs again when the process dies before the record
        stands. An `AtosError` is recorded like a result, and raised again by every replay.
        """
        ...

    async def wait(self, runs: Sequence[str]) -> str:
        """Return the id of the first of these runs that is over; recorded, like a step."""
        ...

    async def receive(self, topic: str, *, timeout_s: float) -> Json | None:
        """Return the next signal of this topic to the present run, None after `timeout_s`."""
        ...

    def worker(self, bodies: Mapping[str, Body]) -> AbstractAsyncContextManager[None]:
        """Execute queued runs of these bodies while the context lasts.

        Entering it recovers what earlier incarnations of this worker left unfinished.
        """
        ...
