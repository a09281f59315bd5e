"""Finds the file in which a project declares its requirements, and tells what became of them."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from atos_protocol.errors import BadRequestError
from atos_protocol.packages import EnvironmentReport
from atos_servers.code_runner.packages.declared import FILES, declared
from atos_servers.code_runner.packages.environments import Environment
from atos_servers.code_runner.staging import FILE, opened

MOST_BYTES = 256 << 10


def declared_in(path: Path, roots: Sequence[Path]) -> tuple[str, tuple[str, ...]]:
    """Return the file's name and the requirements in it; empty where there is none. No link is followed.

    Raises:
        WorkspaceError: the folder is outside the roots, missing or reached through a link.
        BadRequestError: the file is too large, or holds what is no plain requirement.
    """
    with opened(path, roots) as folder:
        for name in FILES:
            if (text := _text(folder, name)) is not None:
                return name, declared(name, text)
    return "", ()


def _text(folder: int, name: str) -> str | None:
    try:
        handle = os.open(name, FILE, dir_fd=folder)
    except OSError:
        return None
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            return None
        if found.st_size > MOST_BYTES:
            message = f"{name} has {found.st_size} bytes, more than {MOST_BYTES}"
            raise BadRequestError(message, next_step="Name the packages in prepare_packages.")
        return file.read(MOST_BYTES).decode("utf-8", "replace")


def environment_report(
    source: str, requirements: tuple[str, ...], found: Environment | None
) -> EnvironmentReport:
    """Return how far the environment of these requirements is; None: it is still being installed."""
    if found is None:
        step = "It goes on. Call environment again."
        return EnvironmentReport("preparing", source, requirements, (), (), step)
    step = (
        "Give `requirements` as `packages` to run_pytest, run_python or evaluate."
        if requirements
        else f"Nothing is declared in {source or ' or '.join(FILES)}; code runs without packages."
    )
    return EnvironmentReport("ready", source, requirements, found.packages, found.modules, step)
