"""Goals that an earlier version has in flight go on in this one: their recorded steps still lead to the same end.

If this fails, a workflow asks for other steps, or for others first, than goals in flight have recorded. Keep the recorded
order for them (`DBOS.patch`), and record the new one beside it: see doubles/recorded_histories.py.
"""

import copy
from pathlib import Path

import pytest

from atos_protocol.errors import AtosError
from doubles.recorded_histories import Replay, histories, names, read

pytestmark = pytest.mark.timeout(90)


@pytest.mark.parametrize("path", histories(), ids=lambda path: path.stem)
async def test_a_recorded_history_replays_to_its_recorded_end_without_any_work(
    atos_home: Path, path: Path
) -> None:
    history = read(path)

    replayed = await Replay(copy.deepcopy(history)).run()

    assert names(replayed) == names(history)
    assert replayed["outputs"] == history["outputs"]
    assert replayed["steps"] == history["steps"]


async def test_a_step_that_has_another_name_now_is_noticed(atos_home: Path) -> None:
    history = read(histories()[0])
    for step in history["steps"]:
        if step["function_name"] == "record":
            step["function_name"] = "note"

    with pytest.raises(AtosError, match=r"note.*record|record.*note"):
        await Replay(history).run()


async def test_a_step_that_was_not_recorded_is_noticed(atos_home: Path) -> None:
    history = read(histories()[0])
    goal = next(run for run in history["runs"] if run["name"] == "goal")["workflow_uuid"]
    history["steps"] = [
        step
        for step in history["steps"]
        if (step["workflow_uuid"], step["function_name"]) != (goal, "verify")
    ]

    with pytest.raises(AtosError, match="verify"):
        await Replay(history).run()


def test_both_kinds_of_strategies_are_recorded() -> None:
    assert {path.stem.rpartition("-")[2] for path in histories()} >= {"catalogue", "general"}
