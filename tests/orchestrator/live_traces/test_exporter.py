"""Traces while goals run: everything that is over arrives once, and a place that is away costs nothing and loses nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa

from atos.tracing.spans import Span, spans_of
from atos_orchestrator.execution.event_store import EventStore
from atos_orchestrator.live_traces import exporter as module
from atos_orchestrator.live_traces.exporter import LONGEST_PAUSE, Exporter
from atos_orchestrator.live_traces.position import Position, load
from atos_protocol.errors import UnreachableError
from atos_protocol.goals import Event
from doubles.eventful_goal import events

EVENTS = events()
RESUMED = next(at for at, event in enumerate(EVENTS) if event.kind == "goal_resumed")


@dataclass
class Place:
    """Takes spans, unless it is away."""

    away: bool = False
    calls: int = 0
    took: list[tuple[str, Span]] = field(default_factory=list[tuple[str, Span]])

    def send(self, spans: Sequence[Span], goal: str) -> None:
        self.calls += 1
        if self.away:
            raise UnreachableError("it is away", next_step="Start it.")
        self.took += [(goal, span) for span in spans]

    @property
    def newest(self) -> dict[str, tuple[str, float]]:
        """Span -> its kind and the end that arrived last."""
        return {span.id: (span.kind, round(span.end, 1)) for _, span in self.took}


@pytest.fixture
def store(tmp_path: Path) -> EventStore:
    made = EventStore(sa.create_engine(f"sqlite:///{tmp_path / 'events.sqlite'}"))
    made.create()
    return made


@pytest.fixture
def place() -> Place:
    return Place()


@pytest.fixture
def start(store: EventStore, place: Place, tmp_path: Path) -> Callable[..., Exporter]:
    def started(*, whole: bool = False, to: str = "otlp:http://x") -> Exporter:
        path = tmp_path / "traces.json"
        return Exporter(store, path, to, place.send, content=False, whole=whole)

    return started


def append(store: EventStore, told: Sequence[Event], goal: str = "g1") -> None:
    """Append events; each gets the moment of now, so times differ from those of the double."""
    for event in told:
        store.append(goal, event.kind, event.data, key=f"{event.seq}", task=event.task or None)


def wanted(store: EventStore, goal: str = "g1") -> dict[str, tuple[str, float]]:
    return {s.id: (s.kind, round(s.end, 1)) for s in spans_of(store.read(goal))}


def test_a_goal_that_is_followed_from_event_to_event_arrives_whole_and_each_span_once_a_run(
    store: EventStore, place: Place, start: Callable[..., Exporter]
) -> None:
    exporter = start()
    for event in EVENTS[:RESUMED]:
        append(store, [event])
        exporter.look()
    sent = [span.id for _, span in place.took]
    assert len(sent) == len(set(sent))
    for event in EVENTS[RESUMED:]:
        append(store, [event])
        exporter.look()
    assert place.newest == wanted(store)
    assert exporter.position.waiting == ()


def test_a_note_to_a_goal_that_has_stopped_does_not_hold_up_its_trace(
    store: EventStore, place: Place, start: Callable[..., Exporter]
) -> None:
    exporter = start()
    append(store, EVENTS[:RESUMED])
    store.append("g1", "noted", {"text": "Use only ASCII"}, key="noted")
    exporter.look()
    assert exporter.position.waiting == ()
    assert "goal" in {kind for kind, _ in place.newest.values()}


def test_while_a_place_is_away_only_ids_are_kept_and_afterwards_all_arrives(
    store: EventStore, place: Place, start: Callable[..., Exporter]
) -> None:
    exporter = start()
    place.away = True
    for number in range(20):
        append(store, EVENTS, f"g{number}")
        exporter.look()
    assert place.calls == 20, "one try a look, not one a goal"
    assert exporter._read == {}  # pyright: ignore[reportPrivateUsage]
    assert exporter.pause == LONGEST_PAUSE
    assert exporter.position.error == "it is away Start it."
    place.away = False
    exporter.look()
    for number in range(20):
        found = {s.id for goal, s in place.took if goal == f"g{number}"}
        assert found == set(wanted(store, f"g{number}"))
    assert (exporter.pause, exporter.position.waiting, exporter.position.failing_since) == (
        0,
        (),
        0,
    )


def test_what_waits_is_bounded_and_found_in_the_table_later(
    store: EventStore,
    place: Place,
    start: Callable[..., Exporter],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MOST_GOALS", 3)
    exporter = start()
    place.away = True
    for number in range(10):
        append(store, [EVENTS[0], EVENTS[-1]], f"g{number}")
        exporter.look()
    assert exporter.position.waiting == ("g0", "g1", "g2")
    place.away = False
    for _ in range(10):
        exporter.look()
    assert {goal for goal, _ in place.took} == {f"g{number}" for number in range(10)}


def test_one_that_is_killed_while_its_place_is_away_leaves_all_to_the_next(
    store: EventStore, place: Place, start: Callable[..., Exporter], tmp_path: Path
) -> None:
    exporter = start()
    append(store, EVENTS[:10])
    exporter.look()
    place.away = True
    append(store, EVENTS[10:])
    exporter.look()
    del exporter
    place.away = False
    start().look()
    assert place.newest == wanted(store)
    assert load(tmp_path / "traces.json") == Position("otlp:http://x", store.newest(), ())


def test_goals_from_before_it_was_switched_on_are_not_sent_but_unfinished_ones_are(
    store: EventStore, place: Place, start: Callable[..., Exporter]
) -> None:
    append(store, EVENTS, "old")
    append(store, EVENTS[:10], "open")
    exporter = start()
    exporter.look()
    assert {goal for goal, _ in place.took} == {"open"}
    other = start(to="otlp:http://y")
    assert other.position.waiting == ("open",), "another place begins anew"


def test_where_a_goal_is_one_run_it_is_sent_once_when_it_has_ended(
    store: EventStore, place: Place, start: Callable[..., Exporter]
) -> None:
    exporter = start(whole=True)
    for event in EVENTS[:RESUMED]:
        append(store, [event])
        exporter.look()
    assert place.calls == 1
    assert len(place.took) == len(spans_of(store.read("g1")))


def test_a_goal_whose_records_are_removed_is_not_waited_for(
    store: EventStore, place: Place, start: Callable[..., Exporter], tmp_path: Path
) -> None:
    append(store, EVENTS[:3])
    exporter = start()
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'events.sqlite'}")
    with engine.begin() as connection:
        connection.execute(sa.text("DELETE FROM atos_events"))
    engine.dispose()
    exporter.look()
    assert (exporter.position.waiting, place.took) == ((), [])


@pytest.mark.parametrize("text", ["", "{", "[]", '{"to": 1}', '{"waiting": 3}'])
def test_a_position_that_cannot_be_read_is_begun_anew(
    text: str, store: EventStore, start: Callable[..., Exporter], tmp_path: Path
) -> None:
    append(store, EVENTS[:3])
    (tmp_path / "traces.json").write_text(text)
    assert start().position.waiting == ("g1",)
