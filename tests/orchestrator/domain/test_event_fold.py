"""The fold: total, indifferent to repeats and order, and exactly what clients show."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot
from pydantic import TypeAdapter

from atos_orchestrator.events import fold
from atos_orchestrator.time_spent import Work, work_of
from atos_protocol.goals import (
    EVENT_KINDS,
    FINAL_GOAL_STATES,
    FINAL_TASK_STATES,
    RESUMABLE_GOAL_STATES,
    Event,
    GoalView,
    Question,
    Spent,
    may_follow,
)

VIEW, EVENT = TypeAdapter(GoalView), TypeAdapter(Event)


def story(*told: tuple[str, str, dict[str, Any]]) -> list[Event]:
    """Return events numbered from 1, one second apart."""
    return [
        Event(seq, "g1", task, kind, 100.0 + seq, data)
        for seq, (kind, task, data) in enumerate(told, start=1)
    ]


TASKS = [{"id": f"T{n}", "title": f"Task {n}", "complexity": "simple"} for n in (1, 2)]
WHERE = {"isolation": "landlock", "uid": 1000, "interpreter": "/usr/bin/python3"}
CALL = {"prompt_seconds": 1.5, "seconds": 2.25, "queued": 0.5, "started_at": 1.0, "ended_at": 9.0}
RAN = {"started_at": 7.0, "ended_at": 7.5}
PROVEN = {"proof": "examples", "evidence": "3 of 3 examples"}

GOOD = story(
    ("goal_submitted", "", {"goal": "Add two numbers"}),
    ("goal_started", "", {"engine": "llama_cpp", "models": ["atos-mini"], "repository": "/r"}),
    ("announcement", "", {"text": "A demonstration model."}),
    ("plan_ready", "", {"tasks": TASKS, "notes": []}),
    ("task_queued", "T1", {}),
    ("task_started", "T1", {"round": 0}),
    ("model_call", "T1", {"model": "atos-mini", "engine": "llama_cpp"} | CALL),
    ("tests_run", "T1", {"which": "acceptance", "passed": 2, "failed": 1} | WHERE | RAN),
    ("reflected", "T1", {"cause": "off by one", "round": 0}),
    ("tests_run", "T1", {"which": "acceptance", "passed": 3, "failed": 0, "round": 1}),
    ("tests_run", "T1", {"which": "model", "passed": 9, "failed": 0}),
    ("task_done", "T1", {"state": "done", "rounds": 1} | PROVEN),
    ("task_done", "T2", {"state": "skipped", "rounds": 0}),
    ("goal_verified", "", {"passed": 4, "failed": 0}),
    ("goal_finished", "", {"state": "success", "summary": "Done."}),
)


GOOD_BEGUN = [(event.kind, event.task, dict(event.data)) for event in GOOD[:6]]


def test_a_goal_is_seen_as_its_events_tell() -> None:
    assert VIEW.dump_python(fold(GOOD), mode="json") == snapshot(
        {
            "id": "g1",
            "goal": "Add two numbers",
            "state": "success",
            "repository": "/r",
            "deployment_url": "",
            "engine": "llama_cpp",
            "models": ["atos-mini"],
            "tasks": [
                {
                    "id": "T1",
                    "title": "Task 1",
                    "complexity": "simple",
                    "state": "done",
                    "rounds": 1,
                    "proof": "examples",
                    "evidence": "3 of 3 examples",
                    "question": {"text": "", "call": "", "options": []},
                    "branches": [],
                    "waiting": "",
                    "why": "",
                },
                {
                    "id": "T2",
                    "title": "Task 2",
                    "complexity": "simple",
                    "state": "skipped",
                    "rounds": 0,
                    "proof": "",
                    "evidence": "",
                    "question": {"text": "", "call": "", "options": []},
                    "branches": [],
                    "waiting": "",
                    "why": "",
                },
            ],
            "tests": {"passed": 4, "failed": 0},
            "seconds": 14.0,
            "spent": {
                "prompt_s": 1.5,
                "writing_s": 2.25,
                "waiting_s": 0.5,
                "sandbox_s": 0.5,
                "rest_s": 9.25,
            },
            "seq": 15,
            "summary": "Done.",
            "announcement": "A demonstration model.",
            "isolation": "landlock",
            "uid": 1000,
            "interpreter": "/usr/bin/python3",
            "error": {},
            "waiting": "",
            "priority": "normal",
            "ahead": 0,
            "typical_s": 0.0,
            "starts_in_s": 0.0,
        }
    )


def test_the_state_of_a_goal_follows_its_events() -> None:
    seen = [fold(GOOD[:number]).state for number in range(len(GOOD) + 1)]

    assert list(dict.fromkeys(seen)) == ["queued", "planning", "running", "verifying", "success"]


def test_while_a_goal_runs_its_tests_are_those_of_the_tasks_last_runs() -> None:
    assert fold(GOOD[:8]).tests.failed == 1
    assert (fold(GOOD[:11]).tests.passed, fold(GOOD[:11]).tests.failed) == (3, 0)


def test_an_ended_goal_is_not_changed_by_what_comes_late() -> None:
    late = [*GOOD, Event(16, "g1", "", "goal_finished", 999.0, {"state": "failed"})]

    assert fold(late).state == "success"
    assert fold(late).seconds == 14.0
    assert fold(late).seq == 16


def test_tasks_that_were_open_when_their_goal_ended_are_settled() -> None:
    plan = ("plan_ready", "", {"tasks": TASKS})
    start = ("task_started", "T1", {"round": 0})

    cancelled = fold(story(plan, start, ("goal_finished", "", {"state": "cancelled"})))
    failed = fold(story(plan, start, ("goal_finished", "", {"state": "limit_reached"})))

    assert [task.state for task in cancelled.tasks] == ["cancelled", "cancelled"]
    assert [task.state for task in failed.tasks] == ["cancelled", "skipped"]


def test_what_a_task_waits_for_is_shown_until_its_next_event() -> None:
    waits = ("waiting", "T1", {"for": "a sandbox", "ahead": 3, "since": 5.0})
    away = ("waiting", "", {"for": "the goals database does not work: locked", "pause": 8.0})
    (seen, _), begun = fold(story(*GOOD_BEGUN, waits, away)).tasks, fold(story(*GOOD_BEGUN, waits))
    assert (seen.waiting, begun.waiting) == ("a sandbox (3 ahead)", "")
    assert fold(story(*GOOD_BEGUN, waits, away)).waiting.startswith("the goals database")

    ran = ("evaluated", "T1", {"rows": 4})
    (after, _) = fold(story(*GOOD_BEGUN, waits, ran)).tasks
    assert after.waiting == ""


def test_nothing_of_an_ended_goal_waits() -> None:
    waits = [("waiting", task, {"for": "a sandbox"}) for task in ("T1", "")]
    end = ("goal_finished", "", {"state": "cancelled"})
    view = fold(story(*GOOD_BEGUN, *waits, end))
    assert {view.waiting, *(task.waiting for task in view.tasks)} == {""}


def test_a_failure_says_why() -> None:
    error = {"code": "no_model", "message": "none", "next": "install one"}
    told = story(("goal_finished", "", {"state": "failed", "error": error}))

    assert fold(told).error == error


ASKED = {"text": "f(1) gives 1 or 2?", "call": "f(1)", "options": ["1", "2"]}
HELP = story(
    ("goal_submitted", "", {"goal": "Write f, g and h"}),
    (
        "plan_ready",
        "",
        {"tasks": [*TASKS, {"id": "T3", "title": "Task 3", "complexity": "simple"}]},
    ),
    ("task_done", "T1", {"state": "done", "rounds": 0} | PROVEN),
    ("task_done", "T2", {"state": "failed", "rounds": 4, "question": ASKED}),
    ("task_done", "T3", {"state": "skipped"}),
    ("goal_finished", "", {"state": "needs_help", "error": {"code": "needs_help"}}),
)


def resumed(*tasks: str, at: float = 1000.0) -> Event:
    return Event(7, "g1", "", "goal_resumed", at, {"tasks": list(tasks), "text": "f(1) == 2"})


def test_a_question_is_shown_with_its_task() -> None:
    assert fold(HELP).tasks[1].question == Question("f(1) gives 1 or 2?", "f(1)", ("1", "2"))


def test_a_resumed_goal_runs_again_and_so_do_the_named_tasks_and_no_others() -> None:
    view = fold([*HELP, resumed("T1", "T2", "T3")])

    assert (view.state, view.error, view.summary) == ("running", {}, "")
    assert [(t.state, t.proof, t.rounds, t.question.text) for t in view.tasks] == [
        ("done", "examples", 0, ""),
        ("pending", "", 0, ""),
        ("pending", "", 0, ""),
    ]


def test_the_time_in_which_a_goal_waited_for_a_person_does_not_count() -> None:
    end = Event(8, "g1", "", "goal_finished", 1003.0, {"state": "success"})

    assert fold([*HELP, resumed("T2"), end]).seconds == 8.0


def test_a_goal_that_failed_before_it_had_a_plan_plans_again() -> None:
    failed = story(("goal_submitted", "", {}), ("goal_finished", "", {"state": "failed"}))

    assert fold([*failed, resumed()]).state == "planning"


def test_what_succeeded_or_was_cancelled_is_not_resumed() -> None:
    cancelled = story(("goal_finished", "", {"state": "cancelled"}))

    assert fold([*GOOD[:-1], GOOD[-1], Event(16, "g1", "", "goal_resumed", 200.0, {})]).state == (
        "success"
    )
    assert fold([*cancelled, resumed()]).state == "cancelled"


def test_runs_in_the_sandbox_are_timed_by_the_clock_of_today() -> None:
    ran = {"which": "acceptance", "started_at": 1_795_706_640.5, "ended_at": 1_795_706_642.0}
    evaluated = ("evaluated", "T1", ran)
    assert fold(story(*GOOD_BEGUN, ("tests_run", "T1", ran), evaluated)).spent.sandbox_s == 3.0


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -1.0, 10**400, "3", None, True])
def test_what_is_no_time_adds_nothing(odd: object) -> None:
    data = {"started_at": odd, "ended_at": odd, "seconds": odd, "prompt_seconds": odd}
    events = story(("evaluated", "T1", data), ("model_call", "T1", data))
    assert work_of(events).seconds in {0.0, 2.0 if odd is True else 0.0}


def test_a_clock_that_was_set_while_code_ran_counts_as_one_long_run() -> None:
    ran = {"started_at": 1_795_706_640.0, "ended_at": 1_795_706_640.0 + 86_400}
    call = {"prompt_seconds": 1.0, "seconds": 2.0, "queued": 3600.0}
    events = story(("evaluated", "T1", ran), ("model_call", "T1", call), ("waiting", "T1", {}))
    assert work_of(events) == Work(seconds=63.0, model_calls=1)


def test_the_work_of_parallel_tasks_is_added_up_and_nothing_is_left_then() -> None:
    told = story(
        ("goal_submitted", "", {}),
        ("model_call", "T1", {"seconds": 3.0}),
        ("model_call", "T2", {"started_at": 10.0, "ended_at": 13.0}),
        ("evaluated", "T2", {"started_at": 10.0, "ended_at": 10.5}),
    )

    assert fold(told).spent == Spent(writing_s=6.0, sandbox_s=0.5, rest_s=0.0)


# Properties ------------------------------------------------------------------------------

junk: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=6)
    | st.lists(st.integers(), max_size=2)
)
states = st.sampled_from(["done", "failed", "running", "skipped", "success", "cancelled", "odd"])
data = st.dictionaries(
    st.sampled_from(
        [
            "state",
            "rounds",
            "round",
            "which",
            "passed",
            "failed",
            "models",
            "tasks",
            "error",
            "uid",
            "proof",
            "question",
            "seconds",
            "started_at",
            "ended_at",
        ]
    ),
    junk
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.just(["T1", "T2"])
    | states
    | st.just(TASKS)
    | st.just([{"id": 1}, 2, None]),
    max_size=5,
)
events = st.builds(
    Event,
    seq=st.integers(0, 12),
    goal=st.just("g"),
    task=st.sampled_from(["", "T1", "T2", "T9"]),
    kind=st.sampled_from([*EVENT_KINDS, "of_a_later_version"]),
    at=st.floats(0, 1e6),
    data=data,
)
logs = st.lists(events, max_size=14, unique_by=lambda event: event.seq)


@settings(max_examples=80, deadline=None)
@given(logs, st.randoms(use_true_random=False))
def test_repeats_and_order_do_not_change_the_view(log: list[Event], chance: Any) -> None:
    shuffled = log + [event for event in log if chance.random() < 0.5]
    chance.shuffle(shuffled)

    assert fold(shuffled) == fold(log)


@settings(max_examples=80, deadline=None)
@given(logs)
def test_the_fold_is_total_and_its_view_survives_json(log: list[Event]) -> None:
    view = fold(log)

    assert VIEW.validate_json(VIEW.dump_json(view)) == view
    assert [EVENT.validate_json(EVENT.dump_json(e)) for e in log] == log


@settings(max_examples=80, deadline=None)
@given(logs)
def test_states_only_move_along_legal_transitions(log: list[Event]) -> None:
    def states_of(part: Sequence[Event]) -> dict[str, Any]:
        return {task.id: task.state for task in fold(part).tasks}

    ordered = sorted(log, key=lambda event: event.seq)
    for number in range(1, len(ordered) + 1):
        before, after = fold(ordered[: number - 1]), fold(ordered[:number])
        again = ordered[number - 1].kind == "goal_resumed" and before.state in RESUMABLE_GOAL_STATES
        if before.state in FINAL_GOAL_STATES:
            assert after.state == before.state or again
        now = states_of(ordered[:number])
        for task, state in states_of(ordered[: number - 1]).items():
            # A `task_done` stands for the start as well, should that event be missing.
            direct = state == now[task] or may_follow(state, now[task])
            direct = direct or (again and state != "done" and now[task] == "pending")
            assert direct or (state not in FINAL_TASK_STATES and now[task] in {"done", "failed"})


def test_a_task_that_was_not_done_says_why_in_a_few_lines() -> None:
    digest = "\n".join(f"line {at}" for at in range(9))
    data = {"state": "failed", "digest": digest}
    told = [
        Event(1, "g1", "", "plan_ready", 1.0, {"tasks": [{"id": "T1", "title": "a"}]}),
        Event(2, "g1", "T1", "task_done", 2.0, data),
    ]

    assert fold(told).tasks[0].why == "line 0\nline 1\nline 2"
