"""The events of a goal to which everything happened: a load, a failed candidate, a repair, waits, a question, an answer."""

import copy
from collections.abc import Sequence
from typing import Any

from atos_protocol.goals import Event

MOMENT = 1_700_000_000.0
RUN = {"isolation": "landlock", "uid": 65534, "interpreter": "3.11"}
QUESTION = {
    "text": "median([]) gives 0 or raises?",
    "call": "median([])",
    "options": ["0", "raises ValueError"],
}
Row = tuple[float, str, str, dict[str, Any]]


def call(at: float, model: str, took: float, **more: Any) -> dict[str, Any]:
    """Return a model call that began at `at` and took so long."""
    return {
        "role": "coder", "pool": "simple", "model": model, "engine": "llama_cpp", "started_at": MOMENT + at,
        "ended_at": MOMENT + at + took, "prompt_tokens": 300, "reused_tokens": 120, "prompt_seconds": 0.5,
        "tokens": 90, "seconds": took - 0.5, "queued": 0.0, "loading": 0.0, **more,
    }  # fmt: skip


ROWS: Sequence[Row] = (
    (0.0, "", "goal_submitted", {"goal": "Write stats.py with <b>median(values)</b>", "priority": "normal"}),
    (0.1, "", "waiting", {"for": "goals before it", "code": "queue", "ahead": 2, "since": MOMENT + 0.1}),
    (5.0, "", "goal_started", {"models": ["qwen:0.5b", "qwen:1.5b"], "engine": ""}),
    (5.5, "", "plan_ready", {"tasks": [
        {"id": "T1", "title": "median", "complexity": "simple", "depends_on": []},
        {"id": "T2", "title": "the page", "complexity": "medium", "depends_on": ["T1"]},
    ]}),
    (5.6, "T1", "task_queued", {"pool": "simple"}),
    (5.7, "T1", "task_started", {"round": 0}),
    (5.8, "T1", "evidence_found", {"examples": 2, "errors": 1, "tests": 0}),
    (12.0, "T1", "model_call", call(9.0, "qwen:0.5b", 3.0, queued=3.0, loading=2.5, round=0)),
    (12.1, "T1", "code_written", {"path": "stats.py", "sha": "aa", "round": 0}),
    (12.2, "T1", "syntax_checked", {"ok": False, "fault": "line 3 is not Python", "round": 0}),
    (14.2, "T1", "model_call", call(12.3, "qwen:0.5b", 1.9, round=1)),
    (14.3, "T1", "code_written", {"path": "stats.py", "sha": "bb", "round": 1}),
    (14.9, "T1", "evaluated", {"candidates": 1, "rows": 4, "calls": 2, "judged": [1], "passed": [2],
                               "started_at": MOMENT + 14.4, "ended_at": MOMENT + 14.9, **RUN}),
    (15.0, "T1", "selected", {"next": "repair", "candidate": 1, "proof": "", "evidence": "", "kept": 0, "dropped": []}),
    (16.0, "T1", "waiting", {"for": "a sandbox", "code": "busy", "since": MOMENT + 15.1}),
    (26.0, "T1", "model_call", call(20.0, "qwen:1.5b", 6.0, queued=4.0, loading=3.0, round=2)),
    (26.1, "T1", "code_written", {"path": "stats.py", "sha": "cc", "round": 2}),
    (27.1, "T1", "evaluated", {"candidates": 2, "rows": 4, "calls": 2, "judged": [1, 2], "passed": [2, 3],
                               "started_at": MOMENT + 26.2, "ended_at": MOMENT + 27.1, **RUN}),
    (27.2, "T1", "selected", {"next": "ask", "candidate": 2, "evidence": "candidates differ about median([])"}),
    (27.3, "T1", "asked", {"question": QUESTION}),
    (27.4, "T1", "task_done", {"state": "failed", "rounds": 2, "question": QUESTION}),
    (27.5, "T2", "task_done", {"state": "skipped", "rounds": 0}),
    (27.6, "", "goal_finished", {"state": "needs_help", "error": {"code": "asks", "message": "T1 asks"}}),
    (87.6, "", "goal_resumed", {"tasks": ["T1", "T2"], "text": "an answer: raises ValueError"}),
    (88.6, "T1", "evaluated", {"candidates": 2, "rows": 5, "calls": 0, "judged": [1, 2], "passed": [2, 5],
                               "started_at": MOMENT + 88.0, "ended_at": MOMENT + 88.6, **RUN}),
    (88.7, "T1", "selected", {"next": "test", "candidate": 2, "proof": "examples", "evidence": "3 of 3 examples",
                              "kept": 5, "dropped": []}),
    (89.7, "T1", "tests_run", {"which": "stub", "ok": False, "passed": 0, "failed": 5, "started_at": MOMENT + 88.8,
                               "ended_at": MOMENT + 89.7, "round": 2, **RUN}),
    (90.0, "T1", "tests_run", {"which": "acceptance", "ok": True, "proven": "outside", "passed": 5, "failed": 0,
                               "started_at": MOMENT + 89.7, "ended_at": MOMENT + 90.0, "round": 2, **RUN}),
    (90.1, "T1", "task_committed", {"commit": "0123456789abcdef"}),
    (90.2, "T1", "task_done", {"state": "done", "rounds": 2, "proof": "examples", "evidence": "3 of 3 examples"}),
    (91.0, "T2", "task_routed", {"pool": "medium", "by": "builtin", "why": "no answer in 5 s"}),
    (92.0, "T2", "task_done", {"state": "done", "rounds": 0, "proof": "unproven", "evidence": "can't be run"}),
    (93.0, "", "goal_verified", {"passed": 5, "failed": 0, **RUN}),
    (93.5, "", "goal_finished", {"state": "success", "summary": "done", "repository": "/home/person/atos/stats"}),
)  # fmt: skip

DECISION: dict[str, Any] = {
    "seq": 42, "goal": "g1", "at": MOMENT + 16.5,
    "choices": [{
        "kind": "load", "lease": "r7", "chosen": "qwen:1.5b", "why": "the only one of its pool",
        "options": [{"model": "qwen:1.5b", "bytes": 1, "victims": ["qwen:0.5b"], "seconds": 3.0, "state": "absent"}],
    }],
}  # fmt: skip


def events(goal: str = "g1") -> list[Event]:
    """Return them, numbered as the table numbers them: with gaps."""
    return [
        Event(10 + 3 * at, goal, task, kind, MOMENT + seconds, copy.deepcopy(data))
        for at, (seconds, task, kind, data) in enumerate(ROWS)
    ]
