"""An Ollama server that runs: what it has, and pulling through it.

Ollama keeps and verifies its models itself, by the manifest of its own library; the bytes need not be
those of the maker's file, so they are not compared with it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import httpx

from atos_daemon import outbound_http
from atos_protocol.errors import UnreachableError
from atos_protocol.server_url import ServerUrl

ASK_SECONDS = 2.0
SILENT_SECONDS = 60.0
"""Longest pause between two lines of a pull; while it verifies a large file it says nothing."""


class OllamaLibrary:
    """Lists and pulls models of one server."""

    name = "ollama"

    def __init__(self, url: str) -> None:
        self._url = ServerUrl(url)

    def models(self) -> frozenset[str]:
        """Return the names of what it has; nothing where no server answers."""
        if not self._url:
            return frozenset()
        try:
            with self._client() as client:
                listed = client.get("/api/tags").raise_for_status().json()["models"]
                return frozenset(str(model["name"]) for model in listed)
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return frozenset()

    def answers(self) -> bool:
        """Return whether a server runs."""
        if not self._url:
            return False
        try:
            with self._client() as client:
                return "version" in client.get("/api/version").raise_for_status().json()
        except (httpx.HTTPError, ValueError, TypeError):
            return False

    def pull(self, name: str, progress: Callable[[int, int], None]) -> None:
        """Have the server pull a model; `progress` is told what it has and the whole, in bytes.

        Raises:
            UnreachableError: it does not answer, can't get the model, or fell silent.
        """
        from ollama import ResponseError

        waits = httpx.Timeout(SILENT_SECONDS, connect=ASK_SECONDS)
        layers: dict[str, tuple[int, int]] = {}
        status = ""
        try:
            with closing(outbound_http.ollama_client(self._url, waits)) as client:
                for line in client.pull(name, stream=True):
                    status = line.status or status
                    if line.digest:
                        layers[line.digest] = (line.completed or 0, line.total or 0)
                        done, total = map(sum, zip(*layers.values(), strict=True))
                        progress(done, total)
        except (ResponseError, httpx.HTTPError, ConnectionError) as error:
            message = f"Ollama at {self._url} could not pull {name}: {error}"
            raise UnreachableError(message, next_step="See the log of Ollama.") from error
        if status != "success":
            message = f"Ollama at {self._url} stopped pulling {name} at {status!r}"
            raise UnreachableError(message, next_step="Try again: Ollama keeps what it has.")

    def _client(self) -> httpx.Client:
        return outbound_http.client(self._url, ASK_SECONDS)
