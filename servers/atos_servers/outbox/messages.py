"""Messages on the disk: one file each, so that none is lost with the process. Not yet delivered, or a mark that it was.

A message's id is made from what it tells: put again, it is the same message, and is delivered once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from atos_protocol.errors import BadRequestError

MOST_WAITING = 1000
MOST_DELIVERED = 2000
"""Marks of delivered messages that are kept; a message that is put again after them would be delivered again."""


@dataclass(frozen=True, slots=True)
class Message:
    """One POST that is still to be made."""

    id: str
    """Of letters that a file's name may have."""
    url: str
    body: Mapping[str, Any]
    secret: str = field(default="", repr=False)
    """Signs the body; empty: it is not signed."""
    at: float = 0.0
    """Epoch seconds when it was put."""
    attempts: int = 0


class Messages:
    """The files below one folder, which only the person can read."""

    def __init__(self, folder: Path) -> None:
        self._waiting, self._delivered = folder / "waiting", folder / "delivered"

    def put(self, message: Message) -> bool:
        """Keep a message for delivery; return False where it was put before.

        Raises:
            BadRequestError: too many wait already.
        """
        for folder in (self._waiting, self._delivered):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._path(message).exists() or (self._delivered / message.id).exists():
            return False
        waiting = len(list(self._waiting.glob("*.json")))
        if waiting >= MOST_WAITING:
            text = f"{waiting} messages wait to be delivered, which is the most that are kept"
            raise BadRequestError(
                text, next_step="Start what should receive them, or remove its callback."
            )
        self.keep(message)
        return True

    def keep(self, message: Message) -> None:
        """Write a message, atomically and for the person alone."""
        fresh = self._path(message).with_suffix(".new")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(message), file)
        fresh.replace(self._path(message))

    def waiting(self) -> list[Message]:
        """Return what is still to be delivered, oldest first; a file that can't be read is passed over."""
        found: list[Message] = []
        for path in self._waiting.glob("*.json"):
            try:
                found.append(Message(**json.loads(path.read_text(encoding="utf-8"))))
            except (OSError, ValueError, TypeError):
                continue
        return sorted(found, key=lambda message: (message.at, message.id))

    def done(self, message: Message) -> None:
        """Forget a message, and remember that it was delivered or given up."""
        (self._delivered / message.id).touch(mode=0o600)
        self._path(message).unlink(missing_ok=True)
        marks = sorted(self._delivered.iterdir(), key=lambda mark: mark.stat().st_mtime)
        for mark in marks[:-MOST_DELIVERED]:
            mark.unlink(missing_ok=True)

    def _path(self, message: Message) -> Path:
        return self._waiting / f"{message.id}.json"
