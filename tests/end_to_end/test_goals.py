"""A goal from end to end: real daemons, real inference by atos-mini, a real sandbox, a real repository."""

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from doubles.installation import Installation, pytest_by_hand

ROOT = Path(__file__).parent.parent.parent
ADD = "Write a Python function to add two numbers"
TOOLKIT = "Build a text toolkit: count words, reverse a string, check palindromes"

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def atos() -> Iterator[Installation]:
    installation = Installation()
    yield installation
    installation.close()


def test_one_function_becomes_a_tested_repository(atos: Installation) -> None:
    result, events = atos.build(ADD)
    assert (result["exit"], result["state"], result["goal"]) == (0, "success", ADD)
    assert (result["engine"], result["models"]) == ("llama_cpp", ["atos-mini"])
    assert result["tests"]["failed"] == 0
    assert result["tests"]["passed"] >= 1
    assert result["uid"] == os.getuid()
    assert result["isolation"]
    assert result["interpreter"]
    assert [e["kind"] for e in events if e["kind"] == "announcement"], "atos-mini is announced"
    repository = Path(result["repository"])
    by_hand = pytest_by_hand(repository)
    assert by_hand.returncode == 0, by_hand.stdout
    code = "from add import add; assert add(2, 3) == 5"
    subprocess.run([sys.executable, "-c", code], cwd=repository, check=True, timeout=20)
    told = (atos.home / "logs" / "goals" / f"{result['id']}.md").read_text()
    assert ADD in told
    assert "tests_run" in told
    log = subprocess.run(
        ["git", "log", "--oneline"], cwd=repository, capture_output=True, text=True, check=True
    )
    assert len(log.stdout.splitlines()) >= 2


def test_a_goal_can_end_in_a_page_that_answers(atos: Installation) -> None:
    result, events = atos.build(ADD, "--deploy", "local")
    try:
        assert (result["exit"], result["state"]) == (0, "success")
        url = result["deployment_url"]
        with urllib.request.urlopen(url, timeout=20) as reply:
            assert "add(" in reply.read().decode()
            commit = reply.headers["Atos-Commit"]
        head = ["git", "rev-parse", "HEAD"]
        ran = subprocess.run(
            head, cwd=result["repository"], capture_output=True, text=True, check=True
        )
        assert commit == ran.stdout.strip()
        told = [e["data"]["text"] for e in events if e["kind"] == "announcement"]
        assert [text for text in told if text.endswith(f"verified {url}")]
    finally:
        listed = atos.run("deployments", "--json").stdout
        for each in json.loads(listed)["deployments"]:
            atos.run("deployments", "stop", each["name"])


def intervals(events: list[dict[str, Any]]) -> dict[str, list[tuple[float, float]]]:
    """The times at which each task's model or sandbox was at work, as stamped there."""
    found: dict[str, list[tuple[float, float]]] = {}
    for event in events:
        if event["kind"] in {"model_call", "tests_run"} and event["task"]:
            span = (event["data"]["started_at"], event["data"]["ended_at"])
            found.setdefault(event["task"], []).append(span)
    return found


def test_a_toolkit_runs_its_tasks_side_by_side(atos: Installation) -> None:
    result, events = atos.build(TOOLKIT)
    assert (result["exit"], result["state"]) == (0, "success")
    assert len(result["tasks"]) >= 3
    assert {t["state"] for t in result["tasks"]} == {"done"}
    work = intervals(events)
    overlaps = [
        (a, b)
        for a in work
        for b in work
        if a < b and any(x[0] < y[1] and y[0] < x[1] for x in work[a] for y in work[b])
    ]
    assert overlaps, f"no two tasks were at work at the same time: {work}"
    by_hand = pytest_by_hand(Path(result["repository"]))
    assert by_hand.returncode == 0, by_hand.stdout


def test_the_result_object_is_the_last_line_and_has_the_promised_shape(atos: Installation) -> None:
    result, _ = atos.build("Write a Python function to reverse a string")
    promised = {
        "goal", "state", "repository", "deployment_url", "engine", "models", "tasks", "tests",
        "seconds",
    }  # fmt: skip
    assert promised <= set(result)
    assert set(result["tasks"][0]) == {
        "id", "title", "complexity", "state", "rounds", "proof", "evidence", "question", "why",
    }  # fmt: skip


def test_a_goal_outside_the_catalogue_is_refused_and_nothing_is_left(atos: Installation) -> None:
    before = atos.run("status", "--json").stdout
    done = atos.run("build", "Build a price-tracking SaaS")
    assert done.returncode == 3
    assert "atos-mini" in done.stderr
    assert "atos-client models pull" in done.stderr
    after = json.loads(atos.run("status", "--json").stdout)
    assert after["goals"] == json.loads(before)["goals"]
    assert not [p for p in (atos.person / "atos").iterdir() if "price" in p.name]


def test_detach_returns_at_once_and_watch_follows_to_the_end(atos: Installation) -> None:
    started = json.loads(atos.run("build", "--detach", "--json", ADD).stdout)
    assert started["state"] in {"queued", "planning", "running"}
    watched = atos.run("watch", "--json", started["id"])
    assert json.loads(watched.stdout.splitlines()[-1])["state"] == "success"
    debugged = json.loads(atos.run("debug", "--json", f"{started['id']}/T1").stdout)
    assert debugged["state"] == "done"


def test_the_tracer_bullet_runs_as_it_stands(atos: Installation) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "examples" / "01_tracer_bullet.py")],
        env=atos.environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("success: ")


def test_down_leaves_nothing_running(atos: Installation) -> None:
    assert atos.run("up").returncode == 0
    assert atos.processes()
    assert atos.run("down").returncode == 0
    assert atos.processes() == []
