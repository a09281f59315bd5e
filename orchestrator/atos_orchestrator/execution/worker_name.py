"""The name of a home's workers, by which each knows the runs that earlier ones left, and a server's database whose it is.

It is made once, of the machine's name and the home's path, and kept in the home. Made anew at every start it would be another
one as soon as a network renames the laptop, a container is made again over the same volume, or the home is moved,
and what the worker before had begun would be nobody's for ever.
"""

from __future__ import annotations

import logging
import os
import socket
from pathlib import Path

from atos_protocol.settings import Settings

log = logging.getLogger(__name__)


def worker_name(settings: Settings) -> str:
    """Return the name; host and worker may ask at the same time, and make the same one."""
    kept = settings.state / "worker-name"
    if known := _read(kept):
        return known
    name = f"{socket.gethostname()}:{settings.home}"
    fresh = kept.with_suffix(f".{os.getpid()}")
    try:
        fresh.write_text(name, encoding="utf-8", errors="surrogateescape")
        fresh.replace(kept)
    except OSError as error:
        log.warning("the name of this home's workers can't be kept: %s", error)
    return name


def _read(kept: Path) -> str:
    """Return what was kept; an empty text where that is nothing."""
    try:
        return kept.read_text(encoding="utf-8", errors="surrogateescape").strip()
    except OSError:
        return ""
