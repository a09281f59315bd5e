"""Tells a scheduler that runs that the installed models have changed."""

from __future__ import annotations

from contextlib import suppress

import httpx

from atos_daemon import outbound_http
from atos_protocol.settings import Settings

SECONDS = 30.0


def models_changed(settings: Settings) -> None:
    """Have the scheduler list its models anew; one that does not run needs no notice."""
    if not settings.scheduler_socket.exists():
        return
    made = outbound_http.unix_client(settings.scheduler_socket, "http://atos", SECONDS)
    with suppress(httpx.HTTPError), made as client:
        client.post("/atos/v1/refresh")
