"""The targets `github` and `pages`: a repository there, pushed with git; with `pages` a site that GitHub serves of it.

    stage   commit and history copied and looked through; where it goes is asked of GitHub, nothing is changed
    apply   repository or fork made -> branch pushed -> pull request, or Pages switched on
    switch  once it was verified: commit status
    look    the branch is at the commit; of Pages: GitHub built that commit, and the address answers with its index.html

Each step looks first whether it is done: whoever was killed in between calls it again, and nothing is made twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import anyio.to_thread

from atos_daemon.key_source import KeySource
from atos_protocol.crash_points import crashpoint, declare
from atos_protocol.errors import (
    BadConfigError,
    BadRequestError,
    BusyError,
    ConflictError,
    UnreachableError,
    UnsupportedError,
)
from atos_servers.deployment.commit_release import REPOSITORY, PackedCommit, pack_commit
from atos_servers.deployment.git_push import Remote
from atos_servers.deployment.github_api import GITHUB
from atos_servers.deployment.record import Release
from atos_servers.deployment.release_files import git
from atos_servers.deployment.rest_api import Json, RestApi, saying_what_was_done
from atos_servers.deployment.targets.github_way import (
    Destination,
    check_unchanged,
    checked_repository,
    clone_address,
    destination_of,
    way_to,
)
from atos_servers.deployment.targets.local import tail
from atos_servers.deployment.targets.target import Applied, Place, Seen
from atos_servers.deployment.verification import look_outside

MAIN = "main"
LOG = "github.log"
FORK_SECONDS = 20.0
STATUS = "atos/deploy"
CREATED, PUSHED, ASKED = (
    declare(f"deploy.github.{step}.after") for step in ("create", "push", "ask")
)
WARNING = "public: everybody can read it, copy it and keep it, even after it is taken away"


@dataclass(frozen=True, slots=True)
class GitHub:
    """One of the two targets.

    Args:
        url: of the API.
        token: place of the token, as `KeySource` takes it; empty: none is set.
        pages: whether GitHub serves the repository as a site.
    """

    url: str
    token: str
    pages: bool = False
    is_public = True

    @property
    def name(self) -> str:
        """Of the target."""
        return "pages" if self.pages else "github"

    async def stage(self, source: Path, staging: Path, place: Place, destination: str) -> Release:
        """Copy the last commit and its history, look through both, and ask GitHub where it would go."""
        packed = await anyio.to_thread.run_sync(pack_commit, source, staging)
        pages = _pages_folder(packed) if self.pages else ""
        wanted = await self._destination(place, packed, destination)
        return _described(packed, replace(wanted, pages=pages))

    async def _destination(self, place: Place, packed: PackedCommit, named: str) -> Destination:
        api = self._api()
        user = await api.get("/user")
        name = checked_repository(named or f"{user['login']}/{place.name}")
        found = await api.find(f"/repos/{name}")
        if found is None and name.partition("/")[0].lower() != str(user["login"]).lower():
            message = f"there is no repository {name} that the token may see"
            step = f"Make it first, or use {user['login']}/{name.partition('/')[2]}."
            raise BadRequestError(message, next_step=step)
        base = str(found.get("default_branch") or MAIN) if found else MAIN
        head = await self._head(api, name, base) if found else ""
        way = way_to(found, head, {*place.commits, packed.commit})
        direct = way in {"create", "push"}
        if self.pages and not direct:
            message = f"{name} holds other commits: Pages can't be switched on by a pull request"
            raise ConflictError(message, next_step="Use a new repository: --to OWNER/NAME.")
        return Destination(
            name, way, base if direct else f"atos/{place.name}", "" if direct else base
        )

    async def apply(self, place: Place, release: Release, *, port: int) -> Applied:
        """Make what is missing of it; what was done before something failed is said."""
        del port
        api, to, done = self._api(place), destination_of(release.entry), list[str]()
        with saying_what_was_done(done):
            return await self._applied(api, place, release, to, done)

    async def _applied(
        self, api: RestApi, place: Place, release: Release, to: Destination, done: list[str]
    ) -> Applied:
        repository = await self._repository(api, to)
        done.append(f"the repository {repository['full_name']} is there")
        crashpoint(CREATED)
        await self._push(place, release, to, repository)
        done.append(f"its branch {to.branch} is at {release.commit[:12]}")
        crashpoint(PUSHED)
        url = str(repository["html_url"])
        if to.base:
            url = await self._pull_request(api, place, to, repository)
        elif to.pages:
            url = await self._pages_url(api, to)
        crashpoint(ASKED)
        return Applied(url if url.endswith("/") or not to.pages else f"{url}/")

    async def _repository(self, api: RestApi, to: Destination) -> Json:
        if to.way == "fork":
            return await self._fork(api, to)
        found = await api.find(f"/repos/{to.repository}")
        if found is not None:
            return found
        _, _, name = to.repository.partition("/")
        body = {
            "name": name,
            "private": False,
            "auto_init": False,
            "description": "Built with ATOS",
        }
        return await api.post("/user/repos", body)

    async def _fork(self, api: RestApi, to: Destination) -> Json:
        """Make the fork, or find it; GitHub goes on making it after its answer."""
        forked = await api.post(f"/repos/{to.repository}/forks", {"default_branch_only": True})
        with anyio.move_on_after(FORK_SECONDS):
            while (found := await api.find(f"/repos/{forked['full_name']}")) is None:  # noqa: ASYNC110
                await anyio.sleep(1)
            return found
        message = f"the fork {forked['full_name']} is not there yet"
        raise ConflictError(message, next_step="Run it again in a minute.")

    async def _push(
        self, place: Place, release: Release, to: Destination, repository: Json
    ) -> None:
        remote = Remote(clone_address(self.url, str(repository["clone_url"])), self._key())
        copy = place.release(release) / REPOSITORY

        def push() -> None:
            head = remote.head(copy, to.branch)
            check_unchanged(to, head, {*place.commits, release.commit})
            if head != release.commit:
                remote.push(copy, release.commit, to.branch, expected=head)

        await anyio.to_thread.run_sync(push)

    async def _pull_request(
        self, api: RestApi, place: Place, to: Destination, repository: Json
    ) -> str:
        owner, path = str(repository["owner"]["login"]), f"/repos/{to.repository}/pulls"
        known = (await api.get(path, head=f"{owner}:{to.branch}", state="open"))["items"]
        if known:
            return str(known[0]["html_url"])
        body = "Built with ATOS. Models wrote this code: read it before you merge it."
        asked = {
            "title": f"{place.name}, built with ATOS",
            "head": f"{owner}:{to.branch}",
            "base": to.base,
        }
        return str((await api.post(path, asked | {"body": body}))["html_url"])

    async def _pages_url(self, api: RestApi, to: Destination) -> str:
        path = f"/repos/{to.repository}/pages"
        found = await api.find(path)
        if found is None:
            source = {"branch": to.branch, "path": to.pages}
            found = await api.post(path, {"build_type": "legacy", "source": source})
        if url := found.get("html_url"):
            return str(url)
        owner, _, name = to.repository.partition("/")
        return f"https://{owner}.github.io/{name}/"

    async def switch(
        self, place: Place, old: Release | None, new: Release, applied: Applied
    ) -> Applied:
        """Say at the commit that it was deployed and verified."""
        del old
        to, api = destination_of(new.entry), self._api(place)
        if to.way == "fork":
            return applied
        known = await api.get(f"/repos/{to.repository}/commits/{new.commit}/status")
        if not any(each.get("context") == STATUS for each in known.get("statuses", [])):
            body = {"state": "success", "context": STATUS, "target_url": applied.url,
                    "description": "deployed and verified by ATOS"}  # fmt: skip
            await api.post(f"/repos/{to.repository}/statuses/{new.commit}", body)
        return applied

    async def look(self, place: Place, release: Release, url: str, marker: str) -> Seen:
        """Look whether the branch is at the commit, and whether Pages serves it.

        That GitHub can't be asked says nothing of the release: nothing is taken back for it.
        """
        try:
            return await self._looked(place, release, url, marker)
        except (UnreachableError, BusyError) as error:
            return Seen(ok=False, reason=str(error), pending=True)

    async def _looked(self, place: Place, release: Release, url: str, marker: str) -> Seen:
        api, to = self._api(place), destination_of(release.entry)
        if to.way == "fork":
            return Seen(ok=True, evidence=(f"the pull request is {url}",))
        head = await self._head(api, to.repository, to.branch)
        if head != release.commit:
            return Seen(ok=False, reason=f"{to.branch} is at {head[:12] or 'no commit'}")
        evidence = (f"{to.branch} of {to.repository} is at commit {head[:12]}",)
        if not to.pages:
            return Seen(ok=True, evidence=evidence)
        return await self._built(api, to, release, evidence) or await _served(
            url, place, release, marker, evidence
        )

    async def _built(
        self, api: RestApi, to: Destination, release: Release, evidence: tuple[str, ...]
    ) -> Seen | None:
        """Return what is wrong with GitHub's build of the site; None for nothing."""
        build = await api.find(f"/repos/{to.repository}/pages/builds/latest") or {}
        status, commit = str(build.get("status", "queued")), str(build.get("commit", ""))
        if status == "errored":
            error = cast("Json", build.get("error") or {})
            said = str(error.get("message") or "no reason given")[:300]
            return Seen(
                ok=False,
                reason=f"GitHub could not build the site: {said}",
                evidence=evidence,
                final=True,
            )
        if status != "built" or commit != release.commit:
            told = f"GitHub is building the site ({status}, {commit[:12] or 'no commit yet'})"
            return Seen(ok=False, reason=told, pending=True, evidence=evidence)
        return None

    async def discard(self, place: Place, release: Release) -> None:
        """Leave it: what was public stays so, and the release before is pushed again."""
        self._api(place).note(f"release {release.id} was not verified")

    async def stop(self, place: Place, release: Release) -> None:
        """Refuse: a repository may hold more by now than what was deployed.

        Raises:
            UnsupportedError: always.
        """
        del place
        to = destination_of(release.entry)
        message = f"{to.repository} is not taken down by ATOS"
        raise UnsupportedError(
            message, next_step="Remove it in the repository's settings on GitHub."
        )

    def is_up(self, place: Place, release: Release) -> bool:
        """What was pushed stays."""
        del place, release
        return True

    def log(self, place: Place, lines: int) -> list[str]:
        """Return the last requests to GitHub and what came of them."""
        return tail(place.folder / LOG, lines)

    async def _head(self, api: RestApi, repository: str, branch: str) -> str:
        try:
            found = await api.find(f"/repos/{repository}/git/ref/heads/{branch}")
        except ConflictError:  # "Git Repository is empty"
            return ""
        return str(found["object"]["sha"]) if found else ""

    def _key(self) -> KeySource:
        if self.token:
            return KeySource(self.token, "ATOS_GITHUB_TOKEN_FILE")
        message = "there is no token for GitHub"
        step = (
            "Write one into a file, chmod 600 it, and write ATOS_GITHUB_TOKEN_FILE=PATH into ~/.atos/.env;"
            " then: atos-client down"
        )
        raise BadConfigError(message, next_step=step)

    def _api(self, place: Place | None = None) -> RestApi:
        return RestApi(GITHUB, self.url, self._key(), place.folder / LOG if place else None)


