"""Plans that are asked for without being executed.

    plan -> submitted, unless this text is being planned -> worker plans -> result
                 ^--- asked again after `PLAN_SECONDS` ---|

Each is a run of its own; whoever asks again for the same text waits for the same run.
"""

from __future__ import annotations

import secrets

import anyio

from atos_orchestrator.durable_json import encode
from atos_orchestrator.execution.dbos_client import TASKS, DbosClient
from atos_orchestrator.execution.goal_api import Notify
from atos_orchestrator.execution.goal_input import PLAN
from atos_orchestrator.execution.goal_intake import GoalIntake
from atos_orchestrator.goal import validate_goal
from atos_orchestrator.ports import Json
from atos_protocol.errors import AtosError, DeadlineError, UnreachableError, from_wire

PLAN_SECONDS = 40.0
MOST_PLANS = 100
"""Plans that were asked for and not fetched; beyond that, the one that was asked for first would be made again."""


class PlanRequests:
    """The plans that are being made; one per process."""

    def __init__(self, intake: GoalIntake, client: DbosClient, notify: Notify) -> None:
        self._intake = intake
        self._client = client
        self._notify = notify
        self._runs: dict[str, str] = {}
        """Text -> the run that plans it."""
        self._submitting = anyio.Lock()

    async def plan(self, text: str) -> Json:
        """Make a plan and nothing else; a second call for the same text waits for the first plan.

        Raises:
            DeadlineError: it is not ready yet; ask again.
            NoModelError: no installed model can do it.
        """
        text = validate_goal(text)
        async with self._submitting:
            run = self._runs.get(text) or await self._submit_plan(text)
            self._runs[text] = run
            if len(self._runs) > MOST_PLANS:
                del self._runs[next(iter(self._runs))]
        result: Json = {}
        with anyio.move_on_after(PLAN_SECONDS):
            result = await self._result(run)
        if not result:
            message = f"the plan is not ready after {PLAN_SECONDS:.0f} s"
            raise DeadlineError(
                message, next_step="Ask again with the same goal: planning continues."
            )
        self._runs.pop(text, None)
        if "error" in result:
            raise from_wire(result["error"])
        return result

    async def _submit_plan(self, text: str) -> str:
        """Queue the making of a plan; return its run."""
        run = f"plan-{secrets.token_hex(6)}"
        goal_input = await self._intake.decide(run, text)
        await self._client.submit(PLAN, run, encode(goal_input), queue=TASKS)
        await self._notify({"op": "wake"})
        return run

    async def _result(self, run: str) -> Json:
        """Return the result of a run, or its failure as `{"error": wire}`."""
        try:
            return await self._client.result(run)
        except UnreachableError:
            raise  # the database's: the plan is still being made
        except AtosError as error:
            return {"error": error.to_wire()}
