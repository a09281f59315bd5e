"""The routes that say why: decisions, their explanations, forecasts of plans, receipts of goals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import anyio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from atos_protocol.errors import BadRequestError, NotFoundError
from atos_scheduler.core.explanation import explain, step_json, told
from atos_scheduler.core.forecast import Planned, forecast
from atos_scheduler.core.state_machine import Step
from atos_scheduler.gateway.scheduler_state import SchedulerState

TOKENS_PER_SECOND = 20.0
"""Of a reply, for a forecast."""
CALL_SECONDS = 2.0
"""Least time of one call: its prompt is read, too."""
MOST = 200
"""Decisions in one answer, the newest ones."""


class DecisionRoutes:
    """Handlers over the core's history."""

    def __init__(self, state: SchedulerState) -> None:
        self._state = state

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/atos/v1/decisions", self.decisions),
            Route("/atos/v1/decisions/{seq}", self.decision),
            Route("/atos/v1/validate", self.validate),
            Route("/atos/v1/forecast/{goal:path}", self.forecast),
            Route("/atos/v1/receipts/{goal:path}", self.receipt),
        ]

    async def decisions(self, request: Request) -> Response:
        """Return the latest steps, with `model` those that concern it."""
        core, model = self._state.dispatcher.core, request.query_params.get("model", "")
        steps = core.story(model) if model else [step for step in core.history if told(step)]
        now = anyio.current_time()
        return JSONResponse({"decisions": [step_json(step, now) for step in steps[-MOST:]]})

    async def decision(self, request: Request) -> Response:
        """Explain one step: what else could have been done, and what it would have taken."""
        number = str(request.path_params["seq"])
        if not (number.isascii() and number.isdigit() and len(number) < 16):
            message = f"{number[:60]!r} is no number of a decision"
            raise BadRequestError(message, next_step="See GET /atos/v1/decisions.")
        history = self._state.dispatcher.core.history
        step = next((s for s in history if s.seq == int(number)), None)
        if step is None:
            message, step_next = forgotten(int(number), history)
            raise NotFoundError(message, next_step=step_next)
        return JSONResponse({**step_json(step, anyio.current_time()), "explanation": explain(step)})

    async def validate(self, _: Request) -> Response:
        """Return what is wrong with the ledger: nothing, unless the core has a bug."""
        return JSONResponse({"wrong": self._state.dispatcher.core.validate()})

    async def forecast(self, request: Request) -> Response:
        """Say what a published plan would load, when and for how long; nothing is loaded by it."""
        goal = str(request.path_params["goal"])
        tasks = list[Planned]()
        for task in self._state.plans.get(goal).tasks:
            if task.state in {"done", "succeeded", "skipped"}:
                continue
            deployments = await self._state.catalogue.candidates(task.pool)
            calls = max(1, task.calls)
            seconds = max(CALL_SECONDS, task.tokens / calls / TOKENS_PER_SECOND) + task.off_gpu
            candidates = tuple(d.candidate for d in deployments)
            tasks.append(Planned(task.id, task.depends_on, candidates, calls, seconds))
        known = {task.id for task in tasks}
        tasks = [
            Planned(t.id, tuple(a for a in t.after if a in known), t.candidates, t.calls, t.seconds)
            for t in tasks
        ]
        now, core = anyio.current_time(), self._state.dispatcher.core
        return JSONResponse(
            {"goal": goal, "lines": [asdict(x) for x in forecast(core, now, tasks)]}
        )

    async def receipt(self, request: Request) -> Response:
        """Return what a goal cost in swaps."""
        goal, core = str(request.path_params["goal"]), self._state.dispatcher.core
        if (found := core.receipts.get(goal)) is None:
            message = f"goal {goal[:200]} has asked for no model lately"
            raise NotFoundError(message, next_step="See GET /atos/v1/status.")
        budget = core.memory.ceiling
        return JSONResponse(
            {
                "goal": goal,
                "requests": found.requests,
                "loads": found.loads,
                "seconds": found.seconds,
                "text": found.text(budget),
            }
        )


def forgotten(number: int, history: Sequence[Step]) -> tuple[str, str]:
    """Return why a decision can't be explained, and what to do instead."""
    look = "See GET /atos/v1/decisions."
    if not history:
        return (
            f"there is no decision {number}: nothing was decided since the scheduler started",
            look,
        )
    first, last = history[0].seq, history[-1].seq
    if number > last or not number:
        return f"there is no decision {number}: they are {first} to {last}", look
    message = (
        f"decision {number} is forgotten: of {last} decisions the last {len(history)} are kept"
    )
    return message, f"{look} What a goal's swaps came to is kept with its receipt."
