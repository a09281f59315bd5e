"""Ctrl-C in `build`, at the moment at which the goal may have been started and nobody knows it yet."""

import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from atos_protocol.settings import load_settings
from doubles.installation import CLIENT
from doubles.scripted_host import ScriptedHost, Tool

pytestmark = pytest.mark.timeout(60)
VIEW: Mapping[str, Any] = {"id": "g1", "goal": "Count words", "state": "running", "tasks": []}


def test_a_goal_whose_start_was_not_answered_yet_is_cancelled(atos_home: Path) -> None:
    asked, answer = threading.Event(), threading.Event()

    def start_goal(_: Mapping[str, Any]) -> Mapping[str, Any]:
        if not asked.is_set():  # the first call; the second one finds the goal by its key
            asked.set()
            answer.wait(30)
        return VIEW

    tools: dict[str, Tool] = {"start_goal": start_goal, "cancel_goal": lambda _: VIEW}
    with ScriptedHost(load_settings().servers_socket, tools) as host:
        process = subprocess.Popen(
            [CLIENT, "build", "--json", "Count words"], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ),
        )  # fmt: skip
        assert asked.wait(30)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
        answer.set()
    assert (process.returncode, b"Traceback" in said) == (130, False)
    first, again, cancelled = host.calls
    assert first == again
    assert cancelled == ("cancel_goal", {"goal_id": "g1"})
