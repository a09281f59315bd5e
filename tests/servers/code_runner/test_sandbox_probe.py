"""Which level is taken, on this machine and on machines that refuse more; and what each still denies."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest

from atos_protocol.errors import SandboxUnavailableError
from atos_servers.code_runner.execution import execute
from atos_servers.code_runner.remedies import INSTALL_BWRAP, remedies, this_machine
from atos_servers.code_runner.requests import Script
from atos_servers.code_runner.run_folder import run_folder
from atos_servers.code_runner.runner import Runner
from atos_servers.code_runner.sandbox import landlock
from atos_servers.code_runner.sandbox.job import Limits
from atos_servers.code_runner.sandbox_probe import (
    SandboxProbe,
    job_in,
    probe,
)

pytestmark = pytest.mark.timeout(60)
DOUBLES = Path(__file__).parents[2] / "doubles"

LOOK = """
import anyio, json, sys
from pathlib import Path
from atos_protocol.errors import AtosError
from atos_servers.code_runner.runner import Runner

async def main():
    runner, folder, seen = Runner(), Path(sys.argv[1]), {}
    sandbox = await runner.sandbox()
    seen |= {"level": sandbox.level, "missing": dict(sandbox.missing), "description": sandbox.description}
    for policy in ("general", "catalogue"):
        try:
            run = await runner.tests(folder, [folder], policy=policy)
            seen[policy] = [run.judgement.state, run.level, run.split]
        except AtosError as error:
            seen[policy] = [error.code, error.message, error.next_step]
    print(json.dumps(seen))

anyio.run(main)
"""


@pytest.fixture
def project(workspace: Path) -> Path:
    (workspace / "impl.py").write_text("def add(a, b):\n    return a + b\n")
    tests = "from impl import add\n\n\ndef test_add():\n    assert add(2, 3) == 5\n"
    (workspace / "test_impl.py").write_text(tests)
    return workspace


async def ran(*command: str) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments in a process of its own."""
    return await anyio.to_thread.run_sync(
        lambda: subprocess.run(
            [sys.executable, *command], capture_output=True, text=True, timeout=50, check=False
        )
    )


async def seen_under(folder: Path, *launcher: str) -> dict[str, Any]:
    run = await ran(*launcher, sys.executable, "-c", LOOK, str(folder))
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


async def test_without_user_namespaces_landlock_is_taken_and_named(project: Path) -> None:
    if not landlock.version():
        pytest.skip("no Landlock here")
    seen = await seen_under(project, str(DOUBLES / "refuse_userns.py"))
    assert seen["level"] == "landlock"
    assert seen["missing"]["bwrap"]
    assert seen["general"] == ["passed", "landlock", True]
    assert seen["catalogue"] == ["passed", "landlock", True]


async def test_with_seccomp_alone_only_catalogue_code_is_run(project: Path) -> None:
    seen = await seen_under(project, str(DOUBLES / "refuse_userns.py"), "--no-landlock")
    assert (seen["level"], sorted(seen["missing"])) == ("seccomp", ["bwrap", "landlock"])
    assert seen["catalogue"] == ["passed", "seccomp", True]
    code, message, step = seen["general"]
    assert code == "sandbox_unavailable"
    assert "strong enough for general code" in message
    known = this_machine(bwrap=bool(shutil.which("bwrap")))
    assert step == " Or: ".join(remedies(["bwrap", "landlock"], known))


needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")


@needs_root
async def test_an_ordinary_user_has_the_same_rung(project: Path) -> None:
    seen = await seen_under(project, str(DOUBLES / "ordinary_user.py"), "1234")
    assert seen["general"] == ["passed", seen["level"], True]


DROP_ALL = """
import ctypes, os, sys
libc = ctypes.CDLL(None)
for capability in range(64):
    libc.prctl(24, capability, 0, 0, 0)  # out of the bounding set, so that exec does not give it
os.execvp(sys.argv[1], sys.argv[1:])
"""


@needs_root
async def test_a_containers_root_without_capabilities_has_a_rung(project: Path) -> None:
    seen = await seen_under(project, "-c", DROP_ALL)
    assert seen["general"] == ["passed", seen["level"], True]


