"""Calls back who asked for it, when a goal has ended, asks something, or was deployed.

    POST /callbacks     {"url", "events", "secret", "goal_id"?} -> {"id", ...}
    GET /callbacks      the caller's
    DELETE /callbacks/ID

A goal's ends are read from the events in their order, from a number that is kept on the disk: nothing is missed while
the host is down. What they become is put into the outbox under an id made from the event, so nothing is told twice.
A callback of one goal (`goal_id`) is told once, also where the goal had ended before, and is gone then: an execution of
n8n waits for it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router

from atos_orchestrator.execution.goals import Goals
from atos_protocol.errors import AtosError, BadRequestError
from atos_protocol.goals import FINAL_GOAL_STATES, GoalView
from atos_servers.orchestrate.own_goals import OwnGoals
from atos_servers.outbox.messages import Message
from atos_servers.outbox.outbox import Outbox
from atos_servers.outbox.subscriptions import Subscription, Subscriptions, check_subscription

PREFIX = "/callbacks"
LOOK_SECONDS = 1.0

logger = logging.getLogger(__name__)


def events_of(view: GoalView) -> Iterator[str]:
    """Return what a goal's end is called: one that asks has not ended for whoever waits for it."""
    asks = any(task.question.text for task in view.tasks) and view.state == "needs_help"
    yield "goal.asked" if asks else "goal.ended"
    if view.deployment_url:
        yield "deployment.verified"


def message_of(subscription: Subscription, seq: int, event: str, view: GoalView) -> Message:
    """Return the callback that tells a subscription of an event; told again it has the same id."""
    told = f"{subscription.id}:{seq}:{event}".encode()
    asking = next((task for task in view.tasks if task.question.text), None)
    body: dict[str, Any] = {
        "event": event,
        "goal_id": view.id,
        "goal": view.goal,
        "state": view.state,
        "ok": view.state == "success",
        "summary": view.summary,
        "tests": {"passed": view.tests.passed, "failed": view.tests.failed},
        "deployment_url": view.deployment_url,
        "question": asking.question.text if asking else "",
        "options": list(asking.question.options) if asking else [],
        "task_id": asking.id if asking else "",
        "error": dict(view.error),
    }
    identity = hashlib.sha256(told).hexdigest()[:24]
    return Message(identity, subscription.url, body, subscription.secret)


class Callbacks:
    """The routes, and what watches the goals."""

    def __init__(
        self,
        folder: Path,
        goals: Callable[[], Awaitable[Goals]],
        owner: Callable[[], str],
        hosts: tuple[str, ...],
    ) -> None:
        self.outbox = Outbox(folder / "outbox")
        self._subscriptions = Subscriptions(folder)
        self._cursor = folder / "cursor"
        self._looking = anyio.Lock()
        self._subscribed = anyio.Event()
        self._goals, self._owner, self._hosts = goals, owner, hosts
        one = f"{PREFIX}/{{id}}"
        self.app = Router(
            [
                Route(PREFIX, _answering(self._list), methods=["GET"]),
                Route(PREFIX, _answering(self._add), methods=["POST"]),
                Route(one, _answering(self._remove), methods=["DELETE"]),
            ]
        )

    async def watch(self) -> None:
        """Put a callback into the outbox for every end of a goal, until cancelled."""
        while True:
            self._subscribed = anyio.Event()
            pause = LOOK_SECONDS
            try:
                if await anyio.to_thread.run_sync(self._subscriptions.all):
                    await self.look()
                else:
                    pause = math.inf  # only this process adds one
            except (AtosError, OSError) as error:
                logger.warning("callbacks wait: %s", error)
            with anyio.move_on_after(pause):
                await self._subscribed.wait()

    async def look(self) -> None:
        """Read the ends since the last look, and put what they become into the outbox."""
        goals = await self._goals()
        async with self._looking:
            after = await anyio.to_thread.run_sync(self._read_cursor)
            for seq, goal in await goals.ends(after):
                await self._tell(goals, seq, goal)
                await anyio.to_thread.run_sync(self._keep_cursor, seq)

    async def _tell(self, goals: Goals, seq: int, goal: str) -> None:
        view, whose = await goals.get(goal), await goals.owner(goal)
        for each in await anyio.to_thread.run_sync(self._subscriptions.all):
            # Whose one goal it is was looked at when it was asked for.
            if each.goal == goal or (not each.goal and each.owner == whose):
                await self._put(each, seq, view)

    async def _put(self, to: Subscription, seq: int, view: GoalView) -> None:
        """Tell one subscription of a goal's end; one of that goal alone has heard everything then."""
        told = [event for event in events_of(view) if event in to.events]
        for event in told[:1] if to.goal else told:
            await self.outbox.put(message_of(to, seq, event, view))
        if to.goal and told:
            await anyio.to_thread.run_sync(self._subscriptions.remove, to.id, to.owner)

    def _read_cursor(self) -> int:
        try:
            return int(self._cursor.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return 0

    def _keep_cursor(self, seq: int) -> None:
        """Note how far was looked, at once: a file that a full disk has emptied would have every end told again."""
        fresh = self._cursor.with_suffix(".new")
        fresh.write_text(str(seq), encoding="utf-8")
        fresh.replace(self._cursor)

    async def _list(self, _request: Request) -> Response:
        mine = [each.shown() for each in self._subscriptions.all() if each.owner == self._owner()]
        return JSONResponse({"callbacks": mine})

    async def _add(self, request: Request) -> Response:
        try:
            given = await request.json()
        except ValueError as error:
            message = "the body is not JSON"
            raise BadRequestError(message, next_step="Send an object.") from error
        made = check_subscription(given, self._owner(), self._hosts)
        goals = await self._goals()
        if made.goal:
            await OwnGoals(goals, made.owner).get(made.goal)
        async with self._looking:
            # What ended while nobody was subscribed is nobody's news, and the number stood still meanwhile.
            if not await anyio.to_thread.run_sync(self._subscriptions.all):
                newest = await goals.newest_end()
                self._cursor.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                await anyio.to_thread.run_sync(self._keep_cursor, newest)
            await anyio.to_thread.run_sync(self._subscriptions.add, made)
            self._subscribed.set()
            if made.goal and (view := await goals.get(made.goal)).state in FINAL_GOAL_STATES:
                await self._put(made, 0, view)
        return JSONResponse(made.shown(), status_code=201)

    async def _remove(self, request: Request) -> Response:
        self._subscriptions.remove(request.path_params["id"], self._owner())
        return JSONResponse({"removed": request.path_params["id"]})


def _answering(
    handle: Callable[[Request], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            return await handle(request)
        except AtosError as error:
            wire = error.to_wire()
            return Response(
                json.dumps({"error": wire}), int(wire["status"]), media_type="application/json"
            )

    return answer
