"""Going on with a goal that ended short of success: answers, code handed in, an approved plan, another try.

The goal's next run is queued together with the event that says so. What it starts from is the recorded result of
the run before, so there is no third store, and nothing is lost by a kill in between.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import anyio
import anyio.to_thread

from atos_orchestrator.durable_json import decode
from atos_orchestrator.events import fold
from atos_orchestrator.execution.goal_acceptance import GoalAcceptance
from atos_orchestrator.execution.goal_api import Notify
from atos_orchestrator.execution.goal_input import GoalInput, GoalRecord, Resumption, run_of
from atos_orchestrator.execution.goal_notes import check_limits, check_note, with_limits
from atos_orchestrator.execution.plan_review import approved, edited, past_review, refuse_unreviewed
from atos_orchestrator.execution.resumption import (
    answered,
    fixed,
    next_input,
    retried,
    tasks_that_run,
)
from atos_orchestrator.workspace.repository import Repository
from atos_protocol.errors import AtosError, ConflictError
from atos_protocol.goals import FINAL_GOAL_STATES, RESUMABLE_GOAL_STATES, Event, GoalView

RECORD_SECONDS = 20.0
"""How long the last run may take to end after its last event: it removes its worktrees then."""

Decision = Callable[[GoalRecord], tuple[Resumption, str]]
Change = Callable[[GoalInput], GoalInput]


def _unchanged(goal_input: GoalInput) -> GoalInput:
    return goal_input


@dataclass(frozen=True, slots=True)
class GoalSteering:
    """Resumes goals; every method returns the goal as it stands after it.

    They raise `NotFoundError` where there is no such goal or task, `BadRequestError` where what was handed in is
    of no use, and `ConflictError` where the goal can't be resumed: it runs, succeeded or was cancelled.
    """

    acceptance: GoalAcceptance
    known: Callable[[str], Awaitable[list[Event]]]
    """Reads the events of a goal that must exist."""
    notify: Notify

    async def answer(self, goal: str, task: str, answer: str) -> GoalView:
        """Go on with an answer to a task's question, or one more example of it."""
        return await self._go_on(goal, lambda record: answered(record, task, answer))

    async def fix(self, goal: str, task: str, files: Mapping[str, str]) -> GoalView:
        """Go on with code for a task; it is judged like any other candidate."""
        return await self._go_on(goal, lambda record: fixed(record, task, files))

    async def retry(self, goal: str) -> GoalView:
        """Try again what is not done."""
        return await self._go_on(goal, retried)

    async def repository(self, goal: str) -> Repository | None:
        """Return the repository of a goal that has ended; None where it made none.

        Raises:
            ConflictError: its last run left no record.
        """
        revision = await anyio.to_thread.run_sync(self.acceptance.events.revision, goal)
        return (await self._record(run_of(goal, revision))).repository

    async def approve(self, goal: str, digest: str) -> GoalView:
        """Go on with the plan of that digest, which waits for approval."""
        return await self._resume(goal, lambda record: approved(record, digest), past_review)

    async def edit(self, goal: str, plan: Mapping[str, Any]) -> GoalView:
        """Have a changed plan repaired; it waits for approval then."""

        def with_plan(goal_input: GoalInput) -> GoalInput:
            return replace(goal_input, plan=dict(plan))

        return await self._resume(goal, lambda record: edited(record, plan), with_plan, anew=True)

    async def note(self, goal: str, text: str) -> GoalView:
        """Say something to the tasks of a goal that begin later."""
        text = check_note(text)
        key = f"noted:{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        return await self._tell(goal, "noted", {"text": text}, key)

    async def limits(self, goal: str, seconds: float, model_calls: int) -> GoalView:
        """Set what a goal may use in all (0: as it is); one that stopped tries again within that."""
        given = check_limits(seconds, model_calls)
        if fold(await self.known(goal)).state in RESUMABLE_GOAL_STATES:
            return await self._go_on(
                goal,
                retried,
                lambda given_: replace(given_, limits=with_limits(given_.limits, given)),
            )
        revision = await anyio.to_thread.run_sync(self.acceptance.events.revision, goal)
        data = given | {"revision": revision}
        return await self._tell(goal, "limits_set", data, f"limits:{secrets.token_hex(8)}")

    async def _tell(self, goal: str, kind: str, data: Mapping[str, Any], key: str) -> GoalView:
        """Append an event to a goal that may go on."""
        view = fold(await self.known(goal))
        if view.state in FINAL_GOAL_STATES - RESUMABLE_GOAL_STATES:
            raise _not_now(view)
        append = partial(self.acceptance.events.append, goal, kind, data, key=key)
        await anyio.to_thread.run_sync(append)
        return fold(await self.known(goal))

    async def _go_on(self, goal: str, decide: Decision, change: Change = _unchanged) -> GoalView:
        """Resume a goal, but none whose plan waits for approval."""

        def past_reviews(record: GoalRecord) -> tuple[Resumption, str]:
            refuse_unreviewed(record)
            return decide(record)

        return await self._resume(goal, past_reviews, change)

    async def _resume(
        self, goal: str, decide: Decision, change: Change = _unchanged, *, anew: bool = False
    ) -> GoalView:
        """Queue the goal's next run; with `anew`, its tasks are forgotten, because it will have others."""
        view = fold(await self.known(goal))
        if view.state not in RESUMABLE_GOAL_STATES:
            raise _not_now(view)
        events = self.acceptance.events
        revision = await anyio.to_thread.run_sync(events.revision, goal)
        record = await self._record(run_of(goal, revision))
        resumption, text = decide(record)
        used = await anyio.to_thread.run_sync(events.work, goal)
        goal_input = change(next_input(record, resumption, used=used))
        data: dict[str, Any] = {"tasks": list(tasks_that_run(resumption)), "text": text}
        data |= {"anew": True} if anew else {}
        key = f"resumed:{goal_input.revision}"
        accepted = await anyio.to_thread.run_sync(
            self.acceptance.accept, goal_input, "goal_resumed", data, key
        )
        if not accepted:
            raise _not_now(fold(await self.known(goal)))
        await self.notify({"op": "wake"})
        return fold(await self.known(goal))

    async def _record(self, run: str) -> GoalRecord:
        """Return the recorded result of a run that has told its last event."""
        with anyio.move_on_after(RECORD_SECONDS):
            try:
                return decode(GoalRecord, await self.acceptance.client.result(run))
            except (AtosError, ValueError) as error:
                message = f"{run} left no record to go on from: {error}"
                raise ConflictError(message, next_step="Start the goal again.") from error
        message = f"{run} has ended, but its worker has not cleaned up yet"
        raise ConflictError(message, next_step="Try again in a few seconds.")


def _not_now(view: GoalView) -> ConflictError:
    if view.state not in FINAL_GOAL_STATES:
        message = f"goal {view.id} is {view.state}: it can be answered when it has stopped"
        return ConflictError(message, next_step=f"Follow it: atos-client watch {view.id}")
    message = f"goal {view.id} ended as {view.state}, which is not gone on from"
    return ConflictError(message, next_step="Start a new goal.")
