"""The timed log of a goal."""

from pathlib import Path

from inline_snapshot import snapshot

from atos_orchestrator.execution.execution_log import execution_log, write_execution_log
from atos_protocol.goals import Event

EVENTS = [
    Event(1, "g1", "", "goal_submitted", 1_700_000_000.0, {"goal": "Add two numbers\nplease"}),
    Event(
        3,
        "g1",
        "T1",
        "model_call",
        1_700_000_001.5,
        {"model": "atos-mini", "pool": "", "started_at": 10.0, "ended_at": 10.25},
    ),
    Event(2, "g1", "T1", "reflected", 1_700_000_001.0, {"cause": "a | b\n" + "x" * 300}),
]


def test_every_event_of_a_goal_is_a_line_with_its_time() -> None:
    page = execution_log(EVENTS).replace("x" * 154, "xx")

    assert page == snapshot("""\
# Add two numbers

Goal `g1`, started 2023-11-14T22:13:20+00:00, queued after 1.5 s.

| s | task | event | details |
|--:|---|---|---|
| 0.00 |  | goal_submitted | goal: Add two numbers please |
| 1.00 | T1 | reflected | cause: a \\| b xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx… |
| 1.50 | T1 | model_call | model: atos-mini, duration: 0.25 s |
""")
    assert execution_log([]) == ""


def test_the_page_lies_below_the_logs(tmp_path: Path) -> None:
    page = write_execution_log(tmp_path, "g1", EVENTS)
    write_execution_log(tmp_path, "g1", EVENTS)

    assert page == tmp_path / "goals" / "g1.md"
    assert page.read_text() == execution_log(EVENTS)
    assert [each.name for each in page.parent.iterdir()] == ["g1.md"]
