"""The private folder of one run: the staged copy, the scratch folder, and their removal."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from atos_protocol.errors import WorkspaceError

PREFIX = "atos-run-"
STALE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Workplace:
    """The folders of one run."""

    folder: Path

    @property
    def code(self) -> Path:
        """The staged copy."""
        return self.folder / "code"

    @property
    def scratch(self) -> Path:
        """The only place that tests may write to; home and temporary folder of the code."""
        return self.folder / "scratch"


@contextmanager
def workplace() -> Generator[Workplace]:
    """Make the folders of a run; they are gone afterwards, whoever is left to remove them.

    Raises:
        WorkspaceError: the temporary folder can't be written.
    """
    try:
        place = Workplace(Path(tempfile.mkdtemp(prefix=PREFIX)).resolve())
        place.code.mkdir()
        place.scratch.mkdir()
    except OSError as error:
        message = f"no folder for the run can be made in {tempfile.gettempdir()}: {error.strerror}"
        raise WorkspaceError(message, next_step="Free space there, or set TMPDIR.") from error
    try:
        yield place
    finally:
        shutil.rmtree(place.folder, ignore_errors=True)


def sweep() -> None:
    """Remove what runs left that were killed together with their supervisor; they last a minute."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            age = time.time() - folder.lstat().st_mtime
        except FileNotFoundError:
            continue
        if age > STALE_SECONDS and not folder.is_symlink():
            shutil.rmtree(folder, ignore_errors=True)
