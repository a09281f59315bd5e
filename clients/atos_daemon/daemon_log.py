"""A daemon's log on standard error: lines alike are limited in rate, and the file in size.

The file was opened for appending by whoever started the daemon, and is shared with its children. So it is
copied to `.1` and emptied in place: every writer goes on at the new end.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import stat
import sys
from collections import OrderedDict
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from atos_daemon.log_context import fields_of, tag_of
from atos_protocol.daemons import LOG_BYTES
from atos_protocol.printable import printable
from atos_protocol.redaction import redacted, redacted_value

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
ALIKE_LINES = 20
ALIKE_SECONDS = 10.0
"""At most `ALIKE_LINES` lines of one kind are written in this time."""
KINDS = 256
"""How many kinds of lines are counted at once."""


class SimilarLines(logging.Filter):
    """Drops lines that differ in their arguments only, beyond the limit, and later says how many.

    Time is taken from the records.
    """

    def __init__(self) -> None:
        super().__init__()
        self._counts: OrderedDict[tuple[str, int, str], list[float]] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        """Decide about one line; the first after a dropped one carries the count."""
        kind = (record.name, record.levelno, str(record.msg)[:200])
        began, count = self._counts.setdefault(kind, [record.created, 0.0])
        self._counts.move_to_end(kind)
        if len(self._counts) > KINDS:
            self._counts.popitem(last=False)
        if record.created - began >= ALIKE_SECONDS:
            dropped = max(0, int(count) - ALIKE_LINES)
            began, count = record.created, 0.0
            if dropped:
                record.msg = f"{record.getMessage()} (and {dropped} lines like this were left out)"
                record.args = None
        self._counts[kind] = [began, count + 1]
        return count < ALIKE_LINES


class PlainFormatter(logging.Formatter):
    """Writes lines and tracebacks without secrets (`redaction`), and with nothing hidden in them."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return a record's line, with what it is about at its end."""
        return super().formatMessage(record) + tag_of(fields_of(record))

    def format(self, record: logging.LogRecord) -> str:
        """Return one record as text."""
        return printable(redacted(super().format(record)), keep="\n\t")


class JsonFormatter(logging.Formatter):
    """Writes one JSON object a line, without secrets: at, level, logger, process, message; goal, task, pool, error."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        """Return one record as a line."""
        line: dict[str, str] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "process": self._process,
            "message": record.getMessage(),
            **fields_of(record),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(redacted_value(line))


def formatter_of(form: str, process: str) -> logging.Formatter:
    """Return what writes `text` or `json`."""
    return JsonFormatter(process) if form == "json" else PlainFormatter(FORMAT)


class StandardErrorHandler(logging.StreamHandler[TextIO]):
    """Writes to standard error and keeps its file within `LOG_BYTES`."""

    def __init__(self, formatter: logging.Formatter | None = None) -> None:
        super().__init__(sys.stderr)
        self.setFormatter(formatter or PlainFormatter(FORMAT))
        self.addFilter(SimilarLines())

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        trim_log()
        super().emit(record)


def trim_log(handle: int = 2, limit: int = LOG_BYTES) -> None:
    """Put the log that `handle` writes to aside if it has grown beyond `limit` bytes.

    Where standard error is no file, or the system can't name it, this does nothing.
    """
    with contextlib.suppress(OSError):
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_size <= limit:
            return
        path = Path(f"/proc/self/fd/{handle}").readlink()
        shutil.copyfile(path, path.with_name(f"{path.name}.1"))
        os.ftruncate(handle, 0)
