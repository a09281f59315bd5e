"""A log for each pool beside the daemon's own: `logs/pool-simple.log` has every line that is about the pool `simple`.

Only the scheduler writes them, since every request passes it. They are kept within the size of other logs.
"""

from __future__ import annotations

import logging
import re
from logging.handlers import RotatingFileHandler
from pathlib import Path

from atos_daemon.log_context import fields_of
from atos_protocol.daemons import LOG_BYTES

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,40}")
MOST_POOLS = 32
"""Files that are open at once; pools are few, and whoever configures more has the daemon's own log."""


class PoolLogs(logging.Handler):
    """Writes a record that is about a pool into that pool's file.

    Args:
        folder: of the logs.
        formatter: of the daemon's own log.
    """

    def __init__(self, folder: Path, formatter: logging.Formatter) -> None:
        super().__init__()
        self._folder, self._theirs = folder, formatter
        self._files: dict[str, RotatingFileHandler] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line, if it is about a pool; a file that can't be written is told as logging tells it."""
        pool = fields_of(record).get("pool", "")
        if not NAME.fullmatch(pool):
            return
        if pool not in self._files and len(self._files) < MOST_POOLS:
            try:
                self._files[pool] = self._opened(pool)
            except OSError:
                self.handleError(record)
        if (file := self._files.get(pool)) is not None:
            file.emit(record)

    def _opened(self, pool: str) -> RotatingFileHandler:
        path = self._folder / f"pool-{pool}.log"
        path.touch(mode=0o600)
        file = RotatingFileHandler(path, maxBytes=LOG_BYTES, backupCount=1, encoding="utf-8")
        file.setFormatter(self._theirs)
        return file

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()
        super().close()
