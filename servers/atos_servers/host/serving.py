"""The running host: one task group around the Unix socket, HTTP, the worker and the idle timer."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import anyio

from atos_daemon.descriptors import connections_per_listener
from atos_daemon.idle_shutdown import IdleShutdown
from atos_daemon.runtime import listen_unix, until_signal, until_unreachable
from atos_daemon.unix_server import UnixServer
from atos_protocol.daemons import announce_ready
from atos_protocol.errors import BadConfigError, BusyError
from atos_protocol.host_protocol import refusal
from atos_protocol.settings import Settings
from atos_protocol.tokens import default_token
from atos_servers.host.connections import Connections, HostControl
from atos_servers.host.goal_worker_process import GoalWorkerProcess
from atos_servers.host.http_server import serving_http
from atos_servers.host.manifest import digest
from atos_servers.host.metrics import PATH as METRICS
from atos_servers.host.metrics import metrics_route
from atos_servers.host.services import EventNotifier, Services
from atos_servers.host.suite import build_suite, running
from atos_servers.host.trace_exporter import TraceExporter
from atos_servers.host.worker_supervisor import Spawn, WorkerSupervisor
from atos_servers.page.access import PageAccess

FULL = BusyError("the server host has no room for another connection", next_step="Try again soon.")

logger = logging.getLogger(__name__)


async def serve(settings: Settings, spawn: Spawn, first: GoalWorkerProcess | None = None) -> None:
    """Serve until a signal, a `shutdown`, idleness, or the loss of its socket ends it.

    Args:
        settings: where and how.
        spawn: starts another worker.
        first: the worker that was started already.

    Raises:
        BadConfigError: a server can't be built, or the token file or the workspaces can't be used.
    """
    _make_workspaces(settings)
    default_token(settings.token_file)
    notifier = EventNotifier()
    worker = WorkerSupervisor(spawn, notifier, first)
    services = Services(settings, worker.notify, notifier)
    suite = build_suite(services)
    if settings.metrics:
        services.routes[METRICS] = metrics_route(settings)
    if settings.trace_to:
        services.background.append(TraceExporter(settings, notifier).run)

    async def stays() -> bool:
        return settings.stays

    access = PageAccess(settings)
    idle = IdleShutdown(*services.busy_checks, stays)
    async with anyio.create_task_group() as tasks:
        stop = tasks.cancel_scope.cancel
        tasks.start_soon(_then, until_signal, stop)
        tasks.start_soon(worker.run)
        for job in services.background:
            tasks.start_soon(_run, job)
        async with (
            running(suite),
            serving_http(suite, settings, idle, access, services.routes) as http,
        ):
            if http.error:
                logger.error("no HTTP: %s", http.error)
            control = HostControl(idle, worker, http, services.reports, stop, access.new_code)
            connections = Connections(suite, idle, control, digest())
            server = UnixServer(
                listen_unix(settings.servers_socket),
                connections.serve,
                capacity=connections_per_listener(),
                refusal=refusal(FULL) + b"\n",
            )
            announce_ready()
            tasks.start_soon(_then, lambda: idle.wait_idle(settings.idle_seconds), stop)
            tasks.start_soon(_then, lambda: until_unreachable(settings.servers_socket), stop)
            await server.run()


async def _run(job: Callable[[], Awaitable[None]]) -> None:
    await job()


async def _then(end: Callable[[], Awaitable[None]], stop: Callable[[], None]) -> None:
    await end()
    stop()


def _make_workspaces(settings: Settings) -> None:
    try:
        settings.workspaces.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"{settings.workspaces} can't be created: {error.strerror}"
        step = "Goals are kept there. Make it writable, or set ATOS_WORKSPACES."
        raise BadConfigError(message, next_step=step) from error
