"""The scheduler daemon: the one process that owns the budget, the engines and the gateway.

    settings -> lifetime lock -> devices and engines -> core and gateway in one task group -> ready

It ends on SIGTERM or SIGINT, or after `idle_seconds` in which nobody asked it for anything; engines
are closed before it is gone. After `kill -9` the kernel drops the lock and closes the engines'
standard input, on which they end.
"""

from __future__ import annotations

import logging
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import anyio
from anyio.abc import TaskGroup

from atos_protocol.daemons import Singleton, announce_ready, is_up
from atos_protocol.errors import AtosError, BadConfigError, ConflictError, UnreachableError
from atos_protocol.settings import Settings, load_settings
from atos_scheduler.catalogue.catalogue import Catalogue
from atos_scheduler.catalogue.entries import load_entries
from atos_scheduler.core.events import ForeignChanged
from atos_scheduler.core.state_machine import Core
from atos_scheduler.core.types import size_text
from atos_scheduler.devices.selection import SelectedDevice, select_device
from atos_scheduler.dispatcher import MOST_REQUESTS, Dispatcher
from atos_scheduler.engines.protocol import Engine
from atos_scheduler.event_log import EventLog
from atos_scheduler.gateway.app import build
from atos_scheduler.gateway.scheduler_state import SchedulerState
from atos_scheduler.gateway.server import UnixServer, listen
from atos_scheduler.plan_hints import PlanHints

logger = logging.getLogger(__name__)

CHECK_SECONDS = 10.0
"""How often resident models and the device are checked, while anything is resident."""
REACH_SECONDS = 30.0
"""How often the daemon looks whether its socket is still there: its home may be removed."""
CLOSE_SECONDS = 10.0
PREDECESSOR_SECONDS = 15.0
"""How long a daemon that no longer answers may still hold the lock."""
ADOPT_SECONDS = 5.0


def make_engines(settings: Settings) -> list[Engine]:
    """Return the engines of this machine, preferred ones first; each is imported when it is used."""
    if settings.simulate:
        from atos_scheduler.engines.simulated import Simulated

        return [Simulated()]
    engines = list[Engine]()
    if settings.openai_url:
        from atos_scheduler.engines.openai import OpenAi

        engines.append(OpenAi(settings.openai_url))
    if settings.ollama_url:
        from atos_scheduler.engines.ollama import Ollama

        engines.append(Ollama(settings.ollama_url))
    from atos_scheduler.engines.llama_cpp import LlamaCpp

    return [*engines, LlamaCpp(settings)]


