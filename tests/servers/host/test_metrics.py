"""`/metrics` when the scheduler is there and says nothing: a scrape tells of goals, and that it does not answer."""

import socket
import time
from pathlib import Path

import pytest

from atos_protocol.settings import load_settings
from atos_servers.host import metrics

pytestmark = pytest.mark.anyio


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
