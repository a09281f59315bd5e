"""The route of a task that an n8n workflow decides: with which pool of models it begins.

    ready -> posted to the workflow `router` -> 2xx -> `run_task` with the ticket -> task_routed, by n8n
                |-- no answer, another status, no decision in time ---------------> task_routed, by ATOS

Both sides append the same event under the same key: whichever comes first decides, and a step that runs again finds
it. A ticket says for which task its bearer was asked; it ends in a MAC made with the default token, so that n8n can
answer without any right to the goal. Nothing that n8n does keeps a task from being done.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial

import anyio
import anyio.to_thread

from atos_orchestrator.event_data import text
from atos_orchestrator.events import fold
from atos_orchestrator.execution.event_store import EventStore
from atos_orchestrator.execution.goal_input import event_key
from atos_orchestrator.ports import Json, Tools
from atos_orchestrator.task import Task
from atos_protocol.errors import AtosError, BadRequestError, ConflictError
from atos_protocol.goals import COMPLEXITIES, FINAL_GOAL_STATES, Event, GoalView
from atos_protocol.settings import Settings
from atos_protocol.tokens import read_private

N8N, BUILTIN = "n8n", "builtin"
"""Who decides the routes of a goal's tasks."""
WORKFLOW = "router"
"""Name in workflows.yaml of the workflow that is asked."""
ROUTED = "task_routed"
POST_SECONDS = 10.0
DECISION_SECONDS = 30.0
"""How long the workflow may take from its 2xx to its `run_task`."""
LOOK_SECONDS = 0.25
MAC_LENGTH = 32


@dataclass(frozen=True, slots=True)
class Ticket:
    """Which task a router was asked about."""

    goal: str
    task: str
    revision: int

    @property
    def key(self) -> str:
        """Key of the event that decides, whoever appends it."""
        return event_key(self.revision, self.task, ROUTED, "route")

    def signed(self, secret: str) -> str:
        """Return the text that is sent to the workflow."""
        return f"{self._text}/{self._mac(secret)}"

    def is_signed(self, secret: str, mac: str) -> bool:
        """Tell whether a MAC is this ticket's."""
        return hmac.compare_digest(self._mac(secret).encode(), mac.encode())

    @property
    def _text(self) -> str:
        return f"{self.goal}/{self.task}/{self.revision}"

    def _mac(self, secret: str) -> str:
        told = f"route {self._text}".encode()
        return hmac.new(secret.encode(), told, hashlib.sha256).hexdigest()[:MAC_LENGTH]


def read_ticket(given: str, secret: str) -> Ticket:
    """Return the ticket that a text is.

    Raises:
        BadRequestError: it is none of ours, or was made with a token that was changed since.
    """
    goal, _, rest = given.strip().partition("/")
    parts = rest.split("/")
    if len(parts) == 3 and parts[1].isascii() and parts[1].isdecimal():
        ticket = Ticket(goal, parts[0], int(parts[1]))
        if ticket.is_signed(secret, parts[2]):
            return ticket
    message = "this is no ticket of a task that waits for its route"
    raise BadRequestError(
        message, next_step="Pass the `ticket` that the workflow was sent, unchanged."
    )


def routing_secret(settings: Settings) -> str:
    """Return what tickets are signed with.

    Raises:
        BadConfigError: the default token can't be used.
        OSError: there is none.
    """
    return read_private(settings.token_file).strip()


def decide(events: EventStore, ticket: Ticket, pool: str, by: str, why: str = "") -> Json:
    """Append a decision unless there is one; return the one that counts: `pool`, `by`, `why`."""
    data = {"pool": pool, "by": by, "why": why, "revision": ticket.revision}
    events.append(ticket.goal, ROUTED, data, key=ticket.key, task=ticket.task)
    return decided(events, ticket) or data


def decided(events: EventStore, ticket: Ticket) -> Json:
    """Return the decision about a task in this run of its goal; nothing while there is none."""
    for event in events.of_kind(ticket.goal, ROUTED):
        if (event.task, event.data.get("revision")) == (ticket.task, ticket.revision):
            return dict(event.data)
    return {}


def with_route(task: Task, decision: Json) -> Task:
    """Return a task that begins with the pool of a decision; `auto` leaves it as it was classified."""
    pool = text(decision, "pool", "")
    return replace(task, complexity=pool) if pool in COMPLEXITIES else task


@dataclass(frozen=True, slots=True)
class RouteAnswers:
    """Takes what the workflow decides."""

    settings: Settings
    events: EventStore
    known: Callable[[str], Awaitable[list[Event]]]
    """Reads the events of a goal that must exist."""

    async def take(self, given: str, pool: str) -> GoalView:
        """Have the task of a ticket begin with a pool; the same answer again changes nothing.

        Raises:
            BadRequestError: it is no ticket of this home.
            ConflictError: the task has begun otherwise: the answer came too late.
            NotFoundError: the goal was removed meanwhile.
        """
        secret = await anyio.to_thread.run_sync(routing_secret, self.settings)
        ticket = read_ticket(given, secret)
        view = fold(await self.known(ticket.goal))
        if view.state in FINAL_GOAL_STATES:
            message = f"goal {view.id} is {view.state}: none of its tasks waits for a route"
            raise ConflictError(message, next_step="Nothing has to be done.")
        settle = partial(decide, self.events, ticket, pool, N8N)
        counts = await anyio.to_thread.run_sync(settle)
        if (counts["by"], counts["pool"]) != (N8N, pool):
            message = f"{ticket.task} of {view.id} began with the {counts['by']} route already"
            step = "Answer sooner, or leave it: the task is being done."
            raise ConflictError(message, next_step=step)
        return fold(await self.known(ticket.goal))


@dataclass(frozen=True, slots=True)
class TaskRouting:
    """Asks the workflow, and decides by itself where it does not."""

    settings: Settings
    events: EventStore
    tools: Tools
    seconds: float = DECISION_SECONDS

    async def route(self, ticket: Ticket, task: Task) -> Json:
        """Return the decision about a task: `pool`, `by`, `why`."""
        if known := await self._decided(ticket):
            return known
        if not (why := await self._ask(ticket, task)):
            with anyio.move_on_after(self.seconds):
                while True:
                    if known := await self._decided(ticket):
                        return known
                    await anyio.sleep(LOOK_SECONDS)
            why = f"the workflow {WORKFLOW} took it and did not decide within {self.seconds:.0f} s"
        settle = partial(decide, self.events, ticket, task.complexity, BUILTIN, why)
        return await anyio.to_thread.run_sync(settle)

    async def _decided(self, ticket: Ticket) -> Json:
        return await anyio.to_thread.run_sync(decided, self.events, ticket)

    async def _ask(self, ticket: Ticket, task: Task) -> str:
        """Post a task to the workflow; return why it did not take it, or nothing."""
        try:
            signed = ticket.signed(routing_secret(self.settings))
            payload = {
                "ticket": signed,
                "goal_id": ticket.goal,
                "task_id": task.id,
                "task": "\n".join(filter(None, (task.title, task.contract))),
                "complexity": task.complexity,
                "files": list(task.files),
            }
            asked = {"name": WORKFLOW, "payload": payload, "key": signed, "timeout_s": POST_SECONDS}
            answer = await self.tools("workflow", "trigger_workflow", asked, roots=[])
        except AtosError as error:
            return f"{error.message} {error.next_step}".strip()
        except OSError as error:
            return f"the token of this home can't be read: {error.strerror}"
        return (
            "" if answer.get("ok") else f"the workflow {WORKFLOW} answered {answer.get('status')}"
        )