class Daemon:
    """One running scheduler."""

    def __init__(
        self,
        settings: Settings,
        engines: Sequence[Engine],
        selected: SelectedDevice,
        *,
        most_requests: int = MOST_REQUESTS,
        check_seconds: float = CHECK_SECONDS,
        reach_seconds: float = REACH_SECONDS,
    ) -> None:
        self._settings = settings
        self._engines = engines
        self._selected = selected
        self._most_requests = most_requests
        self._check_seconds = check_seconds
        self._reach_seconds = reach_seconds
        self._last_need = 0.0
        self._stop = anyio.Event()

    def stop(self) -> None:
        """Make `run` come to its end."""
        self._stop.set()

    @property
    def ending(self) -> bool:
        """Whether `stop` was called, or the daemon was idle for long enough."""
        return self._stop.is_set()

    async def ended(self) -> None:
        """Return once `ending`."""
        await self._stop.wait()

    async def run(self, listener: socket.socket) -> None:
        """Serve until `stop` or idleness; then close everything, engines included.

        Raises:
            BadConfigError: the settings files can't be used.
        """
        self._needed()
        try:
            async with anyio.create_task_group() as group:
                state = await self._open(group)
                server = UnixServer(build(state, self._needed))
                group.start_soon(state.dispatcher.run_timer)
                group.start_soon(self._watch, state)
                group.start_soon(self._end_when_idle, state)
                group.start_soon(self._end, state, server)
                logger.info("ready on %s", self._settings.scheduler_socket)
                announce_ready()
                await server.serve(sockets=[listener])
                group.cancel_scope.cancel()
        finally:
            await self._close()

    async def _open(self, group: TaskGroup) -> SchedulerState:
        """Build the parts, and list what the engines have."""
        initial, most = self._selected.initial, self._selected.ceiling
        entries = load_entries(self._settings.home, initial.kind, most)
        logger.info("%s, %s, profile %r", initial.name, size_text(most), entries.profile)
        event_log = EventLog()
        catalogue = Catalogue(self._engines, entries, initial.kind, most)
        dispatcher = Dispatcher(Core(most), event_log, group, self._most_requests)
        dispatcher.post(ForeignChanged(initial.budget))
        await catalogue.refresh()
        await self._adopt(catalogue, dispatcher)
        plans = PlanHints(anyio.current_time)
        return SchedulerState(catalogue, dispatcher, event_log, plans, group, initial)

    def _needed(self) -> None:
        self._last_need = anyio.current_time()

    async def _adopt(self, catalogue: Catalogue, dispatcher: Dispatcher) -> None:
        """Charge what engines hold already, such as an Ollama server that ran before."""
        usable = {status.name for status in catalogue.statuses if status.ok}
        for engine in self._engines:
            if engine.name not in usable:
                continue
            with suppress(AtosError, TimeoutError), anyio.fail_after(ADOPT_SECONDS):
                for found in await engine.loaded():
                    if (deployment := catalogue.deployments.get(found.name)) is not None:
                        dispatcher.adopt(deployment, found)

    async def _watch(self, state: SchedulerState) -> None:
        """While models are resident, check that they still are, and what other programs use."""
        while True:
            if not state.dispatcher.core.memory.residencies:
                await self._selected.device.release()
            await state.dispatcher.wait_for_residency()
            await anyio.sleep(self._check_seconds)
            await state.dispatcher.check_all_residencies()
            with suppress(UnreachableError):
                await self._measure(state)

    async def _measure(self, state: SchedulerState) -> None:
        memory = state.dispatcher.core.memory
        if any(r.state != "resident" for r in memory.residencies.values()):
            return  # what is charged and what is used differ at present
        found = await self._selected.device.read(memory.committed)
        allowed = self._selected.budget(found)
        state.device = replace(state.device, total=found.total, foreign=found.foreign)
        if allowed != memory.budget:
            state.dispatcher.post(ForeignChanged(allowed))

    async def _end_when_idle(self, state: SchedulerState) -> None:
        """End when nobody has needed the daemon for long, or nobody can reach it any more."""
        idle = self._settings.idle_seconds
        mine = _identity(self._settings.scheduler_socket)
        while (rest := self._last_need + idle - anyio.current_time()) > 0:
            await anyio.sleep(min(rest, self._reach_seconds))
            if state.dispatcher.busy:
                self._needed()
            if _identity(self._settings.scheduler_socket) != mine:
                logger.warning("ending, since %s is gone", self._settings.scheduler_socket)
                break
        else:
            logger.info("ending after %.0f idle seconds", idle)
        self.stop()

    async def _end(self, state: SchedulerState, server: UnixServer) -> None:
        """End in order: fail the requests, then stop listening."""
        await self._stop.wait()
        state.dispatcher.close()
        state.event_log.close()
        server.stop()

    async def _close(self) -> None:
        with anyio.CancelScope(shield=True):
            for engine in self._engines:
                with anyio.move_on_after(CLOSE_SECONDS) as scope:
                    await engine.close()
                if scope.cancelled_caught:
                    logger.error("%s did not close in time", engine.name)
            await self._selected.device.release()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


async def _stop_on_signal(daemon: Daemon) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for number in signals:
            logger.info("ending on %s", number.name)
            daemon.stop()


async def serve(settings: Settings) -> None:
    """Run a scheduler for these settings; the caller holds the role's lock."""
    daemon = Daemon(settings, make_engines(settings), await select_device(settings))
    listener = listen(settings.scheduler_socket)
    failure: AtosError | None = None
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(_stop_on_signal, daemon)
            try:
                await daemon.run(listener)
            except AtosError as error:
                failure = error  # a task group would wrap it
            group.cancel_scope.cancel()
    finally:
        settings.scheduler_socket.unlink(missing_ok=True)
        listener.close()
    if failure is not None:
        raise failure


def lock(settings: Settings) -> Singleton:
    """Take the role's lifetime lock; one that is ending may take its time to close its engines.

    Raises:
        ConflictError: another scheduler serves this home.
    """
    give_up = time.monotonic() + PREDECESSOR_SECONDS
    while True:
        try:
            return Singleton("scheduler", settings)
        except ConflictError:
            if is_up("scheduler", settings) or time.monotonic() > give_up:
                raise
        time.sleep(0.05)


def main() -> None:
    """Entry point of `atos-scheduler`."""
    try:
        settings = load_settings()
        settings.prepare()
        _log_to_stderr(settings.log_level)
        held = lock(settings)
        try:
            anyio.run(serve, settings)
        finally:
            held.release()
    except AtosError as error:
        sys.stderr.write(f"atos-scheduler: {error.code}: {error}\n")
        raise SystemExit(1) from None


def _log_to_stderr(level: str) -> None:
    form = "%(asctime)s %(levelname)s %(name)s %(message)s"
    try:
        logging.basicConfig(level=level.upper(), format=form, stream=sys.stderr)
    except ValueError as error:
        message = f"ATOS_LOG_LEVEL: {error}"
        raise BadConfigError(message, next_step="Use DEBUG, INFO, WARNING or ERROR.") from error
    for chatty in ("httpx", "uvicorn"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


if __name__ == "__main__":
    main()
