"""Tells a scheduler that runs that the installed models have changed."""

from __future__ import annotations

from contextlib import suppress

import httpx

from atos_protocol.settings import Settings

SECONDS = 30.0


def models_changed(settings: Settings) -> None:
    """Have the scheduler list its models anew; one that does not run needs no notice."""
    if not settings.scheduler_socket.exists():
        return
    transport = httpx.HTTPTransport(uds=str(settings.scheduler_socket))
    with suppress(httpx.HTTPError), httpx.Client(transport=transport, timeout=SECONDS) as client:
        client.post("http://atos/atos/v1/refresh")
