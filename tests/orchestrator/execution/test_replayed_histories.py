"""Goals that an earlier version has in flight go on in this one: their recorded steps still lead to the same end.

If this fails, a workflow asks for other steps, or for others first, than goals in flight have recorded. Keep the recorded
order for them (`DBOS.patch`), and record the new one beside it: see doubles/recorded_histories.py.
"""

from pathlib import Path

import pytest

from doubles.recorded_histories import differences, histories, read

pytestmark = pytest.mark.timeout(90)


@pytest.mark.parametrize("path", histories(), ids=lambda path: path.stem)
async def test_a_recorded_history_replays_to_its_recorded_end_without_any_work(
    atos_home: Path, path: Path
) -> None:
    assert await differences(read(path)) == []


@pytest.mark.parametrize("step", ["intake", "verify", "record"])
async def test_a_step_that_has_another_name_now_is_noticed(atos_home: Path, step: str) -> None:
    history = read(histories()[0])
    for recorded in history["steps"]:
        if recorded["function_name"] == step:
            recorded["function_name"] = "renamed"

    assert await differences(history) != []


async def test_a_step_that_was_not_recorded_is_noticed(atos_home: Path) -> None:
    history = read(histories()[0])
    history["steps"] = [step for step in history["steps"] if step["function_name"] != "commit"]

    assert await differences(history) != []


def test_both_kinds_of_strategies_are_recorded() -> None:
    assert {path.stem.rpartition("-")[2] for path in histories()} >= {"catalogue", "general"}
