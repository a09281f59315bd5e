"""What an evaluation is asked to do, checked, and how it is staged.

Each candidate gets a copy of the workspace with its own files over it; what they share is linked,
not copied.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from atos_protocol.errors import BadRequestError
from atos_servers.code_runner import staging
from atos_servers.code_runner.requests import relative_path
from atos_servers.code_runner.run_folder import RunFolder
from atos_servers.code_runner.sandbox.plan import PLAN, Plan
from atos_servers.code_runner.sandbox.scan import is_test_file
from atos_servers.code_runner.sandbox.split import module_name

MOST_CANDIDATES, MOST_ASSERTIONS, MOST_CALLS, MOST_MODULES = 12, 80, 60, 20
MOST_FILES = 100
"""Of one candidate."""
TEXT_BYTES = 64 * 1024
NO_MODULES = frozenset({"conftest.py", "__main__.py", "setup.py"})


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What is to be evaluated, checked.

    Raises:
        BadRequestError: too many, too long, or nothing to import.
    """

    candidates: tuple[Mapping[str, str], ...]
    assertions: tuple[str, ...]
    calls: tuple[str, ...]
    modules: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_counts(self)
        for candidate in self.candidates:
            _check_size("a candidate", *candidate, *candidate.values())
        for text in self.assertions + self.calls:
            _check_size("an assertion or call", text)
        for name in self.modules:
            if not all(part.isidentifier() for part in name.split(".")):
                message = f"{name[:80]!r} is not the name of a module"
                raise BadRequestError(
                    message, next_step="Give names such as 'stack' or 'app.core'."
                )

    def modules_of(self, index: int) -> tuple[str, ...]:
        """Return the modules whose names the assertions may use with a candidate."""
        if self.modules:
            return self.modules
        paths = (str(relative_path(path)) for path in self.candidates[index])
        names = [module_name(path) for path in paths if _is_module(path)]
        return tuple(sorted(names))[:MOST_MODULES]


def _is_module(path: str) -> bool:
    name = PurePosixPath(path).name
    return name.endswith(".py") and name not in NO_MODULES and not is_test_file(path)


def _check_counts(asked: Evaluated) -> None:
    counts = (
        ("candidates", len(asked.candidates), MOST_CANDIDATES),
        ("files of a candidate", max(map(len, asked.candidates), default=0), MOST_FILES),
        ("assertions", len(asked.assertions), MOST_ASSERTIONS),
        ("calls", len(asked.calls), MOST_CALLS),
        ("modules", len(asked.modules), MOST_MODULES),
    )
    for name, count, most in counts:
        if count > most:
            message = f"{count} {name} are more than {most}"
            raise BadRequestError(message, next_step=f"Give at most {most} {name} per call.")
    if not asked.candidates:
        message = "there is no candidate"
        raise BadRequestError(message, next_step="Give at least one: path -> text of its files.")
    for index in range(len(asked.candidates)):
        if not asked.modules_of(index):
            message = f"candidate {index} has no Python file that is not a test"
            raise BadRequestError(message, next_step="Name the modules to import in `modules`.")


def _check_size(what: str, *texts: str) -> None:
    if (size := sum(len(text.encode(errors="surrogatepass")) for text in texts)) > TEXT_BYTES:
        message = f"{what} has {size} bytes, more than {TEXT_BYTES}"
        raise BadRequestError(message, next_step="Leave out what need not be evaluated.")


def stage(
    path: Path,
    roots: Sequence[Path],
    folder: RunFolder,
    asked: Evaluated,
    numbers: Sequence[int],
) -> None:
    """Make a folder for each of these candidates, and the plan.

    Raises:
        WorkspaceError: the workspace is outside the roots, unreadable or too large.
        BadRequestError: a candidate's path is absolute or climbs.
    """
    first, *others = (folder.code / str(number) for number in numbers)
    first.mkdir()
    staging.stage_folder(path, roots, first)
    for other in others:
        shutil.copytree(first, other, copy_function=_link)
    for number in numbers:
        _put_over(folder.code / str(number), asked.candidates[number])
    modules = tuple(asked.modules_of(number) for number in numbers)
    plan = Plan(tuple(numbers), modules, asked.assertions, asked.calls)
    (folder.scratch / PLAN).write_text(plan.to_json(), encoding="utf-8")


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copyfile(source, target)


def _put_over(folder: Path, files: Mapping[str, str]) -> None:
    for name in files:
        with contextlib.suppress(OSError):  # a file that is written anew is nobody else's
            (folder / relative_path(name)).unlink()
    staging.put(folder, files)
