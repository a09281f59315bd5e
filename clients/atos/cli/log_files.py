"""The daemons' log files: their ends, and what is added to them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from atos_protocol.settings import Settings

LOGS = ("servers", "scheduler", "worker")
TAIL_BYTES = 1 << 20
"""How much of a log's end is read."""
LOOK_SECONDS = 0.25
MOST_LINE_BYTES = 1 << 16
"""A longer line is shown in pieces."""


def log_names(settings: Settings) -> tuple[str, ...]:
    """Return the names of the logs there may be: the daemons', and what else is there (pools, `traces`)."""
    others = {path.stem for path in settings.logs.glob("*.log")} - set(LOGS)
    return (*LOGS, *sorted(others))


def tail(settings: Settings, name: str, lines: int) -> list[str]:
    """Return the last lines of a log; none where there is none yet."""
    try:
        with (settings.logs / f"{name}.log").open("rb") as log:
            log.seek(0, 2)
            log.seek(max(0, log.tell() - TAIL_BYTES))
            text = log.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    return text.splitlines()[-lines:] if lines > 0 else []


class GrowingLog:
    """One log as it grows; it is emptied in place when it is put aside, and may not exist yet."""

    def __init__(self, settings: Settings, name: str) -> None:
        self.name = name
        self._path = settings.logs / f"{name}.log"
        self._at = self._size()
        self._rest = b""

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0

    def new_lines(self) -> list[str]:
        """Return the lines that were ended since the last look."""
        if (size := self._size()) < self._at:
            self._at, self._rest = 0, b""
        if size <= self._at:
            return []
        with self._path.open("rb") as log:
            log.seek(self._at)
            piece = log.read(TAIL_BYTES)
        self._at += len(piece)
        *whole, self._rest = (self._rest + piece).split(b"\n")
        if len(self._rest) > MOST_LINE_BYTES:
            whole, self._rest = [*whole, self._rest], b""
        return [line.decode(errors="replace") for line in whole]


def follow(settings: Settings, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield name and line of whatever is added to these logs from now on, without end."""
    logs = [GrowingLog(settings, name) for name in names]
    while True:
        found = [(log.name, line) for log in logs for line in log.new_lines()]
        yield from found
        if not found:
            time.sleep(LOOK_SECONDS)
