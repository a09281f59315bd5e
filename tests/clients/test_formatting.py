"""What a person reads."""

import os
import re
import time
from typing import Any
from unicodedata import east_asian_width

import pytest
from inline_snapshot import snapshot

from atos.cli.daemons import scheduler_lines
from atos.cli.event_lines import event_line
from atos.cli.formatting import hung
from atos.cli.goal_report import (
    EXIT_CODES,
    evidence_lines,
    goal_report,
    goals_table,
    result_object,
    task_table,
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
         "rounds": 1, "digest": "", "proof": "agreed",
         "evidence": "7 assertions that 4 of 5 candidates pass",
         "question": {"text": "", "call": "", "options": []}},
    ],
    "spent": {"prompt_s": 1.2, "writing_s": 0.9, "waiting_s": 0.1, "sandbox_s": 0.4, "rest_s": 0.6},
    "tests": {"passed": 8, "failed": 0},
    "seconds": 3.21,
    "seq": 12,
    "isolation": "landlock",
    "uid": 1000,
    "interpreter": "/usr/bin/python3",
    "announcement": "",
    "error": None,
}  # fmt: skip
from atos.cli.progress import MOST_REASONS, Live, shown_tasks
from atos_protocol.goals import FINAL_GOAL_STATES


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    assert os.environ["TZ"] == "UTC"


def test_that_all_models_are_paused_is_told_with_what_ends_it() -> None:
    assert "atos-client scheduler resume" in scheduler_lines({"pid": 1, "paused": True})[1]
    assert scheduler_lines({"pid": 1, "paused": False}) == ["scheduler  up, pid 1"]


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
        {"kind": "evidence_found", "task": "T1", "data": {"examples": 3, "errors": 1, "tests": 0}},
        {
            "kind": "evaluated",
            "task": "T1",
            "data": {"candidates": 5, "rows": 9, "isolation": "bwrap"},
        },
        {"kind": "selected", "task": "T1", "data": {"evidence": "9 rows", "dropped": [1, 2]}},
        {"kind": "asked", "task": "T1", "data": {"question": {"text": "f(1) gives 1 or 2?"}}},
        {"kind": "goal_resumed", "task": None, "data": {"tasks": ["T1"], "text": "f(1) == 2"}},
        {"kind": "task_done", "task": "T1", "data": {"state": "done", "proof": "examples"}},
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
            "01:01:06 T1  done after 3 candidates",
            "01:01:07 T1  what decides: 3 examples, 1 stated error",
            "01:01:08 T1  assertions passed: none [bwrap]",
            "01:01:09 T1  takes candidate 1: 9 rows; 2 assertions dropped",
            "01:01:10 T1  asks: f(1) gives 1 or 2?",
            "01:01:11 --  goes on with f(1) == 2: T1",
            "01:01:12 T1  done: passes the examples",
            "01:01:13 T1  committed 0123456789",
            "01:01:14 T1  something_new {'a': 1}",
        ]
    )


def test_a_candidate_that_gets_a_check_is_not_said_to_be_taken() -> None:
    rows: list[dict[str, Any]] = [
        {"kind": "selected", "task": "T1", "data": {"next": "refuse", "candidate": 0}},
        {"kind": "code_written", "task": "T1", "data": {"path": "a.py", "round": 1, "guarded": 0}},
    ]
    assert [event_line({"seq": 1, "at": 0.0, **each})[13:] for each in rows] == [
        "candidate 1 does not raise a stated error; a check is written for it",
        "candidate 2 is a.py of candidate 1 with a check in front",
    ]


def test_what_can_not_be_run_is_said_to_prove_nothing() -> None:
    events: list[dict[str, Any]] = [
        {"kind": "evidence_found", "task": "T1", "data": {"can_be_run": False}},
        {"kind": "tests_run", "task": None, "data": {"which": "verify", "untested": True}},
        {"kind": "goal_verified", "task": None, "data": {"passed": 0, "untested": True}},
    ]
    assert [event_line({"seq": 1, "at": 0.0, **each})[13:] for each in events] == snapshot(
        [
            "what decides: nothing, as this can't be run; it will be marked as not proven",
            "there is no test to run",
            "nothing was proven by tests",
        ]
    )


