"""The target `webhook`: an n8n workflow deploys the files wherever it likes, and answers with the address.

    POST {"name", "digest", "commit", "kind", "files": {path: base64}}    ->    {"url": "https://..."}

The workflow is one of `workflows.yaml`, which knows its address and secret. A call that is repeated after a crash has
the same idempotency key; a roll back sends the files of the release before, under another one.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import anyio.to_thread

from atos_protocol.errors import EngineError, UnsupportedError, WorkspaceError
from atos_servers.deployment.record import Release
from atos_servers.deployment.secret_scan import check_no_secrets
from atos_servers.deployment.served_release import copy_served
from atos_servers.deployment.targets.target import Applied, Place, Seen
from atos_servers.deployment.verification import look_outside
from atos_servers.local_web.release import files_of

WORKFLOW = "deploy"
MOST_BYTES = 180 * 1024
"""Of all files: in base64 they have to fit what a workflow may be sent."""
WARNING = "public: the workflow {workflow} of n8n sends it wherever it likes"

Send = Callable[[str, Mapping[str, Any], str], Awaitable[str]]
"""Triggers a workflow by name with a payload and an idempotency key, and returns the text of its answer."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """Deploys through a workflow.

    Args:
        send: triggers it; raises an `AtosError` where it does not answer with success.
    """

    send: Send
    name = "webhook"
    is_public = True

    async def stage(self, source: Path, staging: Path, place: Place, destination: str) -> Release:
        """Copy the files, and look through them for secrets."""
        del place
        release = await anyio.to_thread.run_sync(_copied, source, staging)
        workflow = destination or WORKFLOW
        bound = hashlib.sha256(f"{release.digest} {workflow}".encode()).hexdigest()
        return replace(
            release, digest=bound, what=f"{release.what}, through the workflow {workflow}",
            entry={"workflow": workflow}, requirements=(),
            warnings=(WARNING.format(workflow=workflow), *release.warnings),
        )  # fmt: skip

    async def apply(self, place: Place, release: Release, *, port: int) -> Applied:
        """Send the files to the workflow."""
        del port
        files = await anyio.to_thread.run_sync(_coded, place.release(release))
        about = {
            "name": place.name,
            "digest": release.digest,
            "commit": release.commit,
            "kind": release.kind,
        }
        key = f"{place.name}-{release.id}-{place.turn}"
        answer = await self.send(str(release.entry["workflow"]), about | {"files": files}, key)
        return Applied(address_in(answer))

    async def switch(
        self, place: Place, old: Release | None, new: Release, applied: Applied
    ) -> Applied:
        """Leave it: the workflow has put it there for good."""
        del place, old, new
        return applied

    async def look(self, place: Place, release: Release, url: str, marker: str) -> Seen:
        """Ask the address; of a static site, compare its page."""
        index = place.release(release) / "index.html"
        known = release.kind == "static" and await anyio.Path(index).is_file()
        wanted = await anyio.Path(index).read_bytes() if known else None
        return await look_outside(url, wanted, marker)

    async def discard(self, place: Place, release: Release) -> None:
        """Leave it: the workflow is sent the release before."""

    async def stop(self, place: Place, release: Release) -> None:
        """Refuse.

        Raises:
            UnsupportedError: always.
        """
        message = f"{place.name} was put there by the workflow {release.entry['workflow']}"
        raise UnsupportedError(message, next_step="Take it down where the workflow has put it.")

    def is_up(self, place: Place, release: Release) -> bool:
        """What was sent stays."""
        del place, release
        return True

    def log(self, place: Place, lines: int) -> list[str]:
        """Say where its log is."""
        del place, lines
        return ["see the executions of the workflow in n8n"]


def _copied(source: Path, staging: Path) -> Release:
    release = copy_served(source, staging)
    if release.bytes > MOST_BYTES:
        message = (
            f"{release.bytes} bytes are more than the {MOST_BYTES} that a workflow can be sent"
        )
        raise WorkspaceError(message, next_step="Deploy to github, and have the workflow clone it.")
    check_no_secrets(staging, release.files)
    return release


def _coded(folder: Path) -> dict[str, str]:
    """Return the files as JSON can hold them."""
    return {
        name: base64.b64encode((folder / name).read_bytes()).decode() for name in files_of(folder)
    }


def address_in(answer: str) -> str:
    """Return the address that a workflow answers with. Pure.

    Raises:
        EngineError: it answers with none.
    """
    try:
        body: Any = json.loads(answer)
    except ValueError:
        body = {}
    url = str(cast("Mapping[str, Any]", body).get("url", "")) if isinstance(body, dict) else ""
    if url.startswith(("https://", "http://")):
        return url
    message = f"the workflow answers without a url: {answer[:200]!r}"
    raise EngineError(message, next_step='Have it respond with {"url": "https://..."}.')
