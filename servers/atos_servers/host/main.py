"""`atos-servers`: the process that holds the five MCP servers.

    lock -> worker started -> heavy imports -> servers built -> sockets bound -> ready

The worker is started before anything heavy is imported, so that on two cores both import at once.
Everything that follows is in `serving`.
"""

from __future__ import annotations

import logging
import os
import sys
from functools import partial

from atos_protocol.daemons import take_role
from atos_protocol.errors import AtosError
from atos_protocol.settings import Settings, load_settings
from atos_servers.host.goal_worker_process import spawn_worker

CHATTY = ("httpx", "httpx2", "mcp", "uvicorn")
"""Libraries that log every request."""

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def main() -> int:
    """Run the host until it is told to end or nobody needs it; return the exit status."""
    try:
        settings = load_settings()
        settings.prepare()
        lock = take_role("servers", settings)
    except AtosError as error:
        return _failed(error)
    try:
        return _run(settings)
    finally:
        lock.release()


def _run(settings: Settings) -> int:
    level = logging.getLevelNamesMapping().get(settings.log_level.upper(), logging.INFO)
    logging.basicConfig(level=level, format=LOG_FORMAT)
    for name in CHATTY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    spawn = partial(spawn_worker, settings)
    worker = spawn()
    try:
        os.environ["FASTMCP_LOG_ENABLED"] = "false"  # one log format, and no terminal art in it
        import anyio

        from atos_servers.host.serving import serve

        anyio.run(serve, settings, spawn, worker)
    except AtosError as error:
        return _failed(error)
    finally:
        worker.end()
    return 0


def _failed(error: AtosError) -> int:
    """Say in one line why there is no host; whoever started it quotes the line."""
    sys.stderr.write(f"{error}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
