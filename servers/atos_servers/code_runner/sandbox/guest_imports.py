"""What code in the sandbox can import: the standard library, the packages it was given, and pytest.

Neither ATOS nor what ATOS needs is found by accident: a program that works only because `httpx` happens
to be installed beside ATOS does not work where its requirements are. (Hidden is not forbidden: the files
can be read.) Folders are put on `sys.path` and `site` is not used, so no `.pth` file in them has effect.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Generator, Iterable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

from atos_servers.code_runner.sandbox.job import Job

OURS = frozenset(
    {"atos", "atos_daemon", "atos_orchestrator", "atos_protocol", "atos_scheduler", "atos_servers"}
)
"""Import names that ATOS installs."""


RUN_THE_TESTS = frozenset(
    {"_pytest", "iniconfig", "packaging", "pluggy", "py", "pygments", "pytest"}
)
"""Import names of pytest and of what it needs, which come from ATOS's own environment."""

MEASURE_LINES = frozenset({"coverage"})

OF_PYTEST = frozenset({"_pytest", "pytest"})

_preloaded = set[str]()
"""Top-level names of what a zygote imported before it knew what would run; empty in a fresh launcher."""


def remember_preloaded(modules: Iterable[str]) -> None:
    """Note the modules that were imported only to save time."""
    _preloaded.update(name.partition(".")[0] for name in modules)


def forget_preloaded(folders: Iterable[str], *, kept: frozenset[str] = frozenset()) -> None:
    """Let these folders' modules be imported where a preloaded one of the same name would hide them.

    A fresh launcher would not have imported those yet, and how a run began must make no difference to it.
    """
    for folder in folders if _preloaded else ():
        with contextlib.suppress(OSError):
            names = {entry.partition(".")[0] for entry in os.listdir(folder)}  # noqa: PTH208
            for name in (names & _preloaded) - kept:
                _forget(name)


def _forget(top: str) -> None:
    for name in [n for n in sys.modules if n.partition(".")[0] == top]:
        del sys.modules[name]


@contextlib.contextmanager
def pytest_from(site: Sequence[str]) -> Generator[None]:
    """Make pytest and what it needs importable for a while."""
    with _importable(RUN_THE_TESTS, site, len(sys.meta_path)):
        yield


@contextlib.contextmanager
def coverage_from(site: Sequence[str]) -> Generator[None]:
    """Make the library that measures lines importable for a while, whatever packages the code was given."""
    with _importable(MEASURE_LINES, site, 0):
        yield


@contextlib.contextmanager
def _importable(names: frozenset[str], site: Sequence[str], at: int) -> Generator[None]:
    finder = _Installed(names, site)
    sys.meta_path.insert(at, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def add_packages(job: Job) -> None:
    """Make the given packages importable, and pytest."""
    ours = OF_PYTEST if job.kind == "pytest" else frozenset[str]()
    forget_preloaded(job.packages, kept=sys.stdlib_module_names | ours)
    sys.path[:] = [*sys.path, *job.packages]
    if job.prefix:
        sys.prefix = sys.exec_prefix = job.prefix
    if job.kind == "pytest":  # the report plugin fits this pytest, not one that a package brings
        sys.meta_path.insert(0, _Installed(OF_PYTEST, job.site))
    sys.meta_path.append(_Installed(RUN_THE_TESTS, job.site))


def hide_atos() -> None:
    """Forget the modules of the launcher; a workspace may have modules of the same names."""
    for name in [n for n in sys.modules if n.partition(".")[0] in OURS]:
        del sys.modules[name]


class _Installed(MetaPathFinder):
    """Finds some modules, and no others, in ATOS's own environment."""

    def __init__(self, names: frozenset[str], folders: Sequence[str]) -> None:
        self._names = names
        self._folders = folders

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Answer for our names alone; their submodules are found by the packages' own paths."""
        if fullname not in self._names:
            return None
        return PathFinder.find_spec(fullname, self._folders, target)