def _pages_folder(packed: PackedCommit) -> str:
    for file, folder in (("index.html", "/"), ("docs/index.html", "/docs")):
        if file in packed.files:
            return folder
    message = "Pages serves index.html at the top or in docs, and there is none"
    raise BadRequestError(message, next_step="Commit one, or deploy to github.")


def _described(packed: PackedCommit, to: Destination) -> Release:
    """Return the release; its digest is of the commit, its whole content, and where it goes."""
    bound: list[Any] = [packed.commit, packed.content, {**asdict(to), "way": ""}]
    digest = hashlib.sha256(json.dumps(bound, sort_keys=True).encode()).hexdigest()
    history = f"all {packed.commits} commits of its history go out with it"
    return Release(
        digest, "repository", to.words, packed.files, packed.bytes, packed.commit,
        entry=asdict(to), warnings=(WARNING, history),
    )  # fmt: skip


async def _served(
    url: str, place: Place, release: Release, marker: str, evidence: tuple[str, ...]
) -> Seen:
    """Look whether the site answers with the index.html of the commit."""
    folder = destination_of(release.entry).pages.strip("/")
    file = f"{folder}/index.html" if folder else "index.html"
    copy = place.release(release) / REPOSITORY
    read: Callable[[], bytes] = partial(git, copy, "cat-file", "blob", f"{release.commit}:{file}")
    wanted = await anyio.to_thread.run_sync(read)
    seen = await look_outside(url, wanted, marker)
    built = f"GitHub built commit {release.commit[:12]}"
    return replace(seen, evidence=(*evidence, built, *seen.evidence))
