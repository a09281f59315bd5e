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
    assert told == snapshot()


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


def test_what_people_and_models_wrote_goes_along_only_where_it_was_asked_for() -> None:
    plain, whole = spans_of(events()), spans_of(events(), content=True)
    assert [s for s in plain if names.TEXT in s.attributes] == []
    assert "median(values)" not in str(plain)
    assert [s.attributes[names.TEXT] for s in whole if s.kind in {"goal", "task"}] == [
        "Write stats.py with <b>median(values)</b>", "median", "the page",
    ]  # fmt: skip


def test_the_totals_are_those_of_the_spans() -> None:
    totals = totals_of(spans_of(events()))
    assert totals == snapshot()
    *_, last = steps_of(spans_of(events()))
    assert {name: totals[name] for name in last if name != "seconds"} == {
        name: value for name, value in last.items() if name != "seconds"
    }


def test_no_events_have_no_spans() -> None:
    assert spans_of([]) == []
