"""What a person reads."""

import os
import time
from typing import Any

import pytest
from inline_snapshot import snapshot

from atos.cli.formatting import (
    EXIT_CODES,
    event_line,
    goal_report,
    result_object,
)

VIEW: dict[str, Any] = {
    "id": "add-two-numbers-1",
    "goal": "Write a Python function to add two numbers",
    "state": "success",
    "repository": "/home/ann/atos/add-two-numbers",
    "deployment_url": "",
    "engine": "llama_cpp",
    "models": ["atos-mini"],
    "tasks": [
        {"id": "T1", "title": "add two numbers", "complexity": "simple", "state": "done",
         "rounds": 1, "digest": ""},
    ],
    "tests": {"passed": 8, "failed": 0},
    "seconds": 3.21,
    "seq": 12,
    "isolation": "landlock",
    "uid": 1000,
    "interpreter": "/usr/bin/python3",
    "announcement": "",
    "error": None,
}  # fmt: skip
from atos_protocol.goals import FINAL_GOAL_STATES


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    assert os.environ["TZ"] == "UTC"


def test_events_read_as_sentences() -> None:
    call = {"role": "coder", "model": "atos-mini", "tokens": 61, "started_at": 5.0, "ended_at": 5.5}
    tests = {"which": "acceptance", "ok": True, "passed": 5, "failed": 0, "isolation": "landlock"}
    events: list[dict[str, Any]] = [
        {"kind": "goal_submitted", "task": None, "data": {"goal": "add"}},
        {"kind": "plan_ready", "task": None, "data": {"tasks": [{"id": "T1", "title": "add"}]}},
        {"kind": "model_call", "task": "T1", "data": call},
        {"kind": "tests_run", "task": "T1", "data": tests},
        {"kind": "tests_run", "task": "T1", "data": {"which": "stub", "ok": False, "failed": 1}},
        {"kind": "task_done", "task": "T1", "data": {"state": "done", "rounds": 2}},
        {"kind": "task_committed", "task": "T1", "data": {"commit": "0123456789abcdef"}},
        {"kind": "something_new", "task": "T1", "data": {"a": 1}},
    ]
    lines = [event_line({"seq": i, "at": 3661.0 + i, **e}) for i, e in enumerate(events)]
    assert lines == snapshot(
        [
            "01:01:01 --  goal: add",
            "01:01:02 --  plan: 1 task: T1 add",
            "01:01:03 T1  coder asked atos-mini: 61 tokens, 0.5 s",
            "01:01:04 T1  acceptance tests passed: 5 passed, 0 failed [landlock]",
            "01:01:05 T1  on a stub the model's own tests fail, as they must",
            "01:01:06 T1  done after 2 repairs",
            "01:01:07 T1  committed 0123456789",
            "01:01:08 T1  something_new {'a': 1}",
        ]
    )


def test_control_characters_of_a_model_never_reach_the_terminal() -> None:
    event = {"seq": 1, "at": 0.0, "task": "T1", "kind": "reflected"}
    line = event_line({**event, "data": {"cause": "\x1b[2Jgone\x07\nand \x9bmore"}})
    assert line == "00:00:00 T1  reflected: [2Jgone and more"


def test_the_report_names_repository_sandbox_and_model() -> None:
    assert goal_report(VIEW) == snapshot(
        [
            "",
            "✓ success in 3.2 s: Write a Python function to add two numbers",
            "  ✓ T1  add two numbers                                   simple   done      repaired 1 time",
            "  tests       8 passed, 0 failed",
            "  sandbox     landlock (uid 1000, /usr/bin/python3)",
            "  models      atos-mini (llama_cpp)",
            "  repository  /home/ann/atos/add-two-numbers",
        ]
    )


def test_a_failure_says_why_and_what_next() -> None:
    error = {"code": "length", "message": "T1 ran into its limit.", "next": "Ask for less."}
    report = goal_report({**VIEW, "state": "failed", "repository": None, "error": error})
    assert report[-2:] == ["  why         T1 ran into its limit.", "  next        Ask for less."]


def test_the_result_object_has_the_promised_fields_first() -> None:
    assert list(result_object(VIEW))[:9] == [
        "goal", "state", "repository", "deployment_url", "engine", "models", "tasks", "tests",
        "seconds",
    ]  # fmt: skip
    assert result_object(VIEW)["tasks"] == [
        {
            "id": "T1",
            "title": "add two numbers",
            "complexity": "simple",
            "state": "done",
            "rounds": 1,
        }
    ]


def test_every_terminal_state_has_an_exit_code() -> None:
    assert set(FINAL_GOAL_STATES) <= set(EXIT_CODES)
