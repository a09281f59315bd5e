"""What a bare machine is told."""

import fcntl
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from atos import first_run

SCRIPT = Path(first_run.__file__)


def test_it_runs_without_anything_installed() -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-I", str(SCRIPT)],
        capture_output=True, text=True, check=False, timeout=15,
    )  # fmt: skip
    assert done.returncode == 2
    assert "first minute" in done.stderr


def test_what_is_missing_is_named_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    apt = tmp_path / "apt-get"
    apt.write_text("#!/bin/sh\n")
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(first_run.Missing) as raised:
        first_run.check_machine()
    assert str(raised.value) == (
        "git and make missing. This installs it:\n"
        "  sudo apt-get update && sudo apt-get install -y git make"
    )


def test_a_python_without_venv_is_told_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_venv(name: str) -> bool:
        return name != "venv"

    monkeypatch.setattr(first_run, "has_module", without_venv)
    with pytest.raises(first_run.Missing, match="python3-venv missing"):
        first_run.check_machine()


def test_an_old_python_is_refused_with_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_run, "OLDEST", (9, 9))
    with pytest.raises(first_run.Missing, match=r"too old; ATOS needs 9\.9"):
        first_run.check_machine()


@pytest.fixture
def checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A checkout with an environment in which nothing is installed."""
    venv = tmp_path / ".venv"
    (tmp_path / "pyproject.toml").write_text("one")
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").touch()
    monkeypatch.setattr(first_run, "ROOT", tmp_path)
    monkeypatch.setattr(first_run, "VENV", venv)
    monkeypatch.setattr(first_run, "PYTHON", venv / "bin" / "python")
    return tmp_path


def test_who_waits_for_another_set_up_does_not_do_it_again(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(first_run, "install", done.append)
    second = threading.Thread(target=first_run.set_up, args=("",))
    with (checkout / "pyproject.toml").open() as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        second.start()
        second.join(0.3)
        waits = second.is_alive()
        (checkout / ".venv" / ".atos-run").write_text(first_run.stamp(""))
    second.join(10)
    assert (waits, second.is_alive(), done) == (True, False, [])


def test_a_set_up_is_current_until_the_project_changes(checkout: Path) -> None:
    root, venv = checkout, checkout / ".venv"
    before = first_run.installed("")
    (venv / ".atos-test").write_text(first_run.stamp("test"))
    assert (before, first_run.installed("")) == (False, True), (
        "the test set-up covers the plain one"
    )
    (root / "pyproject.toml").write_text("two")
    assert not first_run.installed("")
