"""Histories of goals as a version of ATOS recorded them, and their replay by the present one.

`python -m doubles.recorded_histories` (in tests/) runs goals in a real installation and writes what their runs recorded to
fixtures/histories. A history is kept as long as goals of its version may be in flight: after a change of the
workflows that replays the old ones (`DBOS.patch`), record a new file beside the old, and don't replace it.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import anyio
import sqlalchemy as sa

from atos_orchestrator.debugging.graph import debug_task
from atos_orchestrator.execution.database import open_database
from atos_orchestrator.execution.dbos_client import GOALS, TASKS, VERSION, DbosClient
from atos_orchestrator.execution.dbos_runtime import DbosRuntime
from atos_orchestrator.execution.event_store import EventStore
from atos_orchestrator.execution.goal_input import GOAL, TASK
from atos_orchestrator.execution.goal_workflow import GoalWorkflow
from atos_orchestrator.execution.task_workflow import TaskWorkflow
from atos_orchestrator.execution.workflow_deps import WorkflowDeps
from atos_orchestrator.planning.graph import make_plan
from atos_protocol.errors import AtosError
from atos_protocol.settings import Settings, load_settings

FOLDER = Path(__file__).parents[1] / "fixtures" / "histories"
STATUS = ("workflow_uuid", "name", "queue_name", "parent_workflow_id", "application_version",
          "application_name", "serialization", "priority", "created_at")  # fmt: skip
STEP = ("workflow_uuid", "function_id", "function_name", "output", "error", "child_workflow_id",
        "serialization", "application_name")  # fmt: skip
QUEUES = {GOAL: GOALS, TASK: TASKS}
REPLAY_SECONDS = 40.0

History = dict[str, Any]


def histories() -> list[Path]:
    """Return what was recorded so far."""
    return sorted(FOLDER.glob("*.json"))


def read(path: Path) -> History:
    return json.loads(path.read_text())


def names(history: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the names of each run's steps, in order."""
    found: dict[str, list[str]] = {run["workflow_uuid"]: [] for run in history["runs"]}
    for step in history["steps"]:
        found[step["workflow_uuid"]].append(step["function_name"])
    return found


def dumped(settings: Settings) -> History:
    """Return everything that the runs in a home have recorded."""
    engine, tables = DbosClient(open_database(settings), retries=False).tables
    with engine.connect() as connection:
        history = {
            "version": VERSION,
            "runs": _rows(connection, tables.workflow_status, STATUS),
            "inputs": _rows(connection, tables.workflow_input, ("workflow_uuid", "inputs")),
            "outputs": _rows(connection, tables.workflow_output, ("workflow_uuid", "output")),
            "steps": _rows(connection, tables.operation_outputs, STEP),
        }
    engine.dispose()
    return history


def _rows(connection: sa.Connection, table: sa.Table, columns: tuple[str, ...]) -> list[History]:
    chosen = [table.c[name] for name in columns]
    found = connection.execute(sa.select(*chosen).order_by(*chosen[:2])).mappings()
    return [dict(row) for row in found]


class Replay:
    """A fresh database in which a history's runs are about to be executed again."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.settings = load_settings()
        engine = open_database(self.settings)
        events = EventStore(engine)
        events.create()
        self.runtime = DbosRuntime(engine)
        self.runtime.prepare()
        self._put(history)
        self.deps = WorkflowDeps(
            settings=self.settings,
            runtime=self.runtime,
            events=events,
            chat=lambda _goal, _task: _forbidden,
            tools=cast("Any", _forbidden),
            plan=make_plan,
            debug=debug_task,
        )

    async def run(self) -> History:
        """Execute every run over its recorded steps; return what is recorded then.

        Raises:
            TimeoutError: some run did not end.
        """
        bodies = {GOAL: GoalWorkflow(self.deps), TASK: TaskWorkflow(self.deps)}
        with anyio.fail_after(REPLAY_SECONDS):
            async with self.runtime.worker(bodies):
                for run in self.history["runs"]:
                    await self.runtime.result(run["workflow_uuid"])
        return dumped(self.settings)

    def _put(self, history: History) -> None:
        engine, tables = self.runtime.tables
        queued = [
            run | {"status": "ENQUEUED", "queue_name": QUEUES[run["name"]], "updated_at": 1}
            for run in history["runs"]
        ]
        with engine.begin() as connection:
            connection.execute(sa.insert(tables.workflow_status), queued)
            connection.execute(sa.insert(tables.workflow_input), history["inputs"])
            connection.execute(sa.insert(tables.operation_outputs), history["steps"])


async def differences(history: History) -> list[str]:
    """Replay a history; return what the present version does otherwise."""
    try:
        replayed = await Replay(history).run()
    except AtosError as error:
        return [error.message]
    then, now = names(history), names(replayed)
    told = [
        f"{run}: {now.get(run)} instead of {steps}"
        for run, steps in then.items()
        if now.get(run) != steps
    ]
    for what, key in (("outputs", "workflow_uuid"), ("steps", "function_id")):
        pairs = zip(history[what], replayed[what], strict=False)
        told += [
            f"{old[key]}: {new} instead of {old}" for old, new in pairs if not _keeps(old, new)
        ]
    return told


def _keeps(old: Any, new: Any) -> bool:
    """Tell whether everything that was recorded is still said; fields that are new may be added."""
    if isinstance(old, str) and old[:1] in {"{", "["} and isinstance(new, str):
        old, new = json.loads(old), json.loads(new)
    if isinstance(old, dict) and isinstance(new, dict):
        before, after = cast("History", old), cast("History", new)
        return all(name in after and _keeps(value, after[name]) for name, value in before.items())
    if isinstance(old, list) and isinstance(new, list):
        then, now = cast("list[Any]", old), cast("list[Any]", new)
        return len(then) == len(now) and all(map(_keeps, then, now))
    return old == new


async def _forbidden(*_: object, **__: object) -> Any:
    message = "a replay does no work: every step was recorded"
    raise AssertionError(message)


def plain(text: str, person: Path) -> str:
    """Return a recorded text without the places of the machine that recorded it."""
    folder = os.path.normpath(Path(sys.executable).parent)
    text = text.replace(str(person), "/home/person").replace(folder, "/venv/bin")
    return re.sub(r'"uid\\*": *\d+', lambda m: re.sub(r"\d+", "1000", m[0]), text)


def main() -> None:
    """Record the histories of this version, or those that are named."""
    from doubles.installation import Installation
    from doubles.price_tracker import GOAL as PRICES
    from doubles.price_tracker import price_models

    toolkit = "Build a text toolkit: count words, reverse a string, check palindromes"
    FOLDER.mkdir(exist_ok=True)
    with price_models() as ollama:
        for name, goal, more in (
            ("catalogue", toolkit, {}),
            ("general", PRICES, {"ATOS_OLLAMA_URL": ollama.url}),
        ):
            if sys.argv[1:] and name not in sys.argv[1:]:
                continue
            atos = Installation(**more)
            done = atos.run("build", "--json", goal, timeout=600)
            result = json.loads(done.stdout.splitlines()[-1])
            atos.run("down")
            assert result.get("state") == "success", result
            home = {"HOME": str(atos.person), "ATOS_HOME": str(atos.home)}
            text = json.dumps(dumped(load_settings(home)), indent=1, sort_keys=True)
            (FOLDER / f"{VERSION}-{name}.json").write_text(plain(text, atos.person) + "\n")
            atos.close()


if __name__ == "__main__":
    main()
