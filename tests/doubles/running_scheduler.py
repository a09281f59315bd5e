"""A whole scheduler in the test's own event loop: real core, gateway and socket, scripted engines."""

import shutil
import tempfile
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx

from atos.scheduler_client import SchedulerClient
from atos_daemon.runtime import listen_unix
from atos_protocol import scheduler_api
from atos_protocol.settings import Settings
from atos_scheduler.daemon import Daemon
from atos_scheduler.devices.selection import SelectedDevice
from atos_scheduler.devices.simulated import SimulatedDevice
from atos_scheduler.engines.protocol import Engine

GIB = 1 << 30


@dataclass
class Running:
    """What a test may hold on to."""

    settings: Settings
    daemon: Daemon
    device: SimulatedDevice
    http: httpx.AsyncClient
    """Speaks to the socket directly."""
    client: SchedulerClient

    async def until_leases(self, *states: str) -> scheduler_api.Status:
        """Wait until the leases stand like this, in order of arrival; return the status."""
        with anyio.fail_after(5):
            while True:
                status = await self.client.status()
                if [lease.state for lease in status.leases] == list(states):
                    return status
                await anyio.sleep(0.005)


@asynccontextmanager
async def scheduler(
    engines: Sequence[Engine],
    *,
    budget: int = 2 * GIB,
    files: dict[str, str] | None = None,
    idle_seconds: float = 900.0,
    **limits: Any,
) -> AsyncGenerator[Running]:
    """Run a scheduler with these engines and this budget.

    `files` go into its home, `limits` are the daemon's own, such as `check_seconds`.
    """
    home = Path(tempfile.mkdtemp(prefix="atos"))
    settings = Settings(home=home, workspaces=home / "goals", idle_seconds=idle_seconds)
    settings.prepare()
    for name, text in (files or {}).items():
        (home / name).write_text(text, encoding="utf-8")
    device = SimulatedDevice(budget)
    initial = scheduler_api.Device(device.name, device.kind, budget, budget, 0, 0)
    selected = SelectedDevice(device, 0, initial)
    daemon = Daemon(settings, engines, selected, **limits)
    transport = httpx.AsyncHTTPTransport(uds=str(settings.scheduler_socket))
    try:
        async with anyio.create_task_group() as group:
            ended = anyio.Event()

            async def run() -> None:
                try:
                    await daemon.run(listen_unix(settings.scheduler_socket))
                finally:
                    ended.set()

            group.start_soon(run)
            http = httpx.AsyncClient(base_url="http://atos", transport=transport, timeout=10)
            try:
                async with http, SchedulerClient(settings, start=False) as client:
                    yield Running(settings, daemon, device, http, client)
            finally:  # a test that failed must not cancel a server that ends by `stop` alone
                daemon.stop()
                with anyio.CancelScope(shield=True):
                    await ended.wait()
    finally:
        shutil.rmtree(home, ignore_errors=True)
