"""The target `cloudflare`: a static site as a Worker's assets, put there by wrangler.

    stage   the files copied and looked through, and a stamp beside them that tells release and commit
    apply   wrangler deploy: into the person's account by token, else into a temporary one with a claim link
    look    the stamp is this release's, and the page is the one that was sent, byte by byte

Files that Cloudflare has already are not sent again, so a call that was cut off is repeated as it is; roll back is the
same with the files of the release before.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import anyio.to_thread

from atos_daemon.key_source import KeySource
from atos_protocol.crash_points import crashpoint, declare
from atos_protocol.errors import AtosError, BadRequestError
from atos_servers.deployment.record import Release
from atos_servers.deployment.secret_scan import check_no_secrets
from atos_servers.deployment.served_release import copy_served
from atos_servers.deployment.targets.local import tail
from atos_servers.deployment.targets.target import Applied, Place, Seen
from atos_servers.deployment.verification import look_at_stamp, look_outside
from atos_servers.deployment.wrangler import Put, Wrangler

LOG, CLAIM = "cloudflare.log", "claim.json"
STAMP = ".well-known/atos"
PUT = declare("deploy.cloudflare.put.after")
WARNING = "public: everybody can read it at a workers.dev address"
TEMPORARY = (
    "temporary: without a token it is in an account that Cloudflare deletes unless it is claimed in time (an hour);"
    " going on means to accept Cloudflare's terms (https://www.cloudflare.com/terms/)"
)


@dataclass(frozen=True, slots=True)
class Cloudflare:
    """Deploys to Cloudflare.

    Args:
        token: place of the token, as `KeySource` takes it; empty: a temporary account.
        program: wrangler, by name or path.
        home: folder for what wrangler keeps.
        api: address of Cloudflare's API; empty: the real one.
    """

    token: str
    program: str
    home: Path
    api: str = ""
    name = "cloudflare"
    is_public = True

    async def stage(self, source: Path, staging: Path, place: Place, destination: str) -> Release:
        """Copy the site, and look through it for secrets; nothing is sent."""
        if destination:
            message = "cloudflare takes no destination"
            raise BadRequestError(message, next_step="The account is the token's; leave --to out.")
        release = await anyio.to_thread.run_sync(_site, source, staging)
        account = "the account of your token" if self.token else "a temporary account"
        bound = hashlib.sha256(
            f"{release.digest} {worker_name(place)} {account}".encode()
        ).hexdigest()
        warnings = (WARNING, *([] if self.token else [TEMPORARY]), *release.warnings)
        return replace(
            release, digest=bound, what=f"{release.what}, as the Worker {worker_name(place)} in {account}", warnings=warnings
        )  # fmt: skip

    async def apply(self, place: Place, release: Release, *, port: int) -> Applied:
        """Have wrangler put the files there."""
        del port
        return await anyio.to_thread.run_sync(self._put, place, release)

    def _put(self, place: Place, release: Release) -> Applied:
        _note(place, f"wrangler deploy of release {release.id}")
        with tempfile.TemporaryDirectory(prefix="atos-assets-") as folder:
            try:
                put = self._wrangler().deploy(
                    worker_name(place), _stamped(place, release, Path(folder))
                )
            except AtosError as error:
                _note(place, f"failed: {error}")
                raise
        crashpoint(PUT)
        _note(place, f"it is at {put.url}")
        _keep_claim(place, put)
        return Applied(put.url)

    def _wrangler(self) -> Wrangler:
        key = KeySource(self.token, "ATOS_CLOUDFLARE_TOKEN_FILE") if self.token else None
        return Wrangler(self.program, self.home, key, self.api)

    async def switch(
        self, place: Place, old: Release | None, new: Release, applied: Applied
    ) -> Applied:
        """Leave it: what was put there answers already."""
        del place, old, new
        return applied

    async def look(self, place: Place, release: Release, url: str, marker: str) -> Seen:
        """Ask for the stamp, and compare the page."""
        stamped = await look_at_stamp(f"{url}{STAMP}", release)
        if not stamped.ok:
            return stamped
        index = place.release(release) / str(release.entry["folder"]) / "index.html"
        seen = await look_outside(url, await anyio.Path(index).read_bytes(), marker)
        evidence = (*stamped.evidence, *seen.evidence, *_claim(place))
        return replace(seen, evidence=evidence if seen.ok else ())

    async def discard(self, place: Place, release: Release) -> None:
        """Leave it: the release before is put in its place."""
        _note(place, f"release {release.id} was not verified")

    async def stop(self, place: Place, release: Release) -> None:
        """Take the Worker down."""
        del release
        await anyio.to_thread.run_sync(partial(self._wrangler().delete, worker_name(place)))
        _note(place, "taken down")

    def is_up(self, place: Place, release: Release) -> bool:
        """What was put there stays."""
        del place, release
        return True

    def log(self, place: Place, lines: int) -> list[str]:
        """Return what was asked of wrangler, and what came of it."""
        return tail(place.folder / LOG, lines)


def worker_name(place: Place) -> str:
    """Return the name of a deployment's Worker: its own, so that it takes no other one's place in the account."""
    return f"{place.name}-{hashlib.sha256(str(place.folder).encode()).hexdigest()[:6]}"


def _site(source: Path, staging: Path) -> Release:
    release = copy_served(source, staging)
    if release.kind != "static":
        message = f"cloudflare serves static sites, and this is {release.what}"
        raise BadRequestError(message, next_step="Deploy it to local or heroku.")
    check_no_secrets(staging, release.files)
    return release


def _stamped(place: Place, release: Release, folder: Path) -> Path:
    """Copy the site with its stamp beside it; the release itself stays what was approved."""
    site = folder / "site"
    shutil.copytree(place.release(release) / str(release.entry["folder"]), site)
    stamp = site / STAMP
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(json.dumps({"digest": release.digest, "commit": release.commit}))
    return site


def _keep_claim(place: Place, put: Put) -> None:
    if put.claim_url:
        (place.folder / CLAIM).write_text(json.dumps(asdict(put)), encoding="utf-8")


def _claim(place: Place) -> list[str]:
    """Return the sentence that tells how to keep a temporary deployment."""
    try:
        put = Put(**json.loads((place.folder / CLAIM).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return []
    return [f"it is deleted unless you claim it within {put.claim_within}: {put.claim_url}"]


def _note(place: Place, text: str) -> None:
    with (place.folder / LOG).open("a", encoding="utf-8") as file:
        file.write(f"{text}\n")
