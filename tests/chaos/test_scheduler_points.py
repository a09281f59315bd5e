"""The scheduler dies at its own crash points, in the midst of a goal; the goal does not notice."""

from pathlib import Path

import pytest

from doubles.installation import Installation, pytest_by_hand

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(120)]


@pytest.mark.parametrize(
    "name", ["scheduler.load.before", "scheduler.load.after", "scheduler.granted"]
)
def test_a_goal_survives_a_scheduler_that_dies_at_its_own_point(name: str) -> None:
    atos = Installation(ATOS_CRASHPOINT=name)
    try:
        result, events = atos.build("Write a Python function to add two numbers")
        assert (atos.home / "run" / f"crashed-{name}").exists(), "the point was never reached"
        assert (result["exit"], result["state"]) == (0, "success"), events
        assert [e["kind"] for e in events].count("task_committed") == 1
        assert pytest_by_hand(Path(result["repository"])).returncode == 0
    finally:
        atos.close()
