"""`atos-servers`: the process that holds the five MCP servers.

    lock -> worker started -> slow imports -> servers built -> sockets bound -> ready

The worker is started before anything slow is imported, so that on two cores both import at once.
Everything that follows is in `serving`.
"""

from __future__ import annotations

import os
import sys
from functools import partial

from atos_daemon.runtime import run_daemon, usage
from atos_protocol.settings import Settings
from atos_servers.host.goal_worker_process import spawn_worker


def main() -> int:
    """Run the host until it is told to end or is idle; return the exit status."""
    told = usage("atos-servers", "Holds ATOS's MCP servers until nobody needs them.", sys.argv[1:])
    return run_daemon("servers", _run) if told is None else told


def _run(settings: Settings) -> None:
    spawn = partial(spawn_worker, settings)
    worker = spawn()
    try:
        os.environ["FASTMCP_LOG_ENABLED"] = "false"  # one log format, and no terminal art in it
        import anyio

        from atos_servers.host.serving import serve

        anyio.run(serve, settings, spawn, worker)
    finally:
        worker.end()


if __name__ == "__main__":
    sys.exit(main())
