"""Bad input, from a person or a machine, gets one clear error each, and nothing is lost."""

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from doubles.installation import BIN, Installation

ADD = "Write a Python function to add two numbers"

pytestmark = pytest.mark.timeout(90)


@pytest.fixture(scope="module")
def atos() -> Iterator[Installation]:
    installation = Installation()
    yield installation
    installation.close()


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """Assert one clear error with a usage exit code."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize("goal", ["", "   "])
def test_an_empty_goal(atos: Installation, goal: str) -> None:
    refused(atos.run("build", goal), "empty")


def test_a_goal_of_100_kb_names_both_numbers(atos: Installation) -> None:
    refused(atos.run("build", "add numbers " * 8500), "101999", "20000")


def test_control_characters_in_a_goal(atos: Installation) -> None:
    refused(atos.run("build", "add two\x07 numbers\x1b[2J"), "control character")


def test_an_unwritable_target(atos: Installation) -> None:
    blocked = atos.person / "blocked"
    blocked.write_text("a file, so nothing can be made below it")
    refused(atos.run("build", ADD, "--into", str(blocked / "repo")), str(blocked))
    assert blocked.read_text().startswith("a file")


def test_a_target_that_holds_files_but_no_repository(atos: Installation) -> None:
    full = atos.person / "full"
    full.mkdir()
    (full / "thesis.txt").write_text("years of work")
    refused(atos.run("build", ADD, "--into", str(full)), str(full), "git")
    assert [p.name for p in full.iterdir()] == ["thesis.txt"]


def test_an_existing_repository_keeps_its_branch_and_its_uncommitted_work(
    atos: Installation,
) -> None:
    mine = atos.person / "mine"
    git = ["git", "-C", str(mine), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "init", "-q", "-b", "trunk", str(mine)], check=True)
    (mine / "app.py").write_text("print('mine')\n")
    subprocess.run([*git, "add", "."], check=True)
    subprocess.run([*git, "commit", "-qm", "mine"], check=True)
    (mine / "app.py").write_text("print('not committed yet')\n")
    result, _ = atos.build(ADD, "--into", str(mine))
    assert result["state"] == "success"
    branch = subprocess.run(
        [*git, "branch", "--show-current"], capture_output=True, text=True, check=True
    )
    assert branch.stdout.strip() == "trunk"
    assert (mine / "app.py").read_text() == "print('not committed yet')\n"


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        (".env", "ATOS_IDLE_SECONDS=soon", (".env, line 1", "ATOS_IDLE_SECONDS")),
        ("models.yaml", "models:\n  qwen2.5:3b:\n    context: [\n", ("models.yaml", "line")),
        ("models.yaml", "modells: {}\n", ("models.yaml", "line 1", "modells")),
        (
            "agents.yaml",
            "pools:\n  simple:\n    context: lots\n",
            ("agents.yaml", "line 3", "context"),
        ),
    ],
)
def test_a_corrupt_settings_file_is_named_with_line_and_field(
    name: str, text: str, where: tuple[str, ...]
) -> None:
    broken = Installation()
    try:
        broken.home.mkdir(parents=True)
        (broken.home / name).write_text(text)
        done = broken.run("build", ADD)
        assert done.returncode in {1, 2}
        assert "Traceback" not in done.stderr
        for word in where:
            assert word in done.stderr
        (broken.home / name).unlink()
    finally:
        broken.close()


def test_a_port_in_use_costs_http_only() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        busy = Installation(ATOS_HTTP_PORT=str(port))
        try:
            up = busy.run("up")
            assert up.returncode == 0
            assert f"{port}" in up.stdout
            assert "ATOS_HTTP_PORT" in up.stdout
            assert busy.build(ADD)[0]["state"] == "success"
        finally:
            busy.close()


def test_a_stale_socket_is_no_obstacle() -> None:
    stale = Installation()
    try:
        run = stale.home / "run"
        run.mkdir(parents=True, mode=0o700)
        for name in ("scheduler.sock", "servers.sock"):
            with socket.socket(socket.AF_UNIX) as dead:
                dead.bind(str(run / name))
        assert stale.run("up").returncode == 0
        assert json.loads(stale.run("status", "--json").stdout)["host"]["pid"]
    finally:
        stale.close()


@pytest.mark.parametrize("daemon", ["atos-scheduler", "atos-servers"])
def test_a_second_daemon_is_refused_and_the_first_goes_on(atos: Installation, daemon: str) -> None:
    assert atos.run("up").returncode == 0
    before = json.loads(atos.run("status", "--json").stdout)
    done = subprocess.run(
        [str(BIN / daemon)],
        env=atos.environment, capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert done.returncode == 1
    assert "already runs" in done.stderr
    assert "Traceback" not in done.stderr
    after = json.loads(atos.run("status", "--json").stdout)
    for part in ("host", "scheduler"):
        assert after[part]["pid"] == before[part]["pid"]


def test_an_unknown_goal_is_named(atos: Installation) -> None:
    refused(atos.run("status", "no-such-goal"), "no-such-goal")


def test_a_home_that_cannot_be_made() -> None:
    nowhere = Installation(ATOS_HOME=str(Path(os.devnull) / "home"))
    done = nowhere.run("up")
    refused(done, "/dev/null", "ATOS_HOME")
