"""Copies objects between the repository of a goal and ATOS's own git directory.

ATOS's own git directory keeps every object that it makes; the repository gets those that a branch there is
about to name. They are unpacked with ATOS's configuration, so none of the repository's is read.
"""

from __future__ import annotations

from collections.abc import Iterable

from atos_orchestrator.workspace.repository import Repository
from atos_protocol.errors import WorkspaceError


async def give_objects(repository: Repository, commit: str, known: Iterable[str]) -> None:
    """Copy everything that a commit needs beyond the commits that are known there (empty ones count as none)."""
    without = "".join(f"^{each}\n" for each in dict.fromkeys(known) if each)
    pack = await _pack(repository, f"{commit}\n{without}")
    await repository.git.having(GIT_OBJECT_DIRECTORY=repository.objects).run(
        "unpack-objects", "-q", stdin=pack
    )


async def _pack(repository: Repository, wanted: str) -> str:
    """Return a pack, as text that carries any bytes."""
    command = ("pack-objects", "--revs", "--stdout", "-q", "--threads=1")
    code, pack, said = await repository.git.ask(*command, stdin=wanted)
    if code != 0:
        message = f"what ATOS made can't be read from {repository.trees}: {said.strip()[-300:]}"
        raise WorkspaceError(message)
    return pack


async def keep_objects(repository: Repository, wanted: str, *without: str) -> None:
    """Copy what a commit or tree needs into ATOS's own git directory, so that it outlives the repository.

    Where the repository itself lacks some of it (a partial clone), nothing is copied.
    """
    git, target = repository.git, repository.trees / "git" / "objects" / "pack" / "pack"
    span = [f"^{each}" for each in without if each]
    code, listed, _ = await git.ask("rev-list", "--objects", "--no-object-names", wanted, *span)
    if code == 0 and listed:
        await git.ask("pack-objects", "-q", "--threads=1", str(target), stdin=listed)
