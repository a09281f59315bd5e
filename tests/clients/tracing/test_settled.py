"""A span is sent while its goal runs only when nothing that comes later in this run changes it."""

from atos.tracing.settled import settled
from atos.tracing.spans import spans_of
from doubles.eventful_goal import events

ALL = events()
RESUMED = next(at for at, event in enumerate(ALL) if event.kind == "goal_resumed")


def changed_later(first: int, last: int) -> list[tuple[int, int, str]]:
    """Return which spans, settled after `few` events, differ after `many`, both within a run."""
    spans = {taken: spans_of(ALL[:taken]) for taken in range(first, last + 1)}
    return [
        (few, many, span.name)
        for few in spans
        for span in settled(spans[few], ALL[:few])
        for many in range(few, last + 1)
        if span not in spans[many]
    ]


def test_a_settled_span_is_the_same_after_whatever_follows_in_the_run() -> None:
    assert changed_later(0, RESUMED) == []
    assert changed_later(RESUMED + 1, len(ALL)) == []


def test_a_span_that_is_taken_for_settled_too_early_would_be_found() -> None:
    assert changed_later(0, len(ALL)), "an answer lets a goal go on"


def test_when_the_run_has_ended_all_is_settled_but_what_still_waits_for_a_person() -> None:
    assert settled(spans_of(ALL), ALL) == spans_of(ALL)
    stopped = ALL[:RESUMED]
    left = [span for span in spans_of(stopped) if span not in settled(spans_of(stopped), stopped)]
    assert [(span.kind, span.name) for span in left] == [("wait", "wait for person")]


def test_a_call_is_told_at_once_and_its_task_when_it_has_ended() -> None:
    at = next(number for number, event in enumerate(ALL) if event.kind == "model_call") + 1
    found = settled(spans_of(ALL[:at]), ALL[:at])
    assert [span.kind for span in found] == ["wait", "wait", "load", "model_call"]


def test_no_events_have_nothing_settled() -> None:
    assert settled([], []) == []
