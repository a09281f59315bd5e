"""The files of a deployment's releases, each in a folder named after its digest."""

from __future__ import annotations

import shutil
import tempfile
from functools import partial
from pathlib import Path

import anyio.to_thread

from atos_servers.deployment.record import Deployment, Release
from atos_servers.deployment.targets.target import Place, Target

KEPT_RELEASES = 5
"""Releases kept besides those that a deployment may still return to."""


async def staged(target: Target, source: Path, place: Place, destination: str) -> Release:
    """Copy what would go out, and keep it under its digest.

    Raises:
        AtosError: it can't be deployed there.
    """
    releases = place.folder / "releases"
    releases.mkdir(mode=0o700, parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix="staging-", dir=releases))
    try:
        release = await target.stage(source, staging, place, destination)
        await anyio.to_thread.run_sync(_keep, staging, place.release(release))
        return release
    finally:
        await anyio.to_thread.run_sync(partial(shutil.rmtree, staging, ignore_errors=True))


def _keep(staging: Path, kept: Path) -> None:
    if not kept.is_dir():
        staging.rename(kept)


def remove_old(place: Place, found: Deployment) -> None:
    """Remove the files of releases that nobody returns to."""
    kept = {each.id for each in (found.planned, found.live, found.previous) if each}
    folders = [path for path in (place.folder / "releases").iterdir() if path.is_dir()]
    old = sorted((p for p in folders if p.name not in kept), key=lambda path: path.stat().st_mtime)
    for path in old[:-KEPT_RELEASES]:
        shutil.rmtree(path, ignore_errors=True)
        path.with_name(f"{path.name}.server.json").unlink(missing_ok=True)
