"""A real Postgres server in a temporary folder, where the machine has the programs."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

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
    """A server that runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made = 0

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
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [*as_user, str(bin_ / "postgres"), "-D", data, *settings, "-c", "fsync=off"],
            cwd=folder,
            stderr=log,
        )
    try:
        ready = [str(bin_ / "pg_isready"), "-q", "-h", str(folder), "-t", "30"]
        while subprocess.run(ready, check=False, timeout=40).returncode:
            assert server.poll() is None, (folder / "log").read_text()
        yield Postgres(folder)
    finally:
        server.terminate()
        server.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def _as_ordinary_user(folder: Path) -> list[str]:
    """Return what starts a command as somebody else than root, whom Postgres refuses."""
    if os.getuid():
        return []
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
