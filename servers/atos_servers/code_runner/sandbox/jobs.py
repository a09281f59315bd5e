"""The three jobs that run in a confined process: pytest, a script, and the probe of the sandbox.

Before any code of the workspace is imported, pytest and script jobs report `started`. A report that
does not begin with it says that the environment is broken, whatever the code under test is like.
"""

from __future__ import annotations

import importlib
import os
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from atos_servers.code_runner.sandbox import guest_imports
from atos_servers.code_runner.sandbox.coverage_plugin import CoveragePlugin
from atos_servers.code_runner.sandbox.job import Job
from atos_servers.code_runner.sandbox.report import Emit, ReportPlugin
from atos_servers.code_runner.sandbox.scan import NOT_SEARCHED
from atos_servers.code_runner.sandbox.split import RemoteModules

if TYPE_CHECKING:
    from atos_servers.code_runner.sandbox.wire import Notes

DISABLED_PLUGINS = (
    "cacheprovider",
    "junitxml",
    "pastebin",
    "stepwise",
    "doctest",
    "setuponly",
    "setupplan",
)
NEEDED = ("html.entities", "pytest")
"""One module of the standard library that is loaded from a file, and what runs the tests."""


def pytest_arguments(job: Job) -> list[str]:
    """Return pytest's arguments: no configuration, no conftest, no plugins but ours.

    Targets begin with `./`: `-p` and `@file` are read as options even behind `--`. In split mode
    nothing but the test files, which were read against the rules, may be imported beside the
    report, so their folders are not put on the path.
    """
    may_write = job.level != "seccomp"
    mode = "importlib" if job.catalogue or job.outside else "prepend"
    # The logging plugin opens /dev/null to write.
    disabled = [*DISABLED_PLUGINS, *([] if may_write else ["logging"])]
    capture = "fd" if may_write else "sys"  # fd needs a temporary file
    switches = [part for name in disabled for part in ("-p", f"no:{name}")]
    chosen = [*job.arguments, job.canary] if job.arguments else ["."]
    targets = [f"./{target}" for target in chosen]
    return [
        "-q", "--no-header", "--tb=short", "--noconftest", "--color=no", f"--capture={capture}",
        "-c", os.devnull, "--rootdir", job.folder, "--confcutdir", job.folder,
        f"--import-mode={mode}", "-o", f"norecursedirs={' '.join(NOT_SEARCHED)}", *switches,
        "--", *targets,
    ]  # fmt: skip


def run_pytest(job: Job, emit: Emit, notes: Notes | None = None) -> int:
    """Run the tests and return pytest's exit code; nothing of the workspace can configure it."""
    # Imported after confinement: pytest is a guest as well.
    if failure := _import_failure("pytest"):
        emit({"event": "broken", "why": failure})
        return 1
    import pytest

    emit({"event": "started"})
    plugins: list[object] = [ReportPlugin(emit, notes)]
    if job.coverage:
        with guest_imports.coverage_from(job.site):
            plugins.append(CoveragePlugin(job, emit))
    os.chdir(job.folder)
    if not (job.catalogue or job.outside):  # split mode has its own way to the modules
        sys.path[:0] = [str(path) for path in (Path(job.folder), Path(job.folder, "src"))]
    sys.argv = ["pytest"]
    return int(pytest.main(pytest_arguments(job), plugins=plugins))


def run_script(job: Job) -> int:
    """Run the job's script as `__main__`; return its exit code, with a traceback on stderr.

    Raises:
        SystemExit: the script ended itself; the interpreter turns it into the exit code.
    """
    os.chdir(job.folder)
    sys.argv = [job.script, *job.arguments]
    beside = str(Path(job.folder, job.script).parent)
    sys.path.insert(0, beside)
    guest_imports.forget_preloaded([beside])
    main = ModuleType("__main__")
    main.__dict__["__file__"] = job.script
    sys.modules["__main__"] = main
    try:
        text = Path(job.folder, job.script).read_bytes()
        code = compile(text, job.script, "exec", dont_inherit=True)
        exec(code, main.__dict__)  # noqa: S102 - what this process is for
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 - as the interpreter does
        here = error.__traceback__
        traceback.print_exception(error.with_traceback(here.tb_next if here else None))
        return 1
    return 0


def probe(job: Job, remote: RemoteModules | None) -> dict[str, Any]:
    """Return which forbidden accesses were denied, and what keeps Python from working here.

    `job.target` lies outside. Writing beside it is tried too, but whether that had an effect is for
    the host to see: the sandbox may have a place of the same name.
    """
    target, port = job.target, int(job.arguments[0])
    write = os.O_WRONLY | os.O_CREAT
    _denied(lambda: os.close(os.open(target + ".new", write, 0o600)))
    attempts: dict[str, Callable[[], object]] = {"network": lambda: _connect_to_host(port)}
    if job.level != "seccomp":  # there it is the code's own process that can't open a file
        attempts["read"] = lambda: os.close(os.open(target, os.O_RDONLY))
    broken = next((why for name in NEEDED if (why := _import_failure(name))), "")
    if not broken and remote is not None and not remote.answers():
        broken = "the process for the code under test does not answer"
    denied = {name: _denied(attempt) for name, attempt in attempts.items()}
    return {"event": "probe", "denied": denied, "broken": broken}


def _import_failure(name: str) -> str:
    """Import a module and return why that is impossible, or nothing."""
    try:
        importlib.import_module(name)
    except BaseException as error:  # noqa: BLE001 - whatever a broken installation raises
        return f"importing {name} failed: {type(error).__name__}: {error}"
    return ""


def _denied(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError:
        return True
    return False


def _connect_to_host(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
        client.settimeout(1.0)
        client.connect(("127.0.0.1", port))
