"""Spans are derived from events: the same each time, each within its parent's trace, tied to its event."""

from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from atos.tracing import genai_names as names
from atos.tracing.spans import spans_of
from atos.tracing.totals import steps_of, totals_of
from doubles.eventful_goal import MOMENT, events


def test_the_spans_of_a_goal_to_which_everything_happened() -> None:
    told = [
        (f"{s.start - MOMENT:.1f}", f"{s.end - MOMENT:.1f}", s.kind, s.task, s.name, s.failed)
        for s in spans_of(events())
    ]
    assert told == snapshot(
        [
            ("0.0", "93.5", "goal", "", "invoke_workflow atos.goal", ""),
            ("0.1", "5.0", "wait", "", "wait for queue", ""),
            ("5.6", "90.2", "task", "T1", "invoke_agent T1", ""),
            ("5.7", "12.2", "candidate", "T1", "candidate 1", "syntax"),
            ("6.0", "6.5", "wait", "T1", "wait for qwen:0.5b", ""),
            ("6.5", "9.0", "load", "T1", "load qwen:0.5b", ""),
            ("9.0", "12.0", "model_call", "T1", "chat qwen:0.5b", ""),
            ("12.3", "14.3", "candidate", "T1", "candidate 2", ""),
            ("12.3", "14.2", "model_call", "T1", "chat qwen:0.5b", ""),
            ("14.4", "14.9", "sandbox_run", "T1", "execute_tool evaluate", ""),
            ("15.1", "26.0", "wait", "T1", "wait for busy", ""),
            ("16.0", "17.0", "wait", "T1", "wait for qwen:1.5b", ""),
            ("17.0", "20.0", "load", "T1", "load qwen:1.5b", ""),
            ("20.0", "90.0", "candidate", "T1", "candidate 3", ""),
            ("20.0", "26.0", "model_call", "T1", "chat qwen:1.5b", ""),
            ("26.2", "27.1", "sandbox_run", "T1", "execute_tool evaluate", ""),
            ("27.3", "87.6", "wait", "T1", "wait for person", ""),
            ("27.5", "92.0", "task", "T2", "invoke_agent T2", ""),
            ("88.0", "88.6", "sandbox_run", "T1", "execute_tool evaluate", ""),
            ("88.8", "89.7", "sandbox_run", "T1", "execute_tool run_pytest", ""),
            ("89.7", "90.0", "sandbox_run", "T1", "execute_tool run_pytest", ""),
        ]
    )


def test_ids_are_unique_parents_exist_and_events_are_named() -> None:
    spans = spans_of(events())
    known = {span.id for span in spans}
    assert len(known) == len(spans)
    assert {span.parent for span in spans} <= known | {""}
    assert [span.kind for span in spans if not span.parent] == ["goal"]
    assert {span.seq for span in spans} <= {event.seq for event in events()}
    assert {span.trace for span in spans} == {spans[0].trace}


@given(st.integers(0, 40))
def test_a_goal_at_work_has_the_spans_of_its_events_so_far_under_the_same_ids(taken: int) -> None:
    some, all_of_them = spans_of(events()[:taken]), spans_of(events())
    assert {span.id for span in some} <= {span.id for span in all_of_them}
    assert all(span.end >= span.start for span in some)


def test_a_goal_that_goes_on_has_neither_the_end_nor_the_state_of_its_run_before() -> None:
    told = events()
    resumed = next(at for at, event in enumerate(told) if event.kind == "goal_resumed")
    goal = spans_of(told[: resumed + 3])[0]
    assert (goal.kind, goal.end, goal.failed) == ("goal", told[resumed + 2].at, "")


def test_what_people_and_models_wrote_goes_along_only_where_it_was_asked_for() -> None:
    plain, whole = spans_of(events()), spans_of(events(), content=True)
    assert [s for s in plain if names.TEXT in s.attributes] == []
    assert "median(values)" not in str(plain)
    assert [s.attributes[names.TEXT] for s in whole if s.kind in {"goal", "task"}] == [
        "Write stats.py with <b>median(values)</b>", "median", "the page",
    ]  # fmt: skip


def test_the_totals_are_those_of_the_spans() -> None:
    totals = totals_of(spans_of(events()))
    assert totals == snapshot(
        {
            "task.count": 2,
            "task.failed": 0,
            "task.seconds": 149.1,
            "candidate.count": 3,
            "candidate.failed": 1,
            "candidate.seconds": 78.5,
            "model_call.count": 3,
            "model_call.failed": 0,
            "model_call.seconds": 10.9,
            "load.count": 2,
            "load.failed": 0,
            "load.seconds": 5.5,
            "sandbox_run.count": 5,
            "sandbox_run.failed": 0,
            "sandbox_run.seconds": 3.2,
            "wait.count": 5,
            "wait.failed": 0,
            "wait.seconds": 77.6,
            "tokens.input": 900,
            "tokens.output": 270,
            "goal.seconds": 93.5,
            "goal.state": "success",
        }
    )
    *_, last = steps_of(spans_of(events()))
    assert {name: totals[name] for name in last if name != "seconds"} == {
        name: value for name, value in last.items() if name != "seconds"
    }


def test_no_events_have_no_spans() -> None:
    assert spans_of([]) == []
