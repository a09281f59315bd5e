"""What every target can do. Each step may be repeated: who was killed between an effect and its record runs it again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from atos_servers.deployment.record import Release


@dataclass(frozen=True, slots=True)
class Place:
    """Where one deployment keeps its things."""

    name: str
    folder: Path
    """Of the deployment, below ATOS's home."""
    source: str = ""

    def release(self, release: Release) -> Path:
        """Return the folder of a release's files."""
        return self.folder / "releases" / release.id


@dataclass(frozen=True, slots=True)
class Applied:
    """A release that was put somewhere; whether it answers is for the verification to say."""

    url: str
    port: int = 0
    """local: the port; 0 elsewhere."""


class Target(Protocol):
    """A place to deploy to."""

    name: str
    is_public: bool
    """Whether others can see it: such a deployment needs a person's approval of exactly these files."""

    async def apply(self, place: Place, release: Release, *, port: int) -> Applied:
        """Put a release there, beside what is live; return where it can be tried.

        Raises:
            AtosError: it can't be; nothing that was live has changed.
        """
        ...

    async def switch(
        self, place: Place, old: Release | None, new: Release, applied: Applied
    ) -> Applied:
        """Make a verified release the live one, in place of the old; return where it answers for good."""
        ...

    async def discard(self, place: Place, release: Release) -> None:
        """Take away a release that did not answer; what is live stays."""
        ...

    async def stop(self, place: Place, release: Release) -> None:
        """Take the live release down."""
        ...

    def is_up(self, place: Place, release: Release) -> bool:
        """Tell whether what was live may still be, as far as this can be told without asking it."""
        ...

    def log(self, place: Place, lines: int) -> list[str]:
        """Return the last lines of what the target has to say."""
        ...
