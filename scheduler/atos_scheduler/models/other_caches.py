"""Model files that other programs have fetched: found by their hash, read, never changed.

Both Ollama and Hugging Face name a large file by its sha256. A name is a claim, so whoever uses such a
file verifies it first.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from atos_protocol.settings import home_directory
from atos_scheduler.catalogue.origin import Download

OLLAMA_SERVICE = Path("/usr/share/ollama/.ollama/models")
"""Where the installer of Ollama on Linux lets its service keep models."""


def find(wanted: Download, environ: Mapping[str, str] = os.environ) -> tuple[Path, str] | None:
    """Return a file that claims to be these bytes and has their size, and whose cache it is in."""
    for path, owner in _places(wanted, home_directory(environ), environ):
        try:
            if path.stat().st_size == wanted.bytes and os.access(path, os.R_OK):
                return path.resolve(), owner
        except OSError:
            continue
    return None


def _places(
    wanted: Download, person: Path, environ: Mapping[str, str]
) -> Iterator[tuple[Path, str]]:
    own = environ.get("OLLAMA_MODELS")
    folders = [Path(own)] if own else [person / ".ollama" / "models", OLLAMA_SERVICE]
    for folder in folders:
        yield folder / "blobs" / f"sha256-{wanted.sha256}", "Ollama's files"
    hub = environ.get("HF_HUB_CACHE")
    cache = Path(environ.get("HF_HOME") or person / ".cache" / "huggingface")
    repository = f"models--{wanted.repository.replace('/', '--')}"
    folder = Path(hub) if hub else cache / "hub"
    yield folder / repository / "blobs" / wanted.sha256, "the cache of Hugging Face"
