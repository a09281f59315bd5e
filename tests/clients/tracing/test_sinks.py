"""What arrives at each destination, read by that destination's own format; and what a dead one costs."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from atos.tracing import genai_names as names
from atos.tracing.destinations import send
from atos.tracing.spans import Span, spans_of
from atos.tracing.totals import steps_of, totals_of
from atos_protocol.errors import (
    AtosError,
    BadConfigError,
    BadRequestError,
    UnreachableError,
    UnsupportedError,
)
from atos_protocol.settings import Settings, load_settings
from doubles.eventful_goal import events
from doubles.otlp_receiver import Receiver, otlp_receiver
from doubles.wandb_records import records
from doubles.wandb_server import wandb_server

SPANS = spans_of(events())
pytestmark = [pytest.mark.timeout(120), pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("ATOS_HOME", str(tmp_path / "home"))
    return load_settings()


def value_of(any_value: Any) -> Any:
    kind = any_value.WhichOneof("value")
    return getattr(any_value, kind) if kind else None


def assert_arrived(receiver: Receiver, spans: list[Span]) -> None:
    """Compare every field of every span with what was sent."""
    arrived = {span.span_id.hex(): span for span in receiver.spans}
    assert set(arrived) == {span.id for span in spans}
    for sent in spans:
        got = arrived[sent.id]
        assert got.trace_id.hex() == sent.trace
        assert got.parent_span_id.hex() == sent.parent
        assert got.name == sent.name
        assert got.start_time_unix_nano == round(sent.start * 1e9)
        assert got.end_time_unix_nano == round(sent.end * 1e9)
        assert got.status.code == (2 if sent.failed else 1)
        assert got.status.message == sent.failed
        attributes = {each.key: value_of(each.value) for each in got.attributes}
        failed = {names.ERROR_TYPE: sent.failed} if sent.failed else {}
        assert attributes == pytest.approx({**sent.attributes, **failed})
    (resource,) = receiver.requests[0].resource_spans
    told = {each.key: value_of(each.value) for each in resource.resource.attributes}
    assert told["service.name"] == "atos"
    assert resource.schema_url == names.CONVENTIONS


def test_a_receiver_of_otlp_gets_every_span_field_by_field(settings: Settings) -> None:
    with otlp_receiver() as receiver:
        assert (
            send(SPANS, "g1", f"otlp:{receiver.url}", settings)
            == f"{len(SPANS)} spans sent to {receiver.url}"
        )
    assert receiver.paths == ["/v1/traces"]
    assert_arrived(receiver, SPANS)


def test_a_trace_for_this_machine_goes_through_no_proxy_of_the_environment(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with otlp_receiver() as receiver:
        send(SPANS, "g1", f"otlp:{receiver.url}", settings)
        assert_arrived(receiver, SPANS)


def test_a_password_in_a_receivers_address_is_not_shown(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with otlp_receiver() as receiver:
        address = receiver.url.replace("://", "://me:hunter2hunter2@")
        assert "hunter2" not in send(SPANS, "g1", address, settings)


def test_a_trace_that_is_sent_twice_is_the_same_trace(settings: Settings) -> None:
    with otlp_receiver() as receiver:
        for _ in range(2):
            send(spans_of(events()), "g1", receiver.url, settings)
    first, second = receiver.requests
    assert first == second


def test_langsmith_gets_every_span_with_its_key_and_project_by_its_own_exporter(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANGSMITH_API_KEY", "lsv2_0123456789abcdef")
    with otlp_receiver() as receiver:
        monkeypatch.setenv("LANGSMITH_ENDPOINT", receiver.url)
        _cached_of_langsmith()
        send(SPANS, "g1", "langsmith:evenings", settings)
    assert receiver.paths == ["/otel/v1/traces"]
    assert receiver.headers[0]["x-api-key"] == "lsv2_0123456789abcdef"
    assert receiver.headers[0]["langsmith-project"] == "evenings"
    assert_arrived(receiver, SPANS)


def _cached_of_langsmith() -> None:
    from langsmith import utils

    for name in ("get_env_var", "get_tracer_project", "get_api_url", "get_api_key"):
        clear = getattr(getattr(utils, name, None), "cache_clear", None)
        if clear is not None:
            clear()


def test_langsmith_without_a_key_says_where_to_get_one(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LANGSMITH_API_KEY", raising=False)
    with pytest.raises(BadConfigError, match="LANGSMITH_API_KEY is not set"):
        send(SPANS, "g1", "langsmith", settings)


SEND_TO_WANDB = (
    "import sys; from atos.tracing.destinations import send; from atos.tracing.spans import spans_of;"
    "from atos_protocol.settings import load_settings; from doubles.eventful_goal import events;"
    "print(send(spans_of(events()), 'g1', sys.argv[1], load_settings()))"
)


def sent_by_wandb(to: str, tmp_path: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Send in a process of its own: its client keeps a service and its own settings for as long as the process lives."""
    environment = {
        **os.environ, "ATOS_HOME": str(tmp_path / "home"), "HOME": str(tmp_path),
        "PYTHONPATH": os.pathsep.join(sys.path), **more,
    }  # fmt: skip
    command = [sys.executable, "-c", SEND_TO_WANDB, to]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=100, check=False
    )


