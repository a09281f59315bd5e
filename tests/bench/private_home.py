"""A home of its own for a benchmark that runs daemons, and their end afterwards."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from atos_protocol.daemons import stop
from atos_protocol.settings import Settings, load_settings


@contextmanager
def private_home(**environment: str) -> Generator[Settings]:
    """Move this process and the daemons that it starts into a fresh home; end them with the block.

    No Ollama, no port and no setting of the person's own home takes part.
    """
    before = dict(os.environ)
    person = tempfile.mkdtemp(prefix="atos")  # short: a socket's path must fit 107 bytes
    for name in [name for name in os.environ if name.startswith("ATOS_")]:
        del os.environ[name]
    os.environ |= {"HOME": person, "ATOS_HTTP_PORT": "0", "ATOS_OLLAMA_URL": "", **environment}
    try:
        settings = load_settings()
        try:
            yield settings
        finally:
            for role in ("servers", "scheduler"):
                stop(role, settings)
    finally:
        os.environ.clear()
        os.environ.update(before)
        shutil.rmtree(Path(person), ignore_errors=True)
