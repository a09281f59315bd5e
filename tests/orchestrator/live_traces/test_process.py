"""The process that sends traces, as the host starts it: over real HTTP, with real clients, to places that hang or are gone."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from atos.tracing.spans import spans_of
from atos_orchestrator.execution.database import open_database
from atos_orchestrator.execution.event_store import EventStore
from atos_protocol.settings import load_settings
from doubles.eventful_goal import events
from doubles.eventually import eventually
from doubles.otlp_receiver import Receiver, otlp_receiver
from doubles.wandb_records import records

pytestmark = pytest.mark.timeout(150)
EVENTS = events()


@pytest.fixture
def store(atos_home: Path) -> Iterator[EventStore]:
    del atos_home
    settings = load_settings()
    settings.prepare()
    engine = open_database(settings)
    made = EventStore(engine)
    made.create()
    yield made
    engine.dispose()


def append(store: EventStore, goal: str) -> None:
    for event in EVENTS:
        store.append(goal, event.kind, event.data, key=f"{event.seq}", task=event.task or None)


def started(to: str, **more: str) -> subprocess.Popen[bytes]:
    path = os.pathsep.join(sys.path)
    environment = {**os.environ, "PYTHONPATH": path, "ATOS_TRACE_TO": to, **more}
    command = [sys.executable, "-m", "atos_orchestrator.live_traces.process"]
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE)


@contextmanager
def exporting(to: str, **more: str) -> Generator[Callable[[], object]]:
    """Run it; yields what rings it."""
    with started(to, **more) as process:
        assert process.stdin is not None
        bell = process.stdin.fileno()
        try:
            yield lambda: os.write(bell, b"\n")
        finally:
            process.stdin.close()
            assert process.wait(60) == 0, "the end of its input ends it"


def position() -> dict[str, object]:
    try:
        return json.loads((load_settings().state / "traces.json").read_text())
    except FileNotFoundError:
        return {}


def ids(receiver: Receiver) -> set[str]:
    return {span.span_id.hex() for span in receiver.spans}


async def test_what_happens_is_sent_when_it_is_rung_and_the_words_of_people_stay_here(
    store: EventStore,
) -> None:
    with otlp_receiver() as receiver, exporting(f"otlp:{receiver.url}") as ring:
        await eventually(lambda: bool(position()), seconds=60)
        append(store, "g1")
        ring()
        await eventually(
            lambda: ids(receiver) == {s.id for s in spans_of(store.read("g1"))}, seconds=60
        )
    assert b"median(values)" not in b"".join(receiver.bodies)


async def test_words_go_along_where_that_was_chosen(store: EventStore) -> None:
    append(store, "g0")
    with otlp_receiver() as receiver:
        more = {"ATOS_TRACE_CONTENT": "true"}
        with exporting(f"otlp:{receiver.url}", **more) as ring:
            await eventually(lambda: bool(position()), seconds=60)
            append(store, "g1")
            ring()
            await eventually(lambda: b"median(values)" in b"".join(receiver.bodies), seconds=60)
    goals = {
        a.value.string_value for s in receiver.spans for a in s.attributes if a.key == "atos.goal"
    }
    assert goals == {"g1"}, "what was over before stays here"


async def test_a_place_that_hangs_and_then_comes_back_gets_all_that_happened_meanwhile(
    store: EventStore,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hung:
        port = hung.getsockname()[1]
        with exporting(f"otlp:http://127.0.0.1:{port}") as ring:
            await eventually(lambda: bool(position()), seconds=60)
            append(store, "g1")
            ring()
            await eventually(lambda: bool(position().get("failing_since")), seconds=60)
            assert "did not take the trace" in str(position()["error"])
            append(store, "g2")
            ring()
            hung.close()
            with otlp_receiver(port) as receiver:
                wanted = {s.id for goal in ("g1", "g2") for s in spans_of(store.read(goal))}
                await eventually(lambda: ids(receiver) == wanted, seconds=90)
                await eventually(lambda: position().get("waiting") == [], seconds=60)
    assert position()["failing_since"] == 0


async def test_one_that_is_killed_in_the_middle_leaves_all_to_the_next(store: EventStore) -> None:
    with otlp_receiver() as receiver:
        with started(f"otlp:{receiver.url}") as process:
            await eventually(lambda: bool(position()), seconds=60)
            append(store, "g1")
            process.kill()
        with exporting(f"otlp:{receiver.url}"):
            await eventually(
                lambda: ids(receiver) == {s.id for s in spans_of(store.read("g1"))}, seconds=60
            )


async def test_wandb_gets_a_goal_as_one_run_when_it_has_ended(store: EventStore) -> None:
    home = load_settings().home
    with exporting("wandb", WANDB_MODE="offline") as ring:
        await eventually(lambda: bool(position()), seconds=60)
        append(store, "g1")
        ring()
        await eventually(lambda: position().get("waiting") == [] and bool(runs(home)), seconds=120)
    (run,) = runs(home)
    kinds = [record.WhichOneof("record_type") for record in records(next(run.glob("*.wandb")))]
    assert kinds.count("history") == sum(s.kind != "goal" for s in spans_of(store.read("g1")))


def runs(home: Path) -> list[Path]:
    return list((home / "wandb" / "wandb").glob("offline-run-*"))
