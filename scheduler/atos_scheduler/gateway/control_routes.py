"""The control routes, `/atos/v1/*`: status, pools, plans, load, unload, refresh, events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from graphlib import CycleError, TopologicalSorter

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from atos_protocol.errors import BadRequestError
from atos_protocol.scheduler_api import PlanHint, PlannedTask
from atos_scheduler.event_log import EventLog
from atos_scheduler.gateway.requests import (
    DEFAULT_SECONDS,
    NamedModel,
    PlanBody,
    read_body,
    read_demand,
)
from atos_scheduler.gateway.responses import NDJSON, encoded, until_disconnect
from atos_scheduler.gateway.scheduler_state import SchedulerState

STATUS = "/atos/v1/status"
CYCLE_SHOWN = 10
"""Tasks of a cycle that an error names."""


class EventsResponse(Response):
    """Events as JSON lines, for as long as the client listens."""

    def __init__(self, event_log: EventLog, after: int, *, follow: bool) -> None:
        super().__init__()
        self._event_log = event_log
        self._after = after
        self._follow = follow

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send past events and, if asked, those to come."""
        await until_disconnect(receive, lambda: self._send_events(send))

    async def _send_events(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": NDJSON})
        if self._follow:
            # flushed at once: a client may want to know that it is subscribed
            await send({"type": "http.response.body", "body": b"", "more_body": True})
            async for event in self._event_log.follow(self._after):
                body = {"type": "http.response.body", "body": encoded(event), "more_body": True}
                await send(body)
        lines = b"" if self._follow else b"".join(map(encoded, self._event_log.since(self._after)))
        await send({"type": "http.response.body", "body": lines, "more_body": False})


class ControlRoutes:
    """Handlers of `/atos/v1/*` over the scheduler's state."""

    def __init__(self, state: SchedulerState) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        """Return the routes."""
        plan = "/atos/v1/plans/{goal:path}"
        return [
            Route(STATUS, self.status),
            Route("/atos/v1/pools", self.pools),
            Route(plan, self.put_plan, methods=["PUT"]),
            Route(plan, self.get_plan, methods=["GET"]),
            Route(plan, self.drop_plan, methods=["DELETE"]),
            Route("/atos/v1/load", self.load, methods=["POST"]),
            Route("/atos/v1/unload", self.unload, methods=["POST"]),
            Route("/atos/v1/refresh", self.refresh, methods=["POST"]),
            Route("/atos/v1/events", self.events),
        ]

    async def status(self, _: Request) -> Response:
        """Return `scheduler_api.Status`."""
        return JSONResponse(asdict(self._state.status()))

    async def pools(self, _: Request) -> Response:
        """Return the pools as they are now."""
        await self._state.catalogue.refresh()
        found = [asdict(pool) for pool in self._state.catalogue.pools()]
        return JSONResponse({"pools": found})

    async def refresh(self, _: Request) -> Response:
        """List what the engines have anew, whenever it was done last."""
        await self._state.catalogue.refresh(0.0)
        return JSONResponse({"models": sorted(self._state.catalogue.deployments)})

    async def put_plan(self, request: Request) -> Response:
        """Keep a plan as a hint."""
        goal = _goal(request)
        body = await read_body(request, PlanBody)
        tasks = tuple(
            PlannedTask(**t.model_dump(exclude={"depends_on"}), depends_on=tuple(t.depends_on))
            for t in body.tasks
        )
        check_order(tasks)
        await self._state.publish_plan(goal, PlanHint(body.revision, body.ttl, tasks))
        self._state.event_log.add("plan_published", goal=goal, revision=body.revision)
        return JSONResponse({"goal": goal, "instance": self._state.instance})

    async def get_plan(self, request: Request) -> Response:
        """Return a goal's plan."""
        return JSONResponse(asdict(self._state.plans.get(_goal(request))))

    async def drop_plan(self, request: Request) -> Response:
        """Forget a goal's plan."""
        self._state.drop_plan(_goal(request))
        return Response(status_code=204)

    async def load(self, request: Request) -> Response:
        """Make a model resident."""
        body = await read_body(request, NamedModel)
        demand = read_demand(request)
        reply: dict[str, str] = {}
        seconds = demand.deadline or DEFAULT_SECONDS

        async def work() -> None:
            reply["model"] = await self._state.load(body.model, demand, seconds)

        await until_disconnect(request.receive, work)
        return JSONResponse(reply)

    async def unload(self, request: Request) -> Response:
        """Take a model out of memory."""
        body = await read_body(request, NamedModel)
        return JSONResponse({"model": await self._state.unload(body.model)})

    async def events(self, request: Request) -> Response:
        """Stream the events after a given number; `follow=false` returns those there are."""
        after = request.query_params.get("after", "0")
        follow = request.query_params.get("follow", "true")
        if not (after.isascii() and after.isdigit() and len(after) < 16):
            message = f"after: {after[:60]!r} is not an event number"
            raise BadRequestError(message, next_step="Give the last `seq` that you have seen.")
        if follow not in {"true", "false"}:
            message = f"follow: {follow[:60]!r} does not fit"
            raise BadRequestError(message, next_step="It must be true or false.")
        return EventsResponse(self._state.event_log, int(after), follow=follow == "true")


def _goal(request: Request) -> str:
    goal = str(request.path_params["goal"])
    if len(goal) > 200:
        message = f"a goal's id has at most 200 characters, this one {len(goal)}"
        raise BadRequestError(message)
    return goal


def check_order(tasks: Iterable[PlannedTask]) -> None:
    """Check that a plan can be worked off: every task once, and none waits for itself.

    Raises:
        BadRequestError: it can't, with the tasks that say so.
    """
    before = dict[str, tuple[str, ...]]()
    for task in tasks:
        if task.id in before:
            message = f"the plan has the task {task.id} twice"
            raise BadRequestError(message, next_step="Give each task an id of its own.")
        before[task.id] = task.depends_on
    try:
        TopologicalSorter(before).prepare()
    except CycleError as error:
        cycle: list[str] = error.args[1]
        message = f"the plan has a cycle: {' -> '.join(cycle[:CYCLE_SHOWN])}"
        message += f" and {len(cycle) - CYCLE_SHOWN} more" if len(cycle) > CYCLE_SHOWN else ""
        step = (
            "Take one of these dependencies out; without a plan, requests are served all the same."
        )
        raise BadRequestError(message, next_step=step) from error
