"""Describes copied files that would be served: what they are, what they need, and their digest."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from atos_protocol.errors import BadRequestError
from atos_servers.deployment.record import Release
from atos_servers.deployment.release_files import copy_release
from atos_servers.deployment.requirements_file import FILE as REQUIREMENTS
from atos_servers.deployment.requirements_file import requirements_in
from atos_servers.local_web.entry import entry_of
from atos_servers.local_web.release import digest_of, files_of, sources_of

NOTHING_TO_SERVE = (
    "Add an index.html, a module with `app = Flask(__name__)` or another WSGI or ASGI application, "
    "public functions, or a module to run."
)


def copy_served(source: Path, staging: Path) -> Release:
    """Copy what would be served into an empty folder, and describe it.

    Raises:
        BadRequestError: nothing among it can be served.
        WorkspaceError: the files can't be read, or are too many.
    """
    copied = copy_release(source, staging)
    return _described(staging, copied.commit, copied.bytes)


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