ATTEMPTS = """
import os, resource, signal, sys

def attempt(what):
    try:
        return f"done {what()}"
    except OSError:
        return "refused"

host, mine = int(sys.argv[1]), sys.argv[2]
print([
    attempt(lambda: os.kill(host, signal.SIGTERM)),
    attempt(lambda: resource.prlimit(host, resource.RLIMIT_NOFILE, (0, 0))),
    attempt(lambda: os.sched_setaffinity(host, {0})),
    attempt(lambda: os.truncate(mine, 0)),
    attempt(lambda: os.open(mine, os.O_RDONLY | os.O_TRUNC)),
    attempt(lambda: open(mine).read()),
    attempt(lambda: open(mine + ".new", "w")),
])
attempt(lambda: os.chmod(mine, 0o777))
attempt(lambda: os.utime(mine, (0, 0)))
os.chmod("script.py", 0o600)  # seems to work, as copying a file needs
"""
ATTACK = """
import anyio, sys
from pathlib import Path
from atos_servers.code_runner.sandbox_probe import SandboxProbe
from atos_servers.code_runner.requests import Script
from atos_servers.code_runner.runner import Runner
import os

async def main():
    folder, version = Path(sys.argv[1]), int(sys.argv[2])
    runner = Runner(SandboxProbe("landlock", {}, version, ""))
    mine = folder.parent / f"mine{version}"
    mine.write_text("mine")
    mine.chmod(0o600)
    before = (mine.stat().st_mode, mine.stat().st_mtime)
    script = Script(file="script.py", arguments=(str(os.getpid()), str(mine)))
    run = await runner.script(folder, [folder], script)
    print(run.outcome.stdout.text.strip(), run.outcome.stderr.text, run.cause)
    print(before == (mine.stat().st_mode, mine.stat().st_mtime), mine.read_text())

anyio.run(main)
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that another user may use."""
    folder = Path(tempfile.mkdtemp(prefix="atosws"))
    folder.chmod(0o777)
    (folder / "code").mkdir()
    yield folder / "code"
    shutil.rmtree(folder, ignore_errors=True)


@needs_root
@pytest.mark.parametrize("version", [1, 3, 5, 7])
async def test_older_landlock_holds_for_an_ordinary_user_with_the_filters_help(
    version: int, open_folder: Path
) -> None:
    if landlock.version() < version:
        pytest.skip(f"this kernel's Landlock is older than version {version}")
    (open_folder / "script.py").write_text(ATTEMPTS)
    launcher = (str(DOUBLES / "ordinary_user.py"), "1234", sys.executable)
    run = await ran(*launcher, "-c", ATTACK, str(open_folder), str(version))
    lines = [line.strip() for line in run.stdout.splitlines()]
    assert lines == [str(["refused"] * 7), "True mine"], run.stderr


def fake_bwrap(folder: Path, text: str) -> None:
    (folder / "bwrap").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "bwrap").chmod(0o755)


async def test_a_bubblewrap_that_is_refused_is_not_taken_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_bwrap(tmp_path, "echo 'bwrap: setting up uid map: Permission denied' >&2; exit 1")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    found = await probe()
    assert found.level != "bwrap"
    assert found.missing["bwrap"] == "bwrap: setting up uid map: Permission denied"
    assert found.remedies[0] == remedies(["bwrap"], this_machine(bwrap=True))[0]
    assert found.remedies[0] != INSTALL_BWRAP


async def test_a_bubblewrap_that_isolates_nothing_is_not_taken_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_bwrap(tmp_path, 'while [ "$1" != "--" ]; do shift; done; shift; exec "$@"')
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    found = await probe()
    assert found.level != "bwrap"
    assert "not denied" in found.missing["bwrap"]


def test_what_is_missing_is_said_with_its_remedies() -> None:
    missing: dict[Any, str] = {"bwrap": "not installed", "landlock": "refused", "seccomp": "no"}
    nothing = SandboxProbe(None, missing, 0, "")
    assert nothing.remedies[0] == INSTALL_BWRAP
    assert len(nothing.remedies) == 3
    for policy in ("general", "catalogue"):
        with pytest.raises(SandboxUnavailableError, match="not installed"):
            nothing.choose(policy)


