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
class RunFolder:
    """The folders of one run, below `path`."""

    path: Path

    @property
    def code(self) -> Path:
        """The staged copy."""
        return self.path / "code"

    @property
    def scratch(self) -> Path:
        """The only folder that tests may write to; home and temporary folder of the code."""
        return self.path / "scratch"


@contextmanager
def run_folder() -> Generator[RunFolder]:
    """Make the folders of a run, and remove them afterwards.

    Raises:
        WorkspaceError: the temporary folder can't be written.
    """
    try:
        folder = RunFolder(Path(tempfile.mkdtemp(prefix=PREFIX)).resolve())
        folder.code.mkdir()
        folder.scratch.mkdir()
    except OSError as error:
        message = (
            f"no folder for the run can be created in {tempfile.gettempdir()}: {error.strerror}"
        )
        raise WorkspaceError(message, next_step="Free space there, or set TMPDIR.") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder.path, ignore_errors=True)


def remove_stale_folders() -> None:
    """Remove the folders of runs that were killed together with their supervisor."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            age = time.time() - folder.lstat().st_mtime
        except FileNotFoundError:
            continue
        if age > STALE_SECONDS and not folder.is_symlink():
            shutil.rmtree(folder, ignore_errors=True)
