"""What every target can do. Each step may be repeated: who was killed between an effect and its record runs it again."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from atos_servers.deployment.record import Release


@dataclass(frozen=True, slots=True)
class Place:
    """Where one deployment keeps its things."""

    name: str
    folder: Path
    """Of the deployment, below ATOS's home."""
    commits: frozenset[str] = frozenset()
    """Every commit that was planned here: what of them is found at a target was put there by this deployment."""
    turn: int = 0
    """How often the approved release has changed: the same for who goes on after a crash, another for a roll back."""

    def release(self, release: Release) -> Path:
        """Return the folder of a release's files."""
        return self.folder / "releases" / release.id


@dataclass(frozen=True, slots=True)
class Applied:
    """A release that was put somewhere; whether it answers is for the verification to say."""

    url: str
    port: int = 0
    """local: the port; 0 elsewhere."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look at a release saw."""

    ok: bool
    evidence: tuple[str, ...] = field(default=())
    """What holds, one sentence each."""
    reason: str = ""
    """Why it is not ok."""
    pending: bool = False
    """It is not ok yet, and the target says that it is still at it: nothing is taken back for that."""
    final: bool = False
    """It will not become ok: looking again is no use."""


class Target(Protocol):
    """A place to deploy to."""

    @property
    def name(self) -> str:
        """Of the target."""
        ...

    @property
    def is_public(self) -> bool:
        """Whether others can see it: such a deployment needs a person's approval of exactly these files."""
        ...

    async def stage(self, source: Path, staging: Path, place: Place, destination: str) -> Release:
        """Copy what would go out into an empty folder, and describe it; nothing is changed anywhere else.

        Args:
            source: a folder.
            staging: the empty folder, which becomes the release's.
            place: of the deployment.
            destination: what of the target is meant, such as `owner/repository`; empty: the target's choice.

        Raises:
            AtosError: it can't be deployed there.
        """
        ...

    async def look(self, place: Place, release: Release, url: str, marker: str) -> Seen:
        """Look once whether a release is there and answers.

        Args:
            place: of the deployment.
            release: what should be there.
            url: where it was put.
            marker: text that it must hold; empty for none.
        """
        ...

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
