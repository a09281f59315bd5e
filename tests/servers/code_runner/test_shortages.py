"""A machine that is short of something makes a run wait: it is neither the fault of the code nor a broken sandbox."""

import errno
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from atos_protocol.errors import (
    BusyError,
    DeadlineError,
    NoSpaceError,
    SandboxUnavailableError,
    WorkspaceError,
)
from atos_servers.code_runner import sandbox_probe, staging
from atos_servers.code_runner.evidence import Stream
from atos_servers.code_runner.execution import BoundedOutput, Outcome, require_start
from atos_servers.code_runner.interpreter import this_interpreter
from atos_servers.code_runner.launcher_process import opened_channels, started_afresh
from atos_servers.code_runner.run_folder import run_folder
from atos_servers.code_runner.sandbox.job import IsolationLevel
from atos_servers.code_runner.sandbox_probe import Prober, SandboxProbe


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def failing(number: int) -> Any:
    def fail(*_: object, **__: object) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (errno.ENOSPC, NoSpaceError),
        (errno.EMFILE, BusyError),
        (errno.EACCES, WorkspaceError),
    ],
)
def test_a_run_without_a_folder_says_why_and_leaves_none(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, number: int, error: type[Exception]
) -> None:
    with monkeypatch.context() as machine:
        machine.setattr(Path, "mkdir", failing(number))
        with pytest.raises(error), run_folder():
            pass

    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "error"), [(errno.ENOSPC, NoSpaceError), (errno.EIO, WorkspaceError)]
)
def test_a_copy_that_does_not_fit_is_not_the_workspaces_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, error: type[Exception]
) -> None:
    (source := tmp_path / "source").mkdir()
    (target := tmp_path / "target").mkdir()
    monkeypatch.setattr(staging, "_copy_tree", failing(number))

    with pytest.raises(error):
        staging.stage_folder(source, [source], target)


@pytest.mark.parametrize(
    ("number", "error"), [(errno.EAGAIN, BusyError), (errno.ENOENT, SandboxUnavailableError)]
)
def test_a_process_that_can_not_be_started_now_is_started_later(
    monkeypatch: pytest.MonkeyPatch, number: int, error: type[Exception]
) -> None:
    channels = opened_channels(None)
    monkeypatch.setattr(subprocess, "Popen", failing(number))

    with pytest.raises(error):
        started_afresh(sys.executable, {}, channels)
    channels.hand_over()
    channels.close()


def test_a_run_that_a_busy_machine_did_not_begin_in_time_is_no_broken_sandbox() -> None:
    nothing = Stream((), intact=True)
    outputs = [BoundedOutput(100) for _ in range(3)]
    ended = Outcome(b"", *outputs, status={})

    with pytest.raises(SandboxUnavailableError):
        require_start(nothing, ended, this_interpreter())
    with pytest.raises(DeadlineError, match="too busy"):
        require_start(nothing, replace(ended, late=True), this_interpreter())


async def test_a_level_that_failed_in_a_moment_of_trouble_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lost = SandboxProbe(None, {"bwrap": "not installed", "landlock": "lost"}, 7, "")
    good = SandboxProbe("landlock", {"bwrap": "not installed"}, 7, "")
    found = [lost, lost, good]

    async def probed(_python: object = None) -> SandboxProbe:
        return found.pop(0)

    monkeypatch.setattr(sandbox_probe, "probe", probed)
    prober = Prober()
    at_first = await prober.sandbox()
    at_once = await prober.sandbox()
    monkeypatch.setattr(sandbox_probe, "DOUBT_SECONDS", 0.0)

    assert (at_first, at_once, await prober.sandbox()) == (lost, lost, good)
    assert await prober.sandbox() == good


async def test_a_level_that_can_not_be_here_is_not_looked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    missing: dict[IsolationLevel, str] = {
        "bwrap": "not installed",
        "landlock": "the kernel does not offer it",
    }
    found = [weak := SandboxProbe("seccomp", missing, 0, "")]

    async def probed(_python: object = None) -> SandboxProbe:
        return found.pop()

    monkeypatch.setattr(sandbox_probe, "probe", probed)
    monkeypatch.setattr(sandbox_probe, "DOUBT_SECONDS", 0.0)
    prober = Prober()

    assert [await prober.sandbox() for _ in range(3)] == [weak] * 3


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="there is no list of descriptors")
def test_channels_that_can_not_be_opened_leave_no_descriptor_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipes, pipe = [1], os.pipe

    def second_fails() -> tuple[int, int]:
        if not pipes:
            raise OSError(errno.EMFILE, "Too many open files")
        pipes.pop()
        return pipe()

    before = list(Path("/proc/self/fd").iterdir())
    monkeypatch.setattr(os, "pipe", second_fails)
    with pytest.raises(OSError, match="Too many open files"):
        opened_channels(None)

    assert len(list(Path("/proc/self/fd").iterdir())) == len(before)
