"""What an open page is told: server-sent events of one goal, of all goals, and of the machine.

    goal's events  -> at once, 10 messages/s at most, each with the goal as it stands; its id is the goal's `seq`
    list of goals, devices and decisions -> looked at every 2 s, sent when they have changed

A page that comes back names the last id that it saw, so no event is lost or doubled. Nothing is kept here.
"""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import anyio

from atos.cli.event_lines import said
from atos.scheduler_client import SchedulerClient
from atos_protocol.errors import AtosError, UnauthorizedError, UnreachableError
from atos_protocol.goals import FINAL_GOAL_STATES
from atos_servers.page.tools import PageTools

Json = dict[str, Any]
Tell = Callable[[bytes], Awaitable[None]]
"""Sends one message to the page."""

COALESCE_SECONDS = 0.1
"""Pause after each message about a goal, so that sixty events a second are ten messages."""
LOOK_SECONDS = 2.0
ANSWER_SECONDS = 5.0
"""How long the scheduler may take: goals are looked at after it."""
WAIT_SECONDS = 20.0
"""Longest wait for an event; a comment is sent then, so that a dead connection is noticed."""
MOST_GOALS = 100
DROPPED = ("goal", "seq")
"""Fields of an event that the page has already."""


def message(name: str, data: Any, at: int | None = None) -> bytes:
    """Return one server-sent event; JSON has no line breaks, so it is one line of data."""
    head = f"id: {at}\n" if at is not None else ""
    return f"{head}event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


class Feed:
    """What one page is told, from when it opens until it closes."""

    def __init__(
        self, tools: PageTools, scheduler: SchedulerClient, allowed: Callable[[], None]
    ) -> None:
        """Remember whom to ask; `allowed` raises once the page's session has ended."""
        self._tools, self._scheduler, self._allowed = tools, scheduler, allowed

    async def run(self, goal: str, after: int, tell: Tell) -> None:
        """Tell without an end; the first messages say how things stand.

        Raises:
            UnauthorizedError: the page's session has ended.
        """
        ended: UnauthorizedError | None = None
        async with anyio.create_task_group() as tasks:
            if goal:
                tasks.start_soon(self._goal, tell, goal, after)
            ended = await self._overview(tell)
            tasks.cancel_scope.cancel()
        if ended is not None:  # outside of the group, which would wrap it
            raise ended

    async def _goal(self, tell: Tell, goal: str, after: int) -> None:
        """Tell what happens to a goal."""
        wait = 0.0
        while True:
            asked = {"goal_id": goal, "after_seq": after, "detail": "events", "timeout_s": wait}
            try:
                news = await self._tools.call("orchestrate", "wait_goal", asked)
            except AtosError as error:
                await tell(message("trouble", error.to_wire()))
                await anyio.sleep(LOOK_SECONDS)
                continue
            after, events = news["seq"], [_event(each) for each in news["events"]]
            if events or not wait:
                await tell(message("news", {"goal": news["goal"], "events": events}, after))
            else:
                await tell(b": still here\n\n")
            wait = WAIT_SECONDS
            over = news["goal"]["state"] in FINAL_GOAL_STATES and not events
            await anyio.sleep(LOOK_SECONDS if over else COALESCE_SECONDS)

    async def _overview(self, tell: Tell) -> UnauthorizedError:
        """Tell of all goals and the machine whenever they have changed, until the session ends."""
        told: dict[str, Any] = {}
        seen = -1
        while True:
            try:
                self._allowed()
            except UnauthorizedError as ended:
                return ended
            for name, look in (("goals", self._goals), ("machine", self._machine)):
                with suppress(AtosError):
                    found = await look()
                    if name not in told or found != told[name]:
                        told[name] = found
                        await tell(message(name, found))
            if decisions := await self._decisions(seen):
                seen = decisions[-1]["seq"]
                await tell(message("decisions", decisions))
            await anyio.sleep(LOOK_SECONDS)

    async def _goals(self) -> list[Json]:
        found = await self._tools.call("orchestrate", "list_goals", {"limit": MOST_GOALS})
        return [_row(goal) for goal in found["goals"]]

    async def _machine(self) -> Json | None:
        status: Json = {}
        with suppress(UnreachableError), anyio.move_on_after(ANSWER_SECONDS):
            status = asdict(await self._scheduler.status())
        if not status:
            return None  # it sleeps, or hangs; the page does not wake it
        del status["uptime"]
        for lease in status["leases"]:
            lease["seconds"] = round(lease["seconds"])
        return status

    async def _decisions(self, after: int) -> list[Json]:
        """Return the scheduler's decisions after number `after`, with the moment of each."""
        found: list[Json] = []
        with suppress(AtosError), anyio.move_on_after(ANSWER_SECONDS):
            found = await self._scheduler.decisions()
        if found and found[-1]["seq"] < after:
            after = -1  # another scheduler counts anew
        now = time.time()
        return [
            {"seq": each["seq"], "at": round(now - each["ago"], 2), "text": each["text"],
             "chosen": bool(each["choices"])}
            for each in found
            if each["seq"] > after
        ]  # fmt: skip


def _event(event: Json) -> Json:
    """Return an event with the sentence that a person reads."""
    kept = {name: value for name, value in event.items() if name not in DROPPED}
    return {**kept, "n": event["seq"], "said": said(event)}


def _row(goal: Json) -> Json:
    """Return what the list shows of a goal."""
    tasks: list[Json] = goal["tasks"]
    return {
        "id": goal["id"],
        "goal": goal["goal"][:300],
        "state": goal["state"],
        "seconds": round(goal["seconds"]),
        "tasks": len(tasks),
        "done": sum(task["state"] == "done" for task in tasks),
        "asks": sum(bool(task["question"]["text"]) for task in tasks),
        "tests": goal["tests"],
    }
