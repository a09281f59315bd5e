"""Reads a `.env` file: lines `NAME=value`, as far as settings need it. Standard library only."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from atos_protocol.errors import BadConfigError
from atos_protocol.shortage import shortage_of


def read_env_file(path: Path, known: Collection[str]) -> dict[str, tuple[str, int]]:
    """Read `NAME=value` lines; return name -> (value, line number).

    Args:
        path: the file, which need not be there.
        known: names of the settings that may be written there.

    Raises:
        BusyError: this machine has run out of something, such as descriptors.
        BadConfigError: a line is not an assignment, or names a setting that is not known.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path} can't be read: {error}"
        wrong = BadConfigError(message, next_step="Correct or remove the file.")
        raise shortage_of(error) or wrong from error
    found: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.removeprefix("export ").partition("=")
        name = name.strip()
        if not equals or (name not in known and name not in {"ATOS_HOME", "ATOS_WORKSPACES"}):
            shown = repr(name[:60]) if equals else "it"  # a line without one may be a key
            message = f"{path}, line {number}: {shown} is not a setting"
            step = f"Write NAME=value, with NAME one of {', '.join(sorted(known))}."
            raise BadConfigError(message, next_step=step)
        found[name] = (value.strip().strip("\"'"), number)
    return found
