"""What fetching needs of a source of files."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from atos_scheduler.catalogue.origin import Download


class Source(Protocol):
    """A place that may have the bytes of a model.

    A source writes below the folder that it is given and nowhere else, keeps there what it has when
    it is killed, and goes on from it the next time. It need not verify: the caller does.
    """

    @property
    def name(self) -> str:
        """As `ATOS_MODEL_SOURCES` calls it."""
        ...

    def describe(self, wanted: Download) -> str:
        """Return where the bytes come from, and what a person should know about that."""
        ...

    def lacks(self, wanted: Download) -> str:
        """Return why it can't have this file at all; empty where it may have it."""
        ...

    def extra_disk(self, wanted: Download) -> int:
        """Return the bytes that it needs on the disk beside the file itself."""
        ...

    def fetch(self, wanted: Download, folder: Path) -> Path:
        """Fetch what is missing; return the complete file.

        Raises:
            UnreachableError: it does not answer, or broke off.
            WrongBytesError: it says itself that it has other bytes.
            OSError: the disk is full or can't be written.
        """
        ...
