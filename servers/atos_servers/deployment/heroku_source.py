"""The source of an app as Heroku builds it: its files, a Procfile that starts it, the server it needs, in one archive.

    app.py, requirements.txt    ->    Procfile  web: gunicorn --bind 0.0.0.0:$PORT app:app
                                      requirements.txt  + gunicorn

What is written is part of what is planned, so it is in the digest that is approved.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path

from atos_protocol.errors import BadRequestError
from atos_servers.deployment.record import Release
from atos_servers.deployment.requirements_file import FILE as REQUIREMENTS
from atos_servers.deployment.secret_scan import check_no_secrets
from atos_servers.deployment.served_release import copy_served
from atos_servers.local_web.entry import Entry
from atos_servers.local_web.release import digest_of, files_of

PROCFILE = "Procfile"
WEB = re.compile(r"^web\s*:\s*\S", re.MULTILINE)
SERVERS = {"wsgi": ("gunicorn", "gunicorn>=23,<27"), "asgi": ("uvicorn", "uvicorn>=0.30,<1")}
"""Interface -> the server that speaks it, and the line that has it installed."""


@dataclass(frozen=True, slots=True)
class Archive:
    """A gzipped tar archive."""

    data: bytes
    checksum: str
    """As Heroku writes it: `SHA256:...`."""


def copy_source(source: Path, staging: Path) -> Release:
    """Copy an app into an empty folder, and write what Heroku needs to start it.

    Raises:
        BadRequestError: it is no app, or its Procfile starts none.
        RefusedError: something in it looks like a secret.
        WorkspaceError: the files can't be read, or are too many.
    """
    release = copy_served(source, staging)
    if release.kind != "app":
        message = f"heroku runs apps, and this is {release.what}"
        raise BadRequestError(
            message, next_step="Deploy it to local; a site to pages or cloudflare."
        )
    written = _written(staging, Entry(**release.entry))
    check_no_secrets(staging, files_of(staging))
    files = files_of(staging)
    size = sum((staging / name).stat().st_size for name in files)
    told = tuple(f"{name} is written for Heroku" for name in written)
    return replace(
        release, digest=digest_of(staging), files=files, bytes=size, warnings=told
    )  # fmt: skip


def _written(staging: Path, entry: Entry) -> list[str]:
    """Write the Procfile and the requirements where they are missing; return what was written."""
    procfile, wanted = staging / PROCFILE, staging / REQUIREMENTS
    if procfile.exists():
        if WEB.search(procfile.read_text(errors="replace")):
            return _required(wanted, "")
        message = "its Procfile starts no web process"
        raise BadRequestError(message, next_step="Add a line such as `web: gunicorn app:app`.")
    server, line = SERVERS[entry.interface or "wsgi"]
    procfile.write_text(f"web: {command_of(entry, server)}\n")
    known = wanted.read_text(errors="replace") if wanted.exists() else ""
    return [PROCFILE, *_required(wanted, "" if re.search(rf"(?mi)^{server}\b", known) else line)]


def _required(wanted: Path, line: str) -> list[str]:
    """Add a line to the requirements, which have to be there for Heroku to see Python in it."""
    text = wanted.read_text(errors="replace") if wanted.exists() else ""
    if wanted.exists() and not line:
        return []
    wanted.write_text(text.rstrip("\n") + "\n" * bool(text.strip()) + f"{line}\n" * bool(line))
    return [REQUIREMENTS]


def command_of(entry: Entry, server: str) -> str:
    """Return the command that starts an app on Heroku's port. Pure."""
    if server == "uvicorn":
        factory = " --factory" * entry.factory
        return f"uvicorn --host 0.0.0.0 --port $PORT{factory} {entry.module}:{entry.name}"
    made = f"'{entry.module}:{entry.name}()'" if entry.factory else f"{entry.module}:{entry.name}"
    return f"gunicorn --bind 0.0.0.0:$PORT {made}"


def packed(folder: Path) -> Archive:
    """Pack the files of a release; the same files give the same bytes."""
    whole = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=whole, mode="wb", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name in files_of(folder):
            data = (folder / name).read_bytes()
            about = tarfile.TarInfo(name)
            about.size, about.mode = len(data), 0o644
            tar.addfile(about, io.BytesIO(data))
    data = whole.getvalue()
    return Archive(data, f"SHA256:{hashlib.sha256(data).hexdigest()}")
