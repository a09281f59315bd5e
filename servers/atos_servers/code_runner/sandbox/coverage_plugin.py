"""The pytest plugin that measures which lines run, file by file, and reports that beside the tests.

Measured is in the code's own process, by coverage.py, so code that was written to cheat could forge it: a verdict never
rests on it. Nothing is written; configuration of the workspace is not read.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from atos_servers.code_runner.sandbox.job import Job
from atos_servers.code_runner.sandbox.report import Emit
from atos_servers.code_runner.sandbox.scan import is_test_file, python_files

MOST_FILES = 300
LINES_CHARACTERS = 1_500
LIBRARY = "coverage"


class CoveragePlugin:
    """Measures from its making to the end of pytest's session.

    It is made before anything of the workspace can be imported, and hides the library's modules meanwhile: a
    workspace may have a `coverage.py` of its own.
    """

    def __init__(self, job: Job, emit: Emit) -> None:
        import coverage  # the launchers of other runs should not wait for it

        self._emit, self._folder = emit, job.folder
        self._measured = [path for path in python_files(job.folder) if not is_test_file(path)]
        self._coverage: Any = coverage.Coverage(
            data_file=None, config_file=False, include=[f"{os.path.realpath(job.folder)}/*"],
            messages=False,
        )  # fmt: skip
        self._library = _taken_modules(LIBRARY)
        self._coverage.start()

    def pytest_sessionfinish(self) -> None:
        """Report each file; called before the record that ends the report, since it was registered last."""
        self._coverage.stop()
        theirs = _taken_modules(LIBRARY)
        sys.modules.update(self._library)
        for path in self._measured[:MOST_FILES]:
            if (found := self._lines(path)) is not None:
                self._emit({"event": "covered", "id": path, **found})
        _taken_modules(LIBRARY)
        sys.modules.update(theirs)

    def _lines(self, path: str) -> dict[str, Any] | None:
        """Return what is known of a file; None for one that can't be compiled."""
        import coverage

        try:
            _name, statements, _excluded, missing, shown = self._coverage.analysis2(
                str(Path(self._folder, path))
            )
        except (coverage.CoverageException, SyntaxError, OSError):
            return None
        return {
            "statements": len(statements),
            "missed": len(missing),
            "lines": shown[:LINES_CHARACTERS],
        }


def _taken_modules(top: str) -> dict[str, ModuleType]:
    """Take a package out of the loaded modules."""
    names = [name for name in sys.modules if name.partition(".")[0] == top]
    return {name: sys.modules.pop(name) for name in names}
