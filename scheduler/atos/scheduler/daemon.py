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
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import anyio

from atos.scheduler import wire
from atos.scheduler.catalogue.catalogue import Catalogue
from atos.scheduler.catalogue.entries import load_entries
from atos.scheduler.core.events import ForeignChanged
from atos.scheduler.core.machine import Core
from atos.scheduler.devices.discover import discover
from atos.scheduler.devices.protocol import Device, budget
from atos.scheduler.dispatcher import Dispatcher
from atos.scheduler.engines.protocol import Engine
from atos.scheduler.ensure import Singleton, announce_ready
from atos.scheduler.errors import AtosError, BadConfigError, UnreachableError
from atos.scheduler.gateway.app import build
from atos.scheduler.gateway.server import UnixServer, listen
from atos.scheduler.gateway.services import Services
from atos.scheduler.journal import Journal
from atos.scheduler.plans import Plans
from atos.scheduler.settings import Settings, load_settings

logger = logging.getLogger(__name__)

LOOK_SECONDS = 10.0
"""How often residents and the device are looked at, while anything is resident."""
CLOSE_SECONDS = 10.0
ADOPT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where models go: a device, and what it showed at the start."""

    device: Device
    limit: int
    """The person's own bound in bytes; 0 for none."""
    seen: wire.Device


def make_engines(settings: Settings) -> list[Engine]:
    """Return the engines of this machine, preferred ones first; each is imported when wanted."""
    if settings.simulate:
        from atos.scheduler.engines.simulated import Simulated

        return [Simulated()]
    from atos.scheduler.engines.llama_cpp import LlamaCpp

    engines: list[Engine] = [LlamaCpp(settings)]
    if settings.ollama_url:
        from atos.scheduler.engines.ollama import Ollama

        engines.insert(0, Ollama(settings.ollama_url))
    return engines


async def find_place(settings: Settings) -> Place:
    """Choose the device whose budget is kept: the first GPU, else the machine's memory.

    Raises:
        BadConfigError: nothing can be measured and no budget is set.
    """
    for device in await discover(settings):
        with suppress(UnreachableError):
            found = await device.read(0)
            limit = settings.budget
            ours = budget(found, device.reserve, limit)
            seen = wire.Device(device.name, device.kind, found.total, ours, 0, found.foreign)
            return Place(device, limit, seen)
    message = "no device's memory can be measured"
    raise BadConfigError(message, next_step="Set ATOS_BUDGET, such as ATOS_BUDGET=4GiB.")


def ceiling(place: Place) -> int:
    """Return what could be committed if no other program used the device."""
    most = max(place.seen.budget, place.seen.total - place.device.reserve)
    return min(most, place.limit) if place.limit else most


class Daemon:
    """One running scheduler."""

    def __init__(self, settings: Settings, engines: Sequence[Engine], place: Place) -> None:
        self._settings = settings
        self._engines = engines
        self._place = place
        self._last_need = 0.0

    async def run(self, listener: socket.socket) -> None:
        """Serve until a signal or idleness ends it; then close everything."""
        self._needed()
        entries = load_entries(self._settings.home, self._place.seen.kind, ceiling(self._place))
        journal = Journal()
        try:
            async with anyio.create_task_group() as group:
                catalogue = Catalogue(
                    self._engines, entries, self._place.seen.kind, ceiling(self._place)
                )
                dispatcher = Dispatcher(Core(ceiling(self._place)), journal, group)
                dispatcher.post(ForeignChanged(self._place.seen.budget))
                services = Services(
                    catalogue=catalogue,
                    dispatcher=dispatcher,
                    journal=journal,
                    plans=Plans(anyio.current_time),
                    group=group,
                    device=self._place.seen,
                )
                await catalogue.refresh()
                await self._adopt(catalogue, dispatcher)
                server = UnixServer(build(services, self._needed))
                group.start_soon(dispatcher.keep_time)
                group.start_soon(self._watch, services)
                group.start_soon(self._end_when_idle, services, server)
                group.start_soon(self._end_on_signal, server)
                announce_ready()
                logger.info(
                    "ready on %s, profile %s", self._settings.scheduler_socket, entries.profile
                )
                await server.serve(sockets=[listener])
                journal.close()
                group.cancel_scope.cancel()
        finally:
            await self._close()

    def _needed(self) -> None:
        self._last_need = anyio.current_time()

    async def _adopt(self, catalogue: Catalogue, dispatcher: Dispatcher) -> None:
        """Charge what engines hold already, such as an Ollama server that ran before."""
        for engine in self._engines:
            held = []
            with suppress(AtosError, TimeoutError), anyio.fail_after(ADOPT_SECONDS):
                held = await engine.loaded() if not await engine.health() else []
            for found in held:
                if (offered := catalogue.offers.get(found.name)) is not None:
                    dispatcher.adopt(offered, found)

    async def _watch(self, services: Services) -> None:
        """While anything is resident, see whether it still is, and what other programs use."""
        while True:
            await services.dispatcher.anything_resident()
            await anyio.sleep(LOOK_SECONDS)
            await services.dispatcher.look_after_all()
            with suppress(UnreachableError):
                await self._measure(services)

    async def _measure(self, services: Services) -> None:
        memory = services.dispatcher.core.memory
        found = await self._place.device.read(memory.committed)
        allowed = budget(found, self._place.device.reserve, self._place.limit)
        services.device = replace(services.device, total=found.total, foreign=found.foreign)
        if allowed != memory.budget:
            services.dispatcher.post(ForeignChanged(allowed))

    async def _end_when_idle(self, services: Services, server: UnixServer) -> None:
        idle = self._settings.idle_seconds
        while (rest := self._last_need + idle - anyio.current_time()) > 0:
            await anyio.sleep(rest)
            if services.dispatcher.busy:
                self._needed()
        logger.info("ending after %.0f idle seconds", idle)
        server.stop()

    async def _end_on_signal(self, server: UnixServer) -> None:
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for number in signals:
                logger.info("ending on %s", number.name)
                server.stop()

    async def _close(self) -> None:
        with anyio.CancelScope(shield=True):
            for engine in self._engines:
                with anyio.move_on_after(CLOSE_SECONDS) as scope:
                    await engine.close()
                if scope.cancelled_caught:
                    logger.error("%s did not close in time", engine.name)
            await self._place.device.release()


async def serve(settings: Settings) -> None:
    """Run a scheduler for these settings; the caller holds the role's lock."""
    place = await find_place(settings)
    daemon = Daemon(settings, make_engines(settings), place)
    listener = listen(settings.scheduler_socket)
    try:
        await daemon.run(listener)
    finally:
        settings.scheduler_socket.unlink(missing_ok=True)
        listener.close()


def main() -> None:
    """Entry point of `atos-scheduler`."""
    try:
        settings = load_settings()
        settings.prepare()
        level = settings.log_level.upper()
        form = "%(asctime)s %(levelname)s %(name)s %(message)s"
        logging.basicConfig(level=level, format=form, stream=sys.stderr)
        lock = Singleton("scheduler", settings)
        try:
            anyio.run(serve, settings)
        finally:
            lock.release()
    except AtosError as error:
        sys.stderr.write(f"atos-scheduler: {error}\n")
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
