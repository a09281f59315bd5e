"""How much may be changed in one directory: a model in a loop must not fill the disk. Pure.

Counted per allowed directory, over a sliding window; a daemon that starts anew counts from zero.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from atos_servers.filesystem.errors import QuotaError

MINUTE, HOUR = 60.0, 3600.0


class Limits(NamedTuple):
    """What one directory takes."""

    changes_a_minute: int = 600
    bytes_an_hour: int = 2 << 30
    files_an_hour: int = 20_000
    """New files and folders."""


class _Charge(NamedTuple):
    at: float
    size: int
    files: int


@dataclass
class _Account:
    charges: deque[_Charge] = field(default_factory=deque[_Charge])
    """Of the last hour."""
    recent: deque[float] = field(default_factory=deque[float])
    """When the changes of the last minute were made."""
    size: int = 0
    files: int = 0

    def forget(self, now: float) -> None:
        """Drop what is too long ago to count; each charge is dropped once, so a change costs the same at any rate."""
        while self.charges and self.charges[0].at < now - HOUR:
            gone = self.charges.popleft()
            self.size, self.files = self.size - gone.size, self.files - gone.files
        while self.recent and self.recent[0] < now - MINUTE:
            self.recent.popleft()

    def add(self, charge: _Charge) -> None:
        """Count a change."""
        self.charges.append(charge)
        self.recent.append(charge.at)
        self.size, self.files = self.size + charge.size, self.files + charge.files


class Quotas:
    """The accounts of all directories; safe to use from several threads."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._accounts: dict[str, _Account] = {}
        self._lock = threading.Lock()

    def charge(self, root: str, now: float, size: int, *, new: bool) -> None:
        """Count a change that is about to happen.

        Args:
            root: the directory.
            now: seconds, by any clock that only goes forward.
            size: bytes that are written.
            new: whether a name is created.

        Raises:
            QuotaError: it would be too much; nothing is counted.
        """
        with self._lock:
            account = self._accounts.setdefault(root, _Account())
            account.forget(now)
            limits = self._limits
            self._check(len(account.recent) + 1, limits.changes_a_minute, "changes", MINUTE)
            self._check(account.size + size, limits.bytes_an_hour, "bytes", HOUR)
            self._check(account.files + new, limits.files_an_hour, "new files and folders", HOUR)
            account.add(_Charge(now, size, int(new)))

    def _check(self, wanted: int, allowed: int, what: str, seconds: float) -> None:
        if allowed and wanted > allowed:
            message = (
                f"{wanted} {what} in {seconds / 60:.0f} min are more than the {allowed} allowed"
            )
            step = "Wait, and look whether the last changes were meant; nothing was changed."
            raise QuotaError(message, next_step=step)