def test_control_characters_of_a_model_never_reach_the_terminal() -> None:
    event = {"seq": 1, "at": 0.0, "task": "T1", "kind": "reflected"}
    line = event_line({**event, "data": {"cause": "\x1b[2Jgone\x07\nand \x9bmore"}})
    assert line == r"00:00:00 T1  reflected: \x1b[2Jgone\x07 and \x9bmore"


def test_the_report_names_repository_sandbox_and_model() -> None:
    assert goal_report(VIEW) == snapshot(
        [
            "",
            "✓ success in 3.2 s: Write a Python function to add two numbers",
            "  ✓ T1  add two numbers                                   simple   done      2 candidates",
            "  tests       8 passed, 0 failed",
            "  evidence    T1: agreed, not proven: 7 assertions that 4 of 5 candidates pass",
            "  sandbox     landlock (uid 1000, /usr/bin/python3)",
            "  models      atos-mini (llama_cpp)",
            "  repository  /home/ann/atos/add-two-numbers",
            "  untrusted   models wrote it: read it before you run it with your rights",
            "  time        3 s: reading prompts 1, writing 1, sandbox 0, waiting 0, rest 1",
            "  next        git -C /home/ann/atos/add-two-numbers log --stat",
            "              atos-client open add-two-numbers-1",
            "              atos-client deploy add-two-numbers-1",
        ]
    )


def test_tasks_with_the_same_evidence_share_a_line() -> None:
    told = {1: "3 of 3", 2: "3 of 3", 3: "3 of 3", 4: "2 of 2", 5: "3 of 3", 6: "3 of 3"}
    tasks = [
        {"id": f"T{n}", "state": "done", "proof": "", "evidence": text} for n, text in told.items()
    ]
    assert evidence_lines(tasks) == ["T1 to T3, T5, T6: 3 of 3", "T4: 2 of 2"]


def test_no_next_step_is_left_with_the_name_of_a_tool() -> None:
    error = {"message": "T1 asks.", "next": "Answer it with `answer_question`, or use retry_goal."}
    report = goal_report({**VIEW, "state": "needs_help", "error": error})
    assert report[-1] == (
        "  next        Answer it with `atos-client answer`, or use `atos-client retry`."
    )


def test_a_failure_says_why_and_what_next() -> None:
    error = {"code": "length", "message": "T1 ran into its limit.", "next": "Ask for less."}
    report = goal_report({**VIEW, "state": "failed", "repository": None, "error": error})
    assert report[-2:] == ["  why         T1 ran into its limit.", "  next        Ask for less."]


def test_a_task_that_was_not_done_says_why() -> None:
    task = VIEW["tasks"][0] | {"state": "failed", "why": "f(1) == 2: fail: 1 != 2\nf(2): \x1b[2J"}
    report = goal_report({**VIEW, "state": "failed", "tasks": [task]})

    assert report[4:6] == [
        "  not done    T1: f(1) == 2: fail: 1 != 2",
        r"                  f(2): \x1b[2J",
    ]


def test_a_question_is_shown_with_its_options_and_where_tasks_overlap_the_time_says_so() -> None:
    question = {"text": "f(1) gives 1 or 2?", "call": "f(1)", "options": ["1", "\x1b[2J2"]}
    task = VIEW["tasks"][0] | {"state": "failed", "proof": "", "question": question}
    spent = {"prompt_s": 9.0, "writing_s": 3.0, "waiting_s": 0, "sandbox_s": 1.0, "rest_s": 0.0}
    report = goal_report({**VIEW, "state": "needs_help", "tasks": [task], "spent": spent})

    assert report[4:] == snapshot(
        [
            "  asks        T1 asks: f(1) gives 1 or 2?",
            "                1) 1",
            "                2) \\x1b[2J2",
            "  sandbox     landlock (uid 1000, /usr/bin/python3)",
            "  models      atos-mini (llama_cpp)",
            "  repository  /home/ann/atos/add-two-numbers",
            "  time        3 s: reading prompts 9, writing 3, sandbox 1, waiting 0, rest 0",
            "              (several at a time: these are sums of work)",
        ]
    )


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
            "proof": "agreed",
            "evidence": "7 assertions that 4 of 5 candidates pass",
            "question": {"text": "", "call": "", "options": []},
            "why": None,
        }
    ]


