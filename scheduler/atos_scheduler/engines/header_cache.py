"""What GGUF headers say, remembered by path, time of change and size, across restarts too.

Skipping the vocabulary of one file takes a quarter of a second of a core. So headers are read by a thread
of their own, once per file; whoever lists models waits a moment for it, and meanwhile sees the files that
are not read yet by their names and sizes.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from atos_protocol.errors import LoadFailedError
from atos_protocol.shortage import SCARCE
from atos_scheduler.engines.gguf_header import GgufHeader, read_header

logger = logging.getLogger(__name__)

FORMAT = 2
"""Of the file; another number and the file is read anew."""

PASSING = SCARCE | {errno.EIO, errno.ESTALE}
"""Trouble of the machine: it says nothing about a file, which would be left out until somebody changes it."""

Stamp = tuple[int, int]
"""Time of change in ns, and bytes: a file with another stamp is another file."""


class HeaderCache:
    """Headers of files; `file` keeps them between two lives of the process."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._known: dict[str, tuple[Stamp, GgufHeader | str]] | None = None
        """Path -> its stamp, and its header or why it has none."""
        self._wanted: dict[str, Stamp] = {}
        self._reader: threading.Thread | None = None

    def look(self, paths: Iterable[Path], seconds: float) -> dict[Path, GgufHeader | str | None]:
        """Return each file's header, the reason why it has none, or None if it was not read in time.

        Args:
            paths: the files; one that is not there has a reason.
            seconds: longest wait for headers that are not known yet.
        """
        stamps = {path: _stamp(path) for path in paths}
        found = self._found(stamps)
        if None in found.values():
            self._want({os.fspath(p): s for p, s in stamps.items() if s and found[p] is None})
            if (reader := self._reader) is not None:
                reader.join(seconds)
            found = self._found(stamps)
        return found

    def _found(self, stamps: dict[Path, Stamp | None]) -> dict[Path, GgufHeader | str | None]:
        with self._lock:
            known = self._known = self._load() if self._known is None else self._known
            found = dict[Path, GgufHeader | str | None]()
            for path, stamp in stamps.items():
                entry = known.get(os.fspath(path))
                if stamp is None:
                    found[path] = f"{path} can't be read"
                else:
                    found[path] = entry[1] if entry and entry[0] == stamp else None
            return found

    def _want(self, paths: dict[str, Stamp]) -> None:
        """Have files read by the reader, which is started if none runs."""
        with self._lock:
            self._wanted |= paths
            if self._wanted and self._reader is None:
                self._reader = threading.Thread(target=self._read, name="gguf", daemon=True)
                self._reader.start()

    def _read(self) -> None:
        while True:
            with self._lock:
                if not self._wanted:
                    self._reader = None
                    self._save()
                    return
                path, stamp = self._wanted.popitem()
            try:
                result: GgufHeader | str = read_header(Path(path))
            except LoadFailedError as error:
                logger.warning("GGUF left out", extra={"path": path, "why": error.message})
                if getattr(error.__cause__, "errno", None) in PASSING:
                    continue  # the next look tries again
                result = error.message
            except Exception as error:  # whatever one file holds, the others are to be read
                logger.exception("GGUF left out", extra={"path": path})
                result = f"{path} can't be used as a GGUF model: {error!r}"
            with self._lock:
                assert self._known is not None
                self._known[path] = (stamp, result)

    def _load(self) -> dict[str, tuple[Stamp, GgufHeader | str]]:
        """Return what an earlier process knew; a file that can't be read is no loss."""
        with suppress(OSError, ValueError, TypeError, KeyError):
            kept: dict[str, Any] = json.loads(self._file.read_text(encoding="utf-8"))
            if kept["format"] == FORMAT:
                return {
                    path: ((entry["mtime_ns"], entry["size"]), GgufHeader(**entry["header"]))
                    for path, entry in kept["headers"].items()
                }
        return {}

    def _save(self) -> None:
        """Write what is known of files that are still there; failures are tried again next time."""
        headers = {
            path: {"mtime_ns": stamp[0], "size": stamp[1], "header": asdict(header)}
            for path, (stamp, header) in (self._known or {}).items()
            if isinstance(header, GgufHeader) and _stamp(Path(path)) == stamp
        }
        draft = self._file.with_suffix(f".{os.getpid()}.draft")
        with suppress(OSError):
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft.write_text(json.dumps({"format": FORMAT, "headers": headers}), encoding="utf-8")
            draft.replace(self._file)


def _stamp(path: Path) -> Stamp | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - asked at every listing, so kept cheap
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
