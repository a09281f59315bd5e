"""The scheduler daemon: the one process that owns the budget, the engines and the gateway.

    settings -> lifetime lock -> devices and engines -> core and gateway in one task group -> ready

It ends on SIGTERM or SIGINT, or after `idle_seconds` in which nobody asked it for anything; engines
are closed before it is gone. After `kill -9` the kernel drops the lock and closes the engines'
standard input, on which they end.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup
from starlette.types import ASGIApp

from atos_daemon.daemon_log import formatter_of
from atos_daemon.http_server import HttpServer
from atos_daemon.idle_shutdown import IdleShutdown
from atos_daemon.key_source import KeySource
from atos_daemon.pool_logs import PoolLogs
from atos_daemon.runtime import (
    REACH_SECONDS,
    listen_unix,
    run_daemon,
    until_signal,
    until_unreachable,
    usage,
)
from atos_protocol.daemons import announce_ready
from atos_protocol.errors import AtosError, UnreachableError
from atos_protocol.settings import Settings
from atos_scheduler.catalogue.catalogue import Catalogue
from atos_scheduler.catalogue.entries import load_entries
from atos_scheduler.core.events import ForeignChanged
from atos_scheduler.core.state_machine import Core
from atos_scheduler.core.types import size_text
from atos_scheduler.devices.selection import SelectedDevice, select_device
from atos_scheduler.dispatcher import MOST_REQUESTS, Dispatcher
from atos_scheduler.engines import llama_server
from atos_scheduler.engines.engine_socket import sweep
from atos_scheduler.engines.llama_server import LlamaServer
from atos_scheduler.engines.protocol import Engine
from atos_scheduler.event_log import EventLog
from atos_scheduler.gateway.app import build, build_for
from atos_scheduler.gateway.client_ports import ClientPorts
from atos_scheduler.gateway.clients import ClientFile, GatewayClient
from atos_scheduler.gateway.generation_response import KEEP_ALIVE_SECONDS
from atos_scheduler.gateway.scheduler_state import SchedulerState
from atos_scheduler.plan_hints import PlanHints

logger = logging.getLogger(__name__)

CHECK_SECONDS = 4.0
"""How often resident models and the device are checked, while anything is resident."""
CLOSE_SECONDS = 10.0
PRIVATE = "private"
"""Value of ATOS_OLLAMA_URL that asks for an Ollama of our own."""
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
ADOPT_SECONDS = 5.0


def make_engines(settings: Settings, server: LlamaServer | None = None) -> list[Engine]:
    """Return the engines of this machine, preferred ones first; each is imported when it is used."""
    if settings.simulate:
        from atos_scheduler.engines.simulated import Simulated

        return [Simulated()]
    engines = list[Engine]()
    if settings.openai_url:
        from atos_scheduler.engines.openai import OpenAi

        place, setting = settings.openai_key_file, "ATOS_OPENAI_KEY_FILE"
        key = KeySource(place, setting) if place else None
        engines.append(OpenAi(settings.openai_url, key))
    if settings.ollama_url == PRIVATE:
        from atos_scheduler.engines.private_ollama import PrivateOllama

        engines.append(PrivateOllama(settings.engine_sockets))
    elif settings.ollama_url:
        from atos_scheduler.engines.ollama import Ollama

        engines.append(Ollama(settings.ollama_url))
    from atos_scheduler.engines.llama_cpp import LlamaCpp

    return [*engines, LlamaCpp(settings, server=server)]


async def find_server(settings: Settings, kind: str) -> LlamaServer | None:
    """Return the `llama-server` that runs GGUF files here; None for the embedded library.

    One that was named is used; one that is merely on PATH only if it sees the GPU that is there.
    """
    named = bool(settings.llama_server)
    path = llama_server.find(settings.llama_server)
    if settings.simulate or not path or (kind != "cuda" and not named):
        return None
    found = await anyio.to_thread.run_sync(llama_server.inspect, path, os.environ)
    logger.info("%s sees %s", path, ", ".join(found.gpus) or found.trouble or "no GPU")
    return found if named or found.gpus else None


def taken_ports(settings: Settings) -> frozenset[int]:
    """Return the loopback ports of servers behind us: a client there would be asked by itself."""
    found = (urlsplit(url) for url in (settings.ollama_url, settings.openai_url) if url)
    return frozenset(at.port or 80 for at in found if at.hostname in LOOPBACK)


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
        keep_alive: float = KEEP_ALIVE_SECONDS,
    ) -> None:
        self._settings = settings
        self._engines = engines
        self._selected = selected
        self._most_requests = most_requests
        self._check_seconds = check_seconds
        self._reach_seconds = reach_seconds
        self._keep_alive = keep_alive
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
        idle = IdleShutdown(look_seconds=self._reach_seconds)
        path = self._settings.scheduler_socket
        try:
            async with anyio.create_task_group() as group:
                state = await self._open(group)
                idle.add_busy_check(state.is_busy)
                idle.add_busy_check(self._stays)
                server = HttpServer(build(state, idle.touch))
                group.start_soon(state.dispatcher.run_timer)
                group.start_soon(self._watch, state)
                group.start_soon(self.stop_after, idle.wait_idle, self._settings.idle_seconds)
                group.start_soon(self.stop_after, until_unreachable, path, self._reach_seconds)
                group.start_soon(self._end, state, server)
                logger.info("ready on %s", path)
                announce_ready()
                await server.serve_on(listener)
                group.cancel_scope.cancel()
        finally:
            await self._close()

    def _bridge(self) -> str:
        """Return the address where clients in containers reach their ports; empty where they don't."""
        address = self._settings.bridge_address
        return "" if address.startswith("127.") else address

    async def _stays(self) -> bool:
        return self._settings.stays

    async def _open(self, group: TaskGroup) -> SchedulerState:
        """Build the parts, and list what the engines have."""
        initial, most = self._selected.initial, self._selected.ceiling
        model_set = self._settings.model_set
        entries = load_entries(self._settings.home, initial.kind, most, model_set)
        logger.info("%s, %s, profile %r", initial.name, size_text(most), entries.profile)
        event_log = EventLog()
        others = {s.initial.kind: s.ceiling for s in self._selected.others}
        catalogue = Catalogue(self._engines, entries, initial.kind, most, others=others)
        budgets = {selected.initial.name: selected.ceiling for selected in self._selected.all}
        dispatcher = Dispatcher(Core(budgets), event_log, group, self._most_requests)
        for selected in self._selected.all:
            dispatcher.post(ForeignChanged(selected.initial.budget, selected.initial.name))
        await catalogue.refresh()
        await self._adopt(catalogue, dispatcher)
        plans = PlanHints(anyio.current_time)
        state: SchedulerState | None = None

        def make_app(client: GatewayClient) -> ASGIApp:
            assert state is not None, "ports open once the state is there"
            return build_for(state, client, self._keep_alive, self._settings.bridge_names)

        devices = {s.initial.name: s.initial for s in self._selected.all}
        own = taken_ports(self._settings)
        ports = ClientPorts(ClientFile(self._settings.home), group, make_app, own, self._bridge())
        state = SchedulerState(catalogue, dispatcher, event_log, plans, group, devices, ports)
        ports.open_all()
        return state

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
                for selected in self._selected.all:
                    await selected.device.release()
            await state.dispatcher.wait_for_residency()
            await anyio.sleep(self._check_seconds)
            await state.dispatcher.check_all_residencies()
            for selected in self._selected.all:
                with suppress(UnreachableError):
                    await self._measure(state, selected)

    async def _measure(self, state: SchedulerState, selected: SelectedDevice) -> None:
        memory, name = state.dispatcher.core.memory, selected.initial.name
        if any(r.state != "resident" for r in memory.residencies.values()):
            return  # what is charged and what is used differ at present
        found = await selected.device.read(state.dispatcher.occupied(name))
        allowed = selected.budget(found)
        state.devices[name] = replace(state.devices[name], total=found.total, foreign=found.foreign)
        state.allow(name, allowed)

    async def stop_after(self, wait: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        """Stop when `wait(*arguments)` returns."""
        await wait(*arguments)
        self.stop()

    async def _end(self, state: SchedulerState, server: HttpServer) -> None:
        """End in order: fail the requests, then stop listening."""
        await self._stop.wait()
        state.dispatcher.close()
        state.event_log.close()
        state.ports.close()
        server.stop()

    async def _close(self) -> None:
        with anyio.CancelScope(shield=True):
            for engine in self._engines:
                with anyio.move_on_after(CLOSE_SECONDS) as scope:
                    await engine.close()
                if scope.cancelled_caught:
                    logger.error("%s did not close in time", engine.name)
            for selected in self._selected.all:
                await selected.device.release()


async def serve(settings: Settings) -> None:
    """Run a scheduler for these settings; the caller holds the role's lock."""
    sweep(settings.engine_sockets)
    selected = await select_device(settings)
    server = await find_server(settings, selected.initial.kind)
    daemon = Daemon(settings, make_engines(settings, server), selected)
    listener = listen_unix(settings.scheduler_socket)
    failure: AtosError | None = None
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(daemon.stop_after, until_signal)
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


def main() -> int:
    """Entry point of `atos-scheduler`."""
    about = "Owns the memory that models live in, until nobody needs it."
    if (told := usage("atos-scheduler", about, sys.argv[1:])) is not None:
        return told
    os.umask(0o077)  # it writes nothing of the person's, nor do its engines
    return run_daemon("scheduler", _run)


def _run(settings: Settings) -> None:
    formatter = formatter_of(settings.log_format, "scheduler")
    logging.getLogger().addHandler(PoolLogs(settings.logs, formatter))
    anyio.run(serve, settings)


if __name__ == "__main__":
    sys.exit(main())