def test_every_terminal_state_has_an_exit_code() -> None:
    assert set(FINAL_GOAL_STATES) <= set(EXIT_CODES)


def test_no_task_or_goal_takes_more_columns_than_the_terminal_has() -> None:
    tasks = [
        {"id": f"T{n}", "title": "Write a part of it " * 5, "complexity": "complex", "state": state, "rounds": 4}
        for n, state in enumerate(("cancelled", "done", "skipped", "running"), start=27)
    ]  # fmt: skip
    goals = [{"id": "k87fd740cc62f8994", "state": "limit_reached", "goal": "Build it all " * 20}]
    widest = [
        max(map(len, lines))
        for lines in (task_table(tasks, 79), task_table(tasks), goals_table(goals, 79), goals_table(goals))
    ]  # fmt: skip
    assert [widest[0] <= 79, widest[1] <= 89, widest[2] <= 79, widest[3] <= 106] == [True] * 4


def test_the_end_of_a_goal_of_thirty_tasks_fits_a_terminal_of_24_rows() -> None:
    tasks = [
        {"id": f"T{n}", "title": f"Part {n}", "complexity": "simple", "state": "done", "rounds": 0,
         "proof": "examples", "evidence": "3 of 3 examples"}
        for n in range(1, 31)
    ]  # fmt: skip
    view = {
        "id": "g", "goal": "Build it", "state": "success", "seconds": 3.0, "tasks": tasks,
        "tests": {"passed": 90, "failed": 0}, "isolation": "landlock", "uid": 0,
        "interpreter": "python", "models": ["m"], "engine": "llama_cpp", "repository": "/r",
        "spent": {"writing_s": 90.0},
    }  # fmt: skip
    beside = len(goal_report(view, [], MOST_REASONS)) + 1
    report = goal_report(view, shown_tasks(tasks, 24 - beside), MOST_REASONS)
    assert len(report) < 24
    assert [line for line in report if "more" in line] == snapshot(["  … and 21 more: 21 done"])


def test_a_long_line_goes_on_below_its_text_and_paths_stay_whole() -> None:
    path = "/home/ann/" + "x" * 60
    lines = ["", "  evidence    " + "seven assertions " * 4, f"  repository  {path}"]
    assert hung(lines, 50) == snapshot(
        [
            "",
            "  evidence    seven assertions seven assertions",
            "              seven assertions seven assertions",
            "  repository",
            "              /home/ann/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        ]
    )


def test_where_a_question_follows_the_block_makes_room_so_that_nothing_scrolls_away(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LINES", "24")
    monkeypatch.setenv("COLUMNS", "80")
    tasks = [
        {"id": f"T{n}", "title": f"Part {n}", "complexity": "simple", "state": "done"}
        for n in range(1, 31)
    ]
    live = Live()
    live.update({"id": "g", "state": "needs_help", "seconds": 3.0, "tasks": tasks}, [])
    whole = capsys.readouterr().out.count("\n")
    live.keep(below=6)
    room = capsys.readouterr().out.split("\x1b[22F")[-1].count("\n")
    assert (whole, room) == (22, 16)


def test_wide_letters_take_two_columns_so_that_the_block_stays_where_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "20")
    task = {
        "id": "T1",
        "title": "实现一个价格跟踪器" * 8,
        "complexity": "simple",
        "state": "running",
    }
    asked = {"kind": "goal_submitted", "at": 0.0, "data": {"goal": "实现一个价格跟踪器" * 12}}
    Live().update({"id": "g", "state": "running", "seconds": 3.0, "tasks": [task]}, [asked])
    lines = re.sub(r"\x1b\[[0-9]*[A-Z]", "", capsys.readouterr().out).splitlines()
    wide = [sum(1 + (east_asian_width(c) in "WF") for c in line) for line in lines]
    assert max(wide) in (58, 59)
