"""Which tests a caller asked for, resolved to staged files: nothing else ever reaches pytest."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from atos_protocol.errors import BadRequestError
from atos_servers.code_runner.sandbox import scan

STEP = "Name test files of the folder, folders that hold some, or `file.py::test_name`; no options."


def require_staged(targets: Iterable[str], folder: Path, *, catalogue: bool) -> None:
    """See that each target is a Python file of the staged copy, or a folder that holds one.

    Args:
        targets: relative paths, with or without node ids.
        folder: the staged copy.
        catalogue: files that are no tests are refused too: nobody has read them against the rules,
            and pytest would run them beside the report.

    Raises:
        BadRequestError: a target is something else, or pytest could take it for something else.
    """
    files = scan.python_files(str(folder))
    for target in targets:
        path, _, node = target.partition("::")
        found = _found(path, files)
        if not found or "[" in path or any(ord(mark) < 32 for mark in node):
            message = f"{target[:80]!r} is no test file and no folder with Python files"
            raise BadRequestError(message, next_step=STEP)
        if catalogue and found == [path] and not scan.is_test_file(path):
            message = f"{path[:80]!r} is no test file: test_*.py or *_test.py"
            raise BadRequestError(message, next_step=STEP)


def _found(path: str, files: list[str]) -> list[str]:
    below = "" if path == "." else f"{path}/"
    return [file for file in files if file == path or file.startswith(below)]
