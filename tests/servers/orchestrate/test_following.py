"""What a look at a goal costs, and that pages lose nothing."""

import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from atos_protocol.goals import GOAL_STATES, Event, GoalNews, GoalView, Question, TaskView
from atos_servers.orchestrate.digest import DIGEST_BYTES, digest, facts
from atos_servers.orchestrate.event_pages import page
from atos_servers.orchestrate.following import paged, told

DONE = TaskView("T1", "Count words", "simple", "done", proof="examples", evidence="3 of 3 examples")
RUNNING = TaskView("T2", "Reverse a string", "simple", "running")
ASKING = TaskView(
    "T2",
    "Median",
    "medium",
    "failed",
    question=Question("median([1, 2]) gives 1 or 1.5?", "median([1, 2])", ("1", "1.5")),
)
VIEW = GoalView("g12ab", "Build a toolkit", "running", tasks=(DONE, RUNNING), seconds=12.4, seq=41)

TEXT = st.text(max_size=600)
TASKS = st.builds(
    TaskView,
    id=st.integers(1, 50).map("T{}".format),
    title=TEXT,
    complexity=st.just("simple"),
    state=st.sampled_from(["pending", "running", "done", "failed", "skipped"]),
    proof=st.sampled_from(["", "examples", "agreed"]),
    evidence=TEXT,
    why=TEXT,
    question=st.builds(Question, text=TEXT, options=st.lists(TEXT, max_size=3).map(tuple)),
)
VIEWS = st.builds(
    GoalView,
    id=st.just("g0123456789"),
    goal=TEXT,
    state=st.sampled_from(GOAL_STATES),
    repository=TEXT,
    announcement=TEXT,
    tasks=st.lists(TASKS, max_size=12).map(tuple),
    error=st.sampled_from([{}, {"code": "x", "message": "m" * 900, "next": "n" * 900}]),
    seconds=st.floats(0, 1e6),
)


def event(seq: int, kind: str = "model_call", task: str = "", **data: Any) -> Event:
    return Event(seq, "g12ab", task, kind, 0.0, data)


def test_a_look_tells_what_is_new_and_what_to_do_next() -> None:
    looks = [
        digest(VIEW, [event(40), event(41, "task_done", "T1")], 41),
        digest(replace(VIEW, state="queued", tasks=(), ahead=3, starts_in_s=30.0), [], 1),
        digest(replace(VIEW, state="needs_help", tasks=(DONE, ASKING)), [event(42, "asked", "T2")], 42),
        digest(replace(VIEW, state="success", repository="/home/me/atos/kit"), None, 50),
        digest(replace(VIEW, state="failed", tasks=(), error={"message": "no room", "next": "Free some."}), [], 3),
    ]  # fmt: skip
    assert looks == snapshot(
        [
            "g12ab running, 1 of 2 tasks, 12 s. T1 done: 3 of 3 examples. Ask again in ~12 s, after_seq=41.",
            "g12ab queued, 3 before it, 12 s. Ask again in ~30 s, after_seq=1.",
            "g12ab needs_help, 2 of 2 tasks, 12 s. T2 asks: median([1, 2]) gives 1 or 1.5? 1) 1, 2) 1.5. Then answer_question T2.",
            "g12ab success, 1 of 2 tasks, 12 s. In /home/me/atos/kit T1 done: 3 of 3 examples. T2 running. Models wrote it: untrusted outside the sandbox. get_goal has the whole.",
            "g12ab failed, 12 s. no room Next: Free some",
        ]
    )


@given(view=VIEWS)
def test_no_look_costs_more_than_its_share_whatever_models_say(view: GoalView) -> None:
    text = digest(view, None, 10**6)
    assert len(text.encode()) <= DIGEST_BYTES
    assert text.isprintable()
    assert view.id in text
    result = told(view, [], 10**6)
    shown = {"content": [{"type": "text", "text": text}], "structuredContent": facts(view, 10**6)}
    assert result.structured_content == shown["structuredContent"]
    assert len(json.dumps(shown, ensure_ascii=False)) / 4 <= 140


@given(
    sizes=st.lists(st.integers(0, 30_000), max_size=40), gaps=st.lists(st.integers(1, 5), max_size=40)
)  # fmt: skip
def test_pages_hold_every_event_exactly_once_and_in_order(
    sizes: list[int], gaps: list[int]
) -> None:
    seq, events = 0, list[dict[str, Any]]()
    for size, gap in zip(sizes, gaps, strict=False):
        seq += gap
        events.append({"seq": seq, "kind": "x", "data": {"text": "a" * size}})
    after, seen = 0, list[int]()
    while True:
        taken, after = page([e for e in events if e["seq"] > after], after, seq)
        if not taken:
            break
        assert len(json.dumps(taken)) < 32_000
        seen += [each["seq"] for each in taken]
    assert seen == [each["seq"] for each in events]
    assert after == seq


def test_a_goal_of_two_hundred_events_is_read_in_pages_that_a_reply_holds() -> None:
    events = tuple(event(n, text="x" * 700) for n in range(1, 201))
    after, seen, pages = 0, list[int](), 0
    while True:
        left = tuple(each for each in events if each.seq > after)
        result = paged(GoalNews(left, 200, replace(VIEW, seq=200)), after, whole=False)
        structured = result.structured_content
        assert structured is not None
        assert len(json.dumps(structured)) <= 32_000
        if not structured["events"]:
            break
        seen += [each["seq"] for each in structured["events"]]
        after, pages = structured["seq"], pages + 1
    assert seen == list(range(1, 201))
    assert pages == snapshot(7)