def test_each_policy_takes_what_is_strong_enough() -> None:
    assert SandboxProbe("bwrap", {}, 7, "bwrap").choose("general") == "bwrap"
    assert SandboxProbe("landlock", {}, 7, "").choose("catalogue") == "landlock"
    assert SandboxProbe("seccomp", {}, 0, "").choose("catalogue") == "seccomp"
    with pytest.raises(SandboxUnavailableError):
        SandboxProbe("seccomp", {}, 0, "").choose("general")


PAST_THE_RULES = """
import os, signal, socket

def attempt(what):
    try:
        return f"done {what()}"
    except OSError:
        return "refused"

print([
    attempt(lambda: open("new", "w")),
    attempt(lambda: open("script.py", "a")),
    attempt(lambda: os.remove("script.py")),
    attempt(lambda: os.rename("script.py", "x")),
    attempt(lambda: os.mkdir("x")),
    attempt(lambda: os.fork()),
    attempt(lambda: os.execv("/bin/true", ["true"])),
    attempt(lambda: socket.socket()),
    attempt(lambda: os.kill(os.getppid(), signal.SIGTERM)),
])
"""


async def test_the_tests_process_of_the_weakest_rung_changes_nothing_even_past_the_rules() -> None:
    sandbox = SandboxProbe("seccomp", {}, 0, "")
    with run_folder() as folder:
        (folder.code / "script.py").write_text(PAST_THE_RULES)
        job = job_in(
            folder, "seccomp", sandbox, kind="script", script="script.py", limits=Limits(wall=10)
        )
        outcome = await execute(job)
    assert outcome.stdout.text.strip() == str(["refused"] * 9), outcome.stderr.text


ESCAPES = """
def system(command):
    kinds = ().__class__.__base__.__subclasses__()
    wrap = [kind for kind in kinds if kind.__name__ == "_wrap_close"][0]
    return wrap.__init__.__globals__["system"](command)

def reads(path):
    kinds = ().__class__.__base__.__subclasses__()
    wrap = [kind for kind in kinds if kind.__name__ == "_wrap_close"][0]
    return wrap.__init__.__globals__["__builtins__"]["open"](path).read()

def kills(pid):
    kinds = ().__class__.__base__.__subclasses__()
    wrap = [kind for kind in kinds if kind.__name__ == "_wrap_close"][0]
    return wrap.__init__.__globals__["kill"](pid, 9)
"""
ASKS = """
import os, socket, sys
from atos_servers.code_runner.sandbox import split
from atos_servers.code_runner.sandbox.job import Job

channel, _ = socket.socketpair()
code = split.start(Job("pytest", "seccomp", sys.argv[1], sys.argv[1]), channel)
code.install()
import impl
print(impl.system("touch " + sys.argv[1] + "/escaped") != 0)
for attempt in (lambda: impl.reads("/etc/passwd"), lambda: impl.kills(os.getpid())):
    try:
        print("done", attempt())
    except PermissionError:
        print("refused")
"""


async def test_the_codes_process_opens_and_starts_nothing_even_past_the_rules(
    workspace: Path,
) -> None:
    (workspace / "impl.py").write_text(ESCAPES)
    (workspace / "test_impl.py").write_text("import impl\n")
    run = await ran("-c", ASKS, str(workspace))
    assert run.stdout.splitlines() == ["True", "refused", "refused"], run.stderr
    assert not (workspace / "escaped").exists()


async def test_many_forked_processes_share_their_memory_in_the_count(
    best_runner: Runner, workspace: Path
) -> None:
    code = """
import os, time
held = b"x" * (100 << 20)
for _ in range(10):
    if os.fork() == 0:
        time.sleep(1)
        os._exit(0)
time.sleep(0.5)
print("shared")
"""
    run = await best_runner.script(workspace, [workspace], Script(code=code), seconds=10)
    assert (run.cause, run.outcome.stdout.text) == ("", "shared\n")
