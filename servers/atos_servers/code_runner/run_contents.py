"""What is put into a run's folder before it is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from atos_protocol.errors import BadRequestError, WorkspaceError
from atos_protocol.shortage import shortage_of
from atos_servers.code_runner import staging
from atos_servers.code_runner.evidence import Canaries
from atos_servers.code_runner.requests import Script, relative_path
from atos_servers.code_runner.run_folder import RunFolder
from atos_servers.code_runner.sandbox.scan import SOURCE_BYTES
from atos_servers.code_runner.verdict import STEERING


def stage_tests(
    path: Path,
    roots: Sequence[Path],
    folder: RunFolder,
    overlay: Mapping[str, str],
    canaries: Canaries,
) -> list[str]:
    """Stage a folder with an overlay and canaries; return the files in it that would steer pytest."""
    staging.stage_folder(path, roots, folder.code)
    staging.put(folder.code, {**overlay, canaries.file: canaries.text})
    return _steering_in(folder.code)


def stage_sources(path: Path | None, roots: Sequence[Path], source: str, folder: RunFolder) -> None:
    """Stage what is to be compiled: a text, a folder or a file."""
    if path is None:
        staging.put(folder.code, {"source.py": source[: SOURCE_BYTES + 1]})
    elif staging.is_folder(path, roots):
        staging.stage_folder(path, roots, folder.code)
    else:
        staging.stage_file(path, roots, folder.code)


def stage_script(path: Path, roots: Sequence[Path], script: Script, folder: RunFolder) -> str:
    """Stage a folder and a script's input; return the path of the script within the folder.

    Raises:
        BadRequestError: there is no such file, or not exactly one script.
        WorkspaceError: the folder is outside the roots, can't be read, or there is no room.
    """
    staging.stage_folder(path, roots, folder.code)
    try:
        folder.stdin.write_bytes(script.stdin.encode(errors="surrogatepass"))
    except OSError as error:
        message = f"the script's input can't be written: {error.strerror}"
        refused = WorkspaceError(message, next_step="Free space there, or set TMPDIR.")
        raise shortage_of(error) or refused from error
    return _staged_script(script, folder)


def _staged_script(script: Script, folder: RunFolder) -> str:
    """Return the path of a script within its folder; one that is given as text is put there."""
    if bool(script.code) == bool(script.file):
        message = "exactly one of `code` and `file` says what to run"
        raise BadRequestError(message, next_step="Give the text of a script, or a file's path.")
    if script.code:
        taken = (folder.code / "script.py").exists()
        name = f"{folder.path.name}.py" if taken else "script.py"
        staging.put(folder.code, {name: script.code})
        return name
    file = relative_path(script.file)
    if not (folder.code / file).is_file():
        message = f"there is no file {script.file[:80]!r} in the folder"
        raise BadRequestError(message, next_step="Give a file's path relative to `path`.")
    return str(file)


def _steering_in(folder: Path) -> list[str]:
    found = (path for path in folder.rglob("*") if path.name in STEERING or path.suffix == ".pth")
    return sorted(path.relative_to(folder).as_posix() for path in found)
