"""Which GGUF files there are, under which names: shipped, named by the person, fetched, in other programs' caches.

    shipped weights, ATOS_GGUF (files, folders)  >  `models pull`  >  Ollama's blobs  >  Hugging Face's cache

Where two have the same name, the one further left is meant. All are looked for at every listing, so what was
put into a folder or pulled by another program is there without a new start.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from atos_protocol.errors import BadConfigError
from atos_scheduler.models import other_caches
from atos_scheduler.models.store import ModelStore


class GgufFile(NamedTuple):
    """A file and its checksum."""

    path: Path
    sha256: str
    """As somebody recorded it; "" where nobody did. It is not computed: several GB take minutes."""


class GgufFiles:
    """The GGUF files of this machine.

    Raises:
        BadConfigError: two files that were named have the same name.
    """

    def __init__(
        self,
        shipped: Iterable[Path],
        named: Iterable[Path],
        store: ModelStore,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        named = [path.absolute() for path in named]
        self._folders = [path for path in named if path.is_dir()]
        self._files = _by_stem([*shipped, *(p for p in named if p not in self._folders)])
        self._store = store
        self._environ = environ

    def all(self) -> dict[str, GgufFile]:
        """Return name -> file, as it is now."""
        found = {
            name: GgufFile(file.path, file.sha256)
            for name, file in other_caches.cached(self._environ).items()
        }
        for name, model in self._store.models().items():
            found[name] = GgufFile(Path(model.path), model.sha256)
        for folder in self._folders:
            found |= {path.stem: _named(path) for path in other_caches.in_folder(folder)}
        return found | {name: _named(path) for name, path in self._files.items()}


def recorded_sha256(weights: Path) -> str:
    """Return the checksum that stands beside a file (`<name>.sha256`), "" if none does."""
    try:
        return weights.with_name(f"{weights.name}.sha256").read_text(encoding="ascii").split()[0]
    except (OSError, ValueError, IndexError):
        return ""


def _named(path: Path) -> GgufFile:
    return GgufFile(path, recorded_sha256(path))


def _by_stem(files: Iterable[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in files:
        if path.stem in found:
            message = f"ATOS_GGUF names two models {path.stem!r}: {found[path.stem]} and {path}"
            raise BadConfigError(message, next_step="Rename one of the files.")
        found[path.stem] = path
    return found
