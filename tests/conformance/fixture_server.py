"""A server of the suite's fixtures, on the factory, the middleware, the guard and the transports of the real host.

python -m conformance.fixture_server      prints its address, and serves until stdin is closed
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import anyio
from fastmcp import FastMCP

from atos_daemon.idle_shutdown import IdleShutdown
from atos_protocol.settings import load_settings
from atos_protocol.tokens import default_token
from atos_servers.host.http_server import serving_http
from atos_servers.host.suite import finished, running
from atos_servers.page.access import PageAccess
from conformance.fixture_questions import add_questions
from conformance.fixture_tools import add_fixtures

NAME = "fixture"


async def serve() -> None:
    """Serve until stdin is closed."""
    with tempfile.TemporaryDirectory(prefix="atos") as home:
        settings = load_settings({"HOME": home, "ATOS_HOME": home, "ATOS_HTTP_PORT": "0"})
        settings.prepare()
        server = FastMCP(
            "atos-conformance",
            instructions="The fixtures of the conformance suite.",
            dereference_schemas=False,
        )
        add_fixtures(server)
        add_questions(server)
        suite = {NAME: finished(server)}
        token = default_token(settings.token_file)
        access = PageAccess(settings)
        async with (
            running(suite),
            serving_http(suite, settings, IdleShutdown(), access) as http,
        ):
            sys.stdout.write(f"{http.url}/{NAME}/mcp {token}\n")
            sys.stdout.flush()
            await anyio.to_thread.run_sync(sys.stdin.read)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    anyio.run(serve)
