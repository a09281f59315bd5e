"""A goal of more than 200 events read in pages by three clients at once, over stdio, SSE and HTTP, while the host is killed.

The goal is a real one; what it lacks of 200 events is appended to the same database from outside, as a worker on
another machine does it, so that there are events to miss at every moment.
"""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread
import pytest
from fastmcp import Client
from fastmcp.client.transports import ClientTransport

from atos_orchestrator.execution.database import open_database
from atos_orchestrator.execution.event_store import EventStore
from doubles.host_process import HostProcess, host_process
from doubles.host_transports import http, sse, stdio

pytestmark = pytest.mark.timeout(240)

GOAL = "Build a text toolkit: count words, reverse a string, check palindromes"
EVENTS = 200
KILLED_AFTER = (40, 120)
"""How many events were read by the first reader when the host was killed."""


@pytest.fixture
def host() -> Iterator[HostProcess]:
    with host_process() as host:
        yield host


WAYS: dict[str, Callable[[HostProcess], ClientTransport]] = {
    "stdio": stdio,
    "sse": sse,
    "http": http,
}


@asynccontextmanager
async def client(host: HostProcess, way: str) -> AsyncGenerator[Client[Any]]:
    await anyio.to_thread.run_sync(host.ensure)
    transport = await anyio.to_thread.run_sync(WAYS[way], host)
    async with Client(transport, mode="legacy") as client:
        yield client


async def read(host: HostProcess, way: str, goal: str, seen: list[int]) -> None:
    """Read until nothing is left; whenever the host is gone, connect again and go on behind the last event."""
    while True:
        try:
            async with client(host, way) as reader:
                while True:
                    after = seen[-1] if seen else 0
                    asked = {"goal_id": goal, "after_seq": after, "detail": "events"}
                    answer = await reader.call_tool("wait_goal", asked)
                    news: dict[str, Any] = answer.structured_content or {}
                    seen += [event["seq"] for event in news["events"]]
                    if len(seen) >= EVENTS and not news["events"]:
                        return
        except Exception:  # noqa: BLE001 - whatever a client library makes of a host that is gone
            await anyio.sleep(0.1)


def append(store: EventStore, goal: str) -> None:
    """Append what a long goal would have written meanwhile."""
    for number in range(EVENTS):
        store.append(goal, "warning", {"text": f"warning {number}"}, key=f"test:{number}")


async def test_every_event_is_read_once_over_every_transport(host: HostProcess) -> None:
    async with client(host, "http") as starter:
        started = await starter.call_tool("start_goal", {"goal": GOAL})
        goal: str = (started.structured_content or {})["id"]
    engine = open_database(host.settings)
    store = EventStore(engine)
    seen: dict[str, list[int]] = {way: [] for way in WAYS}
    async with anyio.create_task_group() as tasks:
        for way in WAYS:
            tasks.start_soon(read, host, way, goal, seen[way])
        tasks.start_soon(anyio.to_thread.run_sync, append, store, goal)
        for count in KILLED_AFTER:
            with anyio.fail_after(90):
                while len(seen["stdio"]) < count:  # noqa: ASYNC110 - what another task reads
                    await anyio.sleep(0.01)
            await anyio.to_thread.run_sync(host.kill)
    whole = [event.seq for event in store.read(goal)]
    engine.dispose()
    assert len(whole) > EVENTS
    assert seen == dict.fromkeys(WAYS, whole)
