"""A folder of files on a web server (`ATOS_MODEL_MIRROR`), fetched with ranges."""

from __future__ import annotations

from pathlib import Path

import httpx

from atos_daemon import outbound_http
from atos_protocol.errors import UnreachableError, WrongBytesError
from atos_protocol.server_url import ServerUrl
from atos_scheduler.catalogue.origin import Download

CONNECT_SECONDS = 10.0
SILENT_SECONDS = 30.0
"""Longest pause between two pieces."""
PIECE = 1 << 20
TRIES = 5
"""Connections that may break one after another, each having brought something, are not counted."""


class Mirror:
    """Fetches `<url>/<file name>`."""

    name = "mirror"

    def __init__(self, url: str) -> None:
        self._url = ServerUrl(url)

    def describe(self, wanted: Download) -> str:
        """Name the address."""
        return f"the mirror at {self._url}"

    def lacks(self, wanted: Download) -> str:
        """Need an address."""
        return "" if self._url else "no mirror is named (ATOS_MODEL_MIRROR)"

    def extra_disk(self, wanted: Download) -> int:
        """Need nothing more."""
        return 0

    def fetch(self, wanted: Download, folder: Path) -> Path:
        """Append what is missing, connecting again as long as that brings something."""
        folder.mkdir(parents=True, exist_ok=True)
        file, failures = folder / wanted.file, 0
        waits = httpx.Timeout(SILENT_SECONDS, connect=CONNECT_SECONDS)
        with outbound_http.client(self._url, waits, follow_redirects=True) as client:
            while (before := _size(file)) < wanted.bytes:
                try:
                    self._append(client, wanted, file, before)
                except httpx.HTTPError as error:
                    failures = 0 if _size(file) > before else failures + 1
                    if failures >= TRIES or before == _size(file) == 0:
                        raise self._unreachable(str(error) or type(error).__name__) from error
                else:
                    if _size(file) == before:
                        reason = f"it ended at byte {before} of {wanted.bytes}"
                        raise self._unreachable(reason)
        return file

    def _append(self, client: httpx.Client, wanted: Download, file: Path, have: int) -> None:
        headers = {"accept-encoding": "identity"} | ({"range": f"bytes={have}-"} if have else {})
        with client.stream("GET", f"{self._url.address}/{wanted.file}", headers=headers) as reply:
            if reply.status_code not in {200, 206}:
                reason = f"it answers {reply.status_code} for {wanted.file}"
                raise self._unreachable(reason)
            resumed = reply.status_code == 206
            with file.open("ab" if resumed else "wb") as out:
                for piece in reply.iter_raw(PIECE):
                    if out.tell() + len(piece) > wanted.bytes:
                        message = f"{self._url} sends more than {wanted.bytes} bytes"
                        raise WrongBytesError(message)
                    out.write(piece)
                    out.flush()

    def _unreachable(self, reason: str) -> UnreachableError:
        message = f"the mirror at {self._url} can't be used: {reason}"
        return UnreachableError(message, next_step="Check ATOS_MODEL_MIRROR, then try again.")


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
