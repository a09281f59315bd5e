"""Sandboxed test runs of one step, side by side where there are several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import anyio

from atos_orchestrator.debugging.task_workspace import TaskWorkspace
from atos_orchestrator.ports import Emit, Json

DIGEST_LINES = 40


@dataclass(frozen=True, slots=True)
class EvaluationRun:
    """One run: which tests, with which files replaced."""

    which: Literal["gate", "own", "stub"]
    tests: tuple[str, ...]
    overlay: Mapping[str, str]
    counts: bool = False
    """Whether its numbers are the task's."""


async def run_evaluations(
    desk: TaskWorkspace,
    trials: Sequence[EvaluationRun],
    *,
    policy: str,
    emit: Emit,
    key: str,
    round_: int,
) -> Json:
    """Run all trials at the same time; return which -> what matters of its verdict.

    Emits `tests_run` per trial, with the interval of the work itself.
    """
    found: Json = {}

    async def one(trial: EvaluationRun) -> None:
        verdict = await desk.pytest(trial.tests, trial.overlay, policy)
        short = shorten_verdict(verdict)
        shown = {name: value for name, value in short.items() if name not in {"digest", "failing"}}
        data = {"which": trial.which, "counts": trial.counts, "round": round_} | shown
        emit("tests_run", data, key=f"{key}:{trial.which}")
        found[trial.which] = short

    async with anyio.create_task_group() as group:
        for trial in trials:
            group.start_soon(one, trial)
    return {trial.which: found[trial.which] for trial in trials}


def shorten_verdict(verdict: Mapping[str, Any]) -> Json:
    """Return what the loop and people need of a verdict; it stays in a step's record for good."""
    lines = str(verdict.get("digest", "")).splitlines()[:DIGEST_LINES]
    reasons: list[str] = list(verdict.get("reasons") or [])
    isolation: Mapping[str, Any] = verdict.get("isolation") or {}
    tests: list[Mapping[str, Any]] = list(verdict.get("tests") or [])
    return {
        "ok": bool(verdict["ok"]),
        "state": str(verdict["state"]),
        "passed": int(verdict["passed"]),
        "failed": int(verdict["failed"]),
        "failing": [str(test["id"]) for test in tests if test["outcome"] != "passed"][:20],
        "digest": "\n".join([*reasons, *lines][:DIGEST_LINES]),
        "isolation": str(isolation.get("level", "")),
        "uid": verdict.get("uid"),
        "interpreter": str(verdict.get("interpreter", "")),
        "started_at": float(verdict.get("started_at", 0.0)),
        "ended_at": float(verdict.get("ended_at", 0.0)),
    }
