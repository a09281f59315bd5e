"""`/metrics` for Prometheus, where `ATOS_METRICS` says so: behind the same guard and token as every other route.

A scrape reads what was written since the one before, `MOST_EVENTS` at most, in a thread: however much there is, it costs the
host a few milliseconds, and what is left is counted by the next.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
from typing import Any

import anyio
import anyio.to_thread
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from atos.scheduler_client import SchedulerClient
from atos.tracing.counters import Counters
from atos_protocol.errors import AtosError, UnsupportedError
from atos_protocol.scheduler_api import Status
from atos_protocol.settings import Settings

logger = logging.getLogger(__name__)
PATH = "/metrics"
MOST_EVENTS = 2000
"""Events that one scrape folds."""
STATUS_SECONDS = 5.0
"""How long the scheduler may take; Prometheus gives a scrape up after ten, and with it what it says of goals."""
OVERLAP = 200
"""Numbers before the newest that are looked at again: on Postgres a smaller one may become visible later."""


def metrics_route(settings: Settings) -> ASGIApp:
    """Return what answers a scrape; where Prometheus's client is not installed, it answers that."""
    try:
        page: Any = importlib.import_module("atos.tracing.prometheus_page")
    except ImportError as error:
        message = f"/metrics can't be answered: {error}"
        missing = UnsupportedError(message, next_step="pip install 'atos[prometheus]'")
        logger.warning("%s", missing)
        return PlainTextResponse(str(missing), status_code=missing.status)
    scrapes = Scrapes(settings)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = page.page(*await scrapes.now())
            reply = Response(body, media_type=page.CONTENT_TYPE)
        except AtosError as error:
            reply = PlainTextResponse(str(error), status_code=503)
        await reply(scope, receive, send)

    return answer


class Scrapes:
    """What one process has counted, and how far."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._counters = Counters()
        self._turn = anyio.Lock()
        self._events: Any = None
        self._seq = 0
        self._seen: set[int] = set()

    async def now(self) -> tuple[Counters, int, Status | None]:
        """Return the counters, the number of unfinished goals, and the scheduler's status.

        Raises:
            UnreachableError: the goals database is away.
        """
        async with self._turn:
            unfinished = await anyio.to_thread.run_sync(self._count)
        status: Status | None = None
        with contextlib.suppress(AtosError), anyio.move_on_after(STATUS_SECONDS):
            async with SchedulerClient(self._settings, start=False) as scheduler:
                status = await scheduler.status()
        return self._counters, unfinished, status

    def _count(self) -> int:
        if self._events is None:
            self._events = self._opened()
        try:
            news = self._events.since(self._seq - OVERLAP, OVERLAP + MOST_EVENTS)
            unfinished = len(self._events.unfinished())
        except AtosError:
            self._events = None  # opened anew by the next scrape
            raise
        self._counters.add(event for event in news if event.seq not in self._seen)
        self._seen = {event.seq for event in news}
        self._seq = max([self._seq, *self._seen])
        return unfinished

    def _opened(self) -> Any:
        """Open the events; what is there the first time is not counted."""
        store = importlib.import_module("atos_orchestrator.execution.event_store")
        database = importlib.import_module("atos_orchestrator.execution.database")
        events = store.EventStore(database.open_database(self._settings))
        events.create()
        newest = events.newest()
        if not self._seq or newest < self._seq:
            self._seq = newest
            self._seen = {event.seq for event in events.since(newest - OVERLAP, OVERLAP)}
        return events
