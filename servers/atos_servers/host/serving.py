"""The running host: one task group around the Unix socket, HTTP, the worker and the idle timer."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable

import anyio
from anyio.abc import SocketListener

from atos_protocol.daemons import announce_ready
from atos_protocol.errors import BadConfigError
from atos_protocol.settings import Settings
from atos_servers.host.connections import Connections, HostControl
from atos_servers.host.goal_worker_process import GoalWorkerProcess
from atos_servers.host.http_guard import read_token
from atos_servers.host.http_server import serving_http
from atos_servers.host.idle_shutdown import IdleShutdown
from atos_servers.host.manifest import digest
from atos_servers.host.services import EventNotifier, Services
from atos_servers.host.suite import build_suite, running
from atos_servers.host.worker_supervisor import Spawn, WorkerSupervisor

BACKLOG = 128
logger = logging.getLogger(__name__)


async def serve(settings: Settings, spawn: Spawn, first: GoalWorkerProcess | None = None) -> None:
    """Serve until a signal, a `shutdown`, or idleness ends it.

    Args:
        settings: where and how.
        spawn: starts another worker.
        first: the worker that was started already.

    Raises:
        BadConfigError: a server can't be built, or the token file or the workspaces can't be used.
    """
    _make_workspaces(settings)
    token = read_token(settings.token_file)
    notifier = EventNotifier()
    worker = WorkerSupervisor(spawn, notifier, first)
    services = Services(settings, worker.notify, notifier)
    idle_shutdown = IdleShutdown(services.busy_checks)
    suite = build_suite(services)
    async with anyio.create_task_group() as tasks:
        stop = tasks.cancel_scope.cancel
        tasks.start_soon(_until_signal, stop)
        tasks.start_soon(worker.run)
        async with running(suite), serving_http(suite, token, settings, idle_shutdown) as http:
            if http.error:
                logger.error("no HTTP: %s", http.error)
            control = HostControl(idle_shutdown, worker, http, stop)
            listener = await SocketListener.from_socket(_bind(settings))
            connections = Connections(suite, idle_shutdown, control, digest())
            async with listener:  # closed first at the end, so that no client waits for us
                announce_ready()
                tasks.start_soon(_until_idle, idle_shutdown, settings.idle_seconds, stop)
                await listener.serve(connections.serve)


def _make_workspaces(settings: Settings) -> None:
    try:
        settings.workspaces.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"{settings.workspaces} can't be made: {error.strerror}"
        step = "Goals are kept there. Make it writable, or set ATOS_WORKSPACES."
        raise BadConfigError(message, next_step=step) from error


def _bind(settings: Settings) -> socket.socket:
    """Take the socket's path; the lock that makes the host single says that it is ours to take."""
    path = os.fspath(settings.servers_socket)
    settings.servers_socket.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    previous = os.umask(0o177)
    try:
        listener.bind(path)
    finally:
        os.umask(previous)
    listener.listen(BACKLOG)
    return listener


async def _until_signal(stop: Callable[[], None]) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for received in signals:
            logger.info("ending on %s", received.name)
            stop()


async def _until_idle(
    idle_shutdown: IdleShutdown, seconds: float, stop: Callable[[], None]
) -> None:
    await idle_shutdown.wait_idle(seconds)
    logger.info("ending after %.0f s without anybody", seconds)
    stop()
