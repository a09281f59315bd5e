"""The files of a release, which was copied without links and is changed by nobody."""

from __future__ import annotations

import hashlib
from pathlib import Path

SOURCE_BYTES = 2**17
"""A longer source file is not read for what it defines: while Python parses one, nothing else of this process runs."""
ALL_SOURCES_BYTES = 2**22
"""Of the files that are read, all together."""


def files_of(release: Path) -> tuple[str, ...]:
    """Return the relative paths of all files, with `/`, sorted."""
    found = (path for path in release.rglob("*") if path.is_file() and not path.is_symlink())
    return tuple(sorted(path.relative_to(release).as_posix() for path in found))


def sources_of(release: Path) -> dict[str, str]:
    """Return the text of its Python files by relative path; what is no text is left out."""
    found, left = dict[str, str](), ALL_SOURCES_BYTES
    for name in files_of(release):
        path = release / name
        if name.endswith(".py") and (size := path.stat().st_size) <= min(SOURCE_BYTES, left):
            left -= size
            try:
                found[name] = path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue
    return found


def digest_of(release: Path) -> str:
    """Return the sha256 over names and contents: two releases of one digest are the same."""
    whole = hashlib.sha256()
    for name in files_of(release):
        data = (release / name).read_bytes()
        whole.update(f"{name}\0{len(data)}\0".encode(errors="surrogateescape"))
        whole.update(data)
    return whole.hexdigest()
