"""Goals that have ended, as a worker leaves them: events, runs, steps, a log page and a private folder."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from atos_orchestrator.execution.database import open_database
from atos_orchestrator.execution.dbos_client import DbosClient
from atos_orchestrator.execution.event_store import EVENTS, EventStore
from atos_orchestrator.execution.goal_removal import REMOVALS, GoalRemoval
from atos_orchestrator.execution.retention import Retention
from atos_orchestrator.execution.run_records import PAYLOADS, RunRecords
from atos_protocol.records import CleanReport, CleanRequest
from atos_protocol.settings import load_settings

TEXT = "x" * 500


class KeptGoals:
    """A database and the files beside it."""

    def __init__(self) -> None:
        self.settings = load_settings()
        self.settings.prepare()
        self.engine = open_database(self.settings)
        self.events = EventStore(self.engine)
        self.events.create()
        self.client = DbosClient(self.engine, retries=False)
        self.client.prepare()
        self.removal = GoalRemoval(self.settings, RunRecords.of(self.client))
        self.removal.create()
        _, self.tables = self.client.tables

    def retention(self, **settings: Any) -> Retention:
        changed = replace(self.settings, **settings)
        removal = GoalRemoval(changed, self.removal.runs)
        return Retention(changed, removal, self.events.unfinished)

    def add(
        self,
        goal: str,
        *,
        state: str = "success",
        days: float = 0.0,
        run: str = "SUCCESS",
        resumed: bool = False,
        texts: int = 4,
    ) -> None:
        """Add a goal that ended so many days ago; an empty state is one that has not."""
        runs = {goal: ("goal", None), f"{goal}:T1": ("task", goal)}
        again = f"{goal}.r2"
        runs |= {again: ("goal", None), f"{again}:T1": ("task", again)} if resumed else {}
        with self.removal.engine.begin() as connection:

            def append(kind: str, data: dict[str, str], key: str) -> None:
                self.events.append_with(connection, goal, kind, data, key=key)

            append("goal_submitted", {"goal": "Do it"}, "submitted")
            data = json.dumps({"text": TEXT})
            same = {"goal": goal, "kind": "warning", "at": 1.0, "data": data}
            connection.execute(
                sa.insert(EVENTS), [same | {"key": str(number)} for number in range(texts)]
            )
            if resumed:
                append("goal_finished", {"state": "needs_help"}, "end1")
                append("goal_resumed", {}, "resumed")
            if state:
                append("goal_finished", {"state": state}, "end")
            for each, (name, parent) in runs.items():
                self.add_run(connection, each, name, parent, run)
            old = EVENTS.update().where(EVENTS.c.goal == goal)
            connection.execute(old.values(at=time.time() - days * 86_400 - 1))
        pages = self.settings.logs / "goals"
        pages.mkdir(parents=True, exist_ok=True)
        (pages / f"{goal}.md").write_text("page")
        folder = self.settings.home / "worktrees" / goal / "git"
        folder.mkdir(parents=True)
        (folder / "object").write_text("object")

    def add_run(
        self, connection: sa.Connection, run: str, name: str, parent: str | None, state: str
    ) -> None:
        """Add a run with two steps."""
        now = int(time.time() * 1000)
        status = {"workflow_uuid": run, "name": name, "status": state, "created_at": now}
        ended = {"updated_at": now, "parent_workflow_id": parent, "completed_at": now - 1000}
        connection.execute(sa.insert(self.tables.workflow_status).values(status | ended))
        put = sa.insert(self.tables.workflow_input).values(workflow_uuid=run, inputs=TEXT)
        connection.execute(put)
        for number in (1, 2):
            step = {"workflow_uuid": run, "function_id": number, "function_name": "step"}
            connection.execute(
                sa.insert(self.tables.operation_outputs).values(step | {"output": json.dumps(TEXT)})
            )

    def clean(self, request: CleanRequest) -> CleanReport:
        """Clean until nothing is left to look at, as the command does."""
        whole, part = CleanReport(), CleanReport(next=1)
        while part.next:
            part = self.retention().clean(request)
            whole, request = whole.plus(part), replace(request, after=part.next)
        return whole

    def checkpoint(self) -> None:
        """Bring everything into an SQLite file, whose size is to be looked at."""
        with self.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def rows(self) -> dict[str, set[str]]:
        """Return every table's goals or runs."""
        with self.removal.engine.connect() as connection:
            found = {"events": set(connection.execute(sa.select(EVENTS.c.goal)).scalars())}
            for name, _ in PAYLOADS:
                column = getattr(self.tables, name).c.workflow_uuid
                found[name] = set(connection.execute(sa.select(column)).scalars())
            found["removals"] = set(connection.execute(sa.select(REMOVALS.c.goal)).scalars())
        return found

    def files(self) -> set[str]:
        """Return what stands below the home because of goals."""
        places = [self.settings.logs / "goals", self.settings.home / "worktrees"]
        return {each.name for place in places if place.exists() for each in place.iterdir()}

    def goals(self) -> list[str]:
        """Return the goals that a person sees."""
        return sorted(goal for _seq, goal in self.events.goals(1000))
