"""`python -m atos_servers.local_web FILE`: serves the release that FILE (JSON, see `ServerFile`) describes.

It holds a lock on FILE as long as it lives, so that who finds the lock free knows that nobody serves; it
writes its process and port into FILE before it answers.
"""

from __future__ import annotations

import logging
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import anyio

from atos_daemon.descriptors import raise_soft_limit
from atos_daemon.http_server import HttpServer
from atos_daemon.runtime import log_to_stderr, until_signal
from atos_protocol.errors import AtosError
from atos_protocol.settings import load_settings
from atos_servers.code_runner.packages.environments import Environments
from atos_servers.code_runner.runner import Runner
from atos_servers.local_web.application import Application
from atos_servers.local_web.installed import installed, nothing
from atos_servers.local_web.server_file import ServerFile, locked, read, write
from atos_servers.local_web.site import Guard, Served, site

LOOPBACK = "127.0.0.1"
BACKLOG = 128
LOOK_SECONDS = 10.0
"""Pause between two looks at the release's file."""

logger = logging.getLogger(__name__)


def bound(port: int) -> socket.socket:
    """Listen on a loopback port; on a free one where that is taken, or 0."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
    except OSError:
        listener.bind((LOOPBACK, 0))
    listener.listen(BACKLOG)
    return listener


async def serve(path: Path, asked: ServerFile) -> None:
    """Serve until a signal comes, or until the release's file is gone."""
    environments = Environments(load_settings().home / "environments")
    packages = installed(environments, asked.requirements) if asked.requirements else nothing
    served = Served(
        Path(asked.release), asked.entry, asked.digest, asked.title, asked.commit, packages
    )
    is_app = asked.entry.kind == "app"
    application = Application(served.release, served.entry, served.packages) if is_app else None
    listener = bound(asked.port)
    port: int = listener.getsockname()[1]
    server = HttpServer(Guard(site(served, application, Runner()), served, port))
    async with anyio.create_task_group() as tasks:

        def end() -> None:
            server.stop()
            tasks.cancel_scope.cancel()

        if application:
            tasks.start_soon(application.run)
        tasks.start_soon(server.serve_on, listener)
        write(path, asked.serving(port))
        logger.info("serving %s on http://%s:%d", served.entry.what, LOOPBACK, port)
        tasks.start_soon(_once_removed, path, end)
        await until_signal()
        end()


async def _once_removed(path: Path, end: Callable[[], None]) -> None:
    """End once a file is gone: where its home was removed, nobody is left who could stop what it describes."""
    while True:
        await anyio.sleep(LOOK_SECONDS)
        with suppress(OSError):  # a file system that refuses for a moment has removed nothing
            if not await anyio.Path(path).exists():
                break
    logger.info("%s is gone: it is served no more", path)
    end()


def main(arguments: list[str]) -> int:
    """Serve; return the exit status."""
    path = Path(arguments[0])
    log_to_stderr("INFO")
    raise_soft_limit()
    try:
        with locked(path):
            anyio.run(serve, path, read(path))
    except AtosError as error:
        logger.error("%s", error)  # noqa: TRY400 - the sentence is for people
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
