"""The model files of this home: `~/.atos/models/<name>.gguf`, each with a record beside it.

A record is written when a file has been verified. It holds size and time of change, so whoever lists
models sees at once whether the file is still that one, without reading gigabytes. A record may point to
a file of another program's cache: such a file is used where it lies and never changed.

    nothing -> partial/<sha256>/... -> verified -> <name>.gguf (rename) -> <name>.json (rename)

Killed between the last two, a file without a record stays: the next pull verifies and records it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # pydantic would cost the scheduler a tenth of a second at its start
    from atos_scheduler.catalogue.origin import Download


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A verified file and what was known of it then."""

    name: str
    """As the catalogue calls it."""
    path: str
    bytes: int
    sha256: str
    mtime_ns: int
    source: str
    licence: str

    @property
    def intact(self) -> bool:
        """Whether the file is there and has not been touched since it was verified."""
        try:
            found = os.stat(self.path)  # noqa: PTH116 - asked at every listing, so kept cheap
        except OSError:
            return False
        return (found.st_size, found.st_mtime_ns) == (self.bytes, self.mtime_ns)


class ModelStore:
    """Reads and writes one folder of models; making it costs nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def records(self) -> Iterator[StoredModel]:
        """Yield every record that can be read, intact or not, by name."""
        for path in sorted(self.folder.glob("*.json")):
            try:
                yield StoredModel(**json.loads(path.read_text(encoding="utf-8")))
            except (OSError, ValueError, TypeError):
                continue  # a damaged record is no record: the next pull writes it anew

    def models(self) -> dict[str, StoredModel]:
        """Return the models that can be loaded, by name."""
        return {found.name: found for found in self.records() if found.intact}

    def file(self, name: str) -> Path:
        """Return where a model's own file is, or will be."""
        return self.folder / f"{stem(name)}.gguf"

    def partial(self, sha256: str) -> Path:
        """Return the folder of a download that is not finished."""
        return self.folder / "partial" / sha256

    def lock(self, sha256: str) -> Path:
        """Return the file whose lock whoever fetches these bytes holds."""
        return self.folder / "partial" / f"{sha256}.lock"

    def adopt(self, name: str, verified: Path, wanted: Download, licence: str, source: str) -> None:
        """Make a verified file visible as a model; one in the store's own folders is moved.

        Raises:
            OSError: the folder can't be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = verified
        if verified.is_relative_to(self.folder):
            path = self.file(name)
            verified.replace(path)
        record = StoredModel(
            name, os.fspath(path), wanted.bytes, wanted.sha256, path.stat().st_mtime_ns, source,
            licence,
        )  # fmt: skip
        draft = self._record(name).with_suffix(".draft")
        draft.write_text(json.dumps(asdict(record), indent=2), encoding="utf-8")
        draft.replace(self._record(name))

    def forget(self, name: str) -> bool:
        """Remove a model's record, and its file if that is the store's own; False if none was here."""
        record, file = self._record(name), self.file(name)
        there = record.exists() or file.exists()
        record.unlink(missing_ok=True)
        file.unlink(missing_ok=True)
        return there

    def drop_partial(self, sha256: str) -> None:
        """Remove what was fetched of a download."""
        shutil.rmtree(self.partial(sha256), ignore_errors=True)

    def _record(self, name: str) -> Path:
        return self.folder / f"{stem(name)}.json"


def stem(name: str) -> str:
    """Return a model's name as a file name; it never leaves the folder."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", name).lstrip(".") or "model"
