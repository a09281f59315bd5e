"""Whether the goals database can be used: a state that the process lives with, never the end of it.

    ok -> degraded    an engine met a fault (`report`), or a look at the file found one (`inspect`)
    degraded -> ok    a probe has written to the database and read from it

Who does what: the engines of `guarded_engine` report every fault, and ask `enter` before they hand out a
connection. While the state is degraded, `enter` refuses at once, or makes the durable runtime's threads wait:
DBOS would pause ever longer between its own tries, up to a minute. `watch` is the only prober. Loops that
need the database run under `through_outages`.

A process that does not watch (a test, a command) meets the driver's error each time, translated.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal

import anyio
import anyio.to_thread

from atos_orchestrator.execution.step_errors import as_atos_error, class_of
from atos_protocol.errors import UnreachableError

State = Literal["ok", "degraded"]

PROBE_SECONDS = 1.0
"""Pause between two probes of a database that is away."""
LOOK_SECONDS = 10.0
"""Pause between two looks at a database that is fine and that nobody uses: every use looks for itself (`enter`)."""
LOOP_SECONDS = 0.05
"""Pause before a loop that waited for the database goes on."""
WAIT_SECONDS = 4 * 3600.0
"""Longest wait of a thread of the runtime; then its own retries begin."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Health:
    """What people and programs see of it."""

    state: State = "ok"
    why: str = ""
    todo: str = ""
    since: float = 0.0
    """Epoch seconds at which it went away; 0 while it is fine."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why the database can't be used, and what a person may do about it."""

    why: str
    todo: str = ""
    corrupt: bool = False
    """Whether its content may be damaged: then nothing is written before it was checked."""


class DatabaseFaultError(Exception):
    """A probe's finding."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.why)
        self.fault = fault


class DatabaseHealth:
    """The health of one database in one process; every method may be called by any thread.

    Args:
        inspect: finds a fault without a query, fast; called before every use.
    """

    def __init__(self, inspect: Callable[[], Fault | None] = lambda: None) -> None:
        self.inspect = inspect
        self._changed = threading.Condition()
        self._exempt = threading.local()
        self._fault: Fault | None = None
        self._since = 0.0
        self._closed = False
        self.watched = False
        """Whether `watch` runs; without it nothing is ever refused, for nothing would end that."""
        self.probes = 0
        """How many probes there were so far."""
        self._awaiting: list[anyio.Event] = []
        self._on_change: list[Callable[[Health], object]] = []
        self._told: Health = Health()

    @property
    def fault(self) -> Fault | None:
        """Why the database is away; None while it is fine."""
        return self._fault

    def view(self) -> Health:
        """Return the state as it stands."""
        with self._changed:
            if (fault := self._fault) is None:
                return Health()
            return Health("degraded", fault.why, fault.todo, self._since)

    def as_status(self) -> dict[str, Any]:
        """Return the state for a status reply."""
        return asdict(self.view())

    def report(self, fault: Fault) -> None:
        """Note a fault that somebody met; the first one of an outage says since when."""
        with self._changed:
            if self._fault is None:
                self._since = time.time()
                log.warning("the goals database is away: %s", fault.why)
            worse = self._fault is not None and self._fault.corrupt and not fault.corrupt
            self._fault = self._fault if worse else fault

    def on_change(self, call: Callable[[Health], object]) -> None:
        """Have `call` called by `watch`, in its event loop, when the database goes away or is back."""
        self._on_change.append(call)

    def enter(self, *, patient: bool) -> None:
        """Pass while the database is fine; otherwise refuse, or wait where `patient`.

        Raises:
            UnreachableError: it is away.
        """
        if not self.watched or getattr(self._exempt, "here", False):
            return
        if self._fault is None and (found := self.inspect()) is not None:
            self.report(found)
        if self._fault is not None and patient:
            with self._changed:
                self._changed.wait_for(lambda: self._fault is None or self._closed, WAIT_SECONDS)
        if self._fault is not None:
            raise self.refusal()

    def refusal(self) -> UnreachableError:
        """Return the error for whoever needs the database now."""
        health = self.view()
        seconds = max(0.0, time.time() - health.since) if health.since else 0.0
        clock = time.strftime("%H:%M:%S", time.localtime(health.since or time.time()))
        message = f"the goals database is away since {clock} ({seconds:.0f} s): {health.why}"
        step = f"Goals wait and nothing is lost; ask again. {health.todo}".strip()
        return UnreachableError(message, next_step=step, data={"database": asdict(health)})

    @contextmanager
    def exempt(self) -> Generator[None]:
        """Let the present thread use a database that is away: it is the one that examines it."""
        self._exempt.here = True
        try:
            yield
        finally:
            self._exempt.here = False

    def close(self) -> None:
        """End the waiting of every thread, because the process ends."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    async def watch(self, probe: Callable[[], object]) -> None:
        """Keep the state true until cancelled.

        Args:
            probe: uses the database, in a thread; raises `DatabaseFaultError` where it can't.
        """
        self.watched = True
        try:
            while True:
                if self._fault is None and (found := self.inspect()) is not None:
                    self.report(found)
                self._tell()
                if self._fault is not None and await self._is_back(probe):
                    self._return()
                self._tell()
                await anyio.sleep(PROBE_SECONDS if self._fault else LOOK_SECONDS)
        finally:
            self.close()

    async def through_outages(self, loop: Callable[[], Awaitable[None]]) -> None:
        """Run an endless loop; one that trouble of the machine ends goes on when the database is fine."""
        while True:
            try:
                return await loop()
            except Exception as raised:
                error = as_atos_error(raised, "loop")
                if class_of(error.code) != "transient":
                    raise
                log.info("a loop waits: %s", error.message)
            away = self._fault is not None
            await self.returned()
            # Nothing tells when trouble that is not the database's is over, and the loop must not spin.
            await anyio.sleep(LOOP_SECONDS if away else PROBE_SECONDS)

    async def returned(self) -> None:
        """Wait until the database is fine; needs `watch` in the same event loop."""
        while self._fault is not None:
            back = anyio.Event()
            self._awaiting.append(back)
            await back.wait()

    async def _is_back(self, probe: Callable[[], object]) -> bool:
        def run() -> Fault | None:
            with self.exempt():
                try:
                    probe()
                except DatabaseFaultError as error:
                    return error.fault
                except Exception as error:  # noqa: BLE001 - whatever it was, it can't be used
                    return Fault(f"{type(error).__name__}: {error}")
            return None

        fault = await anyio.to_thread.run_sync(run, abandon_on_cancel=True)
        self.probes += 1
        if fault is not None:
            self.report(fault)
        return fault is None

    def _return(self) -> None:
        with self._changed:
            away = time.time() - self._since
            self._fault, self._since = None, 0.0
            self._changed.notify_all()
        log.warning("the goals database is back after %.0f s", away)
        waiting, self._awaiting = self._awaiting, []
        for back in waiting:
            back.set()

    def _tell(self) -> None:
        health = self.view()
        if health != self._told:
            self._told = health
            for call in self._on_change:
                call(health)
