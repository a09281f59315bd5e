"""The arm under test: the goal handed to ATOS through its public client, as any program would."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio

from atos import Atos, Goal, GoalEvent, GoalResult
from atos_protocol.errors import AtosError
from bench.drafts import Drafts
from bench.goal_runs import Costs, Delivery, Files
from bench.sample_goals import GoalVariant

DEADLINE = 1800.0
"""Seconds after which a goal is cancelled and counts as failed."""


async def ask_atos(
    atos: Atos, home: Path, variant: GoalVariant, deadline: float = DEADLINE
) -> Delivery:
    """Start a goal in a folder of its own and wait for its end; nobody answers its questions.

    Args:
        atos: the connection.
        home: ATOS's home, where candidates are looked for.
        variant: the goal.
        deadline: seconds after which it is cancelled.

    Raises:
        AtosError: the goal can't be started.
    """
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="goal", ignore_cleanup_errors=True) as folder:
        goal: Goal | None = None
        events: list[GoalEvent] = []
        try:
            with anyio.fail_after(deadline):
                goal = await atos.start_goal(variant.text, into=Path(folder) / variant.sample.id)
                drafts = Drafts(home, goal.id)
                async for event in goal.events():
                    events.append(event)
                    drafts.look()
                result = await goal.result()
        except AtosError as error:
            if goal is None:
                raise  # it never began: nothing is known about the model
            return _failed(f"{type(error).__name__}: {error.message}", start, events)
        except TimeoutError:
            if goal is not None:
                await goal.cancel()
            return _failed(f"no end within {deadline:.0f} s", start, events)
        return _delivery(result, events, variant, drafts, time.monotonic() - start)


def _delivery(
    result: GoalResult,
    events: list[GoalEvent],
    variant: GoalVariant,
    drafts: Drafts,
    seconds: float,
) -> Delivery:
    done, asked = result.state == "success", result.state == "needs_help"
    return Delivery(
        files=files_of(result.repository, variant) if done else {},
        state="delivered" if done else "asked" if asked else "failed",
        seconds=seconds,
        proof=claimed_proof(result.view),
        why="" if done else why_not(result),
        candidates=drafts.candidates(variant.sample.modules),
        costs=costs(events),
    )


def _failed(why: str, start: float, events: list[GoalEvent]) -> Delivery:
    return Delivery({}, "failed", time.monotonic() - start, why=why, costs=costs(events))


def files_of(repository: Path | None, variant: GoalVariant) -> Files:
    """Return the files that the goal asked for, as far as the repository has them."""
    found: dict[str, str] = {}
    for name in variant.sample.modules if repository else ():
        path = (repository or Path()) / name
        if path.is_file():
            found[name] = path.read_text(encoding="utf-8", errors="replace")
    return found


def costs(events: list[GoalEvent]) -> Costs:
    """Sum up the model calls among a goal's events."""
    calls = [event.data for event in events if event.kind == "model_call"]
    return Costs(
        prompt_tokens=sum(int(call.get("prompt_tokens") or 0) for call in calls),
        tokens=sum(int(call.get("tokens") or 0) for call in calls),
        calls=len(calls),
    )


def why_not(result: GoalResult) -> str:
    """Return why a goal delivered nothing: what was asked, and how its tasks ended."""
    said = [str(result.view.get("summary") or result.state)]
    for task in result.view.get("tasks", ()):
        question: Mapping[str, Any] = task.get("question") or {}
        said += [str(each) for each in (question.get("text"), task.get("why")) if each]
    return "\n".join(said)


def claimed_proof(view: Mapping[str, Any]) -> str:
    """Return what a goal's tasks say that their code rests on: `examples: 3 of 3 examples`."""
    claims = [
        f"{task['proof']}: {task['evidence']}".rstrip(": ")
        for task in view.get("tasks", ())
        if task.get("proof")
    ]
    return "; ".join(dict.fromkeys(claims))
