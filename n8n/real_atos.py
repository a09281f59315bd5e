"""The real ATOS servers of a check, with a home of their own. Standard library only."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from host import free_port, request

from toolchain import ROOT, StepFailedError, run

IDLE_SECONDS = "7200"
"""The editor is looked at for longer than idle daemons stay, on a busy machine."""
START_SECONDS = 300.0
"""Longest start of ATOS: a busy machine needs a minute."""


class Atos:
    """The real servers with a home of their own."""

    def __init__(self, home: Path, settings: Mapping[str, str]) -> None:
        self.home = home
        self.url = f"http://127.0.0.1:{free_port()}"
        port = self.url.rpartition(":")[2]
        mine = {"HOME": str(home), "ATOS_HOME": str(home / "a"), "ATOS_HTTP_PORT": port}
        mine["ATOS_IDLE_SECONDS"] = IDLE_SECONDS  # as `n8n setup` has them stay
        self.environ = {**os.environ, **mine, "ATOS_OLLAMA_URL": "", **settings}

    def client(self, *arguments: str) -> None:
        """Run `atos-client`.

        Raises:
            StepFailedError: it failed.
        """
        line = [ROOT / ".venv" / "bin" / "atos-client", *arguments]
        run(
            f"atos-client {' '.join(arguments)}", line, environ=self.environ, deadline=START_SECONDS
        )

    def token(self) -> str:
        """Return the bearer token of the running servers."""
        return (self.home / "a" / "run" / "token").read_text(encoding="utf-8").strip()


@contextmanager
def running_atos(home: Path, settings: Mapping[str, str]) -> Generator[Atos]:
    """Run the ATOS servers for the time of the block.

    Args:
        home: folder that becomes the person's home.
        settings: variables of ATOS's environment beside its own.

    Raises:
        StepFailedError: they did not start, or let in a request without the token.
    """
    atos = Atos(home, settings)
    try:
        atos.client("up")
        headers = {"authorization": f"Bearer {atos.token()}"}
        answers = [request(f"{atos.url}/healthz", headers=h)[0] for h in (headers, {})]
        if answers[0] != 200 or answers[1] != 401:
            message = f"/healthz answered {answers} with and without the token"
            raise StepFailedError(message)
        yield atos
    finally:
        with suppress(StepFailedError):
            atos.client("down")
