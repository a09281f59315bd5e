"""A real Postgres server in a temporary folder, where the machine has the programs."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest
from psycopg.sql import SQL, Identifier

USER = "atos"


def programs() -> Path | None:
    """Return the folder with `initdb` and `postgres`, None where they are not installed."""
    places = [Path(found).resolve().parent] if (found := shutil.which("postgres")) else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").exists()), None)


class Postgres:
    """A server that runs, and can be stopped for a while."""

    def __init__(self, folder: Path, command: list[str], ready: list[str]) -> None:
        self._folder = folder
        self._command = command
        self._ready = ready
        self._made = 0
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        log = self._folder / "log"
        with log.open("ab") as sink:
            self._server = subprocess.Popen(self._command, cwd=self._folder, stderr=sink)
        while subprocess.run(self._ready, check=False, timeout=40).returncode:
            assert self._server.poll() is None, log.read_text()

    def stop(self) -> None:
        """Stop it at once; whoever is connected is cut off."""
        self._server.send_signal(signal.SIGINT)
        self._server.wait(20)

    def pause(self) -> None:
        """Have it stand still, as a paused container does: connections stay, and nobody answers."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """End the pause."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        server = psutil.Process(self._server.pid)
        for process in (server, *server.children(recursive=True)):
            process.send_signal(number)

    def new_database(self) -> str:
        """Make an empty database and return its URL."""
        self._made += 1
        name = f"atos{self._made}"
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        return self._url(name)

    def _url(self, database: str) -> str:
        return f"postgresql://{USER}@/{database}?host={self._folder}"


@contextmanager
def temporary_postgres() -> Generator[Postgres]:
    """Run a server; skip the test where it is not installed."""
    if (bin_ := programs()) is None:
        pytest.skip("Postgres is not installed")
    folder = Path(tempfile.mkdtemp(prefix="atospg"))
    as_user = _as_ordinary_user(folder)
    data = str(folder / "data")
    initdb = [*as_user, str(bin_ / "initdb"), "-D", data, "-U", USER, "-A", "trust", "--no-sync"]
    subprocess.run(initdb, check=True, capture_output=True, cwd=folder, timeout=60)
    settings = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}"]
    command = [*as_user, str(bin_ / "postgres"), "-D", data, *settings, "-c", "fsync=off"]
    server = Postgres(
        folder, command, [str(bin_ / "pg_isready"), "-q", "-h", str(folder), "-t", "30"]
    )
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _as_ordinary_user(folder: Path) -> list[str]:
    """Return what starts a command as somebody else than root, whom Postgres refuses."""
    if os.getuid():
        return []
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
