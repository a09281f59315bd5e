"""Runs pytest in this process, confined already; nothing of the workspace can steer it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

from atos_servers.code_runner.sandbox.job import Job
from atos_servers.code_runner.sandbox.report import Emit, ReportPlugin
from atos_servers.code_runner.sandbox.scan import NOT_SEARCHED

OURS = frozenset({"atos", "atos_orchestrator", "atos_protocol", "atos_scheduler", "atos_servers"})
"""Import names that ATOS installs."""

NEEDLESS = (
    "cacheprovider",
    "junitxml",
    "pastebin",
    "stepwise",
    "doctest",
    "setuponly",
    "setupplan",
)


def prepare_path(job: Job) -> None:
    """Make third-party packages importable, as in the environment that the server runs in."""
    sys.path[:] = [*sys.path, *job.site]
    if job.prefix:
        sys.prefix = sys.exec_prefix = job.prefix


def hide_ourselves(job: Job) -> None:
    """Make the import system know nothing of ATOS, where a workspace may have modules of that name."""
    for name in [n for n in sys.modules if n.partition(".")[0] in OURS]:
        del sys.modules[name]
    sys.meta_path.insert(0, _Hidden(job.site))


class _Hidden(MetaPathFinder):
    """Finds modules of our names in the workspace, and never among the installed packages."""

    def __init__(self, installed: Sequence[str]) -> None:
        self._installed = frozenset(installed)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Answer for our names alone; ModuleNotFoundError keeps other finders from answering."""
        if fullname not in OURS:
            return None
        places = [entry for entry in sys.path if entry not in self._installed]
        if (found := PathFinder.find_spec(fullname, places, target)) is None:
            message = f"No module named {fullname!r}"
            raise ModuleNotFoundError(message, name=fullname)
        return found


def command_line(job: Job) -> list[str]:
    """Return pytest's arguments: no configuration, no conftest, no plugins but ours."""
    may_write = job.rung != "seccomp"
    needless = [*NEEDLESS, *([] if may_write else ["logging"])]  # it opens /dev/null to write
    capture = "fd" if may_write else "sys"  # fd needs a temporary file
    switches = [part for name in needless for part in ("-p", f"no:{name}")]
    targets = [*job.arguments, job.canary] if job.arguments else ["."]
    return [
        "-q", "--no-header", "--tb=short", "--noconftest", "--color=no", f"--capture={capture}",
        "-c", os.devnull, "--rootdir", job.folder, "--confcutdir", job.folder,
        "--import-mode=prepend", "-o", f"norecursedirs={' '.join(NOT_SEARCHED)}", *switches,
        "--", *targets,
    ]  # fmt: skip


def run(job: Job, emit: Emit) -> int:
    """Run the tests and return pytest's exit code."""
    import pytest  # after confinement: it is a guest as well

    os.chdir(job.folder)
    sys.path[:0] = [str(path) for path in (Path(job.folder), Path(job.folder, "src"))]
    sys.argv = ["pytest"]
    return int(pytest.main(command_line(job), plugins=[ReportPlugin(emit)]))
