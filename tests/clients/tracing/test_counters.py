"""What Prometheus reads: numbers that its own parser reads back, and never more series than are allowed."""

from typing import Any

from inline_snapshot import snapshot
from prometheus_client.parser import text_string_to_metric_families

from atos.tracing.counters import MOST_SERIES, Counters
from atos.tracing.prometheus_page import page
from atos_protocol.goals import Event
from atos_protocol.scheduler_api import Device, Lease, Residency, ResidencyState, Status
from doubles.eventful_goal import events

GIB = 1 << 30


def read(body: bytes) -> dict[str, float]:
    """Return sample -> value, as Prometheus's own parser reads the page."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(body.decode()):
        for sample in family.samples:
            labels = ",".join(f"{name}={text}" for name, text in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = round(sample.value, 3)
    return found


def counted() -> Counters:
    counters = Counters()
    counters.add(events())
    return counters


def test_the_page_of_a_goal_to_which_everything_happened() -> None:
    status = Status(
        "1", 7, "i", 3.0,
        devices=(Device("cpu", "cpu", 16 * GIB, 8 * GIB, 3 * GIB, GIB),),
        leases=(Lease("r1", "held", "m", "simple", "g1", "T1", 1.0), Lease("r2", "waiting", "", "medium", "g1", "", 2.0)),
    )  # fmt: skip
    found = read(page(counted(), 2, status))
    found = {name: value for name, value in found.items() if not name.startswith("atos_info")}
    assert found == snapshot(
        {
            "atos_goals_unfinished{}": 2.0,
            "atos_goals_submitted_total{}": 2.0,
            "atos_goals_ended_total{state=needs_help}": 1.0,
            "atos_goals_ended_total{state=success}": 1.0,
            "atos_tasks_ended_total{state=done}": 2.0,
            "atos_tasks_ended_total{state=failed}": 1.0,
            "atos_tasks_ended_total{state=skipped}": 1.0,
            "atos_questions_total{}": 1.0,
            "atos_candidates_total{}": 3.0,
            "atos_model_calls_total{model=qwen:0.5b,pool=simple,role=coder}": 2.0,
            "atos_model_calls_total{model=qwen:1.5b,pool=simple,role=coder}": 1.0,
            "atos_model_tokens_total{direction=read,model=qwen:0.5b}": 600.0,
            "atos_model_tokens_total{direction=read,model=qwen:1.5b}": 300.0,
            "atos_model_tokens_total{direction=written,model=qwen:0.5b}": 180.0,
            "atos_model_tokens_total{direction=written,model=qwen:1.5b}": 90.0,
            "atos_model_seconds_total{model=qwen:0.5b,phase=loading}": 2.5,
            "atos_model_seconds_total{model=qwen:0.5b,phase=queued}": 0.5,
            "atos_model_seconds_total{model=qwen:0.5b,phase=reading}": 1.0,
            "atos_model_seconds_total{model=qwen:0.5b,phase=writing}": 3.9,
            "atos_model_seconds_total{model=qwen:1.5b,phase=loading}": 3.0,
            "atos_model_seconds_total{model=qwen:1.5b,phase=queued}": 1.0,
            "atos_model_seconds_total{model=qwen:1.5b,phase=reading}": 0.5,
            "atos_model_seconds_total{model=qwen:1.5b,phase=writing}": 5.5,
            "atos_model_loads_total{model=qwen:0.5b}": 1.0,
            "atos_model_loads_total{model=qwen:1.5b}": 1.0,
            "atos_sandbox_runs_total{passed=,tool=evaluate}": 3.0,
            "atos_sandbox_runs_total{passed=false,tool=run_pytest}": 1.0,
            "atos_sandbox_runs_total{passed=true,tool=run_pytest}": 1.0,
            "atos_sandbox_seconds_total{tool=evaluate}": 2.0,
            "atos_sandbox_seconds_total{tool=run_pytest}": 1.2,
            "atos_waits_total{what=busy}": 1.0,
            "atos_waits_total{what=queue}": 1.0,
            "atos_scheduler_up{}": 1.0,
            "atos_memory_budget_bytes{device=cpu}": 8589934592.0,
            "atos_memory_committed_bytes{device=cpu}": 3221225472.0,
            "atos_requests{pool=simple,state=held}": 1.0,
            "atos_requests{pool=medium,state=waiting}": 1.0,
        }
    )


def test_a_scheduler_that_is_down_is_told_and_the_rest_stays() -> None:
    found = read(page(counted(), 0, None))
    assert found["atos_scheduler_up{}"] == 0
    assert found["atos_goals_ended_total{state=success}"] == 1
    assert not [name for name in found if name.startswith("atos_memory")]


def test_models_in_memory_are_counted_by_state() -> None:
    states: list[tuple[str, ResidencyState]] = [
        ("a", "resident"),
        ("b", "resident"),
        ("c", "loading"),
    ]
    residencies = tuple(
        Residency(name, "e", "cpu", state, 1, measured=True, slots=1, leases=0)
        for name, state in states
    )
    found = read(page(Counters(), 0, Status("1", 7, "i", 3.0, residencies=residencies)))
    assert found["atos_models{state=resident}"] == 2
    assert found["atos_models{state=loading}"] == 1


def test_whatever_events_hold_series_are_few_and_labels_short() -> None:
    counters = Counters()
    for number in range(3 * MOST_SERIES):
        data = {"model": f"m{number}" + "x" * 500, "pool": "p", "role": "r", "tokens": 1}
        counters.add([Event(number, "g", "", "model_call", 0.0, data)])
    series = counters.values("atos_model_calls")
    assert len(series) == MOST_SERIES + 1
    assert sum(value for _, value in series) == 3 * MOST_SERIES
    assert max(len(labels["model"]) for labels, _ in series) == 80


def test_an_event_of_another_shape_counts_with_what_can_be_read() -> None:
    counters = Counters()
    odd: dict[str, Any] = {
        "tokens": "many",
        "seconds": float("nan"),
        "loading": -3,
        "model": None,
        "ok": [],
    }
    counters.add(Event(1, "g", "", kind, 0.0, odd) for kind in ("model_call", "tests_run", "x"))
    assert counters.values("atos_sandbox_runs") == [({"passed": "false", "tool": "run_pytest"}, 1)]
