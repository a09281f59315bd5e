"""Runs pytest in this process, confined already; nothing of the workspace can steer it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from atos.servers.code_runner.inside.job import Job
from atos.servers.code_runner.inside.report import Emit, ReportPlugin
from atos.servers.code_runner.inside.scan import NOT_SEARCHED

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


def forget_ourselves(home: str) -> None:
    """Leave no trace of this package in the import system, where a workspace may have the name."""
    for name in [n for n in sys.modules if n == "atos" or n.startswith("atos.")]:
        del sys.modules[name]
    sys.path[:] = [entry for entry in sys.path if entry != home]


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
