"""`/metrics` when the scheduler is there and says nothing: a scrape tells of goals, and that it does not answer."""

import socket
import sys
import time
from pathlib import Path

import pytest
from starlette.responses import Response

from atos_protocol.settings import load_settings
from atos_servers.host import metrics

pytestmark = pytest.mark.anyio


@pytest.mark.usefixtures("atos_home")
async def test_without_its_package_the_route_says_so_and_the_host_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "atos.tracing.prometheus_page", raising=False)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    reply = metrics.metrics_route(load_settings())
    assert isinstance(reply, Response)
    assert reply.status_code == 501
    assert b"pip install 'atos[prometheus]'" in bytes(reply.body)


async def test_a_scheduler_that_hangs_costs_a_scrape_a_moment_and_nothing_else(
    atos_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "STATUS_SECONDS", 0.2)
    settings = load_settings()
    settings.prepare()
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(settings.scheduler_socket))
        silent.listen()
        scrapes = metrics.Scrapes(settings)
        await scrapes.now()  # opens the goals database
        began = time.monotonic()
        _, unfinished, status = await scrapes.now()
        took = time.monotonic() - began
    assert (unfinished, status) == (0, None)
    assert took < 5.0
