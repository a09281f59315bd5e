"""An Ollama server of our own: started when it is first looked at, ended with the scheduler.

`ATOS_OLLAMA_URL=private` asks for it. Nobody else's requests reach it, so nobody else loads models behind the
scheduler's back; the models are those that `ollama pull` has fetched. Beyond that it is an Ollama like any other.
"""

from __future__ import annotations

import logging
import os
import shutil
import socket
from pathlib import Path

import anyio

from atos_protocol.errors import LoadFailedError
from atos_protocol.server_url import ServerUrl
from atos_scheduler.engines.engine_process import EngineProcess
from atos_scheduler.engines.ollama import Ollama

logger = logging.getLogger(__name__)

WORKER = "atos_scheduler.engines.ollama_worker"
START_SECONDS = 8.0
"""Less than a listing of models waits for one engine."""


class PrivateOllama(Ollama):
    """Ollama's engine over a child process."""

    def __init__(self, sockets: Path, path: str | None = None) -> None:
        """Start nothing yet.

        Args:
            sockets: the folder by which a killed scheduler's children are recognised.
            path: where to look for the binary instead of PATH.
        """
        super().__init__("")
        self._sockets, self._path = sockets, path
        self._process: EngineProcess | None = None
        self._starting = anyio.Lock()

    @property
    def pid(self) -> int:
        """The server's process id; 0 while there is none."""
        return self._process.engine_pid if self._process and self._process.alive else 0

    async def health(self) -> str:
        """Start the server if it does not run; return "" if it answers, else why it can't be used."""
        async with self._starting:
            if not self.pid and (trouble := await self._start()):
                return trouble
        return await super().health()

    async def _start(self) -> str:
        binary = shutil.which("ollama", path=self._path)
        if binary is None:
            return "there is no `ollama` on PATH: install it, or name a server in ATOS_OLLAMA_URL"
        await self.close()
        host = f"127.0.0.1:{_free_port()}"
        config = {
            "binary": binary,
            "host": host,
            "models": os.environ.get("OLLAMA_MODELS", ""),
            "socket": str(self._sockets / "ollama" / "none"),
        }
        try:
            self._process = await EngineProcess.start(WORKER, config, START_SECONDS)
        except LoadFailedError as error:
            return f"{binary} serve did not start: {error.message}"
        self._url = ServerUrl(f"http://{host}")
        logger.info("ollama %s runs at %s", self._process.ready["version"], host)
        return ""

    async def close(self) -> None:
        """Close the connections and end the server; what it has loaded goes with it."""
        await super().close()
        self._http = self._package = None
        if self._process is not None:
            await self._process.end()
            self._process = None


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])
