"""The progress of a download: a bar on a terminal, a line now and then in a log.

How much is there is asked of the disk, not told by whoever fetches. So a source needs no callback, a
resumed download starts where it stands, and a second process sees the progress of the first.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from atos_scheduler.models.sizes import bytes_text, seconds_text, share_text

REDRAW_SECONDS = 0.25
LOG_SHARE = 0.1
LOG_SECONDS = 2.0
"""Without a terminal a line is printed when this share was added and this time has passed."""
WINDOW_SECONDS = 8.0
"""Over how long the rate is averaged."""
FIRST_SECONDS = 3.0
"""Before that no rate is told: the first bytes take as long as the connection ("19550 hours left")."""
LONGEST_BAR, SHORTEST_BAR = 24, 6

Count = Callable[[], int]
"""Asked whenever a figure is shown; bytes."""


@dataclass(slots=True)
class Pace:
    """How fast a count grows."""

    total: int = 0
    done: int = 0
    _seen: deque[tuple[float, int]] = field(default_factory=deque[tuple[float, int]])

    def see(self, done: int, total: int, now: float) -> None:
        """Note how much there is at a moment; a count never goes back."""
        self.total = total
        self.done = min(max(done, self.done), self.total)
        self._seen.append((now, self.done))
        while len(self._seen) > 2 and now - self._seen[0][0] > WINDOW_SECONDS:
            self._seen.popleft()

    @property
    def rate(self) -> float:
        """Bytes per second, 0 while unknown."""
        (start, before), (end, after) = self._seen[0], self._seen[-1]
        return (after - before) / (end - start) if end - start >= FIRST_SECONDS else 0.0

    def line(self, name: str, width: int) -> str:
        """Return one line of at most `width` characters; the bar gives way first."""
        share = self.done / self.total if self.total else 0.0
        tail = f"{share:4.0%}  {share_text(self.done, self.total)}"
        if rate := self.rate:
            left = (self.total - self.done) / rate
            tail += f"  {bytes_text(rate)}/s  {seconds_text(left)} left"
        room = min(LONGEST_BAR, width - len(name) - len(tail) - 5)
        if room < SHORTEST_BAR:
            return f"{name} {tail}"[:width]
        filled = int(share * room)
        return f"{name}  [{'#' * filled}{'-' * (room - filled)}] {tail}"


class Meter(Protocol):
    """Where progress and remarks go."""

    def say(self, text: str) -> None:
        """Print a line that stays."""
        ...

    def watching(self, name: str, total: Count, count: Count) -> AbstractContextManager[object]:
        """Show how a count grows towards a total, until the context ends."""
        ...


class Silent:
    """Says nothing, for `--json`."""

    def say(self, text: str) -> None:
        """Drop it."""

    @contextmanager
    def watching(self, name: str, total: Count, count: Count) -> Generator[None]:
        """Show nothing."""
        yield


class Lines:
    """Writes to standard error: a bar if that is a terminal, else lines."""

    def __init__(self) -> None:
        self._out = sys.stderr
        self._live = self._out.isatty()
        self._logged = (0, 0.0)
        """Bytes of the last line without a terminal, and its moment."""

    def say(self, text: str) -> None:
        """Print a line that stays; on a terminal it is broken between words."""
        width = self._width() if self._live else len(text) + 1
        lines = textwrap.wrap(text, width, subsequent_indent="    ", drop_whitespace=False)
        self._out.write("\n".join(line.rstrip() for line in lines) + "\n")
        self._out.flush()

    @contextmanager
    def watching(self, name: str, total: Count, count: Count) -> Generator[None]:
        """Show how a count grows, from a thread of its own, until the context ends."""
        pace, over = Pace(), threading.Event()

        def look() -> None:
            pace.see(count(), total(), time.monotonic())

        def run() -> None:
            while not over.wait(REDRAW_SECONDS):
                look()
                self._show(pace, name)

        look()
        self._logged = pace.done, time.monotonic()
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            look()
            self._show(pace, name)
            if self._live:
                self.say("")

    def _show(self, pace: Pace, name: str) -> None:
        now, (before, since) = time.monotonic(), self._logged
        if self._live:
            self._out.write(f"\r\x1b[K{pace.line(name, self._width())}")
            self._out.flush()
        elif pace.done >= before + LOG_SHARE * pace.total and now >= since + LOG_SECONDS:
            self._logged = pace.done, now
            self.say(pace.line(name, 100))

    def _width(self) -> int:
        return shutil.get_terminal_size().columns - 1


def bytes_below(folder: Path) -> int:
    """Return the bytes of the fullest folder or file in a folder: each source keeps its own."""
    try:
        return max((bytes_of(entry) for entry in folder.iterdir()), default=0)
    except OSError:
        return 0


def bytes_of(path: Path) -> int:
    """Return the bytes of a file, or of all files below a folder; 0 where there is nothing."""
    total = 0
    for file in path.rglob("*") if path.is_dir() else (path,):
        try:
            total += file.lstat().st_size if file.is_file() else 0
        except OSError:
            continue  # it was moved or removed meanwhile
    return total
