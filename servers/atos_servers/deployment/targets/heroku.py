"""The target `heroku`: an app that Heroku builds from its source and runs.

    stage   the files copied and looked through; a Procfile and requirements.txt written where they are missing
    apply   app made -> source sent -> build started; or the release of before made the current one
    look    the build is a success, the current release runs its slug, and the address answers

Each step looks first whether it is done: whoever was killed in between calls it again, and nothing is made twice.
Roll back builds nothing: the build is known, so its release is made the current one again.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

import anyio.to_thread

from atos_daemon.key_source import KeySource
from atos_protocol.crash_points import crashpoint, declare
from atos_protocol.errors import (
    BadConfigError,
    BadRequestError,
    BusyError,
    ConflictError,
    UnreachableError,
)
from atos_servers.deployment.heroku_api import HEROKU
from atos_servers.deployment.heroku_app import HerokuApp, before, current, release_of, slug_of
from atos_servers.deployment.heroku_source import copy_source, packed
from atos_servers.deployment.record import Release
from atos_servers.deployment.rest_api import Json, RestApi, saying_what_was_done
from atos_servers.deployment.targets.local import tail
from atos_servers.deployment.targets.target import Applied, Place, Seen
from atos_servers.deployment.verification import look_outside

LOG, BUILDS = "heroku.log", "heroku.json"
NAME = re.compile(r"[a-z][a-z0-9-]{1,28}[a-z0-9]", re.ASCII)
NAME_LETTERS = 23
CREATED, BUILT, RELEASED = (
    declare(f"deploy.heroku.{step}.after") for step in ("create", "build", "release")
)
WARNING = "public: everybody can open it; Heroku bills the account for the dyno that runs it"
MOST_STATUS = 499
"""An app may have no page at its root and still be up."""


@dataclass(frozen=True, slots=True)
class Heroku:
    """Deploys to Heroku.

    Args:
        url: of the API.
        token: place of the token, as `KeySource` takes it; empty: none is set.
    """

    url: str
    token: str
    name = "heroku"
    is_public = True

    async def stage(self, source: Path, staging: Path, place: Place, destination: str) -> Release:
        """Copy the app, look through it for secrets, and ask Heroku what is there; nothing is changed."""
        release = await anyio.to_thread.run_sync(copy_source, source, staging)
        name = checked_app(destination or app_name(place))
        found = await self._api().find(f"/apps/{name}")
        does = f"replaces what the app {name} runs" if found else f"creates the app {name}"
        bound = hashlib.sha256(f"{release.digest} {name} {self.url}".encode()).hexdigest()
        return replace(
            release, digest=bound, what=f"{release.what}; {does} at Heroku", requirements=(),
            entry={"app": name}, warnings=(WARNING, *release.warnings),
        )  # fmt: skip

    async def apply(self, place: Place, release: Release, *, port: int) -> Applied:
        """Make what is missing of it; what was done before something failed is said."""
        del port
        done = list[str]()
        with saying_what_was_done(done):
            return await self._applied(self._app(place, release), place, release, done)

    async def _applied(
        self, app: HerokuApp, place: Place, release: Release, done: list[str]
    ) -> Applied:
        about = await app.made()
        done.append(f"the app {app.name} is there")
        crashpoint(CREATED)
        build = await app.build_of(release.digest, _kept(place).get(release.digest, ""))
        if build is None or build["status"] == "failed":
            archive = await anyio.to_thread.run_sync(packed, place.release(release))
            build = await app.build(release.digest, archive)
        _keep(place, release, str(build["id"]))
        done.append(f"its build {build['id']} is started")
        crashpoint(BUILT)
        await self._release(app, build)
        crashpoint(RELEASED)
        await app.set_web(1)
        url = str(about["web_url"])
        return Applied(url if url.endswith("/") else f"{url}/")

    async def _release(self, app: HerokuApp, build: Json) -> None:
        """Make the release of a build the current one again, where another was made so since."""
        made = release_of(build)
        if build["status"] != "succeeded" or not made:
            return
        runs = current(await app.releases())
        if runs is None or slug_of(runs) != slug_of(build):
            await app.release_again(made)

    async def switch(
        self, place: Place, old: Release | None, new: Release, applied: Applied
    ) -> Applied:
        """Leave it: Heroku has made it the current release already."""
        del place, old, new
        return applied

    async def look(self, place: Place, release: Release, url: str, marker: str) -> Seen:
        """Ask whether it was built, whether it is what runs, and whether it answers."""
        try:
            return await self._looked(place, release, url, marker)
        except (UnreachableError, BusyError) as error:  # which says nothing of the release
            return Seen(ok=False, reason=str(error), pending=True)

    async def _looked(self, place: Place, release: Release, url: str, marker: str) -> Seen:
        app = self._app(place, release)
        build = await app.build_of(release.digest, _kept(place).get(release.digest, ""))
        if build is None:
            return Seen(
                ok=False, reason=f"{app.name} has no build of release {release.id}", final=True
            )
        if build["status"] == "failed":
            said = await app.note_build(build)
            return Seen(
                ok=False,
                reason=f"Heroku could not build it: {said or 'no reason given'}",
                final=True,
            )
        if build["status"] != "succeeded":
            return Seen(ok=False, reason="Heroku is building it", pending=True)
        runs = current(await app.releases())
        if runs is None:
            return Seen(ok=False, reason=f"{app.name} has no release yet", pending=True)
        about = f"v{runs['version']} of {app.name}"
        if slug_of(runs) != slug_of(build):
            return Seen(ok=False, reason=f"{about} runs another build", pending=True)
        if runs["status"] != "succeeded":
            waits = runs["status"] == "pending"
            return Seen(
                ok=False, reason=f"{about} is {runs['status']}", pending=waits, final=not waits
            )
        evidence = (f"Heroku built release {release.id}", f"{about} runs that build")
        seen = await look_outside(url, None, marker, most_status=MOST_STATUS)
        return replace(seen, evidence=(*evidence, *seen.evidence))

    async def discard(self, place: Place, release: Release) -> None:
        """Make the release before the current one again; where there is none, have nothing run.

        Raises:
            ConflictError: Heroku is at it still, and will release it.
        """
        app = self._app(place, release)
        build = await app.build_of(release.digest, _kept(place).get(release.digest, ""))
        app.api.note(f"release {release.id} was not verified")
        if build is None or build["status"] == "failed":
            return
        if build["status"] == "pending":
            message = f"Heroku is building {app.name} still, and will release what it has built"
            raise ConflictError(message, next_step=f"atos-client deployments verify {place.name}")
        await app.note_log()
        releases = await app.releases()
        runs = current(releases)
        if runs is None or slug_of(runs) != slug_of(build):
            return
        if former := before(releases, slug_of(build)):
            await app.release_again(str(former["id"]))
        else:
            await app.set_web(0)

    async def stop(self, place: Place, release: Release) -> None:
        """Have no process of it run; the app stays, and `start` brings it back."""
        await self._app(place, release).set_web(0)

    def is_up(self, place: Place, release: Release) -> bool:
        """What was released stays."""
        del place, release
        return True

    def log(self, place: Place, lines: int) -> list[str]:
        """Return the last requests to Heroku, and what build and app had to say where they failed."""
        return tail(place.folder / LOG, lines)

    def _app(self, place: Place, release: Release) -> HerokuApp:
        return HerokuApp(self._api(place), str(release.entry["app"]))

    def _api(self, place: Place | None = None) -> RestApi:
        if not self.token:
            message = "there is no token for Heroku"
            step = (
                "Write one into a file (heroku authorizations:create), chmod 600 it, and write"
                " ATOS_HEROKU_TOKEN_FILE=PATH into ~/.atos/.env; then: atos-client down"
            )
            raise BadConfigError(message, next_step=step)
        key = KeySource(self.token, "ATOS_HEROKU_TOKEN_FILE")
        return RestApi(HEROKU, self.url, key, place.folder / LOG if place else None)


def app_name(place: Place) -> str:
    """Return the name of a deployment's app: its own, since names are one for all of Heroku. Pure."""
    short = re.sub(r"^[^a-z]+", "", place.name)[:NAME_LETTERS].strip("-") or "app"
    return f"{short}-{hashlib.sha256(str(place.folder).encode()).hexdigest()[:6]}"


def checked_app(name: str) -> str:
    """Return the name of an app.

    Raises:
        BadRequestError: it is none.
    """
    if NAME.fullmatch(name):
        return name
    message = f"{name[:60]!r} is no name of an app at Heroku"
    raise BadRequestError(message, next_step="Names have 3 to 30 letters a-z, digits and hyphens.")


def _kept(place: Place) -> dict[str, str]:
    """Return the builds that were started, by the digest of their release."""
    try:
        found: dict[str, str] = json.loads((place.folder / BUILDS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def _keep(place: Place, release: Release, build: str) -> None:
    """Keep which build is of which release; who is killed before finds it in Heroku's list."""
    path = place.folder / BUILDS
    written = path.with_suffix(".new")
    written.write_text(json.dumps(_kept(place) | {release.digest: build}), encoding="utf-8")
    written.replace(path)
