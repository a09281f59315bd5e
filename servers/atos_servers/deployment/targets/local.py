"""The target `local`: a process of this machine serves the release on loopback, under the sandbox's rules."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import anyio
import anyio.to_thread

from atos_protocol.errors import DeadlineError, UnreachableError
from atos_servers.deployment.record import Release
from atos_servers.deployment.served_release import copy_served
from atos_servers.deployment.targets.target import Applied, Place, Seen
from atos_servers.deployment.verification import look_at_page
from atos_servers.local_web.entry import Entry
from atos_servers.local_web.server_file import ServerFile, is_served, read, write

START_SECONDS = 20.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.02
LOG = "server.log"
MODULE = "atos_servers.local_web"
LOG_READ_BYTES = 1 << 18


class Local:
    """Starts and ends the processes that serve; see `atos_servers.local_web`."""

    name = "local"
    is_public = False

    async def stage(self, source: Path, staging: Path, place: Place, destination: str) -> Release:
        """Copy the files that would be served."""
        del place, destination
        return await anyio.to_thread.run_sync(copy_served, source, staging)

    async def look(self, place: Place, release: Release, url: str, marker: str) -> Seen:
        """Ask its health and its root page."""
        del place
        return await look_at_page(url, release, marker)

    async def apply(self, place: Place, release: Release, *, port: int) -> Applied:
        """Serve the release on a free port, or find the process that does."""
        file = server_file(place, release)
        if not is_served(file):
            write(file, _wanted(place, release, port))
            _spawn(file, place.folder / LOG)
        return await _answering(file, place)

    async def switch(
        self, place: Place, old: Release | None, new: Release, applied: Applied
    ) -> Applied:
        """End the old process and have the new one take its port, so that the address stays."""
        own, port = server_file(place, new), applied.port
        if (
            old is not None
            and old.digest != new.digest
            and (before := server_file(place, old)).exists()
        ):
            port = read(before).port
        for file in sorted(place.folder.glob("releases/*.server.json")):
            if file != own:
                await end(file)  # also what a call has left that was killed before it was verified
        if port == applied.port:
            return applied
        await end(own)
        return await self.apply(place, new, port=port)

    async def discard(self, place: Place, release: Release) -> None:
        """End the process of a release that did not answer."""
        await end(server_file(place, release))

    async def stop(self, place: Place, release: Release) -> None:
        """End the process of the live release."""
        await end(server_file(place, release))

    def is_up(self, place: Place, release: Release) -> bool:
        """Tell whether the process of a release lives."""
        return is_served(server_file(place, release))

    def log(self, place: Place, lines: int) -> list[str]:
        """Return the last lines of the server's log, the application's output among them."""
        return tail(place.folder / LOG, lines)


def server_file(place: Place, release: Release) -> Path:
    """Return the file by which the process of a release is found."""
    return place.folder / "releases" / f"{release.id}.server.json"


def tail(path: Path, lines: int) -> list[str]:
    """Return the last lines of a file; none where it is missing."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LOG_READ_BYTES))
            return file.read().decode(errors="replace").splitlines()[-lines:]
    except FileNotFoundError:
        return []


def _wanted(place: Place, release: Release, port: int) -> ServerFile:
    return ServerFile(
        release=str(place.release(release)), entry=Entry(**release.entry), digest=release.digest,
        title=place.name, commit=release.commit, requirements=release.requirements, port=port,
    )  # fmt: skip


def _spawn(file: Path, log: Path) -> None:
    """Start the serving process; it outlives this one."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", MODULE, str(file)],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/", start_new_session=True,
        )  # fmt: skip
    threading.Thread(target=process.wait, daemon=True).start()  # it is reaped when it ends


async def _answering(file: Path, place: Place) -> Applied:
    """Wait until the process has its port.

    Raises:
        UnreachableError: it has not come up; the end of its log is in the message.
    """
    with anyio.move_on_after(START_SECONDS):
        while not (is_served(file) and read(file).process):  # noqa: ASYNC110 - another process's file
            await anyio.sleep(POLL_SECONDS)
        port = read(file).port
        return Applied(f"http://127.0.0.1:{port}/", port)
    said = " / ".join(tail(place.folder / LOG, 3))
    message = f"no process serves {place.name} after {START_SECONDS:.0f} s: {said[:300]}"
    raise UnreachableError(message, next_step=f"See atos-client deployments logs {place.name}.")


async def end(file: Path) -> None:
    """End the process that serves a file, if there is one.

    Raises:
        DeadlineError: it does not end.
    """
    if not is_served(file):
        return
    process = 0
    for number in (signal.SIGTERM, signal.SIGKILL):
        told = 0
        with anyio.move_on_after(STOP_SECONDS):
            while is_served(file):
                process = read(file).process  # 0 as long as it is still starting
                if process != told:
                    told = process
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(
                            process, number
                        )  # it holds the file's lock, so the number is its own
                await anyio.sleep(POLL_SECONDS)
            write(file, replace(read(file), process=0))
            return
    message = f"process {process} does not end" if process else "it is still starting"
    step = f"End it: kill -9 {process}" if process else "Ask again in a minute."
    raise DeadlineError(message, next_step=step)
