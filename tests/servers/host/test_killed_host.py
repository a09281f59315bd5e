"""The host killed while a goal's events are read in pages: every event exactly once, over every transport."""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import pytest
from fastmcp import Client
from fastmcp.client.transports import ClientTransport

from doubles.host_process import HostProcess, host_process, wait_gone
from doubles.host_transports import http, sse, stdio

pytestmark = pytest.mark.timeout(240)

GOAL = "Build a text toolkit: count words, reverse a string, check palindromes"
READ_BEFORE = 5
"""Events after which the host is killed."""


@pytest.fixture(scope="module")
def host() -> Iterator[HostProcess]:
    with host_process() as host:
        yield host


WAYS: dict[str, tuple[Callable[[HostProcess], ClientTransport], str]] = {
    "stdio, modern": (stdio, "auto"),
    "stdio, legacy": (stdio, "legacy"),
    "http, modern": (http, "auto"),
    "http, legacy": (http, "legacy"),
    "sse": (sse, "legacy"),
}


class Reader:
    """A client that reads a goal page by page, and connects again when the host is gone."""

    def __init__(self, host: HostProcess, way: str) -> None:
        self._host = host
        self._transport, self._mode = WAYS[way]
        self.seen: list[int] = []
        self.view: dict[str, Any] = {}

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[Client[Any]]:
        self._host.ensure()
        async with Client(self._transport(self._host), mode=self._mode) as client:
            yield client

    async def read(self, goal: str, *, until: int | None = None) -> None:
        """Read on, to the end of the goal or until so many events are seen."""
        async with self.client() as client:
            while until is None or len(self.seen) < until:
                after = self.seen[-1] if self.seen else 0
                asked: dict[str, Any] = {"goal_id": goal, "after_seq": after, "detail": "events"}
                answer = await client.call_tool("wait_goal", asked)
                news = answer.structured_content or {}
                self.seen += [event["seq"] for event in news["events"]]
                self.view = news["goal"]
                if self.view["state"] == "success" and not news["events"]:
                    return


def hosts_of(person: Path) -> list[int]:
    """Return the server hosts, ready or starting, whose HOME this is."""
    found = list[int]()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            words = (process / "cmdline").read_bytes().split(b"\0")
            variables = (process / "environ").read_bytes().split(b"\0")
            if b"atos_servers.host.main" in words and f"HOME={person}".encode() in variables:
                found.append(int(process.name))
    return found


@pytest.mark.parametrize(
    "way",
    [
        pytest.param(way, marks=pytest.mark.long)
        if way in {"stdio, legacy", "http, legacy"}
        else way
        for way in WAYS
    ],
)
async def test_no_event_is_lost_or_told_twice(host: HostProcess, way: str) -> None:
    reader = Reader(host, way)
    async with reader.client() as client:
        started = await client.call_tool("start_goal", {"goal": GOAL, "key": way})
        goal = (started.structured_content or {})["id"]
    await reader.read(goal, until=READ_BEFORE)
    await anyio.to_thread.run_sync(host.kill)
    await reader.read(goal)
    async with reader.client() as client:
        whole = (await client.call_tool("get_goal", {"goal_id": goal})).structured_content or {}
    assert reader.view["state"] == "success"
    assert reader.seen == sorted(set(reader.seen))
    assert reader.seen[-1] == whole["seq"]


async def test_a_client_in_mid_call_hears_of_it_and_reads_on(host: HostProcess) -> None:
    """Over HTTP a killed host is a failed call; the next one tells everything that was not told."""
    reader = Reader(host, "http, modern")
    async with reader.client() as client:
        started = await client.call_tool("start_goal", {"goal": GOAL, "key": "mid-call"})
        goal = (started.structured_content or {})["id"]

    async def kill_soon() -> None:
        await anyio.sleep(0.3)  # a call is waiting then, or has just ended: either may be hit
        await anyio.to_thread.run_sync(host.kill)

    failed: list[BaseException] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(kill_soon)
        try:
            await reader.read(goal)
        except Exception as error:  # noqa: BLE001 - whatever the client library makes of it
            failed.append(error)
    await reader.read(goal)
    async with reader.client() as client:
        whole = (await client.call_tool("get_goal", {"goal_id": goal})).structured_content or {}
    assert failed
    assert reader.seen == sorted(set(reader.seen))
    assert reader.seen[-1] == whole["seq"]


async def test_a_worker_whose_host_was_killed_starts_no_other(host: HostProcess) -> None:
    """It ends itself; a host of its making would be in the way of whoever starts the next one."""
    reader = Reader(host, "http, modern")
    async with reader.client() as client:
        asked = [{"goal": GOAL, "key": f"orphan {number}"} for number in range(12)]
        started = [await client.call_tool("start_goal", each) for each in asked]
    last = (started[-1].structured_content or {})["id"]
    await reader.read(last, until=1)  # all are being planned
    worker = host.status()["worker"]["pid"]
    assert len(hosts_of(host.person)) == 1
    await anyio.to_thread.run_sync(host.kill)
    await anyio.to_thread.run_sync(wait_gone, worker)
    assert not hosts_of(host.person)
