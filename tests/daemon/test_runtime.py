"""How a daemon starts and ends, whatever it serves."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from atos_daemon.runtime import (
    listen_unix,
    log_to_stderr,
    run_daemon,
    until_signal,
    until_unreachable,
)
from atos_protocol.daemons import Singleton
from atos_protocol.errors import BadConfigError, UnreachableError
from atos_protocol.settings import Settings, load_settings


def fail(settings: Settings) -> None:
    message = f"{settings.home.name} has no model"
    raise UnreachableError(message, next_step="Install one.")


def test_a_daemon_runs_its_body_under_the_lock_of_its_role(atos_home: Path) -> None:
    held: list[bool] = []

    def body(settings: Settings) -> None:
        with pytest.raises(Exception, match="another worker daemon already runs"):
            Singleton("worker", settings)
        held.append(True)

    assert run_daemon("worker", body) == 0
    assert held == [True]
    Singleton("worker", load_settings()).release()
    assert (atos_home / "run").is_dir()


def test_what_keeps_it_from_running_is_one_line(
    atos_home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    del atos_home
    assert run_daemon("worker", fail) == 1
    assert capfd.readouterr().err == "unreachable: h has no model Install one.\n"


def test_it_waits_for_a_predecessor_that_is_ending(atos_home: Path) -> None:
    del atos_home
    settings = load_settings()
    settings.prepare()
    program = (
        "import sys, time; from atos_protocol.daemons import Singleton;"
        "from atos_protocol.settings import load_settings;"
        "Singleton('worker', load_settings()); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as predecessor:
        assert predecessor.stdout is not None
        assert predecessor.stdin is not None
        assert predecessor.stdout.readline() == b"held\n"
        predecessor.stdin.close()  # from now on it ends
        assert run_daemon("worker", lambda _: None) == 0


@pytest.mark.parametrize("module", ["atos_servers.host.main", "atos_scheduler.daemon"])
@pytest.mark.parametrize(("word", "code"), [("--help", 0), ("--port", 2)])
def test_whoever_asks_a_daemon_for_help_does_not_start_it(
    atos_home: Path, module: str, word: str, code: int
) -> None:
    command = [sys.executable, "-m", module, word]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, "usage: atos-s" in done.stdout + done.stderr) == (code, True)
    assert not (atos_home / "run").exists()


def test_a_logging_level_that_does_not_exist_is_refused() -> None:
    with pytest.raises(BadConfigError, match="ATOS_LOG_LEVEL"):
        log_to_stderr("LOUD")


def test_its_socket_is_private_and_replaces_a_stale_one(atos_home: Path) -> None:
    del atos_home
    settings = load_settings()
    settings.prepare()
    path = settings.scheduler_socket
    listen_unix(path).close()
    with listen_unix(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_crash_is_logged_without_what_the_settings_and_variables_keep_secret(
    atos_home: Path,
) -> None:
    program = (
        "import os, resource; from atos_daemon.runtime import run_daemon\n"
        "def body(settings):\n"
        "    print(resource.getrlimit(resource.RLIMIT_CORE))\n"
        "    raise ValueError(f'{settings.database_url} {os.environ}')\n"
        "run_daemon('worker', body)"
    )
    secret = {"ATOS_DATABASE_URL": "postgresql://me:p4ss-word@h/x", "DEPLOY_TOKEN": "d3ploy-t0ken"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | secret, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "(0, 0)\n")
    assert "CRITICAL atos_daemon.runtime: ended by an unexpected error" in done.stderr
    assert "ValueError: postgresql://***@h/x" in done.stderr
    assert [each for each in ("p4ss-word", "d3ploy-t0ken") if each in done.stderr] == []
    assert atos_home.is_dir()


async def test_a_signal_ends_it() -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(until_signal, [signal.SIGUSR1])
        await anyio.wait_all_tasks_blocked()
        os.kill(os.getpid(), signal.SIGUSR1)


async def test_it_ends_when_nobody_can_reach_it_any_more(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with listen_unix(path), anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(until_unreachable, path, 0.01)
            await anyio.wait_all_tasks_blocked()
            path.unlink()
