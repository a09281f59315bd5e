"""Plans, applies, verifies and takes back deployments; each step is in the journal before the next begins.

plan     copy the files, find out what they are, journal what would go out
deploy   approved for exactly that digest -> apply beside what is live -> verify -> switch -> verify again
roll back   the same with the release before
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import anyio.to_thread

from atos_protocol.errors import (
    AtosError,
    BadRequestError,
    ConflictError,
    NotFoundError,
    RefusedError,
)
from atos_servers.deployment.journal import Journal, Journals
from atos_servers.deployment.record import Deployment, Release
from atos_servers.deployment.release_store import remove_old, staged
from atos_servers.deployment.targets.target import Applied, Place, Seen, Target
from atos_servers.deployment.verification import until_ok

VERIFY_SECONDS = 30.0
PATIENCE_SECONDS = 900.0
PLAN_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Deployments:
    """All deployments of one home.

    Args:
        journals: what is known of them.
        targets: by name.
        patience: seconds that a target may take until a release answers that it has accepted.
        plan_seconds: how long after its plan something public may be approved.
    """

    journals: Journals
    targets: Mapping[str, Target]
    patience: float = PATIENCE_SECONDS
    plan_seconds: float = PLAN_SECONDS

    async def plan(
        self, source: Path, target: str, name: str = "", destination: str = ""
    ) -> Deployment:
        """Find out what would be deployed, and keep exactly that; nothing is started or sent.

        Args:
            source: a folder; of a repository its last commit counts.
            target: name of a target.
            name: of the deployment; by default the one of this folder, else after the folder.
            destination: what of the target is meant, such as `owner/repository`.

        Raises:
            BadRequestError: there is no such target, or nothing that could be deployed there.
            RefusedError: it would be public, and something in it looks like a secret.
            WorkspaceError: the folder can't be read or is too large.
            ConflictError: another folder has that name.
        """
        there = self._target(target)
        journal = self.journals.journal(name or self.journals.name_for(str(source), target))
        known = journal.read()
        if known.source and (known.source, known.target) != (str(source), target):
            message = f"{known.name} is {known.source} on {known.target}"
            raise ConflictError(message, next_step="Give another name.")
        with journal.alone():
            release = await staged(there, source, self._place(journal), destination)
            journal.plan(release, source=str(source), target=target)
            planned = journal.read()
            await anyio.to_thread.run_sync(remove_old, self._place(journal), planned)
            return planned

    async def deploy(
        self, name: str, digest: str, *, by: str, marker: str = "", seconds: float = VERIFY_SECONDS
    ) -> Deployment:
        """Deploy what was planned, if it is what was approved; what was live stays until the new one answers.

        What is up already is not put there again, only verified: where that fails it stays up, and the state tells why.

        Args:
            name: of the deployment.
            digest: of the release that is approved, as the plan says it.
            by: who approved it.
            marker: text that the root page must hold.
            seconds: deadline of each verification.

        Raises:
            NotFoundError: there is no such deployment.
            RefusedError: another release is planned than was approved, or the plan is too old.
        """
        journal = self.journals.known(name)
        with journal.alone():
            found = journal.read()
            release = _approved(found, digest)
            self._check_age(found, journal.now() - found.at)
            journal.append("approved", release, by=by)
            return await self._bring_up(journal, release, marker, seconds)

    async def roll_back(self, name: str, *, by: str, seconds: float = VERIFY_SECONDS) -> Deployment:
        """Bring the release before the live one back, and verify it.

        Raises:
            NotFoundError: there is no such deployment, or no release before.
        """
        journal = self.journals.known(name)
        with journal.alone():
            found = journal.read()
            release = found.previous
            if release is None or not self._place(journal).release(release).is_dir():
                message = f"{name} has no release before the live one"
                raise NotFoundError(message, next_step="Deploy an older commit instead.")
            journal.plan(release, source=found.source, target=found.target)
            journal.append("approved", release, by=by)
            return await self._bring_up(journal, release, "", seconds)

    async def verify(
        self, name: str, marker: str = "", seconds: float = VERIFY_SECONDS
    ) -> Deployment:
        """Look again whether the live release answers; the journal tells what was seen.

        Raises:
            NotFoundError: there is no such deployment, or nothing is live.
        """
        journal = self.journals.known(name)
        found = journal.read()
        if found.state == "applied" and found.planned is not None:
            return await self._finish(journal, found.planned, marker, seconds)
        if found.live is None or found.is_stopped:
            message = f"nothing of {name} is up (it is {found.state})"
            raise NotFoundError(
                message, next_step=f"Start it: atos-client deployments start {name}"
            )
        seen = await self._seen(journal, found.live, found.url, marker, seconds)
        with journal.alone():
            _tell(journal, found.live, found, seen)
        return journal.read()

    async def _finish(
        self, journal: Journal, release: Release, marker: str, seconds: float
    ) -> Deployment:
        """Look again at what was put there and was not ready yet; it has `patience` to become so."""
        with journal.alone():
            found = journal.read()
            seen = await self._seen(journal, release, found.applied_url, marker, seconds)
            applied = Applied(found.applied_url, found.applied_port)
            if seen.ok:
                await self._target(found.target).switch(
                    self._place(journal), found.live, release, applied
                )
            elif seen.pending and journal.now() - found.at < self.patience:
                return found
            else:
                was_up = _is_live(found, release) and self.is_up(found)
                undone = "" if was_up else await self._take_back(journal, release, found)
                seen = replace(seen, reason=seen.reason + undone)
            _tell(journal, release, found, seen, applied)
            return journal.read()

    async def stop(self, name: str) -> Deployment:
        """Take the live release down; its files stay, so `start` brings it back.

        Raises:
            NotFoundError: there is no such deployment, or nothing was ever up.
        """
        journal = self.journals.known(name)
        with journal.alone():
            found = journal.read()
            if found.live is None:
                message = f"nothing of {name} was ever up"
                raise NotFoundError(
                    message, next_step=f"Deploy it: atos-client deploy {found.source}"
                )
            await self._target(found.target).stop(self._place(journal), found.live)
            journal.append("stopped")
            return journal.read()

    async def start(self, name: str, seconds: float = VERIFY_SECONDS) -> Deployment:
        """Bring the live release up again, after a stop or a restart of the machine, and verify it.

        Raises:
            NotFoundError: there is no such deployment, or nothing was ever up.
        """
        journal = self.journals.known(name)
        with journal.alone():
            found = journal.read()
            if (release := found.live) is None:
                message = f"nothing of {name} was ever up"
                raise NotFoundError(
                    message, next_step=f"Deploy it: atos-client deploy {found.source}"
                )
            journal.plan(release, source=found.source, target=found.target)
            journal.append("approved", release, by="start")
            return await self._bring_up(journal, release, "", seconds)

    def is_up(self, found: Deployment) -> bool:
        """Tell whether the live release of a deployment is up, as far as can be told without asking it."""
        if found.live is None or found.is_stopped or found.target not in self.targets:
            return False
        place = Place(found.name, self.journals.root / found.name)
        return self.targets[found.target].is_up(place, found.live)

    def log(self, name: str, lines: int) -> list[str]:
        """Return the last lines of a deployment's log.

        Raises:
            NotFoundError: there is no such deployment.
        """
        journal = self.journals.known(name)
        return self._target(journal.read().target).log(self._place(journal), lines)

    async def _bring_up(
        self, journal: Journal, release: Release, marker: str, seconds: float
    ) -> Deployment:
        found, place = journal.read(), self._place(journal)
        target = self._target(found.target)
        was_up = _is_live(found, release) and self.is_up(found)
        try:
            seen, applied = await self._tried(journal, target, release, marker, seconds)
            if seen.ok:
                applied = await target.switch(place, found.live, release, applied)
                journal.append("applied", release, port=applied.port, url=applied.url)
                seen = await self._seen(journal, release, applied.url, marker, seconds)
        except AtosError as error:
            seen, applied = Seen(ok=False, reason=str(error)), Applied(found.url, found.port)
        if seen.pending:
            return journal.read()
        if not seen.ok and not was_up:
            undone = await self._take_back(journal, release, found)
            seen = replace(seen, reason=seen.reason + undone)
        _tell(journal, release, found, seen, applied)
        await anyio.to_thread.run_sync(remove_old, place, journal.read())
        return journal.read()

    async def _tried(
        self, journal: Journal, target: Target, release: Release, marker: str, seconds: float
    ) -> tuple[Seen, Applied]:
        """Apply a release beside what is live, and look at it there."""
        found = journal.read()
        port = found.port if _is_live(found, release) else 0
        applied = await target.apply(self._place(journal), release, port=port)
        journal.append("applied", release, port=applied.port, url=applied.url)
        return await self._seen(journal, release, applied.url, marker, seconds), applied

    async def _seen(
        self, journal: Journal, release: Release, url: str, marker: str, seconds: float
    ) -> Seen:
        target, place = self._target(journal.read().target), self._place(journal)
        return await until_ok(
            lambda: target.look(place, release, url, marker), seconds, patient=target.is_public
        )

    async def _take_back(self, journal: Journal, release: Release, found: Deployment) -> str:
        """Discard what did not answer, and have what was live before be as it was: up, or stopped.

        Returns what went wrong with that; empty for nothing.
        """
        place, target = self._place(journal), self._target(found.target)
        try:
            await target.discard(place, release)
            if found.live is not None and found.is_stopped:
                await target.stop(place, found.live)
            elif found.live is not None and not _is_live(found, release):
                await target.apply(place, found.live, port=found.port)
        except AtosError as error:
            return f". It could not be taken back either: {error}"
        return ""

    def _check_age(self, found: Deployment, age: float) -> None:
        """Refuse an approval that comes long after the plan: what is there has changed since, and so may have minds."""
        old = found.state == "planned" and age > self.plan_seconds
        if old and self._target(found.target).is_public:
            message = f"the plan of {found.name} is {age / 60:.0f} minutes old, more than {self.plan_seconds / 60:.0f}"
            raise RefusedError(message, next_step="Plan it again, and approve that.")

    def _target(self, name: str) -> Target:
        if name in self.targets:
            return self.targets[name]
        message = f"there is no target {name[:40]!r}"
        raise BadRequestError(message, next_step=f"Targets: {', '.join(self.targets)}.")

    def _place(self, journal: Journal) -> Place:
        return Place(journal.folder.name, journal.folder, journal.commits(), journal.turn())


def _is_live(found: Deployment, release: Release) -> bool:
    """Tell whether a release is the one that was verified last."""
    return found.live is not None and found.live.digest == release.digest


def _approved(found: Deployment, digest: str) -> Release:
    """Return the planned release, if it is the approved one."""
    release = found.planned
    if release is not None and release.digest == digest:
        return release
    planned = release.id if release else "nothing"
    message = f"{digest[:12]} was approved, but {planned} is planned for {found.name}"
    raise RefusedError(message, next_step="Plan it again, look at it, and approve what it says.")


def _tell(
    journal: Journal,
    release: Release,
    before: Deployment,
    seen: Seen,
    at: Applied | None = None,
) -> None:
    """Write what a verification saw."""
    applied = at or Applied(before.url, before.port)
    if seen.ok:
        evidence = list(seen.evidence)
        journal.append("verified", release, url=applied.url, port=applied.port, evidence=evidence)
    else:
        journal.append("failed", release, reason=seen.reason)
