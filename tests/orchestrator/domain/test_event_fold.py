"""The fold: total, indifferent to repeats and order, and exactly what clients show."""

from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot
from pydantic import TypeAdapter

from atos_orchestrator.events import fold
from atos_protocol.goals import (
    EVENT_KINDS,
    FINAL_GOAL_STATES,
    FINAL_TASK_STATES,
    Event,
    GoalView,
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

GOOD = story(
    ("goal_submitted", "", {"goal": "Add two numbers"}),
    ("goal_started", "", {"engine": "llama_cpp", "models": ["atos-mini"], "repository": "/r"}),
    ("announcement", "", {"text": "A demonstration model."}),
    ("plan_ready", "", {"tasks": TASKS, "notes": []}),
    ("task_queued", "T1", {}),
    ("task_started", "T1", {"round": 0}),
    ("model_call", "T1", {"model": "atos-mini", "engine": "llama_cpp"}),
    ("tests_run", "T1", {"which": "acceptance", "passed": 2, "failed": 1} | WHERE),
    ("reflected", "T1", {"cause": "off by one", "round": 0}),
    ("tests_run", "T1", {"which": "acceptance", "passed": 3, "failed": 0, "round": 1}),
    ("tests_run", "T1", {"which": "model", "passed": 9, "failed": 0}),
    ("task_done", "T1", {"state": "done", "rounds": 1}),
    ("task_done", "T2", {"state": "skipped", "rounds": 0}),
    ("goal_verified", "", {"passed": 4, "failed": 0}),
    ("goal_finished", "", {"state": "success", "summary": "Done."}),
)


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
                },
                {
                    "id": "T2",
                    "title": "Task 2",
                    "complexity": "simple",
                    "state": "skipped",
                    "rounds": 0,
                },
            ],
            "tests": {"passed": 4, "failed": 0},
            "seconds": 14.0,
            "seq": 15,
            "summary": "Done.",
            "announcement": "A demonstration model.",
            "isolation": "landlock",
            "uid": 1000,
            "interpreter": "/usr/bin/python3",
            "error": {},
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


def test_a_failure_says_why() -> None:
    error = {"code": "no_model", "message": "none", "next": "install one"}
    told = story(("goal_finished", "", {"state": "failed", "error": error}))

    assert fold(told).error == error


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
        ["state", "rounds", "round", "which", "passed", "failed", "models", "tasks", "error", "uid"]
    ),
    junk | states | st.just(TASKS) | st.just([{"id": 1}, 2, None]),
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
        if before.state in FINAL_GOAL_STATES:
            assert after.state == before.state
        now = states_of(ordered[:number])
        for task, state in states_of(ordered[: number - 1]).items():
            # A `task_done` stands for the start as well, should that event be missing.
            direct = state == now[task] or may_follow(state, now[task])
            assert direct or (state not in FINAL_TASK_STATES and now[task] in {"done", "failed"})
