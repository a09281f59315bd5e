"""A host's configuration file: read, changed in one step, and kept as it was beside it."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from atos_protocol.errors import BadConfigError

Json = dict[str, Any]
BACKUP = "before-atos"


def read(path: Path) -> Json:
    """Return what a configuration file holds; nothing where there is none, or an empty one.

    Raises:
        BadConfigError: it can't be read, or is not a JSON object; nothing has been changed.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path} can't be read: {error}"
        raise BadConfigError(message, next_step="Correct it; nothing was changed.") from error
    if not text.strip():
        return {}
    try:
        found: Any = json.loads(text)
    except ValueError as error:
        message = f"{path} is not JSON: {error}"
        step = (
            "Correct that line, or take its comments out, and install again; nothing was changed."
            " `atos-client install print` shows the entry to paste by hand."
        )
        raise BadConfigError(message, next_step=step) from error
    if not isinstance(found, dict):
        message = f"{path} holds no JSON object"
        raise BadConfigError(message, next_step="Correct it; nothing was changed.")
    return cast("Json", found)


def servers_in(config: Json, key: str, path: Path) -> Json:
    """Return the servers that a configuration names.

    Raises:
        BadConfigError: they are not an object.
    """
    found: Any = config.get(key, {})
    if not isinstance(found, dict):
        message = f"{path}: {key!r} is not an object"
        raise BadConfigError(message, next_step="Correct it; nothing was changed.")
    return cast("Json", found)


def write(path: Path, config: Mapping[str, Any]) -> Path | None:
    """Replace a configuration file, completely or not at all.

    A link stays a link: what it points to is replaced. The mode is kept; a new file is private.

    Returns:
        The copy of what was there before; None where there was nothing.

    Raises:
        BadConfigError: its folder can't be written.
    """
    path = Path(os.path.realpath(path))
    text = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        backup = _keep(path)
        mode = path.stat().st_mode & 0o777 if backup else 0o600
        replace(path, text, mode)
    except OSError as error:
        message = f"{path} can't be written: {error.strerror}"
        raise BadConfigError(message, next_step="Make its folder writable.") from error
    return backup


def replace(path: Path, text: str, mode: int) -> None:
    """Put a text in place of a file, so that a reader sees the old one or the new one."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _keep(path: Path) -> Path | None:
    """Copy a file to `NAME.before-atos-TIME`; return the copy, None where there is no file."""
    try:
        held = path.read_bytes()
    except FileNotFoundError:
        return None
    mark = time.strftime("%Y%m%dT%H%M%S")
    backup = path.with_name(f"{path.name}.{BACKUP}-{mark}")
    number = 1
    while backup.exists():
        backup = path.with_name(f"{path.name}.{BACKUP}-{mark}-{number}")
        number += 1
    backup.touch(mode=0o600)
    backup.write_bytes(held)
    return backup
