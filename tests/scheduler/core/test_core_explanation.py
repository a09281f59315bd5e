"""A decision can be explained, told as a model's story, run ahead for a plan, and counted for a goal."""

from inline_snapshot import snapshot

from atos_protocol.scheduler_api import Demand
from atos_scheduler.core.events import Evicted, Loaded, Released, Requested
from atos_scheduler.core.explanation import explain, step_json
from atos_scheduler.core.forecast import Line, Planned, forecast
from atos_scheduler.core.receipts import ollama_loads
from atos_scheduler.core.state_machine import Core
from atos_scheduler.core.types import Candidate

A, B, C = Candidate("a", 6, 1), Candidate("b", 6, 1), Candidate("c", 40, 1)


def swapped() -> Core:
    """Model a was loaded in 3 s for a goal, then b instead of it: 0.5 s to evict, 2 s to load."""
    core, goal = Core(10), Demand(goal="g", task="t")
    core.handle(Requested("L1", (A,), goal, "", 600.0), 0.0)
    core.handle(Loaded("a", 6), 3.0)
    core.handle(Released("L1"), 4.0)
    core.handle(Requested("L2", (B, C), goal, "", 600.0), 5.0)
    core.handle(Evicted("a"), 5.5)
    core.handle(Loaded("b", 6), 7.5)
    core.handle(Released("L2"), 8.0)
    return core


def test_an_explanation_names_the_alternatives_with_bytes_victims_and_time() -> None:
    step = next(s for s in swapped().history if s.choices and s.choices[0].lease == "L2")
    assert explain(step) == snapshot(
        """\
decision 4: L2 asks for b or c; Evict a
load b for L2: the most urgent demand (L2) waited 0.0 s, none of its models is loaded, and this is the first of its models that fits
  * b: absent, 6 bytes, a must go, could answer in 0.0 s\
"""
    )
    assert step_json(step, 6.0)["ago"] == 1.0


def test_a_models_story_has_what_concerned_it_and_nothing_else() -> None:
    core = swapped()
    assert [step.seq for step in core.story("a")] == [1, 2, 4, 5]
    assert [step.seq for step in core.story("nobody")] == []
    assert core.validate() == []


def test_a_forecast_says_what_a_plan_would_load_when_and_for_how_long() -> None:
    core = swapped()
    tasks = [Planned("T1", (), (B,), 2, 5.0), Planned("T2", ("T1",), (A,), 1, 4.0)]
    assert forecast(core, 8.0, tasks) == snapshot(
        [
            Line(at=0.0, what="begin", model="b", task="T1"),
            Line(at=10.0, what="end", model="b", task="T1", seconds=10.0),
            Line(at=10.25, what="evict", model="b"),
            Line(at=10.75, what="load", model="a", seconds=3.0),
            Line(at=13.75, what="begin", model="a", task="T2"),
            Line(at=17.75, what="end", model="a", task="T2", seconds=7.75),
        ]
    )
    assert [r.model for r in core.memory.residencies.values()] == ["b"], "nothing has happened"


def test_a_receipt_counts_a_goals_swaps_beside_ollamas_rule() -> None:
    receipt = swapped().receipts.get("g")
    assert receipt is not None
    assert receipt.text(10) == "2 swaps, 6 s; Ollama's rule on this trace: 2"
    trace = [("a", 6), ("b", 6)] * 7
    assert (ollama_loads(trace, 10), ollama_loads(trace, 12)) == (14, 2)
