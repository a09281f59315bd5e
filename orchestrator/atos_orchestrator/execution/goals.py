"""Goals as the orchestrate server offers them: accept, look, wait, cancel, go on. Nothing is executed here.

    start      check -> select models -> one transaction: the event and the queued run -> wake the worker
    cancel     the newest run and its tasks in the database -> events -> the worker's control socket
    steering   answers, code handed in, another try: the goal's next run (`goal_steering`)
    pausing    a person pauses it and has it go on (`goal_pausing`)

Looking (`goal_views`) needs only the database, so a restarted host answers the same. Starting also needs the
scheduler's list of pools. While the database is away, every call is refused with an `UnreachableError` that says
since when and why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from atos_orchestrator.execution.database import Database
from atos_orchestrator.execution.dbos_client import DbosClient
from atos_orchestrator.execution.event_store import EventStore
from atos_orchestrator.execution.evidence_given import check_tests, read_examples
from atos_orchestrator.execution.goal_acceptance import GoalAcceptance
from atos_orchestrator.execution.goal_api import (
    EventWaiter,
    Notify,
    TaskPool,
    check_plan,
    id_of,
    new_id,
    same_goal,
)
from atos_orchestrator.execution.goal_cancelling import GoalCancelling
from atos_orchestrator.execution.goal_input import GoalInput
from atos_orchestrator.execution.goal_intake import GoalIntake
from atos_orchestrator.execution.goal_owner import key_of
from atos_orchestrator.execution.goal_pausing import GoalPausing
from atos_orchestrator.execution.goal_queue import GoalQueue, goals_at_once
from atos_orchestrator.execution.goal_steering import GoalSteering
from atos_orchestrator.execution.goal_views import GoalViews, in_thread
from atos_orchestrator.execution.home_claim import claim
from atos_orchestrator.execution.plan_requests import PlanRequests
from atos_orchestrator.execution.plan_review import plan_under_review
from atos_orchestrator.execution.task_routing import RouteAnswers
from atos_orchestrator.execution.worker_name import worker_name
from atos_orchestrator.goal import validate_goal
from atos_orchestrator.task_report import task_report
from atos_orchestrator.workspace.delivered_files import Delivered, read_delivered
from atos_orchestrator.workspace.opening import check_place, recall, trees_of
from atos_protocol.errors import (
    UnreachableError,
)
from atos_protocol.goals import (
    FINAL_GOAL_STATES,
    GoalCheck,
    GoalView,
    Priority,
    TaskReport,
)
from atos_protocol.settings import Settings


class Goals(GoalViews):
    """Accepts goals and reports on them; one per process, made by `open_goals`."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        notify: Notify,
        waiter: EventWaiter,
    ) -> None:
        engine = database.engine
        self._client = DbosClient(engine, retries=False)
        queue = GoalQueue(*self._client.tables, goals_at_once(settings))
        events = EventStore(engine)
        super().__init__(database, events, queue, waiter)
        self._home = settings.home
        self._name = worker_name(settings)
        self._notify = notify
        self._intake = GoalIntake(settings)
        self._acceptance = GoalAcceptance(engine, events, self._client)
        self._cancelling = GoalCancelling(self._client, events, notify)
        self.steering = GoalSteering(self._acceptance, self._known, notify)
        self.pausing = GoalPausing(events, self._known, notify)
        self.routes = RouteAnswers(settings, events, self._known)
        self.plans = PlanRequests(self._intake, self._client, notify)

    def prepare(self) -> None:
        """Bring the database up to date.

        Raises:
            UnreachableError: it is another home's, or away.
        """
        self.database.prepare(partial(claim, self.database.engine, self._name))
        self.database.prepare(self._events.create)
        self.database.prepare(self._client.prepare)

    async def check(self, text: str, examples: Sequence[str] = ()) -> GoalCheck:
        """Return what is known of a goal, and of examples for it, before it is started.

        Raises:
            BadRequestError: the text or an example is not valid.
        """
        return await self._intake.check(text, read_examples(examples))

    async def start(
        self,
        text: str,
        *,
        into: Path | None = None,
        plan: Mapping[str, Any] | None = None,
        examples: Sequence[str] = (),
        tests: str = "",
        priority: Priority = "normal",
        key: str = "",
        deploy: str = "",
        review: bool = False,
        router: str = "builtin",
        owner: str = "",
    ) -> GoalView:
        """Accept a goal and queue it; `owner` is the token that started it, "" for the person.

        The same owner's `key` gives the same goal, however often it is sent.

        Raises:
            ConflictError: the key belongs to another goal.
            BadRequestError: the text, the plan, an example or the tests are not valid.
            WorkspaceError: `into` can't be used.
            NoModelError: no installed model can do it.
        """
        text = validate_goal(text)
        goal = id_of(key_of(owner, key)) if key else new_id()
        if key and (known := await self._read(goal)):
            return same_goal(known, text, key)
        if into is not None:
            await anyio.to_thread.run_sync(check_place, into)
        tests = check_tests(tests)
        check_plan(plan, tests)
        place = str(into) if into else None
        goal_input = await self._intake.decide(
            goal, text, into=place, plan=plan, examples=read_examples(examples), tests=tests
        )
        goal_input = replace(
            goal_input, priority=priority, deploy=deploy, review=review, router=router
        )
        return await self._submit(goal_input, owner)

    async def run_task(
        self,
        text: str,
        *,
        pool: TaskPool = "auto",
        key: str = "",
        examples: Sequence[str] = (),
        tests: str = "",
        owner: str = "",
    ) -> GoalView:
        """Accept a goal of one task; the same owner's key gives the same goal, however often it is sent.

        Raises:
            BadRequestError: the text, an example or the tests are not valid, or it is several tasks.
            ConflictError: the key belongs to another task.
            NoModelError: no installed model can do it.
        """
        text = validate_goal(text)
        goal = id_of(key_of(owner, key)) if key else new_id()
        if key and (known := await self._read(goal)):
            return same_goal(known, text, key)
        given, tests = read_examples(examples), check_tests(tests)
        goal_input = await self._intake.decide(
            goal, text, single_in=pool, examples=given, tests=tests
        )
        return await self._submit(goal_input, owner)

    async def cancel(self, goal: str) -> GoalView:
        """End a goal and everything that works for it; one that has ended stays as it is.

        Raises:
            NotFoundError: there is no such goal.
        """
        view = await self.get(goal)
        if view.state in FINAL_GOAL_STATES:
            return view
        await self._cancelling.cancel(view)
        return await self.get(goal)

    async def task(self, goal: str, task: str) -> TaskReport:
        """Return everything about one task.

        Raises:
            NotFoundError: there is no such goal or task.
        """
        return task_report(goal, await self._known(goal), task)

    async def delivered(self, goal: str) -> Delivered:
        """Return the files that a goal has committed so far.

        Raises:
            NotFoundError: there is no such goal, or it has no files.
            WorkspaceError: they are too many, or can't be read.
        """
        view = await self.get(goal)
        repository = recall(
            trees_of(self._home, goal)
        )  # until it has ended; then its record has it
        if repository is None and view.repository and view.state in FINAL_GOAL_STATES:
            repository = await self.steering.repository(goal)
        return await read_delivered(repository, goal)

    async def plan_under_review(self, goal: str) -> dict[str, Any]:
        """Return the newest plan that was to be reviewed: `digest`, `plan`.

        Raises:
            NotFoundError: there is no such goal, or it has none.
        """
        return plan_under_review(goal, await self._known(goal))

    async def _submit(self, goal_input: GoalInput, owner: str) -> GoalView:
        data = {
            "goal": goal_input.text,
            "into": goal_input.into,
            "strategy": goal_input.strategy,
            "examples": list(goal_input.examples),
            "priority": goal_input.priority,
        }
        data |= {"owner": owner} if owner else {}
        await in_thread(self._acceptance.accept, goal_input, "goal_submitted", data, "submitted")
        await self._notify({"op": "wake"})
        return await self.get(goal_input.goal)


async def open_goals(settings: Settings, notify: Notify, waiter: EventWaiter) -> Goals:
    """Open the goals of a home, making its database where there is none.

    Raises:
        UnreachableError: the database can't be opened.
    """

    def opened() -> Goals:
        goals = Goals(settings, Database(settings), notify, waiter)
        try:
            goals.prepare()
        except UnreachableError:
            goals.database.dispose()
            raise
        return goals

    return await anyio.to_thread.run_sync(opened)
