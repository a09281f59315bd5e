"""Settings that are to hold for whoever starts a daemon: written to the home's `.env`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from atos.cli.plugging.host_file import replace
from atos_protocol.env_file import read_env_file
from atos_protocol.settings import TUNABLE, Settings

PATHS = frozenset({"ATOS_WORKSPACES", "ATOS_GGUF", "ATOS_DIRECTORIES"})


def carried(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the settings of this environment that the home's `.env` lacks, with absolute paths.

    An MCP host passes none of them on, so a daemon that it starts would not know them.
    """
    known = {
        name: value
        for name, (value, _line) in read_env_file(settings.home / ".env", TUNABLE).items()
    }
    given = {
        name: _absolute(environ[name]) if name in PATHS else environ[name]
        for name in (*TUNABLE, "ATOS_WORKSPACES")
        if name in environ and "\n" not in environ[name]
    }
    return {name: value for name, value in given.items() if known.get(name) != value}


def set_values(settings: Settings, values: Mapping[str, str]) -> None:
    """Write settings to the home's `.env`; other lines stay as they are.

    Raises:
        BadConfigError: the home can't be written.
    """
    if not values:
        return
    settings.prepare()
    path = settings.home / ".env"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    kept = [line for line in lines if _name(line) not in values]
    text = "\n".join([*kept, *(f"{name}={value}" for name, value in values.items())])
    replace(path, text + "\n", 0o600)


def _name(line: str) -> str:
    return line.strip().removeprefix("export ").partition("=")[0].strip()


def _absolute(value: str) -> str:
    parts = (str(Path(part).expanduser().absolute()) for part in value.split(os.pathsep) if part)
    return os.pathsep.join(parts)
