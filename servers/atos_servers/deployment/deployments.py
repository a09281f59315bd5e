"""Plans, applies, verifies and takes back deployments; each step is in the journal before the next begins.

plan     copy the files, find out what they are, journal what would go out
deploy   approved for exactly that digest -> apply beside what is live -> verify -> switch -> verify again
roll back   the same with the release before
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
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
from atos_servers.deployment.release_files import copy_release
from atos_servers.deployment.requirements_file import FILE as REQUIREMENTS
from atos_servers.deployment.requirements_file import requirements_in
from atos_servers.deployment.targets.target import Applied, Place, Target
from atos_servers.deployment.verification import Verified, verify
from atos_servers.local_web.entry import entry_of
from atos_servers.local_web.release import digest_of, files_of, sources_of

VERIFY_SECONDS = 30.0
KEPT_RELEASES = 5
NOTHING_TO_SERVE = (
    "Add an index.html, a module with `app = Flask(__name__)` or another WSGI or ASGI application, "
    "public functions, or a module to run."
)


@dataclass(frozen=True, slots=True)
class Deployments:
    """All deployments of one home.

    Args:
        journals: what is known of them.
        targets: by name.
    """

    journals: Journals
    targets: Mapping[str, Target]

    async def plan(self, source: Path, target: str, name: str = "") -> Deployment:
        """Find out what would be deployed, and keep exactly that; nothing is started or sent.

        Args:
            source: a folder; of a repository its last commit counts.
            target: name of a target.
            name: of the deployment; by default the one of this folder, else after the folder.

        Raises:
            BadRequestError: there is no such target, or nothing that could be served.
            WorkspaceError: the folder can't be read or is too large.
            ConflictError: another folder has that name.
        """
        self._target(target)
        journal = self.journals.journal(name or self.journals.name_for(str(source), target))
        known = journal.read()
        if known.source and (known.source, known.target) != (str(source), target):
            message = f"{known.name} is {known.source} on {known.target}"
            raise ConflictError(message, next_step="Give another name.")
        with journal.alone():
            release = await anyio.to_thread.run_sync(_staged, source, journal.folder)
            journal.plan(release, source=str(source), target=target)
            return journal.read()

    async def deploy(
        self, name: str, digest: str, *, by: str, marker: str = "", seconds: float = VERIFY_SECONDS
    ) -> Deployment:
        """Deploy what was planned, if it is what was approved; what was live stays until the new one answers.

        Args:
            name: of the deployment.
            digest: of the release that is approved, as the plan says it.
            by: who approved it.
            marker: text that the root page must hold.
            seconds: deadline of each verification.

        Raises:
            NotFoundError: there is no such deployment.
            RefusedError: another release is planned than was approved.
        """
        journal = self.journals.known(name)
        with journal.alone():
            found = journal.read()
            release = _approved(found, digest)
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
        if found.live is None or found.state == "stopped":
            message = f"nothing of {name} is up (it is {found.state})"
            raise NotFoundError(
                message, next_step=f"Start it: atos-client deployments start {name}"
            )
        seen = await verify(found.url, found.live, seconds=seconds, marker=marker)
        with journal.alone():
            _tell(journal, found.live, found, seen)
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
        if found.live is None or found.state == "stopped" or found.target not in self.targets:
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
        try:
            seen, applied = await self._tried(journal, target, release, marker, seconds)
            if seen.ok:
                applied = await target.switch(place, found.live, release, applied)
                journal.append("applied", release, port=applied.port)
                seen = await verify(applied.url, release, seconds=seconds, marker=marker)
        except AtosError as error:
            seen, applied = Verified(ok=False, reason=str(error)), Applied(found.url, found.port)
        if not seen.ok:
            await self._take_back(journal, target, release, found)
        _tell(journal, release, found, seen, applied)
        await anyio.to_thread.run_sync(_remove_old, place, journal.read())
        return journal.read()

    async def _tried(
        self, journal: Journal, target: Target, release: Release, marker: str, seconds: float
    ) -> tuple[Verified, Applied]:
        """Apply a release beside what is live, and look at it there."""
        found = journal.read()
        again = found.live is None or found.live.digest == release.digest
        applied = await target.apply(self._place(journal), release, port=found.port if again else 0)
        journal.append("applied", release, port=applied.port)
        return await verify(applied.url, release, seconds=seconds, marker=marker), applied

    async def _take_back(
        self, journal: Journal, target: Target, release: Release, found: Deployment
    ) -> None:
        """Discard what did not answer, and see that what was live before is."""
        place = self._place(journal)
        await target.discard(place, release)
        if found.live is not None and found.live.digest != release.digest:
            await target.apply(place, found.live, port=found.port)

    def _target(self, name: str) -> Target:
        if name in self.targets:
            return self.targets[name]
        message = f"there is no target {name[:40]!r}"
        raise BadRequestError(message, next_step=f"Targets: {', '.join(self.targets)}.")

    def _place(self, journal: Journal) -> Place:
        return Place(journal.folder.name, journal.folder)


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
    seen: Verified,
    at: Applied | None = None,
) -> None:
    """Write what a verification saw."""
    applied = at or Applied(before.url, before.port)
    if seen.ok:
        evidence = list(seen.evidence)
        journal.append("verified", release, url=applied.url, port=applied.port, evidence=evidence)
    else:
        journal.append("failed", release, reason=seen.reason)


def _staged(source: Path, folder: Path) -> Release:
    """Copy the files, describe them, and keep them under their digest.

    Raises:
        BadRequestError: nothing among them can be served.
        WorkspaceError: they can't be read, or are too many.
    """
    releases = folder / "releases"
    releases.mkdir(mode=0o700, parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix="staging-", dir=releases))
    try:
        copied = copy_release(source, staging)
        release = _described(staging, copied.commit, copied.bytes)
        target = releases / release.id
        if not target.is_dir():
            staging.rename(target)
        return release
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _described(staging: Path, commit: str, size: int) -> Release:
    files = files_of(staging)
    entry = entry_of(sources_of(staging), frozenset(files))
    if entry is None:
        message = f"nothing among {len(files)} files can be served"
        raise BadRequestError(message, next_step=NOTHING_TO_SERVE)
    wanted, odd = tuple[str, ...](), tuple[str, ...]()
    if REQUIREMENTS in files:
        wanted, odd = requirements_in((staging / REQUIREMENTS).read_text(errors="replace"))
    warnings = tuple(f"{REQUIREMENTS}: {line[:80]!r} is not installed" for line in odd)
    needs = wanted if entry.kind != "static" else ()
    return Release(
        digest_of(staging),
        entry.kind,
        entry.what,
        files,
        size,
        commit,
        needs,
        asdict(entry),
        warnings,
    )


def _remove_old(place: Place, found: Deployment) -> None:
    """Remove the files of releases that nobody returns to."""
    kept = {each.id for each in (found.planned, found.live, found.previous) if each}
    folders = [path for path in (place.folder / "releases").iterdir() if path.is_dir()]
    old = sorted((p for p in folders if p.name not in kept), key=lambda path: path.stat().st_mtime)
    for path in old[:-KEPT_RELEASES]:
        shutil.rmtree(path, ignore_errors=True)
        path.with_name(f"{path.name}.server.json").unlink(missing_ok=True)
