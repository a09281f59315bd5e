"""The worker dies at the points that only goals of general models pass; the goal does not notice."""

from pathlib import Path

import pytest

from doubles.installation import Installation, pytest_by_hand
from doubles.price_tracker import GOAL, price_models

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(120)]

STEPS = (
    "goal.classify",
    "task.examples",
    "task.sample",
    "task.evaluate",
    "task.testers",
    "task.select",
)


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_a_goal_of_general_models_survives_a_worker_that_dies(step: str, side: str) -> None:
    with price_models() as fake:
        atos = Installation(ATOS_OLLAMA_URL=fake.url, ATOS_CRASHPOINT=f"{step}.{side}")
        try:
            result, events = atos.build(GOAL)
            struck = atos.home / "run" / f"crashed-{step}.{side}"
            assert struck.exists(), "the point was never reached"
            assert (result["exit"], result["state"]) == (0, "success"), events
            assert [t["proof"] for t in result["tasks"]] == ["agreed", "agreed"]
            assert [e["kind"] for e in events].count("task_committed") == 2
            assert pytest_by_hand(Path(result["repository"])).returncode == 0
        finally:
            atos.close()
