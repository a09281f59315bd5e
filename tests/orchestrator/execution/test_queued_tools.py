"""A full queue for the sandbox is no failure: the call is asked again with its ticket, and one event says so."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from atos_orchestrator.execution.queued_tools import QueuedTools
from atos_orchestrator.ports import Json
from atos_protocol.errors import BusyError


class FullFor:
    """A server whose queue is full for some calls."""

    def __init__(self, *refusals: BusyError) -> None:
        self.refusals = list(refusals)
        self.asked = list[dict[str, Any]]()

    async def __call__(
        self, server: str, tool: str, arguments: Mapping[str, Any], *, roots: Sequence[Path]
    ) -> Json:
        self.asked.append(dict(arguments))
        if self.refusals:
            raise self.refusals.pop(0)
        return {"ok": True}


class Noted:
    def __init__(self) -> None:
        self.events = list[tuple[str, str, dict[str, Any]]]()

    def __call__(self, kind: str, data: Mapping[str, Any], *, key: str) -> None:
        self.events.append((kind, key, {k: v for k, v in data.items() if k != "since"}))


def busy(ticket: str, ahead: int) -> BusyError:
    return BusyError("full", data={"waits_for": "a sandbox", "ticket": ticket, "ahead": ahead})


async def test_the_ticket_goes_with_the_next_call_and_is_told_once() -> None:
    server, noted = FullFor(busy("t1", 3), busy("t1", 1)), Noted()
    found = await QueuedTools(server, noted)("code_runner", "evaluate", {"path": "/w"}, roots=[])
    assert found == {"ok": True}
    again = {"path": "/w", "ticket": "t1"}
    assert server.asked == [{"path": "/w"}, again, again]
    waiting = {"for": "a sandbox", "code": "busy", "ahead": 3}
    assert noted.events == [("waiting", "t1", waiting)]


async def test_a_ticket_that_was_forgotten_is_replaced() -> None:
    server, noted = FullFor(busy("t1", 3), busy("t2", 5)), Noted()
    await QueuedTools(server, noted)("code_runner", "evaluate", {}, roots=[])
    assert [asked.get("ticket") for asked in server.asked] == [None, "t1", "t2"]
    assert [key for _, key, _ in noted.events] == ["t1", "t2"]


async def test_a_busy_server_without_a_queue_is_the_steps_to_wait_for() -> None:
    server = FullFor(BusyError("another writer holds it"))
    with pytest.raises(BusyError, match="another writer"):
        await QueuedTools(server, Noted())("filesystem", "write_file", {}, roots=[])