def test_wandb_online_gets_the_run_its_history_and_its_summary_by_its_own_client(
    tmp_path: Path,
) -> None:
    with wandb_server() as server:
        key = "k" * 40
        done = sent_by_wandb("wandb:online", tmp_path, WANDB_BASE_URL=server.url, WANDB_API_KEY=key)
        assert done.returncode == 0, done.stderr
    assert server.authorization - {""} != set(), "the key was used"
    assert (server.run["name"], server.run["project"], server.run["jobType"]) == (
        "g1",
        "atos",
        "goal",
    )
    steps = list(steps_of(SPANS))
    assert sorted(server.history) == list(range(len(steps)))
    for at, step in enumerate(steps):
        assert {name: server.history[at][name] for name in step} == pytest.approx(step)
    want = totals_of(SPANS)
    last = json.loads(server.files["wandb-summary.json"])
    assert {name: last[name] for name in want} == pytest.approx(want)
    assert server.complete
    assert set(server.files) == {"wandb-summary.json", "config.yaml"}, (
        "no list of what is installed"
    )
    said = b"".join(server.bodies)
    assert b"median" not in said
    assert socket.gethostname().encode() not in said


def test_wandb_online_that_hangs_is_one_clear_error_of_the_command(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hung:
        url = f"http://127.0.0.1:{hung.getsockname()[1]}"
        done = sent_by_wandb("wandb:online", tmp_path, WANDB_BASE_URL=url, WANDB_API_KEY="k" * 40)
    assert done.returncode == 1
    assert "W&B did not take the run" in done.stderr


def test_wandb_keeps_a_run_of_the_goal_that_its_own_reader_reads(tmp_path: Path) -> None:
    home = tmp_path / "home"
    dead = "http://127.0.0.1:9"
    done = sent_by_wandb("wandb", tmp_path, HTTPS_PROXY=dead, HTTP_PROXY=dead)
    assert done.returncode == 0, done.stderr
    (run,) = (home / "wandb" / "wandb").glob("offline-run-*")
    assert f"wandb sync {run}" in done.stdout
    kept = read_by_wandb(next(run.glob("*.wandb")))
    assert kept["run"] == ("g1", "atos")
    want = totals_of(SPANS)
    assert {name: kept["summary"][name] for name in want} == pytest.approx(want)
    assert kept["lines"] == sum(span.kind != "goal" for span in SPANS)
    assert b"median" not in b"".join(p.read_bytes() for p in run.rglob("*") if p.is_file())


def read_by_wandb(path: Path) -> dict[str, Any]:
    """Return the run, its summary, and how many lines its charts have."""
    found: dict[str, Any] = {"run": (), "summary": {}, "lines": 0}
    for record in records(path):
        match record.WhichOneof("record_type"):
            case "run":
                found["run"] = record.run.run_id, record.run.project
            case "history":
                found["lines"] += 1
            case "summary":
                for item in record.summary.update:
                    name = ".".join(item.nested_key) or item.key
                    found["summary"][name] = json.loads(item.value_json)
            case _:
                pass
    return found


def test_a_file_holds_what_a_receiver_would_get(settings: Settings, tmp_path: Path) -> None:
    with otlp_receiver() as receiver:
        send(SPANS, "g1", receiver.url, settings)
    send(SPANS, "g1", f"file:{tmp_path / 'trace.pb'}", settings)
    assert (tmp_path / "trace.pb").read_bytes() == receiver.bodies[0]
    send(SPANS, "g1", f"file:{tmp_path / 'trace.json'}", settings)
    assert [each["id"] for each in json.loads((tmp_path / "trace.json").read_text())] == [
        s.id for s in SPANS
    ]


def test_a_receiver_that_is_gone_or_hangs_is_one_clear_error(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("atos.tracing.otlp_sink.SEND_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(UnreachableError, match="did not take the trace"):
            send(SPANS, "g1", address, settings)
    with pytest.raises(UnreachableError, match="did not take the trace"):
        send(SPANS, "g1", address, settings)


@pytest.mark.parametrize(
    "place", ["", "carrier pigeon", "otlp:", "otlp:ftp://x", "wandb:maybe", "file:"]
)
def test_what_is_no_place_is_refused_with_the_places_there_are(
    settings: Settings, place: str
) -> None:
    with pytest.raises(BadRequestError) as refused:
        send(SPANS, "g1", place, settings)
    assert "otlp:" in refused.value.next_step


def test_a_package_that_is_missing_is_named_with_the_line_that_installs_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "atos.tracing.wandb_sink", raising=False)
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UnsupportedError) as refused:
        send(SPANS, "g1", "wandb", settings)
    assert refused.value.next_step == "pip install 'atos[wandb]'"
    assert isinstance(refused.value, AtosError)


OFF = """
import socket, sys
opened = []
socket.socket.connect = lambda self, address: opened.append(address)
import atos.cli.main, atos.cli.storytelling, atos.story.film, atos.tracing.destinations
import atos_servers.host.serving, atos_servers.orchestrate.server
from doubles.eventful_goal import events
from atos.tracing.spans import spans_of
spans_of(events())
ours = ("opentelemetry.sdk", "opentelemetry.exporter", "wandb", "prometheus_client", "langsmith.client", "langsmith.integrations")
print(sorted(name for name in sys.modules if name.startswith(ours)), opened)
"""


def test_nothing_of_a_destination_is_imported_and_no_socket_opened_before_it_is_used() -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", OFF], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[] []"
