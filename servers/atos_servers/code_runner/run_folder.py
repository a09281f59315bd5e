"""The private folder of one run: the staged copy, the scratch folder, and their removal."""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from atos_protocol.errors import WorkspaceError
from atos_protocol.shortage import shortage_of
from atos_servers.code_runner.sandbox import removal

logger = logging.getLogger(__name__)

PREFIX = "atos-run-"
STALE_SECONDS = 600.0
REMOVAL_SECONDS = 0.05
"""The host removes no longer than this; the supervisor, which has more time, nearly always did it."""


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

    @property
    def stdin(self) -> Path:
        """What a script reads."""
        return self.path / "stdin"


def _made() -> tuple[RunFolder, int]:
    """Return the folder of a run, and a descriptor that holds its lock until it is closed."""
    folder: RunFolder | None = None
    try:
        folder = RunFolder(Path(tempfile.mkdtemp(prefix=PREFIX)).resolve())
        folder.code.mkdir()
        folder.scratch.mkdir()
        handle = os.open(folder.path, removal.FOLDER)
        with suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_SH)
    except OSError as error:
        if folder is not None:
            shutil.rmtree(folder.path, ignore_errors=True)  # no code has run in it yet
        message = (
            f"no folder for the run can be created in {tempfile.gettempdir()}: {error.strerror}"
        )
        refused = WorkspaceError(message, next_step="Free space there, or set TMPDIR.")
        raise shortage_of(error) or refused from error
    return folder, handle


@contextmanager
def run_folder() -> Generator[RunFolder]:
    """Make the folders of a run, and remove them afterwards.

    Meanwhile this process holds their lock: an application lives on for weeks, and whoever starts then would take
    its folder for one of a run that was killed.

    Raises:
        NoSpaceError: the disk of the temporary folder is full.
        BusyError: the machine is short of something else.
        WorkspaceError: the temporary folder can't be written.
    """
    folder, handle = _made()
    try:
        yield folder
    finally:
        os.close(handle)
        if not removal.remove_folder(folder.path, seconds=REMOVAL_SECONDS):
            for started in _start_removal(folder.path.name, older_than=-1.0):
                threading.Thread(target=started.wait, daemon=True).start()


@contextmanager
def sweeping() -> Generator[None]:
    """Remove, beside what the host does, the folders of runs that were killed with their supervisor."""
    started = _start_removal(PREFIX, older_than=STALE_SECONDS)
    try:
        yield
    finally:
        for sweep in started:
            sweep.kill()
            sweep.wait()


def _start_removal(prefix: str, *, older_than: float) -> list[subprocess.Popen[bytes]]:
    """Start a process that removes folders of runs: hostile code decided how long that takes."""
    program = [sys.executable, "-I", "-S", removal.__file__]
    command = [*program, tempfile.gettempdir(), prefix, str(older_than)]
    quiet = subprocess.DEVNULL
    try:
        return [subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, cwd="/")]
    except OSError as error:  # what is left is removed at the next start
        logger.warning("%s* in %s can't be removed: %s", prefix, tempfile.gettempdir(), error)
        return []
