"""Reads the staged sources without running them: which tests they contain, and syntax errors."""

from __future__ import annotations

import ast
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

SOURCE_BYTES = 1_000_000
MESSAGE_CHARACTERS = 300
NOT_SEARCHED = (".*", "*.egg", "_darcs", "build", "CVS", "dist", "node_modules", "venv", "{arch}")
"""Folders that pytest does not look into; it gets the same list."""


@dataclass(frozen=True, slots=True)
class SyntaxProblem:
    """Why a file can't be compiled. Line and column count from 1; 0 where there is no location."""

    path: str
    line: int
    column: int
    message: str


def is_test_file(path: str) -> bool:
    """Return whether pytest would collect the file."""
    name = PurePosixPath(path).name
    return name.endswith("_test.py") or (name.startswith("test_") and name.endswith(".py"))


def _searched(name: str) -> bool:
    return not any(fnmatchcase(name, pattern) for pattern in NOT_SEARCHED)


def python_files(folder: str) -> list[str]:
    """Return the relative paths of the Python files that pytest would look at, sorted."""
    found: list[str] = []
    for place, folders, files in os.walk(folder):
        folders[:] = filter(_searched, folders)
        below = PurePosixPath(place).relative_to(folder)
        found += [str(below / file) for file in files if file.endswith(".py")]
    return sorted(found)


def problem(text: bytes, path: str) -> SyntaxProblem | None:
    """Compile a source and return what is wrong with it."""
    if len(text) > SOURCE_BYTES:
        message = f"{len(text)} bytes are more than the {SOURCE_BYTES} that are read"
        return SyntaxProblem(path, 0, 0, message)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        message = error.msg[:MESSAGE_CHARACTERS]  # some quote a name, however long that is
        return SyntaxProblem(path, error.lineno or 0, error.offset or 0, message)
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        why = str(error) or "nested too deeply"
        return SyntaxProblem(path, 0, 0, f"{type(error).__name__}: {why}")
    return None


def problems(folder: str) -> list[SyntaxProblem]:
    """Return what is wrong with the Python files below a folder."""
    read = ((path, Path(folder, path).read_bytes()) for path in python_files(folder))
    found = (problem(text, path) for path, text in read)
    return [wrong for wrong in found if wrong is not None]


Function = (ast.FunctionDef, ast.AsyncFunctionDef)


def _ids(path: str, body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, Function) and node.name.startswith("test"):
            yield f"{path}::{node.name}"
        elif isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            yield from _ids(f"{path}::{node.name}", node.body)


def _chosen(test: str, selection: tuple[str, ...]) -> bool:
    if not selection:
        return True
    whole = (choice.rstrip("/") for choice in selection)
    return any(
        choice == "." or test == choice or test.startswith((f"{choice}::", f"{choice}/"))
        for choice in whole
    )


def is_selected(path: str, selection: tuple[str, ...]) -> bool:
    """Return whether a selection asks for a test file, a part of it, or a folder around it."""
    return _chosen(path, tuple(choice.partition("::")[0] for choice in selection))


def imported_names(text: str) -> set[str]:
    """Return the modules that a source may import: `from a import b` may mean `a` or `a.b`.

    A source that can't be parsed imports nothing: running it reports the error.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def expected_tests(folder: str, selection: tuple[str, ...], canary: str) -> list[str]:
    """Return the ids of the requested tests that the sources contain.

    A file that can't be parsed is left out: pytest reports it.
    """
    found: list[str] = []
    for path in python_files(folder):
        if path == canary or not is_test_file(path):
            continue
        text = Path(folder, path).read_bytes()
        if len(text) > SOURCE_BYTES or problem(text, path):
            continue
        found += [test for test in _ids(path, ast.parse(text).body) if _chosen(test, selection)]
    return list(dict.fromkeys(found))
