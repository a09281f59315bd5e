"""Goals whose traces are sent and whose numbers are scraped while they run; a place that hangs or is gone hurts none of them."""

import json
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from atos_protocol.settings import load_settings
from doubles.eventually import eventually
from doubles.installation import Installation
from doubles.otlp_receiver import otlp_receiver

pytestmark = pytest.mark.timeout(240)
GOAL = "Write a Python function to add two numbers"


@contextmanager
def installation(**settings: str) -> Generator[Installation]:
    made = Installation(**settings)
    try:
        yield made
    finally:
        made.close()


def built(atos: Installation) -> dict[str, Any]:
    done = atos.run("build", "--json", "--", GOAL, timeout=150)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, result["state"]) == (0, "success"), result
    return result


def traced(atos: Installation) -> set[str]:
    """Return the ids that the command gives the newest goal's spans, after the fact."""
    done = atos.run("trace", "--to", "file:trace.json")
    assert done.returncode == 0, done.stderr
    return {span["id"] for span in json.loads((atos.person / "trace.json").read_text())}


async def test_traces_and_numbers_of_a_goal_arrive_while_it_runs_by_themselves() -> None:
    with otlp_receiver() as receiver:
        settings = {"ATOS_TRACE_TO": f"otlp:{receiver.url}", "ATOS_METRICS": "true"}
        with installation(**settings, ATOS_LOG_FORMAT="json") as atos:
            assert atos.run("up").returncode == 0
            before = scraped(atos)
            goal = built(atos)["id"]
            wanted = traced(atos)
            await eventually(lambda: {s.span_id.hex() for s in receiver.spans} == wanted, 60)
            sent = {
                a.value.string_value
                for s in receiver.spans
                for a in s.attributes
                if a.key == "atos.goal"
            }
            assert sent == {goal}
            after = scraped(atos)
            assert unauthorized(atos) == 401
            doctor = atos.run("doctor").stdout
            assert f"✓ traces       to otlp:{receiver.url}: all sent" in doctor
            lines = logged(atos, "worker")
            names = atos.run("logs", "pool-mini").stdout
    news = {name: after[name] - before.get(name, 0) for name in after}
    assert news["atos_goals_ended_total"] == 1
    assert news["atos_goals_submitted_total"] == 1
    assert news["atos_model_calls_total"] >= 1
    assert news["atos_sandbox_runs_total"] >= 1
    assert after["atos_scheduler_up"] == 1
    assert after["atos_memory_budget_bytes"] > 0
    assert {"goal": goal, "message": f"goal {goal} ended: success"}.items() <= lines[-1].items()
    assert goal in names, "the pool's own log says for whom it worked"


def logged(atos: Installation, name: str) -> list[dict[str, str]]:
    """Return the lines of a log that are about a goal; every line must be JSON."""
    lines = (atos.home / "logs" / f"{name}.log").read_text().splitlines()
    found: list[dict[str, str]] = [json.loads(line) for line in lines]
    return [line for line in found if "goal" in line]


def address(atos: Installation) -> str:
    return next(
        each["detail"]
        for each in json.loads(atos.run("doctor", "--json").stdout)
        if each["what"] == "http"
    )


def scraped(atos: Installation) -> dict[str, float]:
    """Return the sums of all series, by name, as Prometheus's parser reads them."""
    token = load_settings(atos.environment).token_file.read_text()
    reply = httpx.get(
        f"{address(atos)}/metrics", headers={"authorization": f"Bearer {token}"}, timeout=60
    )
    assert reply.status_code == 200, reply.text
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(reply.text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0) + sample.value
    return found


def unauthorized(atos: Installation) -> int:
    return httpx.get(f"{address(atos)}/metrics", timeout=60).status_code


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("otlp", "hung"),
        pytest.param("otlp", "gone", marks=pytest.mark.long),
        pytest.param("langsmith", "hung", marks=pytest.mark.long),
        pytest.param("langsmith", "gone", marks=pytest.mark.long),
        pytest.param("wandb:online", "hung", marks=pytest.mark.long),
        pytest.param("wandb:online", "gone", marks=pytest.mark.long),
    ],
)
async def test_a_place_that_hangs_or_is_gone_hurts_no_goal(kind: str, state: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hung:
        url = f"http://127.0.0.1:{hung.getsockname()[1]}"
        if state == "gone":
            hung.close()
        secrets = {"LANGSMITH_API_KEY": "lsv2_0123456789abcdef", "WANDB_API_KEY": "k" * 40}
        places = {"LANGSMITH_ENDPOINT": url, "WANDB_BASE_URL": url}
        to = f"otlp:{url}" if kind == "otlp" else kind
        with installation(ATOS_TRACE_TO=to, **secrets, **places) as atos:
            built(atos)
            assert "traces" in atos.run("doctor").stdout
            atos.run("down")
            await eventually(lambda: atos.processes() == [], 30)
