"""A goal with a real model of half a billion parameters, from start to finish (`make test-real`).

The model is fetched once into the person's own ATOS home. What is asserted is that the end is truthful, not
that the model succeeds: accepted code meets the goal's examples, anything else says what is missing.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from atos_protocol.settings import load_settings
from doubles.installation import Installation, pytest_by_hand

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

MODEL = "qwen2.5-coder:0.5b"
GOAL = (
    "Write clamp.py with clamp(x, low, high) that returns x limited to the range from low to high."
    " clamp(5, 0, 3) -> 3, clamp(-1, 0, 3) -> 0 and clamp(2, 0, 3) -> 2."
    " It raises ValueError if low is greater than high."
)
CHECK = (
    "from clamp import clamp; assert (clamp(5, 0, 3), clamp(-1, 0, 3), clamp(2, 0, 3)) == (3, 0, 2)"
)
BUILD_SECONDS = 600.0


@pytest.fixture(scope="module")
def weights() -> Path:
    """The model's file, fetched by ATOS's own command where it is not here yet."""
    command = [sys.executable, "-m", "atos_scheduler.models"]
    pulled = subprocess.run([*command, "pull", MODEL], check=False, timeout=600)
    assert pulled.returncode == 0, "the model could not be fetched"
    return load_settings().models / f"{MODEL.replace(':', '-')}.gguf"


@pytest.fixture
def atos(weights: Path) -> Iterator[Installation]:
    installation = Installation(ATOS_GGUF=str(weights))
    yield installation
    installation.close()


def build(atos: Installation) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    done = atos.run("build", "--json", "--", GOAL, timeout=BUILD_SECONDS)
    *events, result = [json.loads(line) for line in done.stdout.splitlines()]
    return {**result, "exit": done.returncode}, events


def check_truthful(result: dict[str, Any]) -> None:
    """Fail unless the end says the truth about the code."""
    task = result["tasks"][0]
    if result["state"] == "success":
        assert result["exit"] == 0
        assert task["proof"] == "examples", task
        repository = Path(result["repository"])
        subprocess.run([sys.executable, "-c", CHECK], cwd=repository, check=True, timeout=60)
        assert pytest_by_hand(repository).returncode == 0
    else:
        assert (result["state"], result["exit"]) == ("needs_help", 4), result
        assert "clamp" in result["error"]["message"], result["error"]
        assert result["error"]["next"]


def test_a_goal_with_a_real_model_ends_truthfully(atos: Installation) -> None:
    result, events = build(atos)

    check_truthful(result)
    calls = [event["data"] for event in events if event["kind"] == "model_call"]
    assert calls
    assert all(call["tokens"] > 0 for call in calls)
    assert not [event for event in events if event["kind"] == "announcement"]


def test_a_worker_killed_while_a_real_model_samples_loses_and_repeats_nothing(
    atos: Installation,
) -> None:
    started = json.loads(atos.run("build", "--json", "--detach", "--", GOAL).stdout)

    def sampling() -> bool:
        told = json.loads(atos.run("debug", f"{started['id']}/T1", "--json").stdout)
        events = told.get("events", ())  # before there is a plan, the task is unknown
        return any(event["kind"] == "evidence_found" for event in events)

    deadline = time.monotonic() + 120
    while not sampling():
        assert time.monotonic() < deadline, "the goal never began"
    worker = next(pid for pid, command in processes(atos) if "execution.worker" in command)
    time.sleep(0.5)  # into the model call that follows the event
    os.kill(worker, signal.SIGKILL)
    done = atos.run("watch", started["id"], "--json", timeout=BUILD_SECONDS)
    *events, result = [json.loads(line) for line in done.stdout.splitlines()]

    check_truthful({**result, "exit": done.returncode})
    drawn = [
        e["data"]["round"] for e in events if e["kind"] == "model_call" and "round" in e["data"]
    ]
    assert drawn == sorted(set(drawn)), "a candidate was drawn twice"


def processes(atos: Installation) -> list[tuple[int, str]]:
    """Return process id and command line of everything that runs for this home."""
    found: list[tuple[int, str]] = []
    for entry in Path("/proc").iterdir():
        try:
            environ = (entry / "environ").read_bytes()
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if entry.name.isdigit() and f"HOME={atos.person}\0".encode() in environ:
            found.append((int(entry.name), command))
    return found
