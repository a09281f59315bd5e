"""A server of the suite's fixtures, on the factory, the middleware, the guard and the transports of the real host.

python -m conformance.fixture_server      prints its address, and serves until stdin is closed
"""

from __future__ import annotations

import socket
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
from conformance.fixture_requests import add_requests
from conformance.fixture_tasks import add_tasks
from conformance.fixture_tools import add_fixtures

NAME = "fixture"


def with_own_origin() -> dict[str, str]:
    """Return settings of a port that is free, and of its pages as those that may call: the suite wants them let in."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    origins = f"http://localhost:{port},http://127.0.0.1:{port}"
    return {"ATOS_HTTP_PORT": str(port), "ATOS_HTTP_ORIGINS": origins}


async def serve() -> None:
    """Serve until stdin is closed."""
    with tempfile.TemporaryDirectory(prefix="atos") as home:
        place = {"HOME": home, "ATOS_HOME": home}
        settings = load_settings({**place, **with_own_origin()})
        settings.prepare()
        server = FastMCP(
            "atos-conformance",
            instructions="The fixtures of the conformance suite.",
            dereference_schemas=False,
        )
        add_fixtures(server)
        add_questions(server)
        add_requests(server)
        suite = {NAME: finished(server)}
        token = default_token(settings.token_file)
        access = PageAccess(settings)
        async with anyio.create_task_group() as tasks:
            add_tasks(server, tasks.start_soon)
            async with (
                running(suite),
                serving_http(suite, settings, IdleShutdown(), access) as http,
            ):
                sys.stdout.write(f"{http.url}/{NAME}/mcp {token}\n")
                sys.stdout.flush()
                await anyio.to_thread.run_sync(sys.stdin.read)
            tasks.cancel_scope.cancel()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    anyio.run(serve)
